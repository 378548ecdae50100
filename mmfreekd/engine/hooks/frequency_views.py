"""What FreeKD sees in a picture: energies and masks of a feature's bands."""

from dataclasses import dataclass
from typing import Dict, List, Optional

import torch
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from torch import Tensor

from ...errors import UsageError
from ...frequency import band_names, frequency_masks, wavedec2
from ...models.algorithms import FreeKDDistill, FrequencyPromptTuning
from ...models.losses import FreeKDLoss
from ...models.pyramid import pyramid_levels


@dataclass
class FrequencyView:
    """One pyramid level of one image.

    Attributes:
        name (str): Which loss or layer, and which pyramid level.
        feature (Tensor): The root of the mean square over the channels of
            the teacher's feature, ``(H, W)``.
        bands (list[str]): Names of the B bands.
        energy (list[Tensor]): Of each band, the mean square over the
            channels of the teacher's feature, ``(h_b, w_b)``.
        masks (list[Tensor]): The masks of each band, ``(T, h_b, w_b)``;
            none without prompts.
        difference (list[Tensor], optional): As ``energy``, of teacher minus
            student. None in stage 1.
    """

    name: str
    feature: Tensor
    bands: List[str]
    energy: List[Tensor]
    masks: List[Tensor]
    difference: Optional[List[Tensor]] = None


@torch.no_grad()
def frequency_views(model: BaseModel, data: dict) -> List[FrequencyView]:
    """Run a model of either stage on one image, and leave it as it was.

    Args:
        model (BaseModel): :class:`mmfreekd.models.FrequencyPromptTuning` or
            :class:`mmfreekd.models.FreeKDDistill`.
        data (dict): The image as its data set gives it.

    Returns:
        list[FrequencyView]: One for each pyramid level.

    Raises:
        UsageError: If it is another model, or one without a frequency loss.
    """
    training = model.training
    model.eval()
    batch = model.data_preprocessor(pseudo_collate([data]), False)
    try:
        if isinstance(model, FrequencyPromptTuning):
            return _views_of_prompts(model, batch)
        if isinstance(model, FreeKDDistill):
            return _views_of_distillation(model, batch)
    finally:
        model.train(training)
    raise UsageError(
        'frequency masks belong to mmfreekd.FrequencyPromptTuning or '
        f'mmfreekd.FreeKDDistill, not to {type(model).__name__}'
    )


def _views_of_prompts(
    model: FrequencyPromptTuning, batch: Dict
) -> List[FrequencyView]:
    levels: List[Tensor] = []
    handles = [
        prompt.register_forward_pre_hook(
            lambda module, inputs: levels.append(inputs[0])
        )
        for prompt in model.prompts
    ]
    try:
        model.teacher(**batch, mode='tensor')
    finally:
        for handle in handles:
            handle.remove()
    return [
        view(
            f'{model.source}_level{i}',
            x,
            prompt.prompts,
            dict(
                levels=prompt.levels,
                band_layout=prompt.band_layout,
                wavelet=prompt.wavelet,
            ),
        )
        for i, (x, prompt) in enumerate(zip(levels, model.prompts))
    ]


def _views_of_distillation(
    model: FreeKDDistill, batch: Dict
) -> List[FrequencyView]:
    distiller = model.distiller
    inputs, samples = batch['inputs'], batch['data_samples']
    with distiller.student_recorders:
        model.student(inputs, samples, mode='tensor')
    with distiller.teacher_recorders:
        normalized = model.teacher_normalization(inputs, samples)
        model.teacher(normalized, samples, mode='tensor')
    views = []
    for name, loss in distiller.distill_losses.items():
        if not isinstance(loss, FreeKDLoss):
            continue
        features = distiller.loss_inputs(name)
        student, teacher = (
            pyramid_levels(features[side], len(loss.channels), name)
            for side in ('s_feature', 't_feature')
        )
        for i, (s, t) in enumerate(zip(student, teacher)):
            prompts = getattr(loss, f'prompts_{i}', None)
            views.append(
                view(f'{name}_level{i}', t, prompts, loss.layout, t - s)
            )
    if not views:
        raise UsageError('the distiller has no mmfreekd.FreeKDLoss to draw')
    return views


def view(
    name: str,
    feature: Tensor,
    prompts: Optional[Tensor],
    layout: dict,
    difference: Optional[Tensor] = None,
) -> FrequencyView:
    """Look at one feature map.

    Args:
        name (str): What it is.
        feature (Tensor): The teacher's, ``(1, C, H, W)``.
        prompts (Tensor, optional): ``(B, T, C)``.
        layout (dict): ``levels``, ``band_layout`` and ``wavelet``.
        difference (Tensor, optional): Teacher minus student. Defaults to
            None.

    Returns:
        FrequencyView: On the CPU.
    """
    masks = []
    if prompts is not None:
        masks = [
            mask[0].cpu()
            for mask in frequency_masks(feature, prompts, **layout)
        ]
    return FrequencyView(
        name,
        feature.float().square().mean(1)[0].sqrt().cpu(),
        band_names(layout['levels'], layout['band_layout']),
        band_energy(feature, **layout),
        masks,
        None if difference is None else band_energy(difference, **layout),
    )


def band_energy(
    feature: Tensor, levels: int, band_layout: str, wavelet: str
) -> List[Tensor]:
    """The mean square over the channels of each band, ``(h_b, w_b)``."""
    low, high = wavedec2(feature.float(), levels, wavelet)
    energy = [low.square().mean(1)[0]]
    for details in high:
        maps = details.square().mean(1)[0]
        energy += [maps.sum(0)] if band_layout == 'level' else list(maps)
    return [band.cpu() for band in energy]
