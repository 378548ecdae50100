"""The four tables, each a list of rows."""

import argparse
import warnings
from functools import partial
from typing import Callable, Dict, List, Sequence

import torch

from . import losses, pairs
from .measure import medians_in_turn, peak_extra_bytes
from .processes import seconds_of_a_step

Rows = List[Dict[str, object]]


def loss(args: argparse.Namespace) -> Rows:
    """The loss alone, forward and backward, gradient to the student.

    Time is that of ``l1_loss``, memory in copies of the student's features.
    """
    rows = []
    shapes = losses.QUICK if args.quick else losses.FEATURES
    for where, features in shapes.items():
        device = _device()
        compared = losses.all_losses(features, args.loss, device)
        student, teacher = features.make(device)
        copy = sum(s.nbytes for s in student)
        runs = {
            name: partial(_step, loss, student, teacher)
            for name, loss in compared.items()
            if chosen(name, args.only)
        }
        seconds = medians_in_turn(runs, args.repeats, args.clock, device)
        for name, run in runs.items():
            rows.append(
                dict(
                    features=where,
                    loss=name,
                    value=float(run()),
                    time=seconds[name] / seconds['l1'],
                    memory=peak_extra_bytes(run, device) / copy,
                )
            )
    return rows


def iteration(args: argparse.Namespace) -> Rows:
    """A whole training step, and the checkpoint that it leaves.

    Time in steps of the floor, the student's step and the teacher's way to
    the feature; checkpoints in those of the student alone.
    """
    rows = []
    for where, pair in (pairs.QUICK if args.quick else pairs.PAIRS).items():
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            steps = pairs.steps_of(pair)
            steps = {n: s for n, s in steps.items() if chosen(n, args.only)}
            seconds = medians_in_turn(steps, args.repeats, args.clock)
        alone = steps['student alone'].checkpoint_bytes()
        for name, step in steps.items():
            size = None
            if isinstance(step, pairs.Step):
                size = step.checkpoint_bytes() / alone
            rows.append(
                dict(
                    pair=where,
                    method=name,
                    time=seconds[name] / seconds['floor'],
                    checkpoint=size,
                )
            )
    return rows


def scaling(args: argparse.Namespace) -> Rows:
    """FreeKD's time over that of ``l1_loss``, one thing changed at a time."""
    base = dict(batch=2, height=50, channels=256, num_prompts=2, levels=3)
    changes = [
        {},
        *(dict(batch=n) for n in (1, 4, 8)),
        *(dict(height=n) for n in (25, 100)),
        *(dict(channels=n) for n in (64, 512)),
        *(dict(num_prompts=n) for n in (0, 6, 12)),
        *(dict(levels=n) for n in (1, 2, 4)),
    ]
    if args.quick:
        base.update(height=8, channels=16)
        changes = [{}, dict(levels=4)]
    rows = []
    for change in changes:
        row = base | change
        size = row['height'], row['height'] * 3 // 2
        features = losses.Features(row['channels'], (size,), row['batch'])
        rows.append(row | _ratios(features, row, args))
    return rows


def _ratios(
    features: losses.Features, row: dict, args: argparse.Namespace
) -> dict:
    device = _device()
    choices = {key: row[key] for key in ('num_prompts', 'levels')}
    student, teacher = features.make(device)
    compared = dict(l1=losses.by_path(losses.OTHERS['l1'], features))
    for preset in ('official', 'paper', 'recommended'):
        compared[preset] = losses.freekd(
            features, preset, device, position_gate=None, **choices
        )
    runs = {
        name: partial(_step, loss, student, teacher)
        for name, loss in compared.items()
    }
    seconds = medians_in_turn(runs, args.repeats, args.clock, device)
    l1 = seconds.pop('l1')
    return {name: s / l1 for name, s in seconds.items()}


def processes(args: argparse.Namespace) -> Rows:
    """Images in a second, of one process and of two on the CPU."""
    where, pair = [*(pairs.QUICK if args.quick else pairs.PAIRS).items()][0]
    one, two = (
        seconds_of_a_step(pair, count, min(args.repeats, 5))
        for count in (1, 2)
    )
    return [
        dict(
            pair=where,
            step_of_two_over_one=two / one,
            images_of_two_over_one=2 * one / two,
        )
    ]


def chosen(name: str, only: Sequence[str]) -> bool:
    """Whether a row is asked for; what the others are divided by always is."""
    always = name in ('l1', 'student alone', 'floor')
    return always or not only or any(word in name for word in only)


def _device() -> str:
    return 'cuda' if torch.cuda.is_available() else 'cpu'


def _step(loss: Callable, student: list, teacher: list) -> torch.Tensor:
    """Forward and backward; leaves no gradient behind."""
    value = loss(student, teacher)
    value.backward()
    for s in student:
        s.grad = None
    return value.detach()
