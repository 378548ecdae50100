"""The versions that were tested, and those that are known not to work.

Two stacks provide the same modules: OpenMMLab's packages, and the forks that
VBTI maintains as OneDL. ``mmfreekd.registry`` refuses known breaks at import;
``mmfreekd.frequency`` needs torch alone and does not check.
"""

import re
from importlib import metadata
from typing import Callable, Dict, List, Optional, Tuple

from ..errors import UsageError
from .mmcv_wheels import mmcv_command

# what requirements/constraints.txt pins, by the modules' names
STACKS: Dict[str, Dict[str, Tuple[str, str]]] = dict(
    onedl=dict(
        mmengine=('onedl-mmengine', '0.10.12'),
        mmcv=('onedl-mmcv', '2.3.6'),
        mmdet=('onedl-mmdetection', '3.5.1'),
        mmseg=('onedl-mmsegmentation', '1.4.2'),
    ),
    openmmlab=dict(
        mmengine=('mmengine', '0.10.7'),
        mmcv=('mmcv', '2.1.0'),
        mmdet=('mmdet', '3.3.0'),
        mmseg=('mmsegmentation', '1.2.2'),
    ),
)
COMMON = dict(torch='2.13.0', mmrazor='1.0.0')
# distribution: first version that works, first later one that does not, why
WORKING = {
    'torch': ((2, 3), (3,), 'torch.compiler.is_compiling is missing'),
    'mmrazor': ((1, 0), (1, 1), 'algorithms and connectors differ'),
    'mmcv': ((2, 0), (2, 1, 1), 'MMDetection 3.3 refuses it'),
    'mmdet': ((3, 0), (4,), 'models and configs are those of 3.x'),
    'mmsegmentation': ((1, 0), (2,), 'models and configs are those of 1.x'),
    'onedl-mmcv': ((2, 3), (2, 4), 'MMRazor was tested with 2.3'),
    'onedl-mmdetection': ((3, 5), (4,), 'configs are those of 3.x'),
    'onedl-mmsegmentation': ((1, 4), (2,), 'configs are those of 1.x'),
}
MMCV = ('onedl-mmcv', 'mmcv')
FIX_SETUPTOOLS = "pip install 'setuptools>=77,<82'"


def installed(distribution: str) -> Optional[str]:
    """The version of an installed distribution, None if there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


Installed = Callable[[str], Optional[str]]


def stacks(installed: Installed = installed) -> List[str]:
    """The stacks of which at least one distribution is installed."""
    return [
        name
        for name, packages in STACKS.items()
        if any(installed(dist) for dist, _ in packages.values())
    ]


def tested(stack: str) -> Dict[str, str]:
    """The tested version of each distribution of a stack."""
    return {**COMMON, **dict(STACKS[stack].values())}


def fix(distribution: str, stack: str) -> str:
    """The command that installs the tested version of a distribution."""
    if distribution.endswith('mmcv'):
        return mmcv_command(stack)
    command = f'pip install {distribution}=={tested(stack)[distribution]}'
    return command + ', then MMCV again' * (distribution == 'torch')


def fix_mmcv() -> str:
    """The command that installs an MMCV with operators here."""
    return mmcv_command((stacks() or ['onedl'])[0])


def refuse_known_bad() -> None:
    """Raise ``UsageError`` for versions that are known not to work."""
    for problem in known_bad():
        raise UsageError(problem)


def known_bad(installed: Installed = installed) -> List[str]:
    """List what does not work together, each with the command that fixes it.

    Args:
        installed (Callable): Returns the version of a distribution, or None.
            Defaults to ``installed``.

    Returns:
        list[str]: One sentence for each problem.
    """
    found = stacks(installed)
    stack = (found or ['onedl'])[0]
    if len(found) > 1:
        names = [d for s in STACKS.values() for d, _ in s.values()]
        names = ' '.join(filter(installed, names))
        return [
            'two stacks that provide the same modules do not work together: '
            f'{names}. Fix: pip uninstall -y {names}; then one of them, as '
            'in docs/installation.md'
        ]
    problems = [
        (f'{name} {version}', why, fix(name, stack))
        for name, (least, below, why) in WORKING.items()
        if (version := installed(name))
        and not least <= numbers(version) < below
    ]
    version = installed('setuptools')
    if stack == 'openmmlab' and version and numbers(version) >= (82,):
        why = "it has no pkg_resources, which OpenMMLab's mmengine imports"
        problems.append((f'setuptools {version}', why, FIX_SETUPTOOLS))
    if installed('mmcv-lite') and not any(map(installed, MMCV)):
        why = 'it has no operators, which MMDetection imports'
        command = f'pip uninstall -y mmcv-lite; {mmcv_command(stack)}'
        problems.append(('mmcv-lite', why, command))
    return [f'{x} does not work here: {w}. Fix: {y}' for x, w, y in problems]


def numbers(version: str) -> Tuple[int, ...]:
    """``'2.13.0+cpu'`` as ``(2, 13, 0)``."""
    release = re.match(r'\d+(\.\d+)*', version)
    return tuple(map(int, release[0].split('.'))) if release else ()
