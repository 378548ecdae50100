"""A teacher is evaluated once, before the first iteration."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from torch import nn

from mmfreekd.errors import UsageError
from mmfreekd.registry import HOOKS


class Teacher(nn.Linear):
    def val_step(self, data):
        assert not self.training and not torch.is_grad_enabled()
        torch.rand(3)
        return self(data['inputs'])


class Accuracy(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results += [float(x) for x in data_samples]

    def compute_metrics(self, results):
        return dict(acc=sum(results) / len(results))


@pytest.fixture
def runner():
    """What the hook asks of a Runner; the teacher reaches 0.5."""
    teacher = Teacher(2, 1)
    nn.init.constant_(teacher.weight, 0.25)
    nn.init.zeros_(teacher.bias)
    loader = torch.utils.data.DataLoader(
        [dict(inputs=torch.ones(2))] * 6, batch_size=3
    )
    return SimpleNamespace(
        model=SimpleNamespace(teacher=teacher),
        train_loop=SimpleNamespace(iter=0),
        val_loop=SimpleNamespace(
            dataloader=loader, evaluator=Evaluator(Accuracy())
        ),
        logger=logging.getLogger('test'),
    )


def start(runner, **least):
    hook = dict(type='mmfreekd.TeacherMetricHook', teacher_min_metric=least)
    HOOKS.build(hook).before_train(runner)


def test_a_teacher_that_is_good_enough(runner, caplog):
    states = torch.get_rng_state()
    with caplog.at_level('INFO'):
        start(runner, acc=0.5)
    assert "reaches {'acc': 0.5}" in caplog.text
    assert torch.equal(torch.get_rng_state(), states)


@pytest.mark.parametrize('bias', [-0.1, float('nan')])
def test_a_teacher_that_is_not(runner, bias):
    nn.init.constant_(runner.model.teacher.bias, bias)
    with pytest.raises(
        UsageError, match='reaches acc = .*at least 0.5.*teacher_ckpt'
    ):
        start(runner, acc=0.5)


def test_a_metric_that_nobody_gives(runner):
    with pytest.raises(UsageError, match="no metric 'mIoU'.*gives acc"):
        start(runner, mIoU=50)


def test_without_validation(runner):
    runner.val_loop = None
    with pytest.raises(UsageError, match='set val_dataloader'):
        start(runner, acc=0.5)


def test_a_resumed_run_does_not_ask_again(runner):
    runner.train_loop.iter = 10
    nn.init.zeros_(runner.model.teacher.weight)
    start(runner, acc=0.5)
