"""The optional package that the foundation models come from."""

from types import ModuleType

import torch

from ...compat.versions import fix
from ...errors import UsageError


def import_transformers(who: str) -> ModuleType:
    """Import ``transformers``, which nothing else needs.

    Args:
        who (str): Who needs it, for the message.

    Returns:
        ModuleType: The package.

    Raises:
        UsageError: If it is not installed, or does without the torch here.
    """
    try:
        import transformers
    except ImportError as error:
        raise UsageError(
            f"{who} needs the package transformers: pip install 'mmfreekd"
            f"[sam]', or pip install 'transformers>=5,<6' ({error})"
        )
    if not transformers.is_torch_available():
        raise UsageError(
            f'{who} needs a newer torch than {torch.__version__}, for '
            f'transformers {transformers.__version__} takes 2.6 at least: '
            f'{fix("torch", "onedl")}'
        )
    return transformers


def architecture(arch, known: dict, who: str) -> dict:
    """The settings of an architecture, by its name or as they are.

    Raises:
        UsageError: If the name is not known.
    """
    if isinstance(arch, dict):
        return dict(arch)
    if arch not in known:
        raise UsageError(
            f'{who}: arch must be one of {sorted(known)}, or a dict of '
            f'settings, got {arch!r}'
        )
    return dict(known[arch])
