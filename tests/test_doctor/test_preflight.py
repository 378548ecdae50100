"""The dry run looks for the layers that are recorded, and for no others."""

import pytest
import torch
from mmengine.config import ConfigDict
from torch import nn

from mmfreekd.doctor.preflight import (
    _examine_distiller,
    _fill_level_embeddings,
)
from mmfreekd.doctor.report import Report


def problems(kind: str, source: str) -> list:
    recorder = dict(feature=dict(type=kind, source=source))
    report = Report()
    _examine_distiller(
        ConfigDict(teacher_recorders=recorder),
        None,
        nn.Sequential(nn.Identity()),
        report,
    )
    return report.problems


@pytest.mark.parametrize(
    'kind', ['mmrazor.ModuleOutputs', 'ModuleInputs', 'mmfreekd.TokenMaps']
)
def test_a_layer_that_does_not_exist_is_a_problem(kind):
    (problem,) = problems(kind, 'nekc')
    assert "has no layer 'nekc'" in problem
    assert problems(kind, '0') == []


@pytest.mark.parametrize('kind', ['mmrazor.MethodOutputs', 'FunctionOutputs'])
def test_what_is_no_layer_is_not_looked_for(kind):
    assert problems(kind, 'mmdet.models.Detector.extract_feat') == []


def test_what_mmdet_leaves_uninitialised_gives_no_nan():
    model = nn.Module()
    model.student, model.teacher = nn.Module(), nn.Module()
    loaded = torch.full((4, 8), 3.0)
    model.student.level_embed = nn.Parameter(torch.full((4, 8), torch.nan))
    model.teacher.level_embed = nn.Parameter(loaded.clone(), False)
    _fill_level_embeddings(model)
    assert model.student.level_embed.isfinite().all()
    assert model.teacher.level_embed.equal(loaded)
