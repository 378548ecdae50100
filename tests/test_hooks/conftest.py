"""A toy distillation under mmengine's own Runner, made of random numbers."""

import itertools
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

NUMBERS = itertools.count()


class Toy(BaseModel):
    """Student and connector; dropout draws from torch's generator."""

    def __init__(self):
        super().__init__()
        self.architecture = nn.Sequential(
            nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 1)
        )
        self.distiller = nn.Linear(1, 1)

    def forward(self, inputs, mode='tensor'):
        out = self.distiller(self.architecture(inputs))
        if mode == 'loss':
            return dict(loss=(out - inputs.sum(1, keepdim=True)).abs().mean())
        return list(out)


class Images(Dataset):
    """Augmented with the generators that pipelines use."""

    metainfo = dict(classes=('a',))
    seen = []  # of the class: the Runner copies what it is given

    def __init__(self, note):
        self.note = note

    def __len__(self):
        return 6

    def __getitem__(self, index):
        noise = [np.random.rand(), random.random()]
        if self.note:
            self.seen.append((index, *noise))
        return dict(inputs=torch.tensor([index, 1.0, *noise]).float())


class Score(BaseMetric):
    """Grows or falls as told, to make the best checkpoint predictable."""

    def __init__(self, scores):
        super().__init__()
        self.scores = list(scores)

    def process(self, data_batch, data_samples):
        torch.rand(3)  # validation draws random numbers too
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(acc=self.scores.pop(0))


def _train(
    work_dir,
    hooks,
    by_epoch=False,
    until=6,
    resume=None,
    val=None,
    scores=range(99),
    checkpoint=None,
    load=None,
    accumulative_counts=1,
):
    """Train a toy and tell what it saw, epochs of two batches each."""
    losses = []
    Images.seen.clear()
    torch.manual_seed(0)  # for the weights that a run starts from
    train_cfg = (
        dict(by_epoch=True, max_epochs=until // 2)
        if by_epoch
        else dict(by_epoch=False, max_iters=until)
    )
    evaluation = {}
    if val:
        train_cfg['val_interval'] = val
        evaluation = dict(
            val_cfg=dict(),
            val_evaluator=Evaluator(Score(scores)),
            val_dataloader=dict(
                batch_size=3,
                dataset=Images(note=False),
                sampler=dict(type='DefaultSampler', shuffle=False),
                collate_fn=dict(type='default_collate'),
            ),
        )
    sampler = 'DefaultSampler' if by_epoch else 'InfiniteSampler'
    runner = Runner(
        model=Toy(),
        work_dir=str(work_dir),
        experiment_name=f'toy{next(NUMBERS)}',
        train_dataloader=dict(
            batch_size=3,
            dataset=Images(note=True),
            num_workers=0,
            sampler=dict(type=sampler, shuffle=True),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=train_cfg,
        optim_wrapper=dict(
            optimizer=dict(type='Adam', lr=0.01),
            accumulative_counts=accumulative_counts,
        ),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(
                type='CheckpointHook',
                **{
                    'by_epoch': by_epoch,
                    'interval': 1 if by_epoch else 2,
                    **(checkpoint or {}),
                },
            ),
        ),
        custom_hooks=[dict(type=hook) for hook in hooks],
        resume=resume is not None,
        load_from=str(resume or load) if resume or load else None,
        randomness=dict(seed=0),
        log_level='ERROR',
        **evaluation,
    )
    step = runner.model.train_step

    def train_step(*args, **kwargs):
        out = step(*args, **kwargs)
        losses.append(out['loss'].item())
        return out

    runner.model.train_step = train_step
    runner.train()
    return SimpleNamespace(
        runner=runner,
        seen=list(Images.seen),
        losses=losses,
        weights={k: v.clone() for k, v in runner.model.state_dict().items()},
    )


@pytest.fixture
def train():
    """Runs a toy training: ``train(work_dir, hooks, ...)``."""
    return _train
