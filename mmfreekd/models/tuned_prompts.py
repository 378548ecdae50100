"""The prompts that a loss takes from a file of stage 1."""

from typing import Dict, List, Optional, Sequence, Tuple

from torch import Tensor

from ..checkpoints.prompts import OFFICIAL, read_prompts
from ..errors import CheckpointError


def tuned_prompts(
    path: str,
    given: Dict,
    num_levels: Optional[int] = None,
    data_idx: Optional[Sequence[int]] = None,
) -> Tuple[Dict, List[Tensor]]:
    """Read the prompts of the compared pyramid levels.

    Args:
        path (str): The ``prompts.pth`` of stage 1, or a checkpoint of the
            official release.
        given (dict): What the config says about their layout: channels,
            num_prompts, levels, band_layout, wavelet. None says nothing.
        num_levels (int, optional): How many levels the config expects.
            Defaults to None.
        data_idx (list[int], optional): Which of the teacher's levels are
            compared. None: all. Defaults to None.

    Returns:
        tuple[dict, list[Tensor]]: The file's ``meta``, and one ``(B, T, C)``
        per compared level.

    Raises:
        CheckpointError: If the file cannot be used, or does not agree with
            what is given.
    """
    meta, prompts = read_prompts(path)
    chosen = _positions(len(prompts), meta, data_idx, path)
    prompts = [prompts[i] for i in chosen]
    found = dict(meta, channels=[prompt.size(-1) for prompt in prompts])
    wrong = [
        f'{key} is {found[key]}, but the config says {value}'
        for key, value in given.items()
        if value is not None and found.get(key, value) != value
    ]
    if num_levels not in (None, len(prompts)):
        wrong.append(
            f'there are {len(prompts)} pyramid level(s), but the config says '
            f'num_levels={num_levels}; data_idx picks some of them'
        )
    if wrong:
        hint = ''
        if meta.get('source_format') == OFFICIAL:
            hint = f" They come from the {OFFICIAL}: take preset='official'."
        raise CheckpointError(
            f'prompt_ckpt: the prompts in {str(path)!r} are of another '
            f'layout: {"; ".join(wrong)}. Leave these arguments out, for the '
            f'file tells them, or tune other prompts in stage 1.{hint}'
        )
    return meta, prompts


def _positions(
    held: int, meta: Dict, data_idx: Optional[Sequence[int]], path: str
) -> Sequence[int]:
    """Where in the file the prompts of the compared levels are."""
    if data_idx is None:
        return range(held)
    tuned = meta.get('data_idx')
    if tuned is None and held == len(data_idx):
        return range(held)  # a file that does not tell which levels it has
    tuned = list(range(held) if tuned is None else tuned)
    missing = [i for i in data_idx if i not in tuned]
    if missing:
        raise CheckpointError(
            f'prompt_ckpt: {str(path)!r} has prompts of the pyramid levels '
            f"{tuned} of the teacher's layer, but levels {missing} are "
            'compared as well. Tune prompts for them in stage 1, or choose '
            'other levels by data_idx'
        )
    return [tuned.index(i) for i in data_idx]
