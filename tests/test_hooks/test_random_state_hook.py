import random

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mmfreekd.engine.hooks.random_state_hook import (
    random_states,
    set_random_states,
)

HOOKS = ['mmfreekd.RandomStateHook', 'mmfreekd.PlainCheckpointHook']
MODES = dict(iters=dict(by_epoch=False), epochs=dict(by_epoch=True))


def draw():
    np.random.randn()  # leaves half a pair of numbers in the state
    return torch.tensor(
        [
            random.random(),
            random.gauss(0, 1),
            np.random.rand(),
            np.random.randn(),
            torch.rand(()).item(),
        ],
        dtype=torch.float64,
    )


def checkpoint(folder, by_epoch, iters):
    name = f'epoch_{iters // 2}' if by_epoch else f'iter_{iters}'
    return folder / f'{name}.pth'


def test_states_are_set_as_they_were():
    random.gauss(0, 1)
    states = random_states()
    first, second = draw(), draw()
    set_random_states(states)
    assert_close(
        torch.stack((draw(), draw())),
        torch.stack((first, second)),
        rtol=0,
        atol=0,
    )


@pytest.mark.parametrize(
    'options',
    [
        {},
        dict(val=1),
        # mmengine writes the latest checkpoint again when it writes a best one
        dict(val=1, checkpoint=dict(save_best='acc')),
    ],
)
@pytest.mark.parametrize('mode', MODES)
def test_a_resumed_run_ends_as_an_undisturbed_one(
    tmp_path, train, mode, options
):
    options = {**MODES[mode], **options}
    whole = train(tmp_path / 'a', HOOKS, until=6, **options)
    train(tmp_path / 'b', HOOKS, until=4, **options)
    rest = train(
        tmp_path / 'c',
        HOOKS,
        until=6,
        **options,
        resume=checkpoint(tmp_path / 'b', iters=4, **MODES[mode]),
    )
    assert rest.seen[-6:] == whole.seen[-6:]  # two batches of three
    assert rest.losses == whole.losses[-2:]
    assert_close(rest.weights, whole.weights, rtol=0, atol=0)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('counts', [3, 4])
def test_a_run_killed_inside_an_accumulation_group(
    tmp_path, train, mode, counts
):
    options = dict(MODES[mode], until=8, accumulative_counts=counts)
    whole = train(tmp_path / 'a', HOOKS, **options)
    for iters in (2, 4, 6):
        rest = train(
            tmp_path / str(iters),
            HOOKS,
            **options,
            resume=checkpoint(tmp_path / 'a', iters=iters, **MODES[mode]),
        )
        assert_close(rest.weights, whole.weights, rtol=0, atol=0)


@pytest.mark.parametrize('device', ['cpu', 'meta'])  # meta: as on a GPU
def test_the_device_of_a_checkpoint_does_not_matter(tmp_path, device):
    states, first = random_states(), draw()
    torch.save(states, tmp_path / 'states.pth')
    set_random_states(torch.load(tmp_path / 'states.pth', device))
    assert_close(draw(), first, rtol=0, atol=0)


@pytest.mark.parametrize('mode', MODES)
def test_without_the_hook_it_would_not(tmp_path, train, mode):
    mode = MODES[mode]
    whole = train(tmp_path / 'a', HOOKS[1:], until=6, **mode)
    rest = train(
        tmp_path / 'c',
        HOOKS[1:],
        until=6,
        **mode,
        resume=checkpoint(tmp_path / 'a', iters=4, **mode),
    )
    assert rest.losses != whole.losses[-2:]


@pytest.mark.parametrize('mode', MODES)
def test_validation_does_not_disturb_training(tmp_path, train, mode):
    mode = MODES[mode]
    with_val = train(tmp_path / 'a', HOOKS, val=1, **mode)
    without = train(tmp_path / 'b', HOOKS, **mode)
    assert with_val.seen == without.seen
    assert_close(with_val.weights, without.weights, rtol=0, atol=0)


def test_loading_weights_does_not_take_over_the_states(tmp_path, train):
    train(tmp_path / 'a', HOOKS, until=4)
    fresh = train(tmp_path / 'b', HOOKS, until=4)
    loaded = train(
        tmp_path / 'c', HOOKS, until=4, load=tmp_path / 'a' / 'iter_4.pth'
    )
    assert loaded.seen == fresh.seen


def test_resumes_from_a_checkpoint_without_states(tmp_path, train):
    train(tmp_path / 'a', HOOKS[1:], until=4)
    rest = train(
        tmp_path / 'b', HOOKS, until=6, resume=tmp_path / 'a' / 'iter_4.pth'
    )
    assert len(rest.losses) == 2


@pytest.mark.parametrize('mode', MODES)
def test_a_validation_that_a_kill_prevented_is_made_up_for(
    tmp_path, train, mode
):
    options = dict(MODES[mode], val=1 if mode == 'epochs' else 2)
    best = dict(options, checkpoint=dict(save_best='acc'))
    # without save_best the checkpoint before the validation stays as it was
    train(tmp_path / 'a', HOOKS, until=2, **options)
    first = checkpoint(tmp_path / 'a', iters=2, **MODES[mode])
    rest = train(
        tmp_path / 'b', HOOKS, until=4, scores=[9, 1], resume=first, **best
    )
    name = first.name
    assert (tmp_path / 'b' / f'best_acc_{name}').is_file()
    assert rest.runner.message_hub.get_info('best_score') == 9


def test_a_validation_that_counted_is_not_repeated(tmp_path, train):
    best = dict(val=2, checkpoint=dict(save_best='acc'))
    train(tmp_path / 'a', HOOKS, until=2, **best)
    rest = train(
        tmp_path / 'b',
        HOOKS,
        until=4,
        scores=[9],
        resume=tmp_path / 'a' / 'iter_2.pth',
        **best,
    )
    # the one score is that of the last iteration
    assert rest.runner.message_hub.get_info('best_score') == 9
    assert (tmp_path / 'b' / 'best_acc_iter_4.pth').is_file()
