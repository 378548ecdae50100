"""A feature is one tensor or a tuple of pyramid levels; both are served."""

from typing import Any, List, Optional, Sequence, Tuple, Union

from torch import Tensor

from ..errors import UsageError

Feature = Union[Tensor, Sequence[Tensor]]


def pyramid_levels(
    feature: Feature, num_levels: int, who: str
) -> List[Tensor]:
    """The pyramid levels of a feature as a list.

    Args:
        feature (Tensor | tuple[Tensor]): One ``(N, C, H, W)`` or a tuple.
        num_levels (int): How many levels are expected.
        who (str): Who expects them, for the message.

    Returns:
        list[Tensor]: ``num_levels`` tensors.

    Raises:
        UsageError: If there is another number of levels.
    """
    levels = [feature] if isinstance(feature, Tensor) else list(feature)
    if len(levels) != num_levels:
        raise UsageError(
            f'{who} expects {num_levels} pyramid level(s), got '
            f'{len(levels)}: set num_levels={len(levels)}, or take another '
            'source layer'
        )
    return levels


def channels_per_level(
    channels: Union[int, Sequence[int]], num_levels: Optional[int]
) -> List[int]:
    """The channels of each pyramid level, from one number or one for each.

    Raises:
        UsageError: If the numbers contradict each other or are not positive.
    """
    if isinstance(channels, int):
        channels = [channels] * (1 if num_levels is None else num_levels)
    channels = list(channels)
    if (
        num_levels is not None
        and len(channels) != num_levels
        or (not channels or min(channels) < 1)
    ):
        raise UsageError(
            'channels must be one positive number, or one for each of the '
            f'num_levels={num_levels} pyramid levels, got {channels}'
        )
    return channels


def tensors_of(value: Any) -> List[Tensor]:
    """The tensors of numbers in what a layer puts out, however nested."""
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, (list, tuple)):
        return []
    return [x for part in value for x in tensors_of(part)]


def map_sizes(feature: Any) -> Optional[List[Tuple[int, int]]]:
    """``(H, W)`` of each pyramid level; None if these are no feature maps."""
    levels = [feature] if isinstance(feature, Tensor) else feature
    if not isinstance(levels, (list, tuple)) or not all(
        isinstance(x, Tensor) and x.dim() == 4 for x in levels
    ):
        return None
    return [tuple(x.shape[-2:]) for x in levels]
