"""Distil a teacher into a student: two configs and a checkpoint.

Writes one config, shows what will be compared, tunes the prompts, distils,
and evaluates the exported student.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from _cli import UsageError, run

TOOLS = Path(__file__).resolve().parent
CONFIG = """\
# {teacher}
# -> {student}
# Written by tools/distill.py; tools/train.py runs it.
_base_ = './student.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{{{_base_.model}}}},
    teacher=dict(cfg_path={teacher!r}),
    teacher_ckpt={checkpoint!r},
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
{distiller}))
"""


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Distil a teacher into a student'
    )
    parser.add_argument(
        'student',
        help="the student's config, which also says what data it trains on: "
        'a file, or mmdet::... / mmseg::... of an installed package',
    )
    parser.add_argument('teacher', help="the teacher's config, likewise")
    parser.add_argument(
        'teacher_ckpt', help="the teacher's checkpoint, a file or an address"
    )
    parser.add_argument(
        '--work-dir', required=True, help='where everything is written'
    )
    parser.add_argument(
        '--source',
        help='the layer of both models that is compared, such as neck or '
        'backbone.layer4. Defaults to the neck of detectors and the last '
        'stage of the backbone of segmenters',
    )
    parser.add_argument(
        '--student-source', help="the student's layer, where they differ"
    )
    parser.add_argument('--teacher-source', help="the teacher's layer")
    parser.add_argument(
        '--preset',
        default='recommended',
        help='recommended, paper, official or plus. Defaults to recommended',
    )
    parser.add_argument(
        '--loss-weight',
        type=float,
        default=1.0,
        help='weight of the distillation loss. Defaults to 1',
    )
    parser.add_argument(
        '--gpus', type=int, default=1, help='processes. Defaults to 1'
    )
    parser.add_argument(
        '--resume', action='store_true', help='go on with this work_dir'
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='write the config and show what it would train, then stop',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision, on a GPU'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change the config, as in tools/train.py',
    )
    return parser.parse_args(args)


def layers(args: argparse.Namespace) -> dict:
    """Which layers are compared: those of the command line, or found."""
    given = {
        key: getattr(args, key)
        for key in ('source', 'student_source', 'teacher_source')
        if getattr(args, key)
    }
    if given:
        return given
    from mmfreekd.models.candidates import common_source
    from mmfreekd.models.zoo import build_model

    student, teacher = (
        build_model(dict(cfg_path=path), who)
        for path, who in ((args.student, 'student'), (args.teacher, 'teacher'))
    )
    return common_source(student, teacher)


def write_configs(args: argparse.Namespace) -> Path:
    """Write the student's config and that of the distillation.

    Returns:
        Path: The config of the distillation.

    Raises:
        UsageError: If another one is there already.
    """
    folder = Path(args.work_dir) / 'config'
    target = folder / 'freekd.py'
    if args.resume and target.is_file():
        return target
    chosen = dict(
        layers(args), preset=args.preset, loss_weight=args.loss_weight
    )
    text = CONFIG.format(
        teacher=location(args.teacher),
        student=location(args.student),
        checkpoint=location(args.teacher_ckpt),
        distiller=',\n'.join(
            f'        {key}={value!r}' for key, value in chosen.items()
        ),
    )
    if target.is_file() and target.read_text() != text:
        raise UsageError(
            f'{target} is there already, and is another one. Give --resume to '
            'go on with it, or another --work-dir'
        )
    folder.mkdir(parents=True, exist_ok=True)
    student = folder / 'student.py'
    if is_pure_python(args.student):
        from mmfreekd.models.zoo import read_config

        read_config(args.student, 'student').dump(student)
    else:
        student.write_text(f'_base_ = {location(args.student)!r}\n')
    target.write_text(text)
    return target


def location(path: str) -> str:
    """A path that is valid from any folder; addresses stay as they are."""
    return path if '::' in path or '://' in path else str(Path(path).resolve())


def is_pure_python(path: str) -> bool:
    """Whether a config is of mmengine's new style, which has no ``_base_``."""
    from mmengine.config import Config

    return '::' not in path and Config._is_lazy_import(path)


def tool(name: str, *arguments: str, gpus: int = 1) -> None:
    """Run another tool; leave with its status if it fails."""
    command = [sys.executable]
    if gpus > 1:
        command += [
            '-m',
            'torch.distributed.run',
            '--standalone',
            f'--nproc-per-node={gpus}',
        ]
    command += [str(TOOLS / name), *arguments]
    if gpus > 1:
        command += ['--launcher', 'pytorch']
    status = subprocess.run(command).returncode
    if status:
        sys.exit(status)


def exported_student(work_dir: str) -> Path:
    """The student of the last checkpoint of a run.

    Raises:
        UsageError: If none was exported.
    """
    folder = Path(work_dir)
    last = folder / 'last_checkpoint'
    name = Path(last.read_text().strip()).name if last.is_file() else '*.pth'
    for path in folder.glob(f'student_{name}'):
        return path
    raise UsageError(
        f'no exported student was found in {work_dir}: expected '
        f'student_{name}. Look into the log there'
    )


def main() -> None:
    args = parse_args()
    config = write_configs(args)
    print(f'{config}:\n\n{config.read_text()}')
    if args.preset == 'recommended':
        print(
            'preset=recommended is the variant that did best here; '
            '--preset paper is the method as published.'
        )
    options = ['--work-dir', args.work_dir]
    if args.cfg_options:
        options += ['--cfg-options', *args.cfg_options]
    tool('train.py', str(config), '--dry-run', *options)
    if args.dry_run:
        return
    flags = [f'--{flag}' for flag in ('resume', 'amp') if getattr(args, flag)]
    tool('train.py', str(config), *flags, *options, gpus=args.gpus)
    student = exported_student(args.work_dir)
    plain = str(config.with_name('student.py'))
    print(f'Evaluating {student} as a plain model, with {plain}')
    test = ['--work-dir', str(Path(args.work_dir) / 'test')]
    tool('test.py', plain, str(student), *test)


if __name__ == '__main__':
    run(main)
