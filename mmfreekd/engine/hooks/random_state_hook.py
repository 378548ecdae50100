import random
from typing import Any, Dict, Iterator, Optional, Union

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop
from torch import nn

from ...registry import HOOKS

STATES = 'random_states'
GRADIENTS = 'accumulated_gradients'
VALIDATED = 'validated_iter'


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Resume exactly: a resumed training ends where an undisturbed one does.

    Checkpoints also hold the states of the random generators and, within a
    group of ``optim_wrapper.accumulative_counts`` iterations, the gradients
    accumulated so far. Validation does not change the states. Where the best
    checkpoint is kept, a run that stopped between a checkpoint and its
    validation validates first.

    It is exact in one process: a checkpoint holds the states of one. Those
    of data loading workers are reproduced by loading the data of all past
    iterations again, in a loop over iterations.
    """

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._before_val: Optional[Dict[str, Any]] = None
        self._resumed: Dict[str, Any] = {}

    def before_train(self, runner) -> None:
        """Run a validation that the end of the last run has prevented."""
        resumed = runner.train_loop.iter > 0 and STATES in self._resumed
        if not resumed or get_world_size() > 1:
            self._resumed = {}
        if GRADIENTS in self._resumed:
            set_gradients(runner.model, self._resumed[GRADIENTS])
        if resumed and validation_is_due(runner):
            if STATES in self._resumed:
                set_random_states(self._resumed[STATES])
            runner.val_loop.run()

    def before_val(self, runner) -> None:
        """Save the states, and record that this iteration is validated."""
        runner.message_hub.update_info(VALIDATED, runner.iter)
        self._before_val = random_states()

    def after_val(self, runner) -> None:
        """Restore the states from before validation."""
        if self._before_val is not None:
            set_random_states(self._before_val)
            self._before_val = None

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Add the states, those before validation while it runs."""
        checkpoint[STATES] = self._before_val or random_states()
        gradients = accumulated_gradients(runner.model)
        if gradients and 'optimizer' in checkpoint:
            checkpoint[GRADIENTS] = gradients

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keep the states of a checkpoint until training starts."""
        self._resumed = {
            key: checkpoint[key]
            for key in (STATES, GRADIENTS)
            if key in checkpoint
        }

    def before_train_epoch(self, runner) -> None:
        """Set the states of the checkpoint that was resumed."""
        states, loop = self._resumed.pop(STATES, None), runner.train_loop
        if states is None:
            return
        if isinstance(loop, IterBasedTrainLoop):
            # this loop goes through the batches of the past first
            loop.dataloader_iterator = _SetAfter(
                loop.dataloader_iterator, loop.iter, states
            )
        else:
            set_random_states(states)


def validation_is_due(runner) -> bool:
    """Whether the checkpoint that was resumed has not been validated."""
    loop = runner.train_loop
    if runner.val_loop is None or not any(
        getattr(hook, 'save_best', None) for hook in runner.hooks
    ):
        return False
    if runner.message_hub.runtime_info.get(VALIDATED) == loop.iter:
        return False
    by_iter = isinstance(loop, IterBasedTrainLoop)
    step = loop.iter if by_iter else loop.epoch
    last = step == (loop.max_iters if by_iter else loop.max_epochs)
    return step >= loop.val_begin and (step % loop.val_interval == 0 or last)


class _SetAfter:
    """An iterator that sets random states after some of its items."""

    def __init__(self, iterator: Iterator, count: int, states: dict) -> None:
        self.iterator = iterator
        self.count = count
        self.states = states

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        if self.count == 0:
            set_random_states(self.states)
        self.count -= 1
        return next(self.iterator)

    def skip_iter(self, num_iters: int) -> None:
        """As onedl-mmengine calls it, which would not load the data."""
        for _ in range(num_iters):
            next(self)


def accumulated_gradients(model: nn.Module) -> Dict[str, torch.Tensor]:
    """The gradients that wait for an optimiser step, on the CPU."""
    return {
        name: parameter.grad.cpu()
        for name, parameter in _parameters(model)
        if parameter.grad is not None
    }


def set_gradients(
    model: nn.Module, gradients: Dict[str, torch.Tensor]
) -> None:
    """Set the gradients that :func:`accumulated_gradients` returned."""
    for name, parameter in _parameters(model):
        if name in gradients:
            parameter.grad = gradients[name].to(parameter)


def _parameters(model: nn.Module):
    if is_model_wrapper(model):
        model = model.module
    return model.named_parameters()


def random_states() -> Dict[str, Any]:
    """The states of all random generators, as values of plain Python.

    ``torch.load`` does not move these to a device.
    """
    name, keys, *rest = np.random.get_state()
    states = dict(
        python=random.getstate(),
        numpy=(name, keys.tobytes(), *rest),
        torch=torch.get_rng_state().numpy().tobytes(),
    )
    if torch.cuda.is_available():
        states['cuda'] = torch.cuda.get_rng_state().numpy().tobytes()
    return states


def set_random_states(states: Dict[str, Any]) -> None:
    """Set the states that :func:`random_states` returned."""
    random.setstate(states['python'])
    name, keys, *rest = states['numpy']
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))
    torch.set_rng_state(_tensor(states['torch']))
    if 'cuda' in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(_tensor(states['cuda']))


def _tensor(state: Union[bytes, torch.Tensor]) -> torch.Tensor:
    if isinstance(state, torch.Tensor):
        return state.cpu()
    return torch.frombuffer(bytearray(state), dtype=torch.uint8)
