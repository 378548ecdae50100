"""Evaluating a checkpoint on clean and on corrupted images."""

import contextlib
import copy
import os
import time
from typing import Dict, List, Optional, Tuple

from _cli import UsageError, build_runner
from robustness.rows import CLEAN, Rows
from robustness.tables import choose_metric

Cell = Tuple[str, int]
# never closed, for mmengine's logger keeps it; its file gets everything
NOWHERE = open(os.devnull, 'w')


def evaluate_all(
    cfg,
    key: Dict[str, str],
    cells: List[Cell],
    options: dict,
    rows: Rows,
    metric: Optional[str] = None,
) -> Dict[Cell, dict]:
    """Evaluate a checkpoint wherever there is no row yet.

    Args:
        cfg (mmengine.config.Config): The config; ``load_from`` is the
            checkpoint.
        key (dict[str, str]): What its rows begin with: ``model``, by which
            they are found, and ``name``.
        cells (list[tuple]): Corruptions and severities.
        options (dict): More arguments of :class:`CommonCorruption`.
        rows (Rows): What there is, and what will be.
        metric (str, optional): The one to show. None: see
            :func:`choose_metric`. Defaults to None.

    Returns:
        dict[tuple, dict]: The metrics of each cell.

    Raises:
        UsageError: If nothing can be measured even on clean images.
    """
    results = {cell: rows.find(key['model'], *cell) for cell in cells}
    todo = [cell for cell in cells if results[cell] is None]
    runner, start = None, time.time()
    for number, cell in enumerate(todo, 1):
        with contextlib.redirect_stdout(NOWHERE):
            runner = runner or build_runner(cfg)
            metrics = evaluate(runner, cfg, cell, options)
        # mmdet has no metrics where nothing at all is detected
        metrics = metrics or dict.fromkeys(results[CLEAN] or (), 0.0)
        if not metrics:
            raise UsageError(
                f'{cfg.load_from}: the evaluation of clean images gave no '
                'metrics, for nothing was detected. Is it trained, and the '
                'config that of its training?'
            )
        results[cell] = metrics
        shown = choose_metric(metrics, metric)
        if runner.rank == 0:
            corruption, severity = cell
            rows.add(
                **key,
                checkpoint=cfg.load_from,
                corruption=corruption,
                severity=severity,
                metrics=metrics,
            )
            left = (time.time() - start) / number * (len(todo) - number) / 60
            print(
                f'{key["name"]} [{number}/{len(todo)}, {left:.0f} min left] '
                f'{corruption} {severity}: {shown} {metrics[shown]:g}',
                flush=True,
            )
    return results


def evaluate(runner, cfg, cell: Cell, options: dict) -> Dict[str, float]:
    """The metrics of a runner in one cell.

    Raises:
        UsageError: If no image is loaded from a file.
    """
    if cell != CLEAN:
        name, severity = cell
        loader = copy.deepcopy(cfg.test_dataloader)
        corruption = dict(
            type='CommonCorruption', name=name, severity=severity, **options
        )
        if not add_corruption(loader, corruption):
            raise UsageError(
                'test_dataloader has no pipeline with LoadImageFromFile, '
                'behind which the corruption would stand'
            )
        runner.test_loop.dataloader = runner.build_dataloader(loader)
    return {key: float(value) for key, value in runner.test().items()}


def add_corruption(cfg: dict, transform: dict) -> int:
    """Put a transform behind the one that loads the image.

    Args:
        cfg (dict): Config of a data loader, whatever its data set is wrapped
            in; it is changed.
        transform (dict): Config of the transform.

    Returns:
        int: In how many pipelines it stands now.
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
