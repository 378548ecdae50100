import random
from typing import Any, Dict, Iterator, Optional

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop

from ...registry import HOOKS

KEY = 'random_states'
VALIDATED = 'validated_iter'


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Resume as if training had never stopped.

    Checkpoints get the states of the random generators, which mmengine
    leaves out; they are set again before the first batch that has not been
    trained on, if there is one process: a checkpoint holds the states of one.
    Processes that load the data keep their own states, which are not in it.
    Validation leaves the states as it found them, so that it
    does not matter whether it ran. Where the best checkpoint is kept, a run
    that stopped between a checkpoint and the validation that follows it
    validates first: mmengine would leave that out.
    """

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._before_val: Optional[Dict[str, Any]] = None
        self._resumed: Optional[Dict[str, Any]] = None

    def before_train(self, runner) -> None:
        """Make up for a validation that a kill prevented."""
        if self._resumed is not None and validation_is_due(runner):
            if get_world_size() == 1:
                set_random_states(self._resumed)
            runner.val_loop.run()

    def before_val(self, runner) -> None:
        """Note the states, and for a checkpoint written meanwhile the fact."""
        runner.message_hub.update_info(VALIDATED, runner.iter)
        self._before_val = random_states()

    def after_val(self, runner) -> None:
        """Set the states that validation found."""
        if self._before_val is not None:
            set_random_states(self._before_val)
            self._before_val = None

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Add the states, those before validation while it runs."""
        checkpoint[KEY] = self._before_val or random_states()

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Take over the states of a checkpoint that holds them."""
        self._resumed = checkpoint.get(KEY)

    def before_train_epoch(self, runner) -> None:
        """Set the states of the checkpoint that was resumed."""
        states, self._resumed = self._resumed, None
        if get_world_size() > 1:
            return  # the checkpoint holds those of one process
        loop = runner.train_loop
        if states is None or loop.iter == 0:
            return  # nothing loaded, or loaded without resuming
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
    if loop.iter == 0 or runner.val_loop is None:
        return False
    if runner.message_hub.runtime_info.get(VALIDATED) == loop.iter:
        return False
    if not any(getattr(hook, 'save_best', None) for hook in runner.hooks):
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


def random_states() -> Dict[str, Any]:
    """The states of all random generators, as tensors and plain values."""
    name, keys, *rest = np.random.get_state()
    states = dict(
        python=random.getstate(),
        numpy=(name, torch.from_numpy(keys.astype(np.int64)), *rest),
        torch=torch.get_rng_state(),
    )
    if torch.cuda.is_available():
        states['cuda'] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: Dict[str, Any]) -> None:
    """Set the states that :func:`random_states` returned."""
    random.setstate(states['python'])
    name, keys, *rest = states['numpy']
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states['torch'].cpu())
    if 'cuda' in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states['cuda'].cpu())
