"""Test (evaluate) a checkpoint with the metrics of its config."""

import argparse

from _cli import (
    UsageError,
    add_common_arguments,
    build_runner,
    load_config,
    need_checkpoint,
    run,
)


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Evaluate a checkpoint')
    parser.add_argument('config', help='the config file')
    parser.add_argument('checkpoint', help='the checkpoint file')
    parser.add_argument(
        '--out',
        metavar='FILE.pkl',
        help='also write the predictions to this file',
    )
    add_common_arguments(parser)
    return parser.parse_args(args)


def take_version_1(model) -> None:
    """Take distillations of version 1, before it is seen what matches."""
    from mmfreekd.models.algorithms.freekd_distill import without_prefix

    handle = model._register_load_state_dict_pre_hook(without_prefix, True)
    model._load_state_dict_pre_hooks.move_to_end(handle.id, last=False)


def main() -> None:
    args = parse_args()
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        raise UsageError(
            '--out writes a pickle file, so its name ends in '
            f'.pkl or .pickle, but {args.out!r} was given'
        )
    from mmengine.model import is_model_wrapper

    from mmfreekd.compat.inference import use_student

    cfg = load_config(args)
    cfg.load_from = need_checkpoint(args.checkpoint)
    cfg.resume = False
    # the student needs no teacher and no prompts, nor their files
    is_distillation = use_student(cfg)
    runner = build_runner(cfg)
    if is_distillation:
        model = runner.model
        take_version_1(model.module if is_model_wrapper(model) else model)
    if args.out:
        from mmengine.evaluator import DumpResults

        runner.test_evaluator.metrics.append(DumpResults(args.out))
    runner.test()


if __name__ == '__main__':
    run(main)
