"""The report of the experiments: what is kept for it, what it shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / 'tools' / 'experiments'
pytestmark = pytest.mark.slow
CONFIG = """
_base_ = '{base}'
make_data = 'cityscapes data --scene textured --size 64 64 --num-train 8 \
--num-val 4 --num-test 4 --corrupt'
max_iters = 2
model = dict({model})
train_cfg = dict(max_iters=2)
train_dataloader = dict(batch_size=4, dataset=dict(data_root='data'))
val_dataloader = dict(dataset=dict(data_root='data'))
"""
# two seeds of student and FreeKD; then the student's run is lost, the report
# written without it, and the run made again
SCRIPT = """
import shutil
import sys
from pathlib import Path


def main():
    import evidence_tasks

    evidence_tasks.CONFIGS = Path.cwd()
    import evidence
    import evidence_report
    from experiment_runs import run_config
    from loss_weights import LossWeights
    from pool import Job, run_jobs
    from student_runs import student_run

    LossWeights.choose = lambda *args: None
    LossWeights.best = lambda *args: 1.5
    sys.argv += '--tasks seg-pspnet --methods freekd --seeds 1 0'.split()
    evidence.main()
    report = evidence_report.REPORT / 'report.md'
    shutil.copy(report, 'whole.md')
    run = student_run('seg-pspnet', 'freekd', 0, 1.5)
    run.update(splits=['test'], keep='checkpoints', work_dir='undisturbed')
    run_jobs([Job('undisturbed', run_config, run)], 1)
    (alone,) = Path('work_dirs/evidence').glob('*_student_*')
    shutil.rmtree(alone)
    sys.argv[1:] = []
    evidence_report.main()
    shutil.copy(report, 'without.md')
    sys.argv[1:] = '--train seg-pspnet'.split()
    evidence_report.main()


if __name__ == '__main__':  # the processes of the runs read this too
    main()
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """What the script leaves."""
    folder = tmp_path_factory.mktemp('evidence')
    (folder / 'pspnet').mkdir()
    teacher = 'pspnet_r18w32_textures'
    distill = (
        "teacher=dict(cfg_path='{{ fileDirname }}/" + teacher + ".py'),"
        f"teacher_ckpt='work_dirs/{teacher}/iter_2.pth'"
    )
    for name, base, model in (
        (teacher, teacher, ''),
        ('pspnet_r18w16_textures', 'pspnet_r18w16_textures', ''),
        ('mse_pspnet_textures', 'fkd_pspnet_textures', distill),
        ('pkd_pspnet_textures', 'fkd_pspnet_textures', distill),
        ('freekd_pspnet_textures', 'fkd_pspnet_textures', distill),
    ):
        base = ROOT / 'configs' / 'experiments' / 'pspnet' / f'{base}.py'
        text = CONFIG.format(base=base, model=model)
        (folder / 'pspnet' / f'{name}.py').write_text(text)
    (folder / 'script.py').write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, 'script.py'],
        cwd=folder,
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=f'{TOOLS}:{ROOT}'),
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_only_what_the_report_shows_is_kept(folder):
    runs = folder / 'work_dirs' / 'evidence'
    names = {path.name for path in runs.iterdir() if path.name != 'report'}
    assert len(names) == 2
    for method in ('student', 'freekd'):
        (run,) = runs.glob(f'seg-pspnet_{method}_seed_0_*')
        assert [path.name for path in run.rglob('*.pth')] == ['student.pth']
        (scalars,) = run.glob('*/vis_data/scalars.json')
        rows = [json.loads(line) for line in scalars.open()]
        assert [row['step'] for row in rows if 'mIoU' in row] == [1, 2]


def test_what_is_kept_is_the_student_of_an_undisturbed_training(folder):
    (run,) = folder.glob('work_dirs/evidence/*_freekd_*')
    whole = torch.load(folder / 'undisturbed' / 'iter_2.pth')['state_dict']
    student = torch.load(run / 'student.pth')['state_dict']
    assert student
    for name, value in student.items():
        torch.testing.assert_close(
            value, whole[f'architecture.{name}'], rtol=0, atol=0
        )


def test_the_report_shows_tables_and_pictures(folder):
    report = folder / 'work_dirs' / 'evidence' / 'report'
    text = (folder / 'whole.md').read_text()
    table = (folder / 'results' / 'evidence.md').read_text().strip()
    assert table in text
    for picture in ('predictions_seg-pspnet.png', 'curves_seg-pspnet.png'):
        assert f']({picture})' in text
        assert (report / picture).stat().st_size > 5000
    # baselines that have not been measured
    assert 'Not in the pictures: MSE; PKD. There is no row' in text
    assert '--train' not in text


def test_it_says_what_is_lost_and_makes_it_again(folder):
    text = (folder / 'without.md').read_text()
    assert 'Not in the pictures: student alone. The rows are there' in text
    assert 'evidence_report.py --train seg-pspnet --seed 0' in text
    again = folder / 'work_dirs' / 'evidence' / 'report' / 'report.md'
    assert again.read_text() == (folder / 'whole.md').read_text()
    rows = json.loads((folder / 'results' / 'evidence.json').read_text())
    assert len(rows) == 2 * (1 + 2 * 2)
