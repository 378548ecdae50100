"""What lets others take an algorithm for the model that it trains."""

from copy import deepcopy
from typing import Any, Callable, Dict, Optional, Tuple

from mmengine.model import BaseModel
from torch import nn


class Proxy(nn.Module):
    """Mixin of an algorithm that stands for its ``architecture``.

    Hooks, optimiser constructors, evaluators and inference APIs look for
    ``model.bbox_head``, ``model.backbone`` or ``backbone.*`` among the names
    of the parameters. What an algorithm does not have itself is therefore
    looked up in its architecture, and set there once :func:`share_tree` was
    called. Frozen parts are kept out of the tree of modules: they have no
    parameters for an optimiser, no gradient for distributed training to wait
    for, and are in no checkpoint.
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

    def __setattr__(self, name: str, value: Any) -> None:
        model = self.__dict__.get('_shares')
        own = name in self.__dict__ or hasattr(type(self), name)
        if model is None or own or not hasattr(model, name):
            super().__setattr__(name, value)
            return
        setattr(model, name, value)
        share_tree(self, model)

    def add_module(self, name: str, module: Optional[nn.Module]) -> None:
        """Replace a child, as conversions of a whole model do."""
        super().add_module(name, module)
        model = self.__dict__.get('_shares')
        if model is not None and name in model._modules:
            model.add_module(name, module)

    def _apply(self, fn: Callable, recurse: bool = True) -> 'Proxy':
        super()._apply(fn, recurse)
        for part in self.hidden():
            if isinstance(part, nn.Module):
                part._apply(fn, recurse)
        return self

    def _set_device(self, device: Any) -> None:
        """Where data preprocessors move their batches."""
        super()._set_device(device)
        for part in self.hidden():
            if isinstance(part, BaseModel):
                part._set_device(device)

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
    What is set on the owner from now on is set on the model, if it has that.
    """
    owner.__dict__['_shares'] = model
    for name, child in model.named_children():
        owner._modules[name] = child
    for name, parameter in model._parameters.items():
        owner._parameters[name] = parameter
    owner._buffers.update(model._buffers)
    owner._non_persistent_buffers_set.update(model._non_persistent_buffers_set)


def share_tensors(owner: Proxy, model: nn.Module) -> None:
    """Give a model the tensors of its owner, which were moved."""
    for kind in ('_parameters', '_buffers'):
        for name in getattr(model, kind):
            getattr(model, kind)[name] = getattr(owner, kind)[name]
