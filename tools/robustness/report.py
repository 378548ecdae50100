"""Clean performance, mPC, rPC, and the effect of each corruption."""

from statistics import mean
from typing import Dict, List, Tuple

from terminaltables import GithubFlavoredMarkdownTable

from mmfreekd.errors import UsageError

CLEAN = ('clean', 0)
MAIN_METRICS = ('coco/bbox_mAP', 'mIoU')
Scores = Dict[Tuple[str, int], float]


def choose_metric(metrics: Dict[str, float], wanted: str = None) -> str:
    """The metric to compare by.

    Args:
        metrics (dict[str, float]): The result of an evaluation.
        wanted (str, optional): Its name. None: box AP or mean IoU if there
            is one, else the first. Defaults to None.

    Raises:
        UsageError: If there is none of that name.
    """
    if wanted is not None and wanted not in metrics:
        raise UsageError(
            f'--metric must be one of {", ".join(metrics)}, got {wanted!r}'
        )
    known = [name for name in MAIN_METRICS if name in metrics]
    return wanted or [*known, *metrics][0]


def summary(scores: Scores) -> Tuple[float, float, float]:
    """Clean performance P, mPC and rPC = mPC / P in percent.

    Args:
        scores (dict): From ``(corruption, severity)`` to the metric, with
            ``('clean', 0)``.
    """
    clean = scores[CLEAN]
    under = mean(score for cell, score in scores.items() if cell != CLEAN)
    return clean, under, 100 * under / clean if clean else float('nan')


def report(metric: str, models: Dict[str, Scores]) -> str:
    """Compare models in Markdown tables.

    Args:
        metric (str): Name of the metric.
        models (dict[str, dict]): The scores of each, see :func:`summary`.
    """
    cells = [cell for cell in next(iter(models.values())) if cell != CLEAN]
    digits = 3 if max(max(s.values()) for s in models.values()) <= 1 else 2

    def means(place: int, value) -> List[str]:
        chosen = [cell for cell in cells if cell[place] == value]
        return [
            f'{mean(scores[cell] for cell in chosen):.{digits}f}'
            for scores in models.values()
        ]

    clean, under, relative = zip(*map(summary, models.values()))
    rows = [
        ['clean', *(f'{value:.{digits}f}' for value in clean)],
        ['mPC', *(f'{value:.{digits}f}' for value in under)],
        ['rPC, %', *(f'{value:.1f}' for value in relative)],
    ]
    rows += [
        [name, *means(0, name)] for name in dict.fromkeys(n for n, _ in cells)
    ]
    rows += [
        [f'severity {s}', *means(1, s)] for s in sorted({s for _, s in cells})
    ]
    table = GithubFlavoredMarkdownTable([[metric, *models], *rows])
    table.justify_columns = dict.fromkeys(range(1, len(models) + 1), 'right')
    return table.table
