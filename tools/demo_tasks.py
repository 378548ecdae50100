"""The pairs of the demo, and the steps that each takes."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import List

from demo_steps import CONFIGS, Step

DEMO_DIR = Path('work_dirs/demo')
SEEDS = (0, 1)


@dataclass(frozen=True)
class Task:
    """One teacher-student pair of the demo."""

    name: str  # of its folder
    title: str
    host: str  # the package that evaluates the exported student
    metric: str  # as the log calls it
    unit: str
    data: List[str]  # arguments of make_shapes.py
    teacher: str
    prompt: str
    student: str
    freekd: str

    @property
    def data_root(self) -> Path:
        return Path('data/demo') / self.data[0]


DATA = ['--size', '96', '96', '--num-train', '600', '--num-val', '100']
TASKS = dict(
    reppoints=Task(
        'reppoints',
        'RepPoints, COCO format',
        'mmdet',
        'coco/bbox_mAP',
        'AP',
        ['coco', *DATA, '--objects', '1', '4'],
        'reppoints_r18w32_shapes',
        'prompt_reppoints_r18w32_shapes',
        'reppoints_r18w8_shapes',
        'freekd_neck_reppoints_r18w32_reppoints_r18w8_shapes',
    ),
    pspnet=Task(
        'pspnet',
        'PSPNet, Cityscapes format',
        'mmseg',
        'mIoU',
        'mIoU',
        ['cityscapes', *DATA, '--objects', '2', '5'],
        'pspnet_r18w32_shapes',
        'prompt_pspnet_r18w32_shapes',
        'pspnet_r18w8_shapes',
        'freekd_backbone_pspnet_r18w32_pspnet_r18w8_shapes',
    ),
)


def train(
    task: Task, title: str, name: str, config: str, needs: Step, seed: int = 0
) -> Step:
    """The step that trains a config and evaluates it at the end."""
    folder = DEMO_DIR / task.name / name
    return Step(
        title,
        folder,
        [
            sys.executable,
            'tools/train.py',
            f'configs/demo/{config}.py',
            '--work-dir',
            str(folder),
            '--resume',
            'auto',
            '--cfg-options',
            f'randomness.seed={seed}',
        ],
        task.metric,
        task.unit,
        needs,
    )


def exported_student(task: Task, freekd: Step) -> Path:
    """The checkpoint of the student that stage 2 leaves beside its own."""
    config = (CONFIGS / 'demo' / f'{task.student}.py').read_text()
    last = re.search(r'^max_iters = (\d+)', config, re.M).group(1)
    return freekd.folder / f'student_iter_{last}.pth'


def test_exported(task: Task, freekd: Step, seed: int) -> Step:
    """The step that evaluates an exported student with the stock package."""
    folder = DEMO_DIR / task.name / f'exported_seed{seed}'
    checkpoint = exported_student(task, freekd)
    return Step(
        f'exported student under stock {task.host}, seed {seed}',
        folder,
        [
            sys.executable,
            '-m',
            'mim',
            'test',
            task.host,
            f'configs/demo/{task.student}.py',
            '--checkpoint',
            str(checkpoint),
            '--work-dir',
            str(folder),
            '--cfg-options',
            'custom_hooks=[]',
        ],
        task.metric,
        task.unit,
        freekd,
    )


def steps_of(task: Task) -> List[Step]:
    """The steps of a task in their order."""
    data = Step(
        'data',
        DEMO_DIR / task.name / 'data',
        [
            sys.executable,
            'tools/data/make_shapes.py',
            task.data[0],
            str(task.data_root),
            *task.data[1:],
            '--force',
        ],
        product=task.data_root / 'meta.json',
    )
    teacher = train(task, 'teacher', 'teacher', task.teacher, data)
    prompt = train(
        task, 'stage 1: frequency prompts', 'prompt', task.prompt, teacher
    )
    steps = [data, teacher, prompt]
    for seed in SEEDS:
        alone = train(
            task,
            f'student alone, seed {seed}',
            f'student_seed{seed}',
            task.student,
            data,
            seed,
        )
        freekd = train(
            task,
            f'stage 2: FreeKD, seed {seed}',
            f'freekd_seed{seed}',
            task.freekd,
            prompt,
            seed,
        )
        steps += [alone, freekd, test_exported(task, freekd, seed)]
    return steps
