"""What checkpoints hold besides tensors, as values of plain Python.

``torch.load`` reads these in its default, safe mode, and ``map_location``
does not move them to a device.
"""

from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

HISTORY = 'mmfreekd_log_history'  # the keys of such a dict


def plain(value: Any) -> Any:
    """Replace numpy's values and mmengine's log histories, at any depth.

    Args:
        value (Any): Such as a checkpoint without its tensors.

    Returns:
        Any: Numbers, lists, and for a log history a dict.
    """
    if isinstance(value, HistoryBuffer):
        log, count = (np.asarray(x, np.float64) for x in value.data)
        return {HISTORY: (log.tobytes(), count.tobytes(), value.max_length)}
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(v) for v in value)
    return value


def log_history(value: Any) -> Any:
    """The log history that :func:`plain` has replaced; others as they are."""
    if not isinstance(value, dict) or HISTORY not in value:
        return value
    log, count, max_length = value[HISTORY]
    return HistoryBuffer(
        np.frombuffer(log), np.frombuffer(count).astype(np.int64), max_length
    )
