"""Which versions were tested, and which are refused before they break things.

Whatever uses the registries imports this first; ``mmfreekd.frequency`` needs
torch alone and does not. ``python -m mmfreekd.doctor`` compares with the same.
"""

import re
from importlib.metadata import PackageNotFoundError, version
from typing import Callable, List, NamedTuple, Optional, Tuple

from ..errors import UsageError

# what requirements/constraints.txt pins and the tests passed with
TESTED = dict(
    torch='2.13.0',
    mmengine='0.10.7',
    mmcv='2.1.0',
    mmdet='3.3.0',
    mmsegmentation='1.2.2',
    mmrazor='1.0.0',
)
# to build with: the first that works, and the first after it that does not
SETUPTOOLS = (77, 82)
NEED_SETUPTOOLS = '"setuptools>={},<{}"'.format(*SETUPTOOLS)
BUILD_MMCV = (
    f'pip install --no-build-isolation --no-binary mmcv mmcv=={TESTED["mmcv"]}'
    f', after `pip install {NEED_SETUPTOOLS} wheel ninja`'
)
# the command that installs what was tested, by the name for pip
MENDS = {
    **{name: f'pip install {name}=={v}' for name, v in TESTED.items()},
    'torch': f'pip install torch=={TESTED["torch"]}, then MMCV anew',
    'mmcv': BUILD_MMCV,
    'setuptools': f'pip install {NEED_SETUPTOOLS}',
}


class Range(NamedTuple):
    """Versions of a package that work.

    Attributes:
        package (str): Its name for pip.
        least (tuple[int]): The first version that works.
        below (tuple[int]): The first after these that does not.
        why (str): What goes wrong with others.
    """

    package: str
    least: Tuple[int, ...]
    below: Tuple[int, ...]
    why: str


WORKING = (
    Range(
        'torch',
        (2, 3),
        (3,),
        'torch.compiler.is_compiling came with 2.3',
    ),
    Range(
        'mmcv',
        (2, 0),
        (2, 1, 1),
        'MMRazor 1.0.0 takes 2.0.0 to 2.1.0',
    ),
    Range(
        'mmrazor',
        (1, 0),
        (1, 1),
        'algorithms and connectors are those of 1.0.0',
    ),
    Range(
        'mmdet',
        (3, 0),
        (4,),
        'models and configs are those of 3.x',
    ),
    Range(
        'mmsegmentation',
        (1, 0),
        (2,),
        'models and configs are those of 1.x',
    ),
    Range(
        'setuptools',
        (0,),
        SETUPTOOLS[1:],
        'it has no pkg_resources, without which `mmdet::` configs and mim '
        'are not found',
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
        f'{package} {found} does not work here: {why}. Mend it with: '
        f'{MENDS[package]}'
        for package, least, below, why in WORKING
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
