"""Reading a config; what is wrong with it is a message, not a traceback."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Optional, Set

from mmengine.config import Config

from ..errors import UsageError
from ..explain import DISK

# what mmengine's Runner reads; it passes over anything else
KEYS = set(
    'model work_dir train_dataloader val_dataloader test_dataloader train_cfg '
    'val_cfg test_cfg auto_scale_lr optim_wrapper param_scheduler '
    'val_evaluator test_evaluator default_hooks custom_hooks '
    'data_preprocessor load_from resume launcher env_cfg log_processor '
    'log_level visualizer default_scope randomness experiment_name '
    'custom_imports find_unused_parameters model_wrapper_cfg '
    'runner_type stage_1'.split()
)


def read_config(path: str, options: Optional[dict] = None) -> Config:
    """Read a config file and merge the options of a command line into it.

    Args:
        path (str): The file.
        options (dict, optional): What ``--cfg-options`` gives. Defaults to
            None.

    Returns:
        Config: The config.

    Raises:
        UsageError: If there is no such file, it cannot be read, an option
            does not fit, or a key of the Runner is misspelt.
    """
    if not Path(path).is_file():
        raise UsageError(
            f'a config file was expected, but there is no {path!r}. '
            'Configs that come with mmfreekd are found by name with '
            '`mim train mmfreekd NAME.py` or `mim test mmfreekd NAME.py`'
        )
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # the file is a program
        raise UsageError(
            f'the config {path!r} cannot be read: {type(error).__name__}: '
            f'{error}'
        ) from error
    options = options or {}
    for key in {key.split('.')[0] for key in options} - cfg.keys():
        _refuse_misspelt(key, {*KEYS, *cfg})
    for key in cfg:
        _refuse_misspelt(key, KEYS - cfg.keys())
    try:
        cfg.merge_from_dict(options)
    except (KeyError, TypeError, IndexError, AssertionError) as error:
        raise UsageError(
            f'--cfg-options {options} do not fit the config {path!r}: {error}'
        ) from error
    return cfg


def _refuse_misspelt(key: str, meant: Set[str]) -> None:
    near = get_close_matches(key, meant, n=1, cutoff=0.88)
    if near and key not in KEYS:
        raise UsageError(
            f'the config has no {key!r} that anybody reads. Did you mean '
            f'{near[0]!r}?'
        )


def check_work_dir(path: str) -> None:
    """Make the folder of a run, and make sure that it can be written to.

    Raises:
        UsageError: If it cannot.
    """
    probe = os.path.join(path, f'.probe_{os.getpid()}')
    try:
        os.makedirs(path, exist_ok=True)
        with open(probe, 'w') as file:
            file.write('x' * 4096)
        os.unlink(probe)
    except OSError as error:
        raise UsageError(
            f'work_dir {path!r} cannot be written: '
            f'{DISK.get(error.errno, error.strerror)}. Give another --work-dir'
        ) from error
