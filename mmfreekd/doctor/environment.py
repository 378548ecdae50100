"""The environment: versions, compiled operators, devices, patches."""

import sys
from importlib import import_module
from typing import List, NamedTuple

from ..compat.versions import (
    fix,
    fix_mmcv,
    installed,
    known_bad,
    numbers,
    stacks,
    tested,
)


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        name (str): What was examined.
        found (str): What was found.
        advice (str): The command or sentence that fixes it; '' if it is fine.
    """

    name: str
    found: str
    advice: str = ''


def examine_environment() -> List[Finding]:
    """Examine everything that the project depends on.

    Returns:
        list[Finding]: One for each check, passed or not.
    """
    checks = packages, operators, torchvision, compatibility, devices
    python = Finding('Python', sys.version.split()[0])
    return [python, *(finding for check in checks for finding in check())]


def packages() -> List[Finding]:
    """The stack, compared with the versions that were tested."""
    stack = (stacks(installed) or ['onedl'])[0]
    findings = [
        Finding('versions', *problem.split('. Fix: '))
        for problem in known_bad(installed)
    ]
    for name, version in tested(stack).items():
        found = installed(name)
        if found is None:
            findings.append(Finding(name, 'not installed', fix(name, stack)))
        else:
            same = numbers(found) == numbers(version)
            note = '' if same else f' (tested: {version})'
            findings.append(Finding(name, found + note))
    return findings


def operators() -> List[Finding]:
    """MMCV's compiled operators, by running one on every kind of device."""
    try:
        import torch
        from mmcv.ops import get_compiling_cuda_version, nms

        boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2]])
        scores = torch.tensor([0.9, 0.8])
        devices = ['cpu'] + ['cuda:0'] * torch.cuda.is_available()
        for device in devices:
            kept = nms(boxes.to(device), scores.to(device), 0.5)[1]
        said = f'nms kept {len(kept)} of 2 boxes on {" and ".join(devices)}'
        cuda = get_compiling_cuda_version() != 'not available'
    except Exception as error:  # whatever a broken extension raises
        return [Finding('mmcv.ops', f'broken: {error}', fix_mmcv())]
    if torch.version.cuda and not cuda:
        said = f'MMCV has no CUDA ops, torch has CUDA {torch.version.cuda}'
        return [Finding('mmcv.ops', said, fix_mmcv())]
    return [Finding('mmcv.ops', said)]


def torchvision() -> List[Finding]:
    """torchvision, which only ``torchvision://`` weights need."""
    found = installed('torchvision')
    if found is None:
        said = 'not installed; only init_cfg of torchvision:// needs it'
        return [Finding('torchvision', said)]
    try:
        import_module('torchvision')
    except Exception as error:  # RuntimeError: torchvision::nms does not exist
        advice = (
            'install the build of torch and torchvision from one index, or '
            'pip uninstall torchvision'
        )
        return [Finding('torchvision', f'{found}, broken: {error}', advice)]
    return [Finding('torchvision', found)]


def compatibility() -> List[Finding]:
    """The patches of :mod:`mmfreekd.compat`, and whether MMRazor imports."""
    from ..compat.__main__ import startup_path

    startup = 'on' if startup_path().exists() else 'off'
    try:
        import_module('mmrazor.models')
        said, advice = 'MMRazor imports', ''
    except Exception as error:  # it builds much at import time
        said = f'MMRazor does not import: {error}'
        advice = fix('mmrazor', 'onedl')
    said += f'; patches at start-up are {startup}'
    return [Finding('mmfreekd.compat', said, advice)]


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
