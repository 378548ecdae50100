"""What a config needs before it can be trained: data, teacher, prompts."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from .pool import Job, run_jobs
from .runs import ROOT, load, run_config

FILES = ('teacher_ckpt', 'prompt_ckpt')


def needed_files(cfg: dict) -> List[str]:
    """The checkpoints that a config names, wherever in it."""
    files = []
    for key, value in cfg.items():
        if key in FILES and isinstance(value, str):
            files.append(value)
        elif isinstance(value, dict):
            files += needed_files(value)
    return files


def makers(runs: Sequence[Tuple[str, dict]]) -> Dict[str, str]:
    """The configs that make what others need, by the files they make.

    A file ``.../NAME/FILE`` is made by ``NAME.py`` in the folder of the
    config that needs it, or in the folder above.

    Args:
        runs (list[tuple[str, dict]]): Config files and their options.

    Returns:
        dict[str, str]: From each file to its config, in the order in which
        they have to be trained.

    Raises:
        FileNotFoundError: If there is no such config.
    """
    made: Dict[str, str] = {}
    for config, options in runs:
        cfg = load(config, options, 0)
        for file in needed_files(cfg.model.to_dict()):
            if file in made or '://' in file:
                continue
            name = f'{Path(file).parent.name}.py'
            folder = Path(config).resolve().parent
            places = [folder / name, folder.parent / name]
            found = [str(path) for path in places if path.is_file()]
            if not found and Path(file).exists():
                continue
            if not found:
                raise FileNotFoundError(
                    f'{config} needs {file}, but there is neither that file '
                    f'nor a config {name} beside it that would make it'
                )
            made.update(makers([(found[0], {})]))
            made[file] = found[0]
    return made


def make_prerequisites(runs: Sequence[Tuple[str, dict]], workers: int) -> None:
    """Make the drawn data, teachers and prompts that configs need.

    What is there stays as it is.

    Args:
        runs (list[tuple[str, dict]]): Config files and their options.
        workers (int): How many to train at a time.
    """
    needed = makers(runs)
    configs = {config for config, _ in runs} | {*needed.values()}
    commands = {load(config, {}, 0).get('make_data') for config in configs}
    for command in sorted(commands - {None}):
        subprocess.run(
            [sys.executable, f'{ROOT}/tools/data/make_shapes.py']
            + shlex.split(command),
            check=True,
        )
    missing = [file for file in needed if not Path(file).exists()]
    while missing:
        ready = [
            file
            for file in missing
            if not set(makers([(needed[file], {})])) & set(missing)
        ]
        run_jobs([_job(file, needed[file]) for file in ready], workers)
        missing = [file for file in missing if file not in ready]


def _job(file: str, config: str) -> Job:
    def check(result: dict) -> None:
        if not Path(file).exists():
            raise FileNotFoundError(f'{config} did not make {file}')

    return Job(
        Path(config).stem,
        run_config,
        dict(
            config=config,
            options={},
            seed=0,
            splits=['val'],
            work_dir=str(Path(file).parent),
            keep='checkpoints',
        ),
        check,
    )
