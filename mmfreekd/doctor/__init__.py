"""Problems of this environment, or of a config, before training.

``python -m mmfreekd.doctor`` checks versions, compiled operators, devices and
patches; ``python -m mmfreekd.doctor CONFIG``, which is ``tools/train.py
CONFIG --dry-run``, checks files, models, layers and losses of a config.
"""
