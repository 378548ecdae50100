"""Patches for today's PyTorch and MMCV, applied only where needed.

MMRazor 1.0.0 builds the backend configs of its quantisation at import time
against interfaces that torch 2 no longer has, so it does not import at all,
and refuses any MMCV above 2.1.0. mmengine knows OpenMMLab's distributions
only, and OneDL's mim its own. mmengine 0.10.7 cannot read the checkpoints
that it writes since torch 2.6 loads with ``weights_only=True``, and loses one
where a process is killed while it writes it. Inference APIs do not know
distillations. :func:`install` puts a finder on
``sys.meta_path`` that patches each when it is first imported and imports
nothing itself. Importing :mod:`mmfreekd` does so; ``python -m
mmfreekd.compat --enable`` does it for every process of an environment, which
mim and the stock tools of MMRazor need.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import logging
import sys
from contextlib import contextmanager, nullcontext

from .distributions import find_plugins, name_distributions
from .inference import patch_functions, patch_inferencer
from .mmengine_files import read_safely, remove_last, write_atomically

RAZOR = 'mmrazor'
RAZOR_QUANTIZATION = 'mmrazor.structures.quantization.backend_config'
MMENGINE_CHECKPOINT = 'mmengine.runner.checkpoint'
MMENGINE_CONFIG = 'mmengine.config.utils'
MMENGINE_BACKEND = 'mmengine.fileio.backends.local_backend'
MMENGINE_HOOK = 'mmengine.hooks.checkpoint_hook'
MIM = 'mim.utils.utils'
INFERENCER = 'mmengine.infer.infer'
DETECTORS = 'mmdet.apis.inference'
SEGMENTERS = 'mmseg.apis.inference'
logger = logging.getLogger('mmfreekd')


def install() -> None:
    """Register the finder, once."""
    if not any(isinstance(f, CompatFinder) for f in sys.meta_path):
        sys.meta_path.insert(0, CompatFinder())
    for name, patch in CompatFinder.patches.items():
        if name in sys.modules and name != RAZOR_QUANTIZATION:
            patch(sys.modules[name])


def without_quantization(module) -> None:
    """Fill in for MMRazor's quantisation backends, which torch 2 broke."""
    names = ('academic', 'native', 'openvino', 'tensorrt')
    module.BackendConfigs = dict.fromkeys(names)
    module.__all__ = ['BackendConfigs']
    logger.info(
        'MMRazor is imported without its quantisation backends, '
        'which do not exist any more in torch 2'
    )


@contextmanager
def tested_mmcv():
    """Show MMRazor the newest MMCV it accepts, in place of OneDL's."""
    import mmcv

    from .versions import STACKS, installed

    distribution, tested = STACKS['onedl']['mmcv']
    found = installed(distribution)
    if found is None:
        yield
        return
    logger.info(
        f'MMRazor accepts MMCV up to 2.1.0: this check is skipped for '
        f'{distribution} {found} (tested with {tested})'
    )
    version, mmcv.__version__ = mmcv.__version__, '2.1.0'
    try:
        yield
    finally:
        mmcv.__version__ = version


class CompatFinder(importlib.abc.MetaPathFinder):
    """Patches the modules named in ``patches`` when they are imported."""

    patches = {
        RAZOR_QUANTIZATION: without_quantization,
        MMENGINE_CHECKPOINT: read_safely,
        MMENGINE_CONFIG: name_distributions,
        MMENGINE_BACKEND: write_atomically,
        MMENGINE_HOOK: remove_last,
        MIM: find_plugins,
        INFERENCER: patch_inferencer,
        DETECTORS: patch_functions,
        SEGMENTERS: patch_functions,
    }

    def find_spec(self, name, path=None, target=None):
        if name != RAZOR and name not in self.patches:
            return None
        if name == RAZOR_QUANTIZATION:
            if torch_major() < 2:
                return None
            loader = _PatchingLoader(None, self.patches[name])
            return importlib.machinery.ModuleSpec(
                name, loader, is_package=True
            )
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _PatchingLoader(spec.loader, self.patches.get(name))
        return spec


class _PatchingLoader(importlib.abc.Loader):
    """Executes a module (or an empty one), then patches it."""

    def __init__(self, loader, patch) -> None:
        self.loader = loader
        self.patch = patch

    def create_module(self, spec):
        return self.loader.create_module(spec) if self.loader else None

    def exec_module(self, module) -> None:
        with tested_mmcv() if module.__name__ == RAZOR else nullcontext():
            if self.loader:
                self.loader.exec_module(module)
        if self.patch:
            self.patch(module)

    def __getattr__(self, name):
        # what inspect and pkgutil ask of a loader
        return getattr(self.loader, name)


def torch_major() -> int:
    """The major version of the installed torch, without importing it."""
    from importlib.metadata import version

    return int(version('torch').split('.')[0])
