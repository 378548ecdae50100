"""Collected in the process that test_on_fake_cuda.py starts, only."""

import sys

if 'fake_cuda' not in sys.modules:
    collect_ignore_glob = ['test_*.py']
