import os

import pytest
import torch
from torch.testing import assert_close

HOOKS = ['mmfreekd.PlainCheckpointHook', 'mmfreekd.StudentCheckpointHook']


def names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


@pytest.mark.parametrize(
    'by_epoch, saved',
    [
        (False, ['best_acc_iter_4', 'iter_6']),
        (True, ['best_acc_epoch_2', 'epoch_3']),
    ],
)
def test_a_student_lies_beside_latest_and_best(
    tmp_path, train, by_epoch, saved
):
    # the older ones have been removed, and their students with them
    train(
        tmp_path,
        HOOKS,
        by_epoch=by_epoch,
        val=1 if by_epoch else 2,
        scores=[1, 2, 0],
        checkpoint=dict(save_best='acc', max_keep_ckpts=1),
    )
    assert names(tmp_path) == sorted(
        [f'{name}.pth' for name in saved]
        + [f'student_{name}.pth' for name in saved]
    )


@pytest.mark.parametrize('by_epoch', [False, True])
def test_each_student_is_that_of_its_checkpoint(tmp_path, train, by_epoch):
    out = train(tmp_path, HOOKS, by_epoch=by_epoch)
    names = (
        ['epoch_1', 'epoch_2', 'epoch_3']
        if by_epoch
        else ['iter_2', 'iter_4', 'iter_6']
    )
    for name in names:
        whole = torch.load(tmp_path / f'{name}.pth')['state_dict']
        student = torch.load(
            tmp_path / f'student_{name}.pth', weights_only=True
        )
        assert_close(
            student['state_dict'],
            {
                key.removeprefix('architecture.'): value
                for key, value in whole.items()
                if 'architecture.' in key
            },
        )
        assert student['meta']['dataset_meta'] == dict(classes=('a',))
    last = {f'architecture.{k}': v for k, v in student['state_dict'].items()}
    assert_close(last, {k: v for k, v in out.weights.items() if k in last})


def test_what_a_killed_run_left_is_made_up_for(tmp_path, train):
    train(tmp_path, HOOKS, until=4)
    student = tmp_path / 'student_iter_4.pth'
    student.unlink()
    train(tmp_path, HOOKS, until=4, resume=tmp_path / 'iter_4.pth')
    assert student.exists()


def test_a_student_older_than_its_checkpoint_is_written_again(tmp_path, train):
    train(tmp_path, HOOKS, until=4)
    student = tmp_path / 'student_iter_4.pth'
    student.write_bytes(b'of another run')
    os.utime(student, (0, 0))
    train(tmp_path, HOOKS, until=4, resume=tmp_path / 'iter_4.pth')
    assert torch.load(student)['state_dict']


def test_a_resumed_run_removes_the_students_of_the_run_before(tmp_path, train):
    options = dict(checkpoint=dict(max_keep_ckpts=1))
    train(tmp_path, HOOKS, until=4, **options)
    train(tmp_path, HOOKS, until=6, **options, resume=tmp_path / 'iter_4.pth')
    assert names(tmp_path) == ['iter_6.pth', 'student_iter_6.pth']
