"""Versions that do not work together, refused before they break something.

Whatever uses the registries imports this first; ``mmfreekd.frequency`` needs
torch alone and does not. ``python -m mmfreekd.doctor`` lists the same.
"""

import re
from importlib.metadata import PackageNotFoundError, version
from typing import Callable, List, NamedTuple, Optional, Tuple

from ..errors import UsageError

BUILD_MMCV = (
    'pip install --no-build-isolation --no-binary mmcv mmcv==2.1.0, after '
    '`pip install "setuptools>=77,<82" wheel ninja`'
)


class Range(NamedTuple):
    """Versions of a package that work.

    Attributes:
        package (str): Its name for pip.
        least (tuple[int]): The first version that works.
        below (tuple[int]): The first after these that does not.
        why (str): What goes wrong with others.
        mend (str): The command that mends it.
    """

    package: str
    least: Tuple[int, ...]
    below: Tuple[int, ...]
    why: str
    mend: str


WORKING = (
    Range(
        'torch',
        (2, 3),
        (3,),
        'torch.compiler.is_compiling came with 2.3',
        'pip install torch==2.13.0, then MMCV anew',
    ),
    Range(
        'mmcv',
        (2, 0),
        (2, 1, 1),
        'MMRazor 1.0.0 takes 2.0.0 to 2.1.0',
        BUILD_MMCV,
    ),
    Range(
        'mmrazor',
        (1, 0),
        (1, 1),
        'algorithms and connectors are those of 1.0.0',
        'pip install mmrazor==1.0.0',
    ),
    Range(
        'mmdet',
        (3, 0),
        (4,),
        'models and configs are those of 3.x',
        'pip install mmdet==3.3.0',
    ),
    Range(
        'mmsegmentation',
        (1, 0),
        (2,),
        'models and configs are those of 1.x',
        'pip install mmsegmentation==1.2.2',
    ),
    Range(
        'setuptools',
        (0,),
        (82,),
        'it has no pkg_resources, without which `mmdet::` configs and mim '
        'are not found',
        'pip install "setuptools>=77,<82"',
    ),
)


def refuse_known_bad() -> None:
    """Raise ``UsageError`` for what is known not to work together."""
    for said in known_bad(installed):
        raise UsageError(said)


def known_bad(installed: Callable[[str], Optional[str]]) -> List[str]:
    """What does not work together, each with the command that mends it.

    Args:
        installed (Callable): The version of a package, None if there is none.

    Returns:
        list[str]: One sentence for each break.
    """
    said = [
        f'{package} {found} does not work here: {why}. Mend it with: {mend}'
        for package, least, below, why, mend in WORKING
        if (found := installed(package)) is not None
        and not least <= numbers(found) < below
    ]
    if installed('mmcv-lite') and not installed('mmcv'):
        said.append(
            'mmcv-lite does not work here: MMDetection imports the operators '
            'that it lacks. Mend it with: pip uninstall -y mmcv-lite; '
            f'{BUILD_MMCV}'
        )
    return said


def installed(package: str) -> Optional[str]:
    """The version of an installed package, None if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def numbers(version: str) -> Tuple[int, ...]:
    """``'2.13.0+cpu'`` as ``(2, 13, 0)``."""
    release = re.match(r'\d+(\.\d+)*', version)
    return tuple(map(int, release[0].split('.'))) if release else ()
