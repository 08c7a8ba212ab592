"""The one engine that trains every task."""
