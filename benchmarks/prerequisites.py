"""What a config needs before it can be trained: data, teacher, prompts."""

import shlex
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from mmengine.config import Config

from .configs import load, tuning_of
from .pool import Job, run_jobs
from .runs import run_config, tune_prompts

Run = Tuple[str, dict]  # a config file and its options


def teachers_of(runs: Sequence[Run]) -> Dict[str, str]:
    """The configs that make the teachers of others.

    Args:
        runs (list[tuple[str, dict]]): Config files and their options.

    Returns:
        dict[str, str]: From checkpoints to the configs of their teachers.

    Raises:
        FileNotFoundError: If a checkpoint is missing, and ``cfg_path`` names
            no file that would make it.
    """
    made = {}
    for config, options in runs:
        model = load(config, options, 0).model
        file = model.get('teacher_ckpt')
        if file is None or '://' in file:
            continue
        maker = model.teacher.get('cfg_path', '')
        if Path(maker).is_file():
            made[file] = maker
        elif not Path(file).exists():
            raise FileNotFoundError(
                f'{config} needs {file}, expected that file or '
                f'model.teacher.cfg_path of a config that makes it, got '
                f'{maker!r}'
            )
    return made


def prompts_of(runs: Sequence[Run]) -> Dict[str, Run]:
    """The runs whose stage 1 makes each file of prompts."""
    made = {}
    for config, options in runs:
        cfg = load(config, options, 0)
        for loss in _losses(cfg):
            path = loss.get('prompt_ckpt')
            if path and '://' not in path and tuning_of(cfg) is not None:
                made.setdefault(path, (config, options))
    return made


def _losses(cfg: Config) -> List[dict]:
    distiller = cfg.model.get('distiller') or {}
    losses = distiller.get('distill_losses') or {}
    return [distiller, *losses.values()]


def make_data(configs: Sequence[str]) -> None:
    """Draw the data of configs that say how; existing data stay."""
    from .shapes.__main__ import main

    commands = {load(config, {}, 0).get('make_data') for config in configs}
    for command in sorted(commands - {None}):
        main(shlex.split(command))


def make_prerequisites(runs: Sequence[Run], workers: int) -> None:
    """Make the drawn data, teachers and prompts that configs need.

    Args:
        runs (list[tuple[str, dict]]): Config files and their options.
        workers (int): How many to train at a time.
    """
    teachers, prompts = teachers_of(runs), prompts_of(runs)
    make_data([*{config for config, _ in runs}, *teachers.values()])
    run_jobs(
        [
            _job(
                'teacher',
                file,
                run_config,
                config=config,
                options={},
                seed=0,
                splits=['val'],
                work_dir=str(Path(file).parent),
                keep='checkpoints',
            )
            for file, config in teachers.items()
            if not Path(file).exists()
        ],
        workers,
    )
    run_jobs(
        [
            _job(
                'stage 1',
                file,
                tune_prompts,
                config=config,
                options=options,
                work_dir=str(Path(file).parent),
            )
            for file, (config, options) in prompts.items()
            if not Path(file).exists()
        ],
        workers,
    )


def _job(what: str, file: str, function, **arguments) -> Job:
    def check(result: dict) -> None:
        if not Path(file).exists():
            raise FileNotFoundError(
                f'{arguments["config"]} did not make {file}'
            )

    pair = Path(arguments['config']).parent.name
    return Job(f'{pair} {what}', function, arguments, check)
