"""Fake CUDA tensors, watched: what a GPU would be asked to do, without one.

A pytest plugin for a process of its own, see test_on_fake_cuda.py. It loads
a device guard that does nothing into a CPU build of PyTorch, which has to
happen before torch is imported, and gives the fixture ``fake_cuda``.
"""

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

GUARD = Path(__file__).parent / 'on_fake_cuda' / 'cuda_guard.cpp'
TORCH = Path(find_spec('torch').origin).parent


def load_guard():
    """Compile the guard unless it was before, and load it."""
    key = hashlib.sha256(GUARD.read_bytes() + str(TORCH).encode()).hexdigest()
    key += str((TORCH / 'version.py').stat().st_mtime_ns)
    user = f'mmfreekd-tests-{os.getuid()}'
    library = Path(tempfile.gettempdir()) / user / f'guard-{key[:24]}.so'
    if not library.exists():
        library.parent.mkdir(mode=0o700, exist_ok=True)
        made = library.with_suffix(f'.{os.getpid()}')
        include = TORCH / 'include'
        subprocess.run(
            ['g++', '-O1', '-std=c++20', '-shared', '-fPIC', '-w', GUARD]
            + [f'-I{include}', f'-I{include}/torch/csrc/api/include']
            + ['-o', made],
            check=True,
        )
        made.replace(library)
    for name in ('libtorch_global_deps.so', 'libc10.so', 'libtorch_cpu.so'):
        ctypes.CDLL(str(TORCH / 'lib' / name), mode=ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(library))


assert 'torch' not in sys.modules, 'start pytest with -p fake_cuda'
load_guard()

import pytest  # noqa: E402
import torch  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

torch.amp.autocast_mode.amp_definitely_not_available = lambda: False
torch.cuda.is_bf16_supported = lambda *args, **kwargs: True

SYNCHRONISE = {
    '_local_scalar_dense',
    'equal',
    'is_nonzero',
    'item',
    'masked_select',
    'nonzero',
    'unique_consecutive',
    '_unique2',
}


class Watch(TorchDispatchMode):
    """Notes every operator on CUDA tensors that should not be there."""

    def __init__(self):
        super().__init__()
        self.faults = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func._schema.name.split('::')[1]
        given = tensors_of((args, kwargs))
        on_cuda = any(x.device.type == 'cuda' for x in given)
        if on_cuda and (
            name in SYNCHRONISE
            or (name == 'index' and any(x.dtype == torch.bool for x in given))
        ):
            self.faults.append(f'{name} waits for the device')
        out = func(*args, **kwargs)
        every = given + tensors_of(out)
        devices = {x.device.type for x in every}
        copies = name in ('_to_copy', 'copy_')
        likes = name.endswith('_like')
        if devices >= {'cpu', 'cuda'} and not copies and not likes:
            self.faults.append(f'{name} mixes devices')
        # copy_(to, from)
        source = given[-1] if name == 'copy_' else given[0] if given else None
        if copies and source.is_cuda and 'cpu' in devices:
            self.faults.append(f'{name} copies to the host')
        if any(x.is_cuda and x.dtype == torch.float64 for x in every):
            self.faults.append(f'{name} computes in float64')
        return out


def move(module):
    """What ``.cuda()`` does, which fake parameters do not take.

    Parameters and buffers: whatever else a module has stays on the CPU.
    """
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, x in tensors.items():
                if x is not None:
                    moved = torch.empty_like(x, device='cuda').detach()
                    if isinstance(x, torch.nn.Parameter):
                        moved = torch.nn.Parameter(moved, x.requires_grad)
                    tensors[name] = moved
    return module


def tensors_of(tree):
    """The tensors in whatever an operator takes or returns."""
    return [x for x in tree_leaves(tree) if isinstance(x, torch.Tensor)]


@pytest.fixture
def fake_cuda():
    """All tensors of a test are fake, and it fails on what Watch notes."""
    with FakeTensorMode(), Watch() as watch:
        yield watch
    assert not watch.faults, '\n'.join(dict.fromkeys(watch.faults))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Leave at once: the engine's threads of the device are never joined."""
    sys.stdout.flush()
    os._exit(getattr(config, 'exit_status', 1))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    session.config.exit_status = int(exitstatus)
