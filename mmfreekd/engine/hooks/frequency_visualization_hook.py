from typing import Sequence

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...errors import UsageError
from ...registry import HOOKS
from .frequency_pictures import draw
from .frequency_views import frequency_views


@HOOKS.register_module()
class FrequencyVisualizationHook(Hook):
    """Draw frequency masks and band energies while either stage trains.

    For some validation images, before the first iteration, at intervals and
    after the last one, to mmengine's ``Visualizer`` and so to whatever
    backends it has. One picture for each pyramid level: a column for each
    band, rows for the energy of the teacher's feature, for the mask of each
    prompt and, in stage 2, for what the student still lacks. Below each map
    stands its share of the teacher's energy, or the mask's mean and
    deviation.

    Args:
        interval (int): Iterations between pictures. Defaults to 1000.
        indices (list[int]): Which validation images. Defaults to (0, 1).

    Raises:
        UsageError: If there are no such validation images.
    """

    priority = 'LOW'

    def __init__(
        self, interval: int = 1000, indices: Sequence[int] = (0, 1)
    ) -> None:
        self.interval = interval
        self.indices = indices
        self._drawn = -1

    def before_train(self, runner) -> None:
        """Draw the start, or where a run is resumed."""
        if runner.val_loop is None:
            raise UsageError(
                'FrequencyVisualizationHook draws validation images, but the '
                'config has no val_dataloader'
            )
        size = len(runner.val_dataloader.dataset)
        if not all(0 <= index < size for index in self.indices):
            raise UsageError(
                f'indices of FrequencyVisualizationHook must lie in 0 .. '
                f'{size - 1}, the validation images, got {self.indices}'
            )
        self._draw(runner, runner.iter)

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Draw at intervals."""
        if self.every_n_train_iters(runner, self.interval):
            self._draw(runner, runner.iter + 1)

    def after_train(self, runner) -> None:
        """Draw the end."""
        if self._drawn != runner.iter:
            self._draw(runner, runner.iter)

    @master_only
    def _draw(self, runner, step: int) -> None:
        self._drawn = step
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        dataset = runner.val_dataloader.dataset
        for index in self.indices:
            data = dataset[index]
            # as mmcv reads images: BGR
            image = data['inputs'].permute(1, 2, 0).flip(2).cpu().numpy()
            for view in frequency_views(model, data):
                title = f'image {index}, iteration {step}'
                runner.visualizer.add_image(
                    f'frequency_{view.name}_image{index}',
                    draw(image, view, title),
                    step,
                )
