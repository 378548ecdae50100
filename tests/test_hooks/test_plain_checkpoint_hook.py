import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mmfreekd.checkpoints.plain import plain

HOOK = ['mmfreekd.PlainCheckpointHook']


@pytest.fixture
def without_mends():
    """torch.load as it is without mmfreekd."""
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.add_safe_globals(allowed)


def histories(runner):
    return {
        name: [part.tolist() for part in buffer.data]
        for name, buffer in runner.message_hub.log_scalars.items()
    }


@pytest.mark.parametrize('by_epoch', [False, True])
def test_checkpoints_load_anywhere(tmp_path, train, without_mends, by_epoch):
    train(
        tmp_path,
        HOOK,
        by_epoch=by_epoch,
        val=1,
        checkpoint=dict(save_best='acc'),
    )
    files = list(tmp_path.glob('*.pth'))
    assert len(files) >= 4
    for file in files:
        content = torch.load(file, weights_only=True)
        assert {'state_dict', 'meta', 'message_hub'} <= content.keys()


def test_stock_checkpoints_do_not(tmp_path, train, without_mends):
    train(tmp_path, [])
    with pytest.raises(Exception, match='Weights only load failed'):
        torch.load(tmp_path / 'iter_6.pth', weights_only=True)


@pytest.mark.parametrize('by_epoch', [False, True])
def test_the_log_history_survives(tmp_path, train, by_epoch):
    first = train(tmp_path / 'a', HOOK, by_epoch=by_epoch)
    rest = train(
        tmp_path / 'b',
        HOOK,
        by_epoch=by_epoch,
        resume=tmp_path / 'a' / ('epoch_3.pth' if by_epoch else 'iter_6.pth'),
    )
    kept, expected = histories(rest.runner), histories(first.runner)
    assert len(expected['train/loss'][0]) == 6
    assert kept == expected
    for name, buffer in rest.runner.message_hub.log_scalars.items():
        assert isinstance(buffer, HistoryBuffer)
        for statistic in ('mean', 'min', 'max', 'current'):
            assert buffer.statistics(
                statistic
            ) == first.runner.message_hub.get_scalar(name).statistics(
                statistic
            )


def test_saving_leaves_the_running_history_alone(tmp_path, train):
    runner = train(tmp_path, HOOK).runner
    losses = runner.message_hub.get_scalar('train/loss')
    assert isinstance(losses, HistoryBuffer)
    assert len(losses.data[0]) == 6


def test_reads_stock_checkpoints(tmp_path, train):
    first = train(tmp_path / 'a', [], until=4)
    rest = train(
        tmp_path / 'b', HOOK, until=6, resume=tmp_path / 'a' / 'iter_4.pth'
    )
    assert (
        histories(rest.runner)['train/loss'][0][:4]
        == histories(first.runner)['train/loss'][0]
    )


@pytest.mark.parametrize(
    'value, expected',
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        ('text', 'text'),
        (None, None),
        ((1, np.int8(2)), (1, 2)),
        ([{'a': np.float64(1.0)}], [{'a': 1.0}]),
    ],
)
def test_plain_values(value, expected):
    out = plain(value)
    assert out == expected
    assert type(out) is type(expected)


def test_arrays_become_lists():
    assert plain(dict(a=[np.arange(6).reshape(2, 3)])) == dict(
        a=[[[0, 1, 2], [3, 4, 5]]]
    )
