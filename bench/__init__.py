"""Benchmarks: this package's layers against their peers, in one process, alternating. Run
`python -m bench --help`.
"""
