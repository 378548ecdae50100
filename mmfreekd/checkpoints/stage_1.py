"""The command of stage 1 that writes a prompt file."""

import os
from glob import escape
from pathlib import Path
from typing import Optional

PACKAGE = Path(__file__).resolve().parents[1]
CLONE = PACKAGE.parent


def stage_1_command(prompt_ckpt: Optional[str] = None) -> str:
    """The command that writes a prompt file.

    A run writes into a work_dir with the name of its config, so the folder of
    the file names the config.

    Args:
        prompt_ckpt (str, optional): The missing ``prompts.pth``. Defaults to
            None.

    Returns:
        str: The command, with the config if mmfreekd comes with it.

    Example:
        >>> path = 'work_dirs/prompt_gfl_r101_coco/prompts.pth'
        >>> stage_1_command(path).endswith('prompt_gfl_r101_coco.py')
        True
    """
    name = f'{Path(prompt_ckpt or "").parent.name}.py'
    for path in (CLONE / 'configs').rglob(escape(name)):
        if path.parent.name != '_template_':
            tool, config = map(
                os.path.relpath, (CLONE / 'tools/train.py', path)
            )
            return f'python {tool} {config}'
    inside = (PACKAGE / '.mim' / 'configs').rglob(escape(name))
    if any(path.parent.name != '_template_' for path in inside):
        return f'mim train mmfreekd {name}'
    return (
        'python tools/train.py PROMPT_CONFIG, with the config of this teacher '
        'under configs/freekd/prompt, configs/foundation or configs/demo '
        '(prompts.pth in its work_dir)'
    )
