"""The file of frequency prompts: what stage 1 writes and stage 2 reads."""

from pathlib import Path
from typing import Dict, Optional

from torch import nn

from .checkpoints import read_checkpoint, save_whole
from .errors import CheckpointError
from .version import __version__


def prompts_meta(prompts: nn.ModuleList) -> Dict:
    """What the prompts of a pyramid are: everything a user of them checks."""
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
    """Write the prompts of a pyramid, whole or not at all.

    Args:
        prompts (nn.ModuleList): A ``FrequencyPrompt`` for each pyramid level.
        path (str): The file.
        meta (dict, optional): What else to note, such as the teacher.
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
    save_whole(content, path)


def load_prompts(prompts: nn.ModuleList, path: str) -> Dict:
    """Load the prompts that stage 1 wrote.

    Args:
        prompts (nn.ModuleList): A ``FrequencyPrompt`` for each pyramid level.
        path (str): The file.

    Returns:
        dict: The file's ``meta``.

    Raises:
        CheckpointError: If there is no such file, it holds no prompts, or
            their layout is another.
    """
    if '://' not in str(path) and not Path(path).expanduser().is_file():
        raise CheckpointError(
            f'prompt_ckpt: there is no file {str(path)!r}. Stage 1 writes it: '
            'python tools/train.py PROMPT_CONFIG, with the config of this '
            'teacher under configs/freekd/prompt or configs/demo (prompts.pth '
            'in its work_dir)'
        )
    checkpoint = read_checkpoint(path, 'prompt_ckpt')
    if not {'meta', 'state_dict'} <= checkpoint.keys() or (
        'num_prompts' not in checkpoint['meta']
    ):
        raise CheckpointError(
            f'prompt_ckpt: {str(path)!r} holds no frequency prompts; '
            'expected the prompts.pth that stage 1 writes'
        )
    meta, expected = checkpoint['meta'], prompts_meta(prompts)
    wrong = [
        f'{key} is {meta.get(key)}, expected {value}'
        for key, value in expected.items()
        if meta.get(key) != value
    ]
    if wrong:
        raise CheckpointError(
            f'prompt_ckpt: the prompts in {str(path)!r} are of another '
            f'layout: {"; ".join(wrong)}. Set the same in the config, or '
            'tune prompts for it in stage 1'
        )
    try:
        prompts.load_state_dict(checkpoint['state_dict'])
    except RuntimeError as error:
        raise CheckpointError(
            f'prompt_ckpt: the prompts in {str(path)!r} are not what its '
            f'meta says ({error}). Run stage 1 again'
        )
    return meta
