"""The file of frequency prompts: what stage 1 writes and stage 2 reads."""

import re
from typing import Dict, List, Optional, Tuple

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..frequency import num_bands
from ..version import __version__
from .atomic import save_atomically
from .reading import MissingCheckpointError, read_checkpoint

# what the official release calls its prompts, by pyramid level
OFFICIAL_KEY = re.compile(r'(?:.*\.)?mask_modules\.(\d+)\.mask_token')
OFFICIAL = 'official release of FreeKD'
OFFICIAL_LEVELS = 3
# what meta must state about the prompts
LAYOUT = {'channels', 'num_prompts', 'levels', 'band_layout', 'wavelet'}


def prompts_meta(prompts: nn.ModuleList) -> Dict:
    """What ``meta`` states about the prompts of a pyramid."""
    first = prompts[0]
    return dict(
        channels=[prompt.prompts.size(2) for prompt in prompts],
        num_prompts=first.prompts.size(1),
        levels=first.levels,
        band_layout=first.band_layout,
        wavelet=first.wavelet,
    )


def save_prompts(
    prompts: nn.ModuleList, path: str, meta: Optional[Dict] = None
) -> None:
    """Write the prompts of a pyramid, as an atomic write.

    Args:
        prompts (nn.ModuleList): A ``FrequencyPrompt`` for each pyramid level.
        path (str): The file.
        meta (dict, optional): More entries of ``meta``, such as the teacher.
            Defaults to None.
    """
    content = dict(
        meta=dict(
            **prompts_meta(prompts),
            **(meta or {}),
            mmfreekd_version=__version__,
        ),
        state_dict={
            k: v.detach().cpu() for k, v in prompts.state_dict().items()
        },
    )
    save_atomically(content, path)


def from_official(
    checkpoint: Dict, path: str, what: str = 'prompt_ckpt'
) -> Optional[Dict]:
    """Convert prompts of the official release to what stage 1 writes.

    They are recognised by their keys,
    ``mask_modules.{pyramid level}.mask_token``, under ``state_dict`` or not,
    behind any prefix and among any other weights.

    Args:
        checkpoint (dict): What the file holds.
        path (str): The file, for messages.
        what (str): What it is, for messages. Defaults to 'prompt_ckpt'.

    Returns:
        dict | None: ``meta`` and ``state_dict`` of a ``prompts.pth``; None if
        there are no such keys.

    Raises:
        CheckpointError: If pyramid levels are missing or doubled, or a
            prompt is not ``(4, T, C)`` or not finite.
    """
    weights = checkpoint.get('state_dict')
    if not isinstance(weights, dict):
        weights = checkpoint
    where = f'{what}: {str(path)!r}, a checkpoint of the {OFFICIAL},'
    keys = _official_keys(weights, where)
    if not keys:
        return None
    tokens = [_official_token(weights[key], key, where) for key in keys]
    num_prompts = [token.size(1) for token in tokens]
    if len(set(num_prompts)) > 1:
        raise CheckpointError(
            f'{where} must hold one number T of prompts for all pyramid '
            f'levels, got {num_prompts}. Tune prompts in stage 1 instead'
        )
    # Their bands are LL, then level 1 (the finest), 2 and 3: our order, too.
    return dict(
        meta=dict(
            channels=[token.size(2) for token in tokens],
            num_prompts=num_prompts[0],
            levels=OFFICIAL_LEVELS,
            band_layout='level',
            wavelet='haar',
            source_format=OFFICIAL,
            mmfreekd_version=__version__,
        ),
        state_dict={f'{i}.prompts': token for i, token in enumerate(tokens)},
    )


def _official_keys(weights: Dict, where: str) -> List[str]:
    """The keys of the prompts, by pyramid level."""
    found = sorted(
        (int(match[1]), key)
        for key in weights
        if (match := OFFICIAL_KEY.fullmatch(str(key)))
    )
    keys = [key for _, key in found]
    if [level for level, _ in found] != list(range(len(found))):
        raise CheckpointError(
            f'{where} must hold the prompts of pyramid levels 0, 1, 2, ... '
            f'without gaps, each once, got {", ".join(keys)}. Take the whole '
            'file, and leave out the keys of other models'
        )
    return keys


