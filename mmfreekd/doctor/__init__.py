"""What is wrong with this environment, or with a config, before training.

``python -m mmfreekd.doctor`` looks at versions, compiled operators, devices
and mends; ``python -m mmfreekd.doctor CONFIG``, which is ``tools/train.py
CONFIG --dry-run``, at files, models, layers and losses of a config.
"""
