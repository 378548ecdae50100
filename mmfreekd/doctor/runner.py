"""The Runner of a dry run: mmengine's, of which each part may fail."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import Any, Dict

import torch
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import VISBACKENDS
from mmengine.runner import IterBasedTrainLoop, Runner, ValLoop
from mmengine.visualization import LocalVisBackend, TensorboardVisBackend
from torch import nn

from ..engine.hooks import PromptCheckpointHook
from ..errors import UsageError
from ..models.probe import image_shapes
from .data import FirstBatches, build_data, first_batches, stand_in
from .loops import run_train, run_val, tolerant
from .model import examine_model, name_modules
from .report import Report

# packages that write to another machine, by the names of their backends
TRACKERS = ('wandb', 'mlflow', 'clearml', 'neptune', 'dvclive', 'aim')


class Nothing(BaseModel):
    """Stands for a model that cannot be built."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: Any, *args, **kwargs) -> dict:
        """No loss."""
        return dict(loss=0 * self.weight.sum())


class CautiousRunner(Runner):
    """Builds what the config says, notes what fails, and goes on without.

    Training runs two iterations, the first and that of an epoch's smallest
    batch, and one validation.
    """

    report: Report  # set before it is made
    model_failed = False
    broken = False  # the model, or data

    def _or(self, key: str, build: Callable, fallback: Callable) -> Any:
        with self.report.attempt(key):
            return build()
        return fallback()

    def setup_env(self, env_cfg: dict) -> None:
        setup = super().setup_env
        self._or('env_cfg', partial(setup, env_cfg), partial(setup, {}))

    def set_randomness(self, *args, **kwargs) -> None:
        seed = super().set_randomness
        self._or(
            'randomness', partial(seed, *args, **kwargs), partial(seed, None)
        )

    def build_logger(self, log_level: Any = 'INFO', **kwargs) -> Any:
        build = super().build_logger
        logger = self._or('log_level', partial(build, log_level), build)
        logger.setLevel(logging.CRITICAL)  # the report is what counts
        return logger

    def build_log_processor(self, log_processor: Any) -> Any:
        build = super().build_log_processor
        return self._or(
            'log_processor', partial(build, log_processor), partial(build, {})
        )

    def build_visualizer(self, visualizer: Any = None) -> Any:
        build = super().build_visualizer
        if isinstance(visualizer, dict):
            kept = []
            backends = visualizer.get('vis_backends') or []
            for i, backend in enumerate(backends):
                with self.report.attempt(f'visualizer.vis_backends.{i}'):
                    kept += self._local_backend(backend)
            visualizer = dict(visualizer, vis_backends=kept)
            # mmengine keeps one per name and process
            visualizer.update(
                name=self._experiment_name, save_dir=self._log_dir
            )
        return self._or('visualizer', partial(build, visualizer), build)

    def _local_backend(self, cfg: Any) -> list:
        """A backend, if trying it sends nothing to another machine."""
        backend = cfg
        if isinstance(cfg, dict):
            backend = VISBACKENDS.build(dict(cfg, save_dir=self._log_dir))
        if isinstance(backend, (LocalVisBackend, TensorboardVisBackend)):
            _ = backend.experiment  # imports what it needs
            return [backend]
        package = type(backend).__name__.removesuffix('VisBackend').lower()
        if package in TRACKERS and find_spec(package) is None:
            raise UsageError(
                f'{type(backend).__name__} needs the package {package}, '
                'which is not installed: install it, or remove the backend'
            )
        self.report.remark(
            f'visualizer: {type(backend).__name__} is built, but not tried, '
            'for it may write to another machine'
        )
        return []

    def build_model(self, model: Any) -> nn.Module:
        before = len(self.report.problems)
        built = None
        with self.report.attempt('model'):
            built = super().build_model(model)
        if built is None:
            # one by one, which also names what failed more exactly
            del self.report.problems[before:]
            built = examine_model(model, self.report) or Nothing()
            self.model_failed = self.broken = True
        name_modules(built, self.report)
        return built

    def register_default_hooks(self, hooks: Any = None) -> None:
        names = {
            id(hook): f'default_hooks.{name}'
            for name, hook in (hooks or {}).items()
        }
        self._register(names, partial(super().register_default_hooks, hooks))

    def register_custom_hooks(self, hooks: Any) -> None:
        names = {id(h): f'custom_hooks.{i}' for i, h in enumerate(hooks)}
        self._register(names, partial(super().register_custom_hooks, hooks))

    def _register(self, names: Dict[int, str], register: Callable) -> None:
        self._names = names
        with self.report.attempt('hooks'):
            register()

    def register_hook(self, hook: Any, priority: Any = None) -> None:
        known = {id(other) for other in self._hooks}
        key = self._names.get(id(hook), type(hook).__name__)
        with self.report.attempt(key):
            super().register_hook(hook, priority)
        for new in self._hooks:
            if id(new) not in known:
                new.dry_run_key = f'{key} ({type(new).__name__})'
                _restrain(new)

    def call_hook(self, fn_name: str, **kwargs) -> None:
        failed = []
        for hook in self._hooks:  # may grow meanwhile
            before = len(self.report.problems)
            # what fails for want of a model or of data is no problem more
            with (
                suppress(Exception)
                if self.broken
                else self.report.attempt(hook.dry_run_key)
            ):
                getattr(hook, fn_name, lambda *_, **__: None)(self, **kwargs)
            if len(self.report.problems) > before:
                failed.append(hook)
        for hook in failed:
            self._hooks.remove(hook)
        if fn_name == 'after_train_iter':
            self.losses = kwargs['outputs']

    def build_dataloader(self, dataloader: Any, *args, **kwargs) -> Any:
        """The data loader of the config, with its first batches only."""
        key = self._part
        if key in self._loaders:
            return self._loaders[key]
        dataset, invented = None, False
        if isinstance(dataloader, dict):
            dataset, invented = build_data(
                dataloader.get('dataset'),
                f'{key}.dataset',
                self.report,
                image_shapes(self.model)[0][0],
            )
        loader = None
        whole = dataset is not None
        if not whole:  # typos of samplers are found all the same
            dataset = stand_in()
        with self.report.attempt(key):
            try:
                loader = super().build_dataloader(
                    # a function, for mmengine copies what it is given
                    dict(dataloader, dataset=dict(type=lambda: dataset)),
                    *args,
                    **kwargs,
                )
            except Exception as error:
                if whole or isinstance(error, (KeyError, TypeError)):
                    raise
        if loader is None or not whole:
            loader = FirstBatches([0])
            self.broken = True
        else:
            loader.__class__ = FirstBatches
            loader.invented = invented
            self._take_batches(loader, key)
        self._loaders[key] = loader
        return loader

    def _take_batches(self, loader: FirstBatches, key: str) -> None:
        what = f'{key}.dataset.pipeline'
        if not loader.invented:
            with self.report.attempt(what):
                loader.few = first_batches(loader)
            return
        try:
            loader.few = first_batches(loader)
        except Exception as error:  # what is invented may not suit
            self.report.remark(
                f'{what}: the data are missing, and invented data do not '
                f'pass ({type(error).__name__}: {error}); no step is tried'
            )
            return
        self.report.remark(
            f'{key}: the data are missing, so steps are tried on invented '
            'images and labels'
        )

    def build_train_loop(self, loop: Any) -> Any:
        self._part, self._loaders = 'train_dataloader', {}
        build = partial(super().build_train_loop, loop)
        loop = self._or(
            'train_cfg',
            build,
            lambda: IterBasedTrainLoop(self, self._train_dataloader, 1),
        )
        loop.run = partial(run_train, self, loop)
        return loop

    def build_val_loop(self, loop: Any) -> Any:
        self._part = 'val_dataloader'
        given = self._val_dataloader, self._val_evaluator
        loop = self._or(
            'val_cfg',
            partial(super().build_val_loop, loop),
            lambda: ValLoop(self, *given),
        )
        loop.run = partial(run_val, self, loop, loop.run)
        return loop

    def build_evaluator(self, evaluator: Any) -> Evaluator:
        build = super().build_evaluator
        if isinstance(evaluator, dict) and 'metrics' not in evaluator:
            evaluator = [evaluator]
        if not isinstance(evaluator, (list, tuple)):
            return self._or(
                'val_evaluator', partial(build, evaluator), partial(build, [])
            )
        metrics = []
        for i, metric in enumerate(evaluator):
            with self.report.attempt(f'val_evaluator.{i}'):
                metrics += build([metric]).metrics
        for i, metric in enumerate(metrics):
            tolerant(metric, f'val_evaluator.{i}', self.report)
        return Evaluator(metrics)

    def build_optim_wrapper(self, optim_wrapper: Any) -> OptimWrapper:
        wrapper = self._or(
            'optim_wrapper',
            partial(super().build_optim_wrapper, optim_wrapper),
            lambda: OptimWrapper(
                torch.optim.SGD(
                    [p for p in self.model.parameters() if p.requires_grad],
                    0.0,
                )
            ),
        )
        if hasattr(wrapper, '_accumulative_counts'):
            wrapper._accumulative_counts = 1  # it is to step
        return wrapper

    def scale_lr(self, *args) -> None:
        with self.report.attempt('auto_scale_lr'):
            super().scale_lr(*args)

    def _check_scheduler_cfg(self, param_scheduler: Any) -> None:
        with self.report.attempt('param_scheduler'):
            super()._check_scheduler_cfg(param_scheduler)

    def build_param_scheduler(self, scheduler: Any) -> Any:
        build = super().build_param_scheduler
        if isinstance(scheduler, dict) and 'type' in scheduler:
            scheduler = [scheduler]
        if not isinstance(scheduler, (list, tuple)):
            return self._or('param_scheduler', partial(build, scheduler), list)
        built = []
        for i, one in enumerate(scheduler):
            key = f'param_scheduler.{i}'
            with self.report.attempt(key):
                made = build([one])
                if isinstance(made, dict):  # several optimisers
                    return build(scheduler)
                built += made
                if isinstance(one, dict):
                    self._check_span(one, key)
        return built

    def _check_span(self, cfg: dict, key: str) -> None:
        by_epoch = cfg.get('by_epoch', True)
        converted = cfg.get('convert_to_iter_based', False)
        if by_epoch and isinstance(self._train_loop, IterBasedTrainLoop):
            self.report.add(
                key,
                f'{cfg["type"]} counts epochs, but the loop of train_cfg '
                'counts iterations, so it would have no effect. Set '
                'by_epoch=False, with begin and end in iterations',
            )
            return
        unit, length = (
            ('epochs', self.max_epochs)
            if by_epoch
            else ('iterations', self.max_iters)
        )
        end, begin = cfg.get('end', length), cfg.get('begin', 0)
        if begin >= length or (end > length and not converted):
            self.report.remark(
                f'{key}: {cfg["type"]} acts from {begin} to {end} {unit}, '
                f'but train_cfg trains for {length}: it does not get there'
            )

    def _init_model_weights(self) -> None:
        with self.report.attempt('model'):
            super()._init_model_weights()

    def load_or_resume(self) -> None:
        if not self.model_failed:
            with self.report.attempt('load_from'):
                super().load_or_resume()

    def _log_env(self, env_cfg: dict) -> None:
        """Nobody reads it."""

    def _maybe_compile(self, target: str) -> None:
        """Not tried: it takes minutes."""


def _restrain(hook: Hook) -> None:
    """Let a hook act in every iteration, and write into the work_dir."""
    if isinstance(getattr(hook, 'interval', None), int) and hook.interval > 1:
        hook.interval = 1
    if getattr(hook, 'out_dir', None) is not None:
        hook.out_dir = None
    if isinstance(hook, PromptCheckpointHook):
        hook.filename = PromptCheckpointHook().filename
