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


def main() -> None:
    args = parse_args()
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        raise UsageError(
            '--out writes a pickle file, so its name ends in '
            f'.pkl or .pickle, but {args.out!r} was given'
        )
    from mmfreekd.compat.inference import use_student

    cfg = load_config(args)
    cfg.load_from = need_checkpoint(args.checkpoint)
    cfg.resume = False
    # a distillation is its student, which needs no teacher and no prompts
    use_student(cfg)
    runner = build_runner(cfg)
    if args.out:
        from mmengine.evaluator import DumpResults

        runner.test_evaluator.metrics.append(DumpResults(args.out))
    runner.test()


if __name__ == '__main__':
    run(main)
