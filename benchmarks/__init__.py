"""Timed comparisons with what a user could pick instead: ``python -m benchmarks.run world``."""
