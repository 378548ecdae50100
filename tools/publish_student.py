"""Publish the student of a distillation as a plain mmdet / mmseg model.

Writes NAME-<hash>.pth, with the first eight digits of its SHA-256 in its name
as OpenMMLab does it, and NAME.py, the config for evaluation and inference.
Both are verified by loading them strictly into the stock model. Takes
checkpoints of FreeKD, of any other MMRazor distillation (1.x and 0.x), and
plain ones. MMDeploy turns both files into ONNX or TensorRT.
"""

import argparse
from pathlib import Path
from typing import List, Optional

import torch
from _cli import UsageError, need_checkpoint, run
from mmengine.config import Config
from mmengine.hub import get_config

from mmfreekd.checkpoints import (
    export_student,
    load_strictly,
    read_checkpoint,
)
from mmfreekd.checkpoints.downloads import sha256
from mmfreekd.models.zoo import build_model

# what evaluation and inference need of a config; the rest is for training
KEPT = (
    'default_scope',
    'dataset_type',
    'data_root',
    'backend_args',
    'test_pipeline',
    'val_dataloader',
    'val_evaluator',
    'val_cfg',
    'test_dataloader',
    'test_evaluator',
    'test_cfg',
    'tta_model',
    'tta_pipeline',
    'default_hooks',
    'env_cfg',
    'vis_backends',
    'visualizer',
    'log_processor',
    'log_level',
)


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', help='the checkpoint')
    parser.add_argument('name', help='path of the new files, without suffix')
    parser.add_argument(
        '--config',
        help='config of the distillation or of the student. Defaults to the '
        'one in the checkpoint',
    )
    return parser.parse_args(args)


def publish(args: argparse.Namespace) -> List[Path]:
    """Write the files and verify them.

    Args:
        args (argparse.Namespace): The command line.

    Returns:
        list[Path]: The checkpoint and the config.

    Raises:
        UsageError: If weights and config do not belong together.
    """
    source = need_checkpoint(args.checkpoint)
    config, checkpoint = Path(f'{args.name}.py'), Path(f'{args.name}.pth')
    for path in (config, checkpoint):
        if path.exists():
            raise UsageError(f'{str(path)!r} exists: give another name')
    text = student_config(args.config, source).pretty_text
    config.parent.mkdir(parents=True, exist_ok=True)
    try:
        config.write_text(text)
        meta = dict(cfg=text, source=Path(source).name)
        export_student(source, str(checkpoint), meta)
        with torch.random.fork_rng(devices=[]):
            model = build_model(dict(cfg_path=str(config)), 'student')
        load_strictly(model, str(checkpoint), 'the student')
    except Exception:
        config.unlink(missing_ok=True)
        checkpoint.unlink(missing_ok=True)
        raise
    digest = sha256(str(checkpoint))[:8]
    return [checkpoint.rename(f'{args.name}-{digest}.pth'), config]


def student_config(config: Optional[str], checkpoint: str) -> Config:
    """The config with which stock mmdet or mmseg runs a student.

    Args:
        config (str, optional): Config file of the distillation or of the
            student. None: the one in the checkpoint.
        checkpoint (str): The checkpoint.

    Returns:
        mmengine.config.Config: It names no teacher and no distiller.

    Raises:
        UsageError: If there is no config, or it defines no model.
    """
    if config is not None:
        cfg = Config.fromfile(config)
    else:
        meta = read_checkpoint(checkpoint, 'the checkpoint').get('meta', {})
        text = meta.get('cfg') or meta.get('config')
        if not text:
            raise UsageError(
                'the checkpoint holds no config: name that of the '
                'distillation or of the student with --config'
            )
        cfg = Config.fromstring(text, '.py')
    if 'model' not in cfg:
        raise UsageError(f'{config or "the config"} defines no model')
    student = cfg.model.get('architecture', cfg.model)
    if 'cfg_path' in student:
        changes = dict(student)
        path = changes.pop('cfg_path')
        changes.pop('pretrained', None)  # for MMRazor's builder
        source = get_config(path) if '::' in path else Config.fromfile(path)
        source.merge_from_dict(dict(model=changes))
        student = source.model
        student.setdefault(
            'data_preprocessor', source.get('data_preprocessor')
        )
    preprocessor = (
        cfg.model.get('data_preprocessor')
        or student.get('data_preprocessor')
        or cfg.get('data_preprocessor')
    )
    kept = {key: cfg[key] for key in KEPT if key in cfg}
    model = {**student, 'data_preprocessor': preprocessor}
    return Config(dict(kept, model=model))


def main() -> None:
    args = parse_args()
    sizes = [
        f'  {path} ({path.stat().st_size / 2**20:.1f} MB)'
        for path in publish(args)
    ]
    print('\n'.join(['Published and verified:', *sizes]))


if __name__ == '__main__':
    run(main)
