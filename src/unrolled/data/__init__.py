"""Loaders: what a task reads, as plain values and tensors."""