def _official_token(token: Tensor, key: str, where: str) -> Tensor:
    """The prompts of one pyramid level, as a float32 copy."""
    bands = 1 + OFFICIAL_LEVELS
    is_tensor = isinstance(token, Tensor)
    shape = tuple(token.shape) if is_tensor else type(token).__name__
    if not is_tensor or len(shape) != 3 or shape[0] != bands or 0 in shape:
        raise CheckpointError(
            f'{where} must hold {key} as a tensor ({bands}, T, C), T prompts '
            'for the low band and for each of three wavelet levels, got '
            f'{shape}. Prompts of other bands are tuned in stage 1'
        )
    token = token.detach().to(torch.float32, copy=True)
    wrong = int((~torch.isfinite(token)).sum())
    if wrong:
        raise CheckpointError(
            f'{where} must hold finite numbers, but {wrong} of the '
            f'{token.numel()} in {key} are nan or infinite. Its tuning has '
            'failed: take another file, or tune prompts in stage 1'
        )
    return token


def read_prompts(path: str) -> Tuple[Dict, List[Tensor]]:
    """Read the prompts of a file, whatever layout they have.

    Args:
        path (str): The ``prompts.pth`` of stage 1, or a checkpoint of the
            official release, which is converted by :func:`from_official`.

    Returns:
        tuple[dict, list[Tensor]]: The file's ``meta``, with ``channels``,
        ``num_prompts``, ``levels``, ``band_layout`` and ``wavelet``, and one
        float tensor ``(B, T, C)`` per pyramid level, on the CPU.

    Raises:
        CheckpointError: If the file is missing or holds no prompts, their
            shapes contradict ``meta``, or they are not finite.
    """
    try:
        checkpoint = read_checkpoint(path, 'prompt_ckpt')
    except MissingCheckpointError:
        raise MissingCheckpointError(
            f'prompt_ckpt: there is no file {str(path)!r}. Stage 1 writes it: '
            'tools/train.py CONFIG --stage 1, with the config of the '
            'distillation'
        )
    checkpoint = from_official(checkpoint, path) or checkpoint
    meta, weights = checkpoint.get('meta'), checkpoint.get('state_dict')
    if (
        not isinstance(weights, dict)
        or not isinstance(meta, dict)
        or not LAYOUT <= meta.keys()
    ):
        raise CheckpointError(
            f'prompt_ckpt: {str(path)!r} holds no frequency prompts; '
            'expected the prompts.pth that stage 1 writes, or a checkpoint of '
            f'the {OFFICIAL} (keys mask_modules.0.mask_token, ...)'
        )
    bands = num_bands(meta['levels'], meta['band_layout'])
    expected = {
        f'{i}.prompts': (bands, meta['num_prompts'], c)
        for i, c in enumerate(meta['channels'])
    }
    found = {
        name: tuple(getattr(value, 'shape', ()))
        for name, value in weights.items()
    }
    if found != expected:
        raise CheckpointError(
            f'prompt_ckpt: the prompts in {str(path)!r} contradict its meta: '
            f'expected {expected}, got {found}. Run stage 1 again'
        )
    failed = [k for k, v in weights.items() if not v.isfinite().all()]
    if failed:
        raise CheckpointError(
            f'prompt_ckpt: {", ".join(failed)} in {str(path)!r} are not '
            'finite: their tuning has failed. Run stage 1 again, with a '
            'smaller optim_wrapper.optimizer.lr'
        )
    return meta, [weights[name].float() for name in expected]


@torch.no_grad()
def load_prompts(prompts: nn.ModuleList, path: str) -> Dict:
    """Load the prompts of a file into modules of the same layout.

    Args:
        prompts (nn.ModuleList): A ``FrequencyPrompt`` for each pyramid level.
        path (str): The file, see :func:`read_prompts`.

    Returns:
        dict: The file's ``meta``.

    Raises:
        CheckpointError: As :func:`read_prompts`, or if the layout is another.
    """
    meta, tensors = read_prompts(path)
    _check_layout(meta, prompts_meta(prompts), path)
    for prompt, tensor in zip(prompts, tensors):
        prompt.prompts.copy_(tensor)
    return meta


def _check_layout(meta: Dict, expected: Dict, path: str) -> None:
    wrong = [
        f'{key} is {meta.get(key)}, expected {value}'
        for key, value in expected.items()
        if meta.get(key) != value
    ]
    if not wrong:
        return
    hint = ''
    if meta.get('source_format') == OFFICIAL:
        hint = (
            f" They come from the {OFFICIAL}: preset='official' of FreeKDLoss "
            'sets its layout'
        )
    raise CheckpointError(
        f'prompt_ckpt: the prompts in {str(path)!r} are of another '
        f'layout: {"; ".join(wrong)}. Set the same in the config, or '
        f'tune prompts for it in stage 1.{hint}'
    )
