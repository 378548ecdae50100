"""Source layers: modules of a model, named as ``named_modules`` names them."""

from difflib import get_close_matches
from typing import Any, Callable, Dict

from torch import nn

from ..errors import UsageError


class SourcesReached(Exception):
    """Raised inside a model to end its forward pass, and caught at once."""


def find_source(model: nn.Module, source: str, who: str) -> nn.Module:
    """The module of a name.

    Args:
        model (nn.Module): The model.
        source (str): For example ``'neck'`` or ``'backbone.layer4'``.
        who (str): ``'teacher'`` or ``'student'``, for the message.

    Returns:
        nn.Module: The module.

    Raises:
        UsageError: If there is none; near names are suggested.
    """
    modules = {name: m for name, m in model.named_modules() if name}
    if source in modules:
        return modules[source]
    near = get_close_matches(source, modules, n=5, cutoff=0.4)
    if not near:
        near = [name for name, _ in model.named_children()]
    raise UsageError(
        f'the {who} ({type(model).__name__}) has no layer {source!r}. Did you '
        f'mean one of: {", ".join(near)}?'
    )


def composite_mode(model: nn.Module, mode: bool) -> None:
    """Let a model behave as in training, with its layers in evaluation.

    Composite modules follow the mode, because heads choose by it what they
    return; single layers and those of PyTorch stay in evaluation, because
    normalisation and dropout compute something else while training.

    Args:
        model (nn.Module): The model.
        mode (bool): Whether it trains.
    """
    model.train(mode)
    for module in model.modules():
        single = next(module.children(), None) is None
        if single or type(module).__module__.startswith('torch.'):
            module.training = False


class StopAfter:
    """End a model's forward pass as soon as its sources have run.

    What comes after them, heads above all, costs nothing then.

    Args:
        model (nn.Module): The model.
        times (dict[str, int]): For each source how often it has to run;
            empty: to the end.
        who (str): ``'teacher'`` or ``'student'``, for messages. Defaults to
            'teacher'.

    Raises:
        UsageError: If a source does not exist.
    """

    def __init__(
        self, model: nn.Module, times: Dict[str, int], who: str = 'teacher'
    ) -> None:
        self.model = model
        self.who = who
        self.times = times
        self._left: Dict[str, int] = {}
        self._attached: Dict[str, nn.Module] = {}
        for source in times:
            find_source(model, source, who)
        self._attach()

    def _attach(self) -> None:
        """Attach to the layers, again where they were replaced."""
        for source in self.times:
            module = self.model.get_submodule(source)
            if self._attached.get(source) is not module:
                module.register_forward_hook(self._count(source))
                self._attached[source] = module

    def _count(self, source: str) -> Callable:

        def hook(module: nn.Module, inputs: Any, outputs: Any) -> None:
            if source in self._left:
                self._left[source] -= 1
                if self._left[source] == 0:
                    del self._left[source]
                    if not self._left:
                        raise SourcesReached

        return hook

    def __call__(self, *args, **kwargs) -> None:
        """Run the model until all sources have run.

        Raises:
            UsageError: If the pass ended before that.
        """
        self._attach()
        self._left = dict(self.times)
        try:
            self.model(*args, **kwargs)
        except SourcesReached:
            return
        finally:
            missed, self._left = self._left, {}
        if missed:
            raise UsageError(
                f'the {self.who} ran to its end without passing '
                f'{", ".join(missed)} as often as the config expects: take '
                f'layers that its forward pass uses, in {self.who}_recorders '
                '(stage 2) or as source (stage 1)'
            )
