"""Killed wherever it writes or removes, a run loses no checkpoint."""

import os

import pytest
import torch
from torch.testing import assert_close

from mmfreekd.checkpoints.atomic import open_atomically
from mmfreekd.checkpoints.resuming import check_resumable, latest_checkpoint
from mmfreekd.errors import CheckpointError

HOOKS = [
    'mmfreekd.RandomStateHook',
    'mmfreekd.PlainCheckpointHook',
    'mmfreekd.StudentCheckpointHook',
]
# what changes names in a folder
CALLS = ('replace', 'unlink', 'remove')


class Killed(BaseException):
    """In place of SIGKILL: nothing is tidied up after it either."""


class Disk:
    """Lets some changes pass; then the process is dead."""

    def __init__(self, monkeypatch, changes):
        self.left = changes
        self.written = []
        for name in CALLS:
            monkeypatch.setattr(os, name, self._count(getattr(os, name)))

    def _count(self, change):
        def counted(*args, **kwargs):
            self.left -= 1
            if self.left < 0:
                raise Killed
            change(*args, **kwargs)
            if change.__name__ == 'replace':
                self.written.append(os.path.basename(args[1]))

        return counted


@pytest.mark.parametrize('by_epoch', [False, True])
def test_killed_between_any_two_changes(
    tmp_path, train, monkeypatch, by_epoch
):
    options = dict(
        by_epoch=by_epoch,
        until=4,
        val=1 if by_epoch else 2,
        checkpoint=dict(max_keep_ckpts=1, save_best='acc'),
    )
    whole = train(tmp_path / 'whole', HOOKS, **options)
    kept = sorted(path.name for path in (tmp_path / 'whole').glob('*.pth'))
    assert len(kept) == 4  # the last, the best, and the student of each
    for changes in range(by_epoch, 99, 2):
        folder = tmp_path / str(changes)
        with monkeypatch.context() as patch:
            disk = Disk(patch, changes)
            try:
                train(folder, HOOKS, **options)
                break
            except Killed:
                pass
        latest = latest_checkpoint(str(folder))
        steps = [n for n in disk.written if n.startswith(('iter', 'epoch'))]
        assert (latest is not None) == bool(steps)
        if any(name.startswith('best') for name in disk.written):
            assert list(folder.glob('best_*.pth'))
        # each validation finds a better score than those before it
        rest = train(
            folder, HOOKS, resume=latest, scores=range(99, 199), **options
        )
        assert_close(rest.weights, whole.weights, rtol=0, atol=0)
        assert {*kept} <= {path.name for path in folder.glob('*.pth')}
        assert not list(folder.glob('*.tmp'))
    assert changes > 25


@pytest.fixture
def run(tmp_path, train):
    """A folder with three checkpoints, of iterations 2, 4 and 6."""
    train(tmp_path, HOOKS)
    return tmp_path


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == 'truncated':
        content = content[: len(content) // 2]
    elif how == 'empty':
        content = b''
    else:  # one bit inside a tensor, which torch.load does not notice
        at = content.index(torch.load(path)['state_dict'][how].numpy())
        content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize('how', ['truncated', 'empty', 'distiller.weight'])
def test_a_broken_checkpoint_is_named_and_the_one_before_is_taken(
    run, capsys, how
):
    damage(run / 'iter_6.pth', how)
    assert latest_checkpoint(str(run)) == str(run / 'iter_4.pth')
    said = capsys.readouterr().out
    assert f"iter_4.pth instead: --resume: '{run / 'iter_6.pth'}'" in said


def test_all_broken_is_an_error_rather_than_a_fresh_start(run):
    for path in run.glob('iter_*.pth'):
        damage(path, 'truncated')
    with pytest.raises(
        CheckpointError, match='(?s)is damaged.*iter_6.*iter_4.*iter_2.*Remove'
    ):
        latest_checkpoint(str(run))


@pytest.mark.parametrize('left', ['', None])
def test_without_a_note_the_latest_is_found_by_its_number(run, left):
    (run / 'iter_6.pth').rename(run / 'iter_10.pth')
    note = run / 'last_checkpoint'
    note.unlink() if left is None else note.write_text(left)
    assert latest_checkpoint(str(run)) == str(run / 'iter_10.pth')


def test_later_checkpoints_of_an_older_run_are_not_taken(run):
    (run / 'last_checkpoint').write_text(str(run / 'iter_4.pth'))
    damage(run / 'iter_4.pth', 'truncated')
    assert latest_checkpoint(str(run)) == str(run / 'iter_2.pth')


def test_a_folder_that_was_moved(run, tmp_path_factory):
    moved = tmp_path_factory.mktemp('moved') / 'run'
    run.rename(moved)
    assert latest_checkpoint(str(moved)) == str(moved / 'iter_6.pth')


def test_a_student_cannot_be_resumed(run):
    with pytest.raises(
        CheckpointError, match='has no message_hub and no optimizer'
    ):
        check_resumable(str(run / 'student_iter_6.pth'))


def test_a_file_that_could_not_be_written_is_as_it_was(tmp_path):
    path = tmp_path / 'file'
    path.write_text('before')
    with pytest.raises(TypeError), open_atomically(str(path)) as file:
        file.write(b'half' * 9999)
        file.write('not bytes')
    assert path.read_text() == 'before'
    assert list(tmp_path.iterdir()) == [path]
