"""Measure what distillation costs: the loss alone, and the training step.

Times are medians of ``torch.utils.benchmark`` in blocks that take turns, so
that whatever disturbs one disturbs all. Those of the loss are relative to
``l1_loss``, those of a step to the floor, the student's step and the
teacher's forward to the layer. Memory is the peak beyond the inputs, in
multiples of the student's feature. On a GPU if there is one.

Example:
    python -m benchmarks.speed --tables loss --loss my_package.losses:MyLoss
"""

import argparse
import logging
import statistics
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import Timer

import mmfreekd.registry  # noqa: F401
from mmfreekd.models import FreeKDLoss
from mmfreekd.models.zoo import build_model
from mmfreekd.registry import MODELS

from .configs import ROOT
from .rows import Results, made_by
from .tables import markdown

Run = Callable[[], object]
PRESETS = ('official', 'paper', 'plus', 'recommended')
OTHERS = dict(
    l1='torch.nn.functional:l1_loss',
    mse='torch.nn.functional:mse_loss',
    CWD='mmrazor.models:ChannelWiseDivergence',
    PKD='mmrazor.models:PKDLoss',
)
# channels, and the sizes of the pyramid levels
FPN = ((100, 152), (50, 76), (25, 38), (13, 19), (7, 10))
FEATURES = {
    'RetinaNet FPN, 800x1216': (256, FPN),
    'PSPNet stage 4, 512x512': (2048, ((64, 64),)),
}
QUICK_FEATURES = {'quick': (16, ((26, 38), (13, 19)))}
PAIRS = (
    'freekd/mmdet/freekd_retinanet_r101_r50_2x_coco.py',
    'freekd/mmseg/freekd_pspnet_r101_r18_40k_cityscapes-512x512.py',
)
QUICK_PAIRS = ('demo/freekd_neck_reppoints_r18w32_reppoints_r18w8_shapes.py',)


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure what distillation costs',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    tables = ['loss', 'step']
    parser.add_argument('--tables', nargs='+', choices=tables, default=tables)
    parser.add_argument(
        '--loss',
        nargs='+',
        default=[],
        metavar='MODULE:NAME',
        help='further losses: functions or classes of two features',
    )
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--size', type=int, default=256, help='of images')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument(
        '--quick', action='store_true', help='tiny features and models'
    )
    parser.add_argument('--results', default='work_dirs/speed.json')
    return parser.parse_args(args)


