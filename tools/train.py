"""Train what a config says: both stages of FreeKD, or a plain model."""

import argparse
import sys
from typing import Iterator, Optional

from _cli import (
    UsageError,
    add_common_arguments,
    build_runner,
    load_config,
    need_checkpoint,
    run,
    wait_for_all,
)


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train what a config says')
    parser.add_argument('config', help='the config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint; without a path from the latest one in '
        'the work_dir, if there is one',
    )
    parser.add_argument(
        '--stage',
        type=int,
        choices=[1, 2],
        help='run one stage of a distillation: 1 tunes its prompts, 2 distils '
        'with them. Defaults to both; stage 1 is passed over once its '
        'prompts.pth is finished',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='train with automatic mixed precision',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate from auto_scale_lr.base_batch_size of '
        'the config to the actual batch size',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='train nothing: list all problems of the config, its losses, '
        'trainable parameters and memory',
    )
    add_common_arguments(parser)
    return parser.parse_args(args)


def enable_amp(cfg) -> None:
    """Put AmpOptimWrapper in the place of OptimWrapper.

    Raises:
        UsageError: If there is no GPU, or if the config has another wrapper.
    """
    from mmengine.device import get_device

    from mmfreekd.registry import type_name

    if get_device() == 'cpu':
        raise UsageError(
            '--amp needs a GPU, but none was found here. Train without --amp'
        )
    # MMRazor's SeparateOptimWrapperConstructor has one for each part
    wrapper = cfg.optim_wrapper.get('architecture', cfg.optim_wrapper)
    kind = type_name(wrapper) or 'OptimWrapper'
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UsageError(
            '--amp works with optim_wrapper.type OptimWrapper, '
            f'but the config has {kind}. Leave --amp out'
        )
    if kind == 'OptimWrapper':
        wrapper.type = 'AmpOptimWrapper'
        wrapper.loss_scale = 'dynamic'


def enable_auto_scale_lr(cfg) -> None:
    """Switch on mmengine's scaling of the learning rate.

    Raises:
        UsageError: If the config does not say for which batch size its
            learning rate is meant.
    """
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise UsageError(
            '--auto-scale-lr needs auto_scale_lr.base_batch_size, which the '
            'config does not have. Add `auto_scale_lr = '
            'dict(base_batch_size=16)`, with the batch size for which its '
            'learning rate is meant'
        )
    cfg.auto_scale_lr.enable = True


def set_resume(cfg, checkpoint: str) -> None:
    """Let the runner go on from a checkpoint.

    Args:
        cfg (mmengine.config.Config): The config, with ``work_dir``.
        checkpoint (str): A path, or ``'auto'`` for the latest checkpoint in
            the work_dir that is whole; if nothing was written there yet, the
            training starts afresh.

    Raises:
        UsageError: If there is no such checkpoint, or it is broken.
    """
    from mmengine.logging import print_log

    from mmfreekd.checkpoints.resuming import (
        check_resumable,
        latest_checkpoint,
    )

    if checkpoint == 'auto':
        latest = latest_checkpoint(cfg.work_dir)
        cfg.resume = latest is not None
        if latest is None:
            print_log(f'Nothing to resume in {cfg.work_dir}: starting afresh.')
        else:
            cfg.load_from = latest
        return
    check_resumable(need_checkpoint(checkpoint))
    cfg.load_from = checkpoint
    cfg.resume = True


def check_inputs(cfg) -> None:
    """Look at data and work_dir before anything is built, for that takes long.

    Raises:
        UsageError: If data is missing, or the work_dir cannot be written.
    """
    from mmfreekd.doctor.configs import check_work_dir
    from mmfreekd.doctor.data import missing_data

    missing = missing_data(cfg)
    if missing:
        raise UsageError('\n'.join(missing))
    check_work_dir(cfg.work_dir)


def stages(cfg, stage: Optional[int]) -> Iterator:
    """The configs to train, one after the other.

    Args:
        cfg (mmengine.config.Config): The config, with ``work_dir``.
        stage (int, optional): 1 or 2 for that stage only.

    Yields:
        mmengine.config.Config: Of stage 1, if its prompts are not there yet,
        then of stage 2.

    Raises:
        UsageError: If the config has no such stage.
    """
    from mmfreekd.stages import is_tuned, set_prompt_ckpt, tuning_config

    prompts = set_prompt_ckpt(cfg)
    if prompts is None and stage is not None:
        raise UsageError(
            f'--stage {stage}: the config is no distillation that needs '
            'prompts of its own, so it has one stage. Leave --stage out'
        )
    if prompts is not None and stage != 2:
        tuning = tuning_config(cfg, prompts)
        if stage == 1 or not is_tuned(prompts, tuning):
            yield tuning
    if stage != 1:
        yield cfg


def train(cfg, args: argparse.Namespace) -> None:
    """Train one stage."""
    check_inputs(cfg)
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr and 'auto_scale_lr' in cfg:
        enable_auto_scale_lr(cfg)
    if args.resume is not None:
        set_resume(cfg, args.resume)
    build_runner(cfg).train()
    wait_for_all()


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    if args.dry_run:
        from mmfreekd.doctor.dry_run import dry_run

        sys.exit(dry_run(cfg).print())
    if args.auto_scale_lr and 'base_batch_size' not in cfg.get(
        'auto_scale_lr', {}
    ):
        enable_auto_scale_lr(cfg)  # says what is missing
    if args.resume is None and cfg.get('resume') and not cfg.get('load_from'):
        args.resume = 'auto'
    for stage in stages(cfg, args.stage):
        train(stage, args)


if __name__ == '__main__':
    run(main)
