"""Where a config says two things, one counts, and a line says which."""

import copy
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import tiny_models
import torch
from mmengine.runner import Runner
from torch.testing import assert_close

from mmfreekd.checkpoints import refuse_foreign
from mmfreekd.engine.hooks import FreeKDHook
from mmfreekd.engine.hooks.freekd_hook import report_start
from mmfreekd.models.zoo import build_model, load_teacher
from mmfreekd.registry import MODELS

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))


def scores(cfg, checkpoint, name):
    cfg = copy.deepcopy(cfg)
    cfg.load_from, cfg.experiment_name = str(checkpoint), name
    return Runner.from_cfg(cfg).test()


def test_the_student_scores_the_same_wherever_it_is(cfg):
    """Two data preprocessors, which differ: as in plain training."""
    own = cfg.model.architecture.data_preprocessor
    cfg.data_preprocessor = dict(own, mean=[0, 0, 0], std=[255, 255, 255])
    cfg.optim_wrapper.optimizer.lr = 1e-3
    plain = copy.deepcopy(cfg)
    plain.model = plain.model.architecture
    runner = Runner.from_cfg(cfg)
    runner.register_hook(FreeKDHook())
    runner.train()
    inside = runner.val_loop.run()
    (exported,) = Path(cfg.work_dir).glob('student_*.pth')
    checkpoint = exported.with_name(exported.name.removeprefix('student_'))
    found = [
        scores(cfg, checkpoint, 'distillation'),
        scores(plain, exported, 'plain'),
        scores(plain, checkpoint, 'checkpoint as plain'),
    ]
    assert inside and found == [inside] * 3
    # and the other preprocessor would have mattered
    plain.model.data_preprocessor = cfg.data_preprocessor
    model = Runner.from_cfg(plain).model
    assert model.data_preprocessor.mean.sum() == 0


def test_testing_needs_neither_teacher_nor_prompts(cfg):
    from mmfreekd.compat.inference import use_student

    cfg.model.teacher_ckpt = 'is/gone.pth'
    cfg.model.distiller.preset.num_prompts = 2
    cfg.model.distiller.prompt_ckpt = 'is/gone.pth'
    own = copy.deepcopy(cfg.model.architecture)
    assert use_student(cfg) and not use_student(cfg)
    assert cfg.model == own


def test_testing_takes_distillations_of_version_1():
    from test import take_version_1

    model = MODELS.build(tiny_models.retinanet())
    weights = {
        f'architecture.{key}': torch.full_like(value, 2)
        for key, value in model.state_dict().items()
    }
    refuse_foreign(model)
    take_version_1(model)
    model.load_state_dict(weights)
    assert all(p.eq(2).all() for p in model.parameters())


def test_weights_that_are_given_twice(distill, caplog):
    logger = logging.getLogger('start')
    runner = SimpleNamespace(logger=logger, _load_from='a.pth', _resume=False)
    report_start(runner, distill(inherit=['neck.fpn_convs']))
    assert "load_from='a.pth' counts" in caplog.text
    assert 'not model.inherit' in caplog.text
    caplog.clear()
    runner._resume = True
    report_start(runner, distill(inherit=['neck.fpn_convs']))
    report_start(
        SimpleNamespace(**{**vars(runner), '_resume': False}), distill()
    )
    assert not caplog.text


def test_a_teacher_whose_checkpoint_is_named_twice(tmp_path, monkeypatch):
    cfg = tiny_models.retinanet()
    path = str(tmp_path / 'teacher.pth')
    weights = build_model(copy.deepcopy(cfg), 'teacher').state_dict()
    torch.save(dict(state_dict=weights), path)
    cfg.init_cfg = dict(type='Pretrained', checkpoint='other.pth')
    said = []
    monkeypatch.setattr(
        'mmfreekd.models.zoo.print_log', lambda text, **_: said.append(text)
    )
    teacher = build_model(cfg, 'teacher')
    assert load_teacher(teacher, path, False)
    assert_close(teacher.state_dict(), weights, rtol=0, atol=0)
    (line,) = said
    assert f'{path!r} counts' in line and "'other.pth'" in line
