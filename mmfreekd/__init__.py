"""FreeKD: knowledge distillation by frequency prompts (CVPR 2024).

Stage 1, prompt tuning: the frozen teacher and its frequency prompts, which
are trained, give ``prompts.pth``::

    feature -> wavedec2 -> frequency_masks -> apply_masks -> waverec2
            -> back into the teacher's head

Stage 2, distillation: teacher and prompts, both frozen, and the student with
its connectors, which are trained, give the student::

    s_feature -> connector ---------+
    t_feature -> frequency_masks ---+-> frequency_distance -> loss_freekd

``mmfreekd.frequency`` holds the paper in reading order,
``mmfreekd.models.algorithms`` the two stages.
"""

from . import compat
from .version import __version__

compat.install()

__all__ = ['__version__']
