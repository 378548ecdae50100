"""What lets others take an algorithm for the model that it trains."""

from copy import deepcopy
from typing import Any, Callable, Dict, Tuple

from torch import nn


class Proxy(nn.Module):
    """Mixin of an algorithm that stands for its ``architecture``.

    Hooks, optimiser constructors, evaluators and inference APIs look for
    ``model.bbox_head``, ``model.backbone`` or ``backbone.*`` among the names
    of the parameters. What an algorithm does not have itself is therefore
    looked up in its architecture, and frozen parts are kept out of the tree
    of modules: they have no parameters for an optimiser, no gradient for
    distributed training to wait for, and are in no checkpoint.
    """

    def hide(self, name: str) -> nn.Module:
        """Take a child out of the tree of modules; it stays an attribute."""
        module = self._modules.pop(name)
        self.__dict__[name] = module
        return module

    def hidden(self) -> Tuple[Any, ...]:
        """Parts that follow the device, and that copies share."""
        return ()

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            architecture = self.__dict__.get('architecture')
            if architecture is None or name.startswith('__'):
                raise
            return getattr(architecture, name)

    def _apply(self, fn: Callable, recurse: bool = True) -> 'Proxy':
        super()._apply(fn, recurse)
        for part in self.hidden():
            if isinstance(part, nn.Module):
                part._apply(fn, recurse)
        return self

    def __deepcopy__(self, memo: Dict) -> 'Proxy':
        """A copy, such as that of an EMA, shares what is hidden."""
        copied = self.__class__.__new__(self.__class__)
        memo[id(self)] = copied
        memo.update({id(part): part for part in self.hidden()})
        copied.__dict__.update(
            {key: deepcopy(value, memo) for key, value in vars(self).items()}
        )
        return copied


def share_tree(owner: Proxy, model: nn.Module) -> None:
    """Let a model's own children, parameters and buffers be the owner's.

    Their names are then those that they have in the model: ``backbone.*``.
    """
    for name, child in model.named_children():
        owner._modules[name] = child
    for name, parameter in model._parameters.items():
        owner._parameters[name] = parameter
    owner._buffers.update(model._buffers)
    owner._non_persistent_buffers_set.update(model._non_persistent_buffers_set)


def share_buffers(owner: Proxy, model: nn.Module) -> None:
    """Give a model the buffers of its owner, which were moved."""
    for name in model._buffers:
        model._buffers[name] = owner._buffers[name]
