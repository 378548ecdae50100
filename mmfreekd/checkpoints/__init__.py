"""Checkpoints: reading, matching, atomic writing, resuming, prompt files and
the exported student."""

from .atomic import open_atomically, save_atomically
from .matching import load_strictly, load_weights, refuse_foreign
from .reading import MissingCheckpointError, read_checkpoint, read_weights
from .student import export_student

__all__ = [
    'MissingCheckpointError',
    'export_student',
    'load_strictly',
    'load_weights',
    'open_atomically',
    'read_checkpoint',
    'read_weights',
    'refuse_foreign',
    'save_atomically',
]
