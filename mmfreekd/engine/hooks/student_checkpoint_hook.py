from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook

from ...checkpoints import export_student
from ...registry import HOOKS

EXPORTED = 'exported_students'


@HOOKS.register_module()
class StudentCheckpointHook(Hook):
    """Write the student alone beside each checkpoint of a distillation.

    ``student_NAME.pth`` beside ``NAME.pth``, for the latest and for the best:
    a checkpoint of plain mmdet / mmseg, which knows nothing of teacher and
    connectors. Where an old checkpoint is removed, so is its student.
    """

    priority = 'LOWEST'  # after CheckpointHook

    def __init__(self) -> None:
        self._saved = False

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Note that there is something to export."""
        self._saved = True

    def before_train(self, runner) -> None:
        """Export what a run that was killed may have left."""
        self._export(runner)

    def after_train_epoch(self, runner) -> None:
        """Export the student of the latest checkpoint."""
        if self._saved:
            self._export(runner)

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Export the student of the latest checkpoint."""
        if self._saved:
            self._export(runner)

    def after_val_epoch(self, runner, metrics=None) -> None:
        """Export the student of the best checkpoint."""
        if self._saved:
            self._export(runner)

    @master_only
    def _export(self, runner) -> None:
        self._saved = False
        info = runner.message_hub.runtime_info
        # kept in checkpoints, for a kill may come before a student is removed
        exported = {*info.get(EXPORTED, ())}
        for key, value in info.items():
            if key == 'last_ckpt' or key.startswith('best_ckpt'):
                path = Path(str(value))
                if path.is_file() and outdated(path):
                    export_student(str(path), str(student_path(path)))
                if path.is_file():
                    exported.add(str(path))
        for path in [p for p in map(Path, exported) if not p.exists()]:
            student_path(path).unlink(missing_ok=True)
            exported.remove(str(path))
        runner.message_hub.update_info(EXPORTED, sorted(exported))


def student_path(path: Path) -> Path:
    """The file of the student beside a checkpoint of a distillation."""
    return path.with_name(f'student_{path.name}')


def outdated(path: Path) -> bool:
    """Whether a checkpoint's student is missing or older than it is."""
    student = student_path(path)
    return not student.is_file() or (
        student.stat().st_mtime < path.stat().st_mtime
    )
