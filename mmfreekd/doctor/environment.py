"""The environment: versions, compiled operators, devices, mends."""

import sys
from importlib import import_module
from typing import Callable, List, NamedTuple, Tuple

from ..compat.versions import (
    BUILD_MMCV,
    MENDS,
    SETUPTOOLS,
    TESTED,
    installed,
    known_bad,
    numbers,
)

UNDECLARED = dict(ftfy='mmseg', regex='mmseg', joblib='mmrazor')


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        name (str): What was looked at.
        found (str): What was found.
        mend (str): The command or sentence that mends it; '' if it is fine.
    """

    name: str
    found: str
    mend: str = ''


def examine_environment() -> List[Finding]:
    """Look at everything that the project rests on.

    Returns:
        list[Finding]: One for each thing, good or bad.
    """
    checks: Tuple[Callable[[], List[Finding]], ...] = (
        python,
        packages,
        build_tools,
        operators,
        torchvision,
        compatibility,
        devices,
    )
    return [finding for check in checks for finding in check()]


def python() -> List[Finding]:
    """Python itself."""
    good = (3, 10) <= sys.version_info[:2] <= (3, 12)
    mend = (
        '' if good else 'use Python 3.10 to 3.12: PYTHON=python3.11 make env'
    )
    return [Finding('Python', sys.version.split()[0], mend)]


def packages() -> List[Finding]:
    """The stack, against the versions that were tested."""
    findings = []
    for name, tested in TESTED.items():
        found = installed(name)
        good = found == tested
        if name == 'torch' and found:  # CI tests others too
            good = not any(x.startswith(name) for x in known_bad(installed))
        mend = '' if good else MENDS[name]
        findings.append(Finding(name, found or 'not installed', mend))
    for name, user in UNDECLARED.items():
        if installed(name) is None:
            findings.append(
                Finding(name, f'{user} needs it', f'pip install {name}')
            )
    if installed('mmcv-lite'):
        mend = f'pip uninstall -y mmcv-lite; {BUILD_MMCV}'
        findings.append(Finding('mmcv-lite', 'has no operators', mend))
    return findings


def build_tools() -> List[Finding]:
    """setuptools, whose version 82 dropped what mim imports."""
    found = installed('setuptools') or 'not installed'
    good = SETUPTOOLS[:1] <= numbers(found) < SETUPTOOLS[1:]
    mend = '' if good else MENDS['setuptools']
    return [Finding('setuptools', found, mend)]


def operators() -> List[Finding]:
    """MMCV's compiled operators, by running one."""
    try:
        import torch
        from mmcv.ops import nms

        boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2]])
        kept = nms(boxes, torch.tensor([0.9, 0.8]), 0.5)[1]
        return [Finding('mmcv.ops', f'nms kept {len(kept)} of 2 boxes')]
    except Exception as error:  # whatever a broken extension raises
        return [Finding('mmcv.ops', f'broken: {error}', BUILD_MMCV)]


def torchvision() -> List[Finding]:
    """torchvision, which only ``torchvision://`` weights need."""
    found = installed('torchvision')
    if found is None:
        said = 'not installed; only init_cfg of torchvision:// needs it'
        return [Finding('torchvision', said)]
    try:
        import_module('torchvision')
    except Exception as error:  # RuntimeError: torchvision::nms does not exist
        mend = (
            'install the build of torch and torchvision from one index, or '
            'pip uninstall torchvision'
        )
        return [Finding('torchvision', f'{found}, broken: {error}', mend)]
    return [Finding('torchvision', found)]


def compatibility() -> List[Finding]:
    """The mends of :mod:`mmfreekd.compat`, and whether MMRazor imports."""
    from ..compat import CompatFinder
    from ..compat.__main__ import startup_path

    active = any(isinstance(f, CompatFinder) for f in sys.meta_path)
    startup = 'on' if startup_path().exists() else 'off'
    state = f'{"active" if active else "not active"}, at start-up {startup}'
    findings = [Finding('mmfreekd.compat', state)]
    try:
        import_module('mmrazor.models')
        findings.append(Finding('mmrazor.models', 'imports'))
    except Exception as error:  # it builds much at import time
        mend = 'python -m mmfreekd.compat --enable'
        findings.append(Finding('mmrazor.models', f'broken: {error}', mend))
    return findings


def devices() -> List[Finding]:
    """What there is to train on."""
    try:
        import torch
    except ImportError:
        return []
    if not torch.cuda.is_available():
        said = f'no GPU; CPU with {torch.get_num_threads()} threads'
        return [Finding('devices', said)]
    return [
        Finding(
            f'cuda:{i}',
            f'{torch.cuda.get_device_name(i)}, '
            f'{torch.cuda.get_device_properties(i).total_memory / 2**30:.0f}'
            ' GiB',
        )
        for i in range(torch.cuda.device_count())
    ]
