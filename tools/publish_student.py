"""Publish the student of a distillation as a plain mmdet / mmseg model.

Writes NAME-<hash>.pth, whose first eight digits of the SHA-256 are in its
name as OpenMMLab does it, and NAME.py, the config for evaluation and
inference. Both are verified by loading them strictly into the stock model.
Takes checkpoints of FreeKD, of any other MMRazor distillation (1.x and 0.x),
and plain ones.

For a whole ONNX pipeline with NMS, MMDeploy takes both files:

  python MMDEPLOY/tools/deploy.py \\
      MMDEPLOY/configs/mmdet/detection/detection_onnxruntime_dynamic.py \\
      NAME.py NAME-<hash>.pth IMAGE.jpg --work-dir NAME_onnx
"""

import argparse
import hashlib
from pathlib import Path
from typing import List

import torch
from _cli import UsageError, need_checkpoint, run
from publishing.config import student_config
from publishing.onnx_file import write_onnx
from publishing.weights import published_meta, read_student

from mmfreekd.checkpoints import load_strictly, save_atomically
from mmfreekd.models.zoo import build_model


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
    parser.add_argument(
        '--onnx',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='also write NAME.onnx: from normalised images of this size to '
        'the outputs of the head; needs onnx and onnxruntime',
    )
    return parser.parse_args(args)


def publish(args: argparse.Namespace) -> List[Path]:
    """Write the files and verify them.

    Args:
        args (argparse.Namespace): The command line.

    Returns:
        list[Path]: The files.

    Raises:
        UsageError: If weights and config do not belong together.
    """
    weights, meta = read_student(need_checkpoint(args.checkpoint))
    config = Path(f'{args.name}.py')
    checkpoint = Path(f'{args.name}.pth')
    for path in (config, checkpoint):
        if path.exists():
            raise UsageError(f'{str(path)!r} exists: give another name')
    cfg = student_config(args.config, meta)
    config.parent.mkdir(parents=True, exist_ok=True)
    try:
        config.write_text(cfg.pretty_text)
        meta = published_meta(meta, args.checkpoint, cfg.pretty_text)
        save_atomically(dict(meta=meta, state_dict=weights), str(checkpoint))
        with torch.random.fork_rng(devices=[]):
            model = build_model(dict(cfg_path=str(config)), 'student')
        load_strictly(model, str(checkpoint), 'the student')
    except Exception:
        config.unlink(missing_ok=True)
        checkpoint.unlink(missing_ok=True)
        raise
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:8]
    files = [checkpoint.rename(f'{args.name}-{digest}.pth'), config]
    if args.onnx:
        files.append(Path(f'{args.name}.onnx'))
        write_onnx(model, files[-1], args.onnx)
    return files


def main() -> None:
    args = parse_args()
    sizes = [
        f'  {path} ({path.stat().st_size / 2**20:.1f} MB)'
        for path in publish(args)
    ]
    print('\n'.join(['Published and verified:', *sizes]))


if __name__ == '__main__':
    run(main)
