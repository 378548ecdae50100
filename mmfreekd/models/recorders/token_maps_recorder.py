from typing import Any

from mmrazor.models.task_modules import ModuleOutputsRecorder
from torch import nn

from ...errors import UsageError
from ...registry import TASK_UTILS
from ..sources import find_source
from ..tokens import fold_tokens, token_shapes


@TASK_UTILS.register_module()
class TokenMapsRecorder(ModuleOutputsRecorder):
    """Record the tokens of a transformer's encoder as a pyramid of maps.

    In configs ``dict(type='mmfreekd.TokenMaps', source='encoder')``, in place
    of ``mmrazor.ModuleOutputs``. A recorder and no connector, for only the
    call of the layer says which token lies where: the record is a tuple of
    ``(N, C, h, w)``, one for each pyramid level.

    Args:
        source (str): An encoder of MMDetection's Deformable DETR or DINO,
            usually ``'encoder'``: a layer that is called with
            ``spatial_shapes=...`` and returns ``(N, L, C)``.

    Raises:
        UsageError: If the layer does not exist or puts out no tokens.
    """

    def prepare_from_model(self, model: nn.Module) -> None:
        """Register the hook, one that sees how the layer is called."""
        find_source(model, self.source, 'model').register_forward_hook(
            self._record, with_kwargs=True
        )

    def _record(
        self, module: nn.Module, args: tuple, kwargs: dict, output: Any
    ) -> None:
        if not self.recording:
            return
        shapes = token_shapes(output, kwargs)
        if shapes is None:
            raise UsageError(
                f'{self.source!r} puts out no tokens (N, L, C) of maps whose '
                'spatial_shapes it is called with: record it with '
                "type='mmrazor.ModuleOutputs'"
            )
        self.data_buffer.append(fold_tokens(output, shapes))
