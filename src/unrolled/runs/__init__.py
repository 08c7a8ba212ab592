"""Runs: a folder that holds what a training was started with and what came of it."""
