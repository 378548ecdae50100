"""Pictures of masks and energies: what they show, and that they disturb
nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny_models
import torch
from mmengine.visualization import Visualizer

from mmfreekd.engine.hooks import FrequencyVisualizationHook
from mmfreekd.engine.hooks.frequency_pictures import draw
from mmfreekd.engine.hooks.frequency_views import (
    band_energy,
    frequency_views,
    view,
)
from mmfreekd.errors import UsageError
from mmfreekd.registry import MODELS


def stage_1():
    teacher = MODELS.build(tiny_models.retinanet())
    return MODELS.build(
        tiny_models.prompt_tuning(teacher, None, 8, num_levels=3)
    )


def stage_2(**freekd_loss):
    return MODELS.build(
        dict(
            type='mmfreekd.FreeKDDistill',
            architecture=tiny_models.retinanet(neck_channels=4),
            teacher=tiny_models.retinanet(),
            distiller=tiny_models.distiller(4, 8, num_levels=3, **freekd_loss),
        )
    )


def dataset(size=2):
    batch = tiny_models.det_batch([(64, 96)] * size)
    return [
        dict(inputs=x, data_samples=sample)
        for x, sample in zip(batch['inputs'], batch['data_samples'])
    ]


@pytest.fixture
def runner(tmp_path):
    visualizer = Visualizer(
        vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path)
    )
    return SimpleNamespace(
        model=stage_1().train(),
        val_loop=object(),
        val_dataloader=SimpleNamespace(dataset=dataset()),
        visualizer=visualizer,
        iter=0,
    )


def pictures(tmp_path):
    return sorted(path.name for path in tmp_path.rglob('*.png'))


def test_masks_and_energies_of_stage_1():
    model, (data, _) = stage_1(), dataset()
    with torch.no_grad():
        model.prompts[0].prompts[0, 1] = 100.0
    views = frequency_views(model, data)
    assert [v.name for v in views] == [f'neck_level{i}' for i in range(3)]
    seen = views[0]
    assert len(seen.bands) == len(seen.energy) == len(seen.masks) == 10
    assert seen.difference is None
    for mask, energy in zip(seen.masks, seen.energy):
        assert mask.shape == (2, *energy.shape)
    # a strong prompt decides, an untrained one does not
    assert (seen.masks[0][0] - 0.5).abs().max() < 0.1
    assert (seen.masks[0][1] - 0.5).abs().mean() > 0.4


def test_the_feature_is_the_one_before_the_prompts():
    model, (data, _) = stage_1(), dataset()
    before = frequency_views(model, data)[0].energy
    with torch.no_grad():
        model.prompts[0].prompts.fill_(-100)
    after = frequency_views(model, data)[0].energy
    for a, b in zip(before, after):
        assert torch.equal(a, b) and a.sum() > 0


def test_energies_add_up_to_that_of_the_feature():
    feature = torch.randn(1, 5, 8, 16)
    for layout, bands in (('subband', 7), ('level', 3)):
        energy = band_energy(feature, 2, layout, 'haar')
        assert len(energy) == bands
        total = sum(band.sum() for band in energy)
        torch.testing.assert_close(total, feature.square().mean(1).sum())


def test_the_feature_is_shown_by_its_strength():
    feature = torch.zeros(1, 2, 4, 4)
    feature[0, :, 1, 2] = torch.tensor([3.0, 4.0])
    layout = dict(levels=1, band_layout='subband', wavelet='haar')
    shown = view('a', feature, None, layout).feature
    assert shown.shape == (4, 4) and shown.sum() == shown[1, 2]
    torch.testing.assert_close(shown[1, 2], torch.tensor(12.5).sqrt())


def test_stage_2_shows_what_the_student_lacks():
    model, (data, _) = stage_2(), dataset()
    views = frequency_views(model, data)
    assert len(views) == 3 and len(views[0].masks) == 10
    teacher = [band.sum() for band in views[0].energy]
    for projection in model.distiller.connectors['align'].projections:
        torch.nn.init.zeros_(projection.weight)
        torch.nn.init.zeros_(projection.bias)
    lacking = frequency_views(model, data)[0].difference
    for band, all_of_it in zip(lacking, teacher):
        torch.testing.assert_close(band.sum(), all_of_it)


def test_without_prompts_there_are_energies_alone():
    seen = frequency_views(stage_2(num_prompts=0), dataset()[0])[0]
    assert not seen.masks and len(seen.energy) == 10
    assert draw(np.zeros((4, 4, 3), np.uint8), seen, 'a').ndim == 3


@pytest.mark.parametrize('stage', [stage_1, stage_2])
def test_drawing_disturbs_nothing(stage):
    model, (data, _) = stage().train(), dataset()
    modes = [module.training for module in model.modules()]
    before = tiny_models.snapshot(model)
    random = torch.get_rng_state()
    frequency_views(model, data)
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    for key, value in tiny_models.snapshot(model).items():
        assert torch.equal(value, before[key])


def test_another_model_is_an_error():
    model = MODELS.build(tiny_models.retinanet())
    with pytest.raises(UsageError, match='not to RetinaNet'):
        frequency_views(model, dataset()[0])


def test_pictures_at_the_start_at_intervals_and_at_the_end(runner, tmp_path):
    hook = FrequencyVisualizationHook(interval=2, indices=[1])
    hook.before_train(runner)
    for runner.iter in range(3):
        hook.after_train_iter(runner, runner.iter)
    runner.iter = 3
    hook.after_train(runner)
    assert pictures(tmp_path) == sorted(
        f'frequency_neck_level{level}_image1_{step}.png'
        for level in range(3)
        for step in (0, 2, 3)
    )


def test_the_end_is_drawn_once(runner, tmp_path):
    hook = FrequencyVisualizationHook(interval=1, indices=[0])
    hook.after_train_iter(runner, 0)
    drawn = pictures(tmp_path)
    runner.iter = 1
    runner.visualizer = None
    hook.after_train(runner)
    assert pictures(tmp_path) == drawn and len(drawn) == 3


def test_images_that_do_not_exist(runner):
    with pytest.raises(UsageError, match=r'0 .. 1.*got \[2\]'):
        FrequencyVisualizationHook(indices=[2]).before_train(runner)
    runner.val_loop = None
    with pytest.raises(UsageError, match='no val_dataloader'):
        FrequencyVisualizationHook().before_train(runner)
