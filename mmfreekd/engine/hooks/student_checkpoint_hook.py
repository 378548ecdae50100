from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook

from ...checkpoints.student import export_student, student_path
from ...registry import HOOKS

EXPORTED = 'exported_students'


@HOOKS.register_module()
class StudentCheckpointHook(Hook):
    """Write the student alone next to each checkpoint of a distillation.

    ``student_NAME.pth`` next to ``NAME.pth``, for the latest and for the
    best: a plain checkpoint of mmdet / mmseg without teacher and connectors.
    Where an old checkpoint is removed, so is its student. A student with
    weights that are not finite ends the training; earlier ones are kept.
    """

    priority = 'LOWEST'  # after CheckpointHook

    def __init__(self) -> None:
        self._saved = False

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Record that there is something to export."""
        self._saved = True

    def before_train(self, runner) -> None:
        """Export what a run that was killed may have left."""
        self._saved = True
        self._export(runner)

    def after_train_epoch(self, runner) -> None:
        """Export the student of the latest checkpoint."""
        self._export(runner)

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Export the student of the latest checkpoint."""
        self._export(runner)

    def after_val_epoch(self, runner, metrics=None) -> None:
        """Export the student of the best checkpoint."""
        self._export(runner)

    @master_only
    def _export(self, runner) -> None:
        if not self._saved:
            return
        self._saved = False
        info = runner.message_hub.runtime_info
        # kept in checkpoints: a run may be killed before it removes a student
        exported = {*info.get(EXPORTED, ())}
        for key, value in info.items():
            path = Path(str(value))
            if key.startswith(('last_ckpt', 'best_ckpt')) and path.is_file():
                if outdated(path):
                    export_student(str(path), str(student_path(path)))
                exported.add(str(path))
        for path in [p for p in map(Path, exported) if not p.exists()]:
            student_path(path).unlink(missing_ok=True)
            exported.remove(str(path))
        runner.message_hub.update_info(EXPORTED, sorted(exported))


def outdated(path: Path) -> bool:
    """Whether a checkpoint's student is missing or older than it is."""
    student = student_path(path)
    return not student.is_file() or (
        student.stat().st_mtime < path.stat().st_mtime
    )
