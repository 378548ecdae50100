"""Problems of this environment, or of a config, before training.

``python -m mmfreekd.doctor`` examines versions, compiled operators, devices
and patches; ``python -m mmfreekd.doctor CONFIG``, which is ``tools/train.py
CONFIG --dry-run``, runs both stages of a config for two iterations: see
:func:`mmfreekd.doctor.dry_run.dry_run`.
"""
