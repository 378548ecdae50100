"""Evaluate a checkpoint on clean and on corrupted images, once each."""

import contextlib
import copy
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from _cli import UsageError, build_runner
from robustness.report import CLEAN, choose_metric

Cell = Tuple[str, int]
# never closed, because mmengine's logger keeps it; the log file has everything
NOWHERE = open(os.devnull, 'w')


def fingerprint(cfg, seed: int) -> str:
    """Twelve hexadecimal digits of whatever the results depend on.

    Args:
        cfg (mmengine.config.Config): The config; the content of ``load_from``
            counts if it is a file.
        seed (int): The seed of the corruptions.
    """
    keys = 'model', 'test_dataloader', 'test_evaluator', 'test_cfg'
    digest = hashlib.sha256(repr([*map(cfg.get, keys), seed]).encode())
    path = Path(cfg.load_from)
    digest.update(
        path.read_bytes() if path.is_file() else cfg.load_from.encode()
    )
    return digest.hexdigest()[:12]


def read_rows(path: Path, model: str) -> Dict[Cell, Dict[str, float]]:
    """The metrics in a file of rows that belong to a fingerprint."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):  # cut off when a run was killed
            row = json.loads(line)
            if row['model'] == model:
                found[row['corruption'], row['severity']] = row['metrics']
    return found


def add_row(path: Path, row: dict) -> None:
    """Add a line of JSON to a file, which need not exist yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a+b') as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read() != b'\n':
                file.write(b'\n')
        file.write(json.dumps(row).encode() + b'\n')


def evaluate_all(
    cfg,
    name: str,
    cells: List[Cell],
    seed: int,
    path: Path,
    metric: Optional[str] = None,
) -> Dict[Cell, dict]:
    """Evaluate a checkpoint in each cell that has no row yet.

    Args:
        cfg (mmengine.config.Config): The config; ``load_from`` is the
            checkpoint.
        name (str): Name of the checkpoint, to show.
        cells (list[tuple]): Corruptions and severities, ``CLEAN`` first.
        seed (int): Seed of the corruptions.
        path (Path): The file of rows.
        metric (str, optional): The one to show. None: see
            :func:`choose_metric`. Defaults to None.

    Returns:
        dict[tuple, dict]: The metrics of each cell.

    Raises:
        UsageError: If there are no metrics even on clean images.
    """
    model = fingerprint(cfg, seed)
    results = read_rows(path, model)
    todo = [cell for cell in cells if cell not in results]
    runner, start = None, time.time()
    for number, cell in enumerate(todo, 1):
        with contextlib.redirect_stdout(NOWHERE):
            runner = runner or build_runner(cfg)
            metrics = evaluate(runner, cfg, cell, seed)
        # mmdet has no metrics if nothing at all is detected
        metrics = metrics or dict.fromkeys(results.get(CLEAN, ()), 0.0)
        if not metrics:
            raise UsageError(
                f'{cfg.load_from}: nothing was detected in the clean images, '
                'so there are no metrics. Is it trained, and with this config?'
            )
        results[cell] = metrics
        shown = choose_metric(metrics, metric)
        if runner.rank == 0:
            row = dict(model=model, name=name, checkpoint=cfg.load_from)
            row |= dict(zip(('corruption', 'severity'), cell), metrics=metrics)
            add_row(path, row)
            left = (time.time() - start) / number * (len(todo) - number) / 60
            print(
                f'{name} [{number}/{len(todo)}, {left:.0f} min left] '
                f'{cell[0]} {cell[1]}: {shown} {metrics[shown]:g}',
                flush=True,
            )
    return {cell: results[cell] for cell in cells}


def evaluate(runner, cfg, cell: Cell, seed: int) -> Dict[str, float]:
    """The metrics of a runner in one cell.

    Raises:
        UsageError: If no image is loaded from a file.
    """
    if cell != CLEAN:
        loader = copy.deepcopy(cfg.test_dataloader)
        corruption = dict(
            type='mmfreekd.CommonCorruption',
            name=cell[0],
            severity=cell[1],
            seed=seed,
        )
        if not add_corruption(loader, corruption):
            raise UsageError(
                'test_dataloader must have a pipeline with LoadImageFromFile, '
                'which the corruption follows; found none'
            )
        runner.test_loop.dataloader = runner.build_dataloader(loader)
    return {key: float(value) for key, value in runner.test().items()}


def add_corruption(cfg: dict, transform: dict) -> int:
    """Insert a transform after the one that loads the image.

    Args:
        cfg (dict): Config of a data loader, whatever its data set is wrapped
            in; it is changed.
        transform (dict): Config of the transform.

    Returns:
        int: The number of pipelines that have it now.
    """
    found = 0
    for key, value in cfg.items():
        for part in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(part, dict) and key != 'pipeline':
                found += add_corruption(part, transform)
    for i, step in enumerate(cfg.get('pipeline', [])):
        if 'LoadImage' in str(step['type']):
            cfg['pipeline'].insert(i + 1, transform)
            return found + 1
    return found
