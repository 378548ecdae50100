"""How close losses bring a student's embedding to the teacher's.

Trains the student of each config (``mmfreekd.FeatureDistill``) with its loss,
over learning rates and seeds, and prints the mean squared error on images that
were not trained on. What is compared is the first map of both backbones, as it
is; the teacher makes it once for every image. The learning rate is
chosen on the split ``val`` with seed 0, the others are measured on ``test``:
the config's ``splits`` say for both what changes in it, as in
``configs/foundation/shapes/mse_sam_w48_w24_textures.py``.

Example:
    python tools/analysis/embedding_error.py \\
        configs/foundation/shapes/mse_sam_w48_w24_textures.py \\
        configs/foundation/shapes/freekd_sam_w48_w24_textures.py
"""

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _cli import run  # noqa: E402

WARM_UP = 20


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('configs', nargs='+', help='they share a teacher')
    parser.add_argument(
        '--lr',
        type=float,
        nargs='+',
        default=[2e-3, 6e-3],
        help='learning rates to choose from. Defaults to 2e-3 6e-3',
    )
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[1, 2, 3],
        help='one training each at the chosen rate. Defaults to 1 2 3',
    )
    parser.add_argument(
        '--iters', type=int, default=150, help='Defaults to 150'
    )
    parser.add_argument(
        '--batch-size', type=int, default=8, help='Defaults to 8'
    )
    return parser.parse_args(args)


def check(cfg, path: str) -> None:
    """Refuse a config that does not say what to measure on, or needs more
    than two backbones and a loss."""
    from mmfreekd.errors import UsageError

    missing = {'val', 'test'} - set(cfg.get('splits') or {})
    if missing:
        raise UsageError(
            f'{path}: its splits must have val and test, each with the '
            f'changes of the config for it, but lack {sorted(missing)}: see '
            'configs/foundation/shapes/mse_sam_w48_w24_textures.py'
        )
    distiller = cfg.model.distiller
    sources = {
        recorder.source
        for side in ('student_recorders', 'teacher_recorders')
        for recorder in distiller[side].values()
    }
    losses = list(distiller.distill_losses)
    if sources != {'backbone'} or len(losses) != 1:
        raise UsageError(
            f"{path}: one loss between both sides' 'backbone' was expected, "
            f'got {losses} between {sorted(sources)}. Others are trained by '
            'tools/train.py, whose validation prints embedding/mse too'
        )


def images_of(cfg, split: str):
    """All images of a split, normalised, ``(N, 3, H, W)``."""
    import torch
    from mmengine.registry import DATASETS

    from mmfreekd.registry import MODELS

    changed = cfg.copy()
    if split == 'train':
        dataset = DATASETS.build(changed.train_dataloader.dataset)
    else:
        changed.merge_from_dict(cfg.splits[split])
        dataset = DATASETS.build(changed.val_dataloader.dataset)
    raw = [dataset[i] for i in range(len(dataset))]
    batch = {key: [item[key] for item in raw] for key in raw[0]}
    preprocess = MODELS.build(cfg.model.architecture.data_preprocessor)
    with torch.no_grad():
        return preprocess(batch, True)['inputs']


def embed(model, images):
    """The embeddings of many images."""
    import torch

    with torch.no_grad():
        return torch.cat([model(part)[0] for part in images.split(50)])


def train(cfg, images, targets, lr: float, seed: int, args):
    """A student, trained with the loss of its config."""
    import torch

    from mmfreekd.models.zoo import build_model
    from mmfreekd.registry import MODELS

    torch.manual_seed(seed)
    student = build_model(cfg.model.architecture, 'architecture').backbone
    (loss,) = cfg.model.distiller.distill_losses.values()
    loss = MODELS.build(loss)
    trained = [*student.parameters(), *loss.parameters()]
    optimizer = torch.optim.AdamW(trained, lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: (
            min(1, (i + 1) / WARM_UP)
            * (0.5 + 0.5 * math.cos(math.pi * i / args.iters))
        ),
    )
    for _ in range(args.iters):
        chosen = torch.randint(len(images), (args.batch_size,))
        optimizer.zero_grad()
        loss(student(images[chosen])[0], targets[chosen]).backward()
        torch.nn.utils.clip_grad_norm_(trained, 10)
        optimizer.step()
        schedule.step()
    return student.eval()


def main() -> None:
    """Measure, and print each result as it is there."""
    import torch.nn.functional as F
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    from mmfreekd.models.zoo import build_model, load_teacher

    args = parse_args()
    configs = {Path(c).stem: Config.fromfile(c) for c in args.configs}
    cfg = next(iter(configs.values()))
    for path in args.configs:
        check(configs[Path(path).stem], path)
    init_default_scope(cfg.default_scope)
    teacher = build_model(cfg.model.teacher, 'teacher')
    load_teacher(teacher, cfg.model.teacher_ckpt, False)
    teacher = teacher.eval().backbone
    images = {s: images_of(cfg, s) for s in ('train', 'val', 'test')}
    targets = {s: embed(teacher, images[s]) for s in images}
    print('variance', float(targets['test'].var()), flush=True)

    def measure(cfg, lr, seed, split):
        parts = images['train'], targets['train']
        student = train(cfg, *parts, lr, seed, args)
        return float(F.mse_loss(embed(student, images[split]), targets[split]))

    for name, cfg in configs.items():
        tuned = {}
        for lr in args.lr:
            tuned[lr] = measure(cfg, lr, 0, 'val')
            print(name, 'val', lr, f'{tuned[lr]:.4f}', flush=True)
        best = min(tuned, key=tuned.get)
        for seed in args.seeds:
            error = measure(cfg, best, seed, 'test')
            print(name, 'test', best, seed, f'{error:.4f}', flush=True)


if __name__ == '__main__':
    run(main)
