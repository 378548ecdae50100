"""Experiments: outside the wheel, run as ``python -m benchmarks...``."""