def medians(runs: Dict[str, Run], args: argparse.Namespace) -> dict:
    """Median seconds of each run by name, in blocks that take turns."""
    seconds: Dict[str, List[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # what is made once and kept
    for _ in range(args.rounds):
        for name, run in runs.items():
            scope = dict(run=run)
            timer = Timer('run()', globals=scope, num_threads=args.threads)
            seconds[name].append(timer.timeit(1).median)
    return {name: statistics.median(s) for name, s in seconds.items()}


def peak_bytes(run: Run, device: str) -> int:
    """The most memory that PyTorch's allocator held beyond the start."""
    run()  # what is made once and kept
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    activities = [ProfilerActivity.CPU]
    with profile(activities=activities, profile_memory=True) as profiler:
        run()
    changes = sorted(
        (event.start_ns(), event.nbytes())
        for event in profiler.profiler.kineto_results.events()
        if event.name() == '[memory]'
    )
    held = peak = 0
    for _, change in changes:
        held += change
        peak = max(peak, held)
    return peak


def by_path(path: str, device: str) -> Callable:
    """A loss ``module:name``, added over the pyramid levels."""
    module, _, name = path.partition(':')
    try:
        loss = getattr(import_module(module), name)
        loss = loss().to(device) if isinstance(loss, type) else loss
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise SystemExit(
            f'--loss: expected MODULE:NAME of a function or class of losses, '
            f'got {path!r}: {error}'
        )
    return lambda student, teacher: sum(map(loss, student, teacher))


def freekd(channels: int, levels: int, preset: str, device: str) -> nn.Module:
    """FreeKD with random prompts, which cost what tuned ones do."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)  # that they are not tuned
    loss = FreeKDLoss(channels, levels, preset=preset)
    logger.setLevel(level)
    return loss.to(device)


def loss_table(args: argparse.Namespace, device: str) -> List[dict]:
    """Forward and backward of the losses alone."""
    rows = []
    shapes = QUICK_FEATURES if args.quick else FEATURES
    for where, (channels, sizes) in shapes.items():
        student, teacher = features(channels, sizes, device)
        paths = {**OTHERS, **{path: path for path in args.loss}}
        losses = {name: by_path(path, device) for name, path in paths.items()}
        for preset in PRESETS:
            losses[f'FreeKD {preset}'] = freekd(
                channels, len(sizes), preset, device
            )

        def step(loss: Callable, s: list = student, t: list = teacher):
            loss(s, t).backward()
            for feature in s:
                feature.grad = None

        runs = {
            name: lambda loss=loss: step(loss) for name, loss in losses.items()
        }
        seconds = medians(runs, args)
        unit = sum(s.nbytes for s in student)
        for name, run in runs.items():
            memory = peak_bytes(run, device) / unit
            rows.append(
                dict(where=where, what=name, time=seconds[name], memory=memory)
            )
    return relative(rows, 'l1')


def features(
    channels: int, sizes: Sequence[Tuple[int, int]], device: str
) -> Tuple[List[Tensor], List[Tensor]]:
    """A student's and a teacher's, two images of random numbers."""
    torch.manual_seed(0)
    student, teacher = (
        [torch.randn(2, channels, *size, device=device) for size in sizes]
        for _ in range(2)
    )
    return [s.requires_grad_() for s in student], teacher


def step_table(args: argparse.Namespace, device: str) -> List[dict]:
    """Training steps of the student alone and distilled."""
    rows = []
    for path in QUICK_PAIRS if args.quick else PAIRS:
        cfg = Config.fromfile(ROOT / 'configs' / path)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            runs = steps(cfg, 64 if args.quick else args.size, device)
            seconds = medians(runs, args)
        where = '_'.join(Path(path).stem.split('_')[2:6])
        for name in runs:
            row = dict(where=where, what=name, time=seconds[name])
            rows.append(dict(row, memory=None))
    return relative(rows, 'floor')


def steps(cfg: Config, size: int, device: str) -> Dict[str, Run]:
    """A step of the student alone, of the floor, and of each preset."""
    torch.manual_seed(0)
    batch, model = random_batch(cfg, size), cfg.model
    segments = cfg.default_scope == 'mmseg'
    model.pop('init_cfg', None)
    model.pop('teacher_ckpt', None)
    for part in (model.architecture, model.teacher):
        part.pop('pretrained', None)
        if segments and 'cfg_path' in part:
            part.setdefault('data_preprocessor', {}).size = (size, size)
    alone = trainer(build_model(model.architecture, 'student'), batch, device)
    teacher = build_model(model.teacher, 'teacher').to(device)
    teacher = revert_sync_batchnorm(teacher).eval()
    part = teacher.backbone if segments else teacher.extract_feat
    inputs = torch.rand(2, 3, size, size, device=device)

    def floor() -> None:
        alone()
        with torch.no_grad():
            part(inputs)

    runs = {'student alone': alone, 'floor': floor}
    for preset in PRESETS:
        built = MODELS.build(with_preset(model, preset))
        runs[f'FreeKD {preset}'] = trainer(built, batch, device)
    return runs


def with_preset(model: dict, preset: str) -> dict:
    """FreeKD's model with another preset and random prompts, which cost the
    same as tuned ones, in the short or in the long form.
    """
    model = deepcopy(model)
    owner = model.distiller
    for name, loss in (owner.get('distill_losses') or {}).items():
        owner = loss if 'loss_freekd' == name else owner
    owner.update(preset=preset, prompt_ckpt=None)
    return model


def trainer(model: nn.Module, batch: dict, device: str) -> Run:
    """Training steps of a model on one batch."""
    model = revert_sync_batchnorm(model).to(device)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    wrapper = OptimWrapper(torch.optim.SGD(trained, lr=1e-6, momentum=0.9))
    return lambda: model.train_step(batch, wrapper)


def random_batch(cfg: Config, size: int) -> dict:
    """Two images of noise with four boxes, or a class for each pixel."""
    if cfg.default_scope == 'mmdet':
        from mmdet.testing import demo_mm_inputs

        shapes = [[3, size, size]] * 2
        return demo_mm_inputs(2, shapes, num_items=[4, 4], num_classes=3)
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    samples = []
    for _ in range(2):
        sample = SegDataSample(metainfo=dict(img_shape=(size, size)))
        sample.gt_sem_seg = PixelData(data=torch.randint(8, (1, size, size)))
        samples.append(sample)
    images = [torch.randint(256, (3, size, size)).byte() for _ in range(2)]
    return dict(inputs=images, data_samples=samples)


def relative(rows: List[dict], unit: str) -> List[dict]:
    """Rows whose time is divided by that of one of them."""
    units = {r['where']: r['time'] for r in rows if r['what'] == unit}
    return [dict(r, time=r['time'] / units[r['where']]) for r in rows]


def main(args=None) -> None:
    args = parse_args(args)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.set_num_threads(args.threads)
    results = Results(args.results)
    for table in args.tables:
        rows = globals()[f'{table}_table'](args, device)
        for row in rows:
            key = {k: row.pop(k) for k in ('where', 'what')}
            key.update(table=table, device=device, threads=args.threads)
            results.put(key, **row, **made_by())
            row.update(key)
        print(f'\n{table}, {device}, {args.threads} threads\n')
        cells = [
            [r['where'], r['what'], f'{r["time"]:.3g}', _cell(r['memory'])]
            for r in rows
        ]
        print(markdown(['where', 'what', 'time', 'memory'], cells))
    print(f'\nSaved: {Path(args.results)}')


def _cell(value) -> str:
    return '' if value is None else f'{value:.3g}'


if __name__ == '__main__':
    main()
