"""The steps of the demo: what each runs, and whether it is done."""

import hashlib
import json
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional

import torch

DEMO_DIR = Path('work_dirs/demo')
CONFIGS = Path('configs')
PROGRESS = re.compile(r'Iter\((train|val|test)\)\s*\[\s*(\d+)/(\d+)\]')
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


@dataclass
class Step:
    """One command of the demo; its result lies in its folder."""

    title: str
    folder: Path
    command: List[str]
    metric: str = ''
    unit: str = ''
    needs: Optional['Step'] = None
    product: Optional[Path] = None  # what must be there when it is done
    result: dict = field(default_factory=dict)

    @property
    def console(self) -> Path:
        """What the command prints."""
        return self.folder / 'console.log'

    def signature(self) -> str:
        """A hash of the command, of the demo's configs and what it needs."""
        digest = hashlib.sha256(json.dumps(self.command).encode())
        for path in sorted(CONFIGS.rglob('*shapes*.py')):
            digest.update(path.read_bytes())
        if self.needs:
            digest.update(self.needs.signature().encode())
        return digest.hexdigest()

    def is_done(self) -> bool:
        """Whether this very step has been finished before."""
        path = self.folder / 'result.json'
        if not path.is_file() or (self.product and not self.product.exists()):
            return False
        self.result = json.loads(path.read_text())
        return self.result['signature'] == self.signature()

    def prepare(self) -> None:
        """Clear away another step's leftovers, keep one's own."""
        mark = self.folder / 'signature'
        if self.folder.exists() and (
            not mark.is_file()
            or mark.read_text() != self.signature()
            or self.was_evaluating()
        ):
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(self.signature())

    def was_evaluating(self) -> bool:
        """Whether it was stopped in its last evaluation.

        mmengine does not evaluate when it resumes a training that is through.
        """
        if not self.console.is_file():
            return False
        log = self.console.read_text(errors='replace')
        trained = [x for x in PROGRESS.findall(log) if x[0] == 'train']
        return bool(trained) and trained[-1][1] == trained[-1][2]

    def finish(self) -> None:
        """Write down the result."""
        self.result = dict(signature=self.signature())
        if self.metric:
            self.result.update(read_metrics(self.folder, self.metric))
        (self.folder / 'result.json').write_text(json.dumps(self.result))

    @property
    def value(self) -> float:
        """The metric, in percent."""
        value = self.result[self.metric]
        return 100 * value if self.metric.startswith('coco/') else value

    def outcome(self) -> str:
        """What came out, in words."""
        if not self.metric:
            return 'made'
        text = f'{self.unit} {self.value:.1f}'
        if 'mask_overlap' in self.result:
            first, last = self.result['mask_overlap']
            text += f', overlap of the masks {first:.3f} -> {last:.3f}'
        return text

    def progress(self) -> str:
        """How far the running command is."""
        found = PROGRESS.findall(self.console.read_text(errors='replace'))
        if not found:
            return 'starting'
        mode, at, end = found[-1]
        return f'{"" if mode == "train" else "evaluation, "}{at} of {end}'


def read_metrics(folder: Path, metric: str) -> dict:
    """The last value of a metric in a run's logs, and the masks' overlap."""
    rows = []
    for path in sorted(folder.glob('*/**/*.json')):
        rows += [json.loads(line) for line in path.read_text().splitlines()]
    values = [row[metric] for row in rows if metric in row]
    if not values:
        raise RuntimeError(f'{folder}: no {metric} in its logs')
    result = {metric: values[-1]}
    if (folder / 'prompts.pth').is_file():
        meta = torch.load(folder / 'prompts.pth')['meta']
        result['mask_overlap'] = [
            meta['mask_overlap'][key] for key in ('start', 'end')
        ]
    return result


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
