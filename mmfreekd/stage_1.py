"""Which command makes the prompts that stage 2 lacks."""

from typing import Optional


def stage_1_command(prompt_ckpt: Optional[str] = None) -> str:
    """What to run for the prompts of a file.

    Args:
        prompt_ckpt (str, optional): The ``prompts.pth`` that is wanted.
            Defaults to None.

    Returns:
        str: The command; ``CONFIG`` is that of the distillation.
    """
    option = 'model.distiller.prompt_ckpt'
    file = f' --cfg-options {option}={prompt_ckpt}' if prompt_ckpt else ''
    return f'python tools/train.py CONFIG --stage 1{file}'
