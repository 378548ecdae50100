"""Mends for today's PyTorch, applied only where needed.

MMRazor 1.0.0 builds the backend configs of its quantisation at import time
against interfaces that torch 2 no longer has, so it does not import at all.
mmengine 0.10.7 cannot read the checkpoints that it writes since torch 2.6
loads with ``weights_only=True``, and loses one where a process is killed
while it writes it. :func:`install` puts a finder on
``sys.meta_path`` that mends each at the moment it is first imported and
imports nothing itself. Importing :mod:`mmfreekd` does so; ``python -m
mmfreekd.compat --enable`` does it for every process of an environment, which
the stock tools of MMRazor need.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import logging
import sys

from .mmengine_files import read_safely, remove_last, write_atomically

RAZOR_QUANTIZATION = 'mmrazor.structures.quantization.backend_config'
MMENGINE_CHECKPOINT = 'mmengine.runner.checkpoint'
MMENGINE_CONFIG = 'mmengine.config.utils'
MMENGINE_BACKEND = 'mmengine.fileio.backends.local_backend'
MMENGINE_HOOK = 'mmengine.hooks.checkpoint_hook'
logger = logging.getLogger('mmfreekd')


def install() -> None:
    """Register the finder, once."""
    if not any(isinstance(f, CompatFinder) for f in sys.meta_path):
        sys.meta_path.insert(0, CompatFinder())
    for name, mend in CompatFinder.mends.items():
        if name in sys.modules and name != RAZOR_QUANTIZATION:
            mend(sys.modules[name])


def without_quantization(module) -> None:
    """Fill in for MMRazor's quantisation backends, which torch 2 broke."""
    names = ('academic', 'native', 'openvino', 'tensorrt')
    module.BackendConfigs = dict.fromkeys(names)
    module.__all__ = ['BackendConfigs']
    logger.info(
        'MMRazor is imported without its quantisation backends, '
        'which do not exist any more in torch 2'
    )


def know_mmfreekd(module) -> None:
    """Make ``_base_ = 'mmfreekd::...'`` work in configs."""
    module.MODULE2PACKAGE['mmfreekd'] = 'mmfreekd'


class CompatFinder(importlib.abc.MetaPathFinder):
    """Mends the modules named in ``mends`` when they are imported."""

    mends = {
        RAZOR_QUANTIZATION: without_quantization,
        MMENGINE_CHECKPOINT: read_safely,
        MMENGINE_CONFIG: know_mmfreekd,
        MMENGINE_BACKEND: write_atomically,
        MMENGINE_HOOK: remove_last,
    }

    def find_spec(self, name, path=None, target=None):
        if name not in self.mends:
            return None
        if name == RAZOR_QUANTIZATION:
            if torch_major() < 2:
                return None
            loader = _MendingLoader(None, self.mends[name])
            return importlib.machinery.ModuleSpec(
                name, loader, is_package=True
            )
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _MendingLoader(spec.loader, self.mends[name])
        return spec


class _MendingLoader(importlib.abc.Loader):
    """Executes a module (or an empty one), then mends it."""

    def __init__(self, loader, mend) -> None:
        self.loader = loader
        self.mend = mend

    def create_module(self, spec):
        return self.loader.create_module(spec) if self.loader else None

    def exec_module(self, module) -> None:
        if self.loader:
            self.loader.exec_module(module)
        self.mend(module)

    def __getattr__(self, name):
        # what inspect and pkgutil ask of a loader
        return getattr(self.loader, name)


def torch_major() -> int:
    """The major version of the installed torch, without importing it."""
    from importlib.metadata import version

    return int(version('torch').split('.')[0])
