"""What the rows say: clean performance, mPC, rPC and how each hurts."""

from statistics import mean
from typing import Dict, List, Sequence, Tuple

from mmfreekd.errors import UsageError

MAIN_METRICS = ('coco/bbox_mAP', 'mIoU')
Scores = Dict[Tuple[str, int], float]


def choose_metric(metrics: Dict[str, float], wanted: str = None) -> str:
    """The metric to compare by.

    Args:
        metrics (dict[str, float]): What an evaluation gave.
        wanted (str, optional): Its name. None: box AP or mean IoU if there
            is one, else the first. Defaults to None.

    Returns:
        str: Its name.

    Raises:
        UsageError: If there is none of that name.
    """
    if wanted is not None and wanted not in metrics:
        raise UsageError(
            f'--metric must be one of {", ".join(metrics)}, got {wanted!r}'
        )
    known = [name for name in MAIN_METRICS if name in metrics]
    return wanted or [*known, *metrics][0]


def corrupted(scores: Scores, **chosen) -> List[float]:
    """The scores of a corruption or of a severity, or of all."""
    return [
        score
        for (corruption, severity), score in scores.items()
        if severity
        and chosen.get('corruption', corruption) == corruption
        and chosen.get('severity', severity) == severity
    ]


def summary(scores: Scores) -> Tuple[float, float, float]:
    """Clean performance P, mPC and rPC (Michaelis et al.).

    Args:
        scores (dict): From ``(corruption, severity)`` to the metric, with
            ``('clean', 0)``.

    Returns:
        tuple[float, float, float]: P, the mean over corruptions and
        severities, and that in percent of P.
    """
    clean, under = scores['clean', 0], mean(corrupted(scores))
    return clean, under, 100 * under / clean if clean else float('nan')


def report(metric: str, models: Dict[str, Scores]) -> str:
    """The tables of one or several models, side by side.

    Args:
        metric (str): Name of the metric.
        models (dict[str, dict]): The scores of each, see :func:`summary`.

    Returns:
        str: Markdown.
    """
    first = next(iter(models.values()))
    corruptions = [c for c in dict.fromkeys(c for c, _ in first)][1:]
    severities = sorted({s for _, s in first} - {0})
    digits = 3 if max(max(s.values()) for s in models.values()) <= 1 else 2

    def number(value: float) -> str:
        return f'{value:.{digits}f}'

    def means(**chosen) -> List[str]:
        return [
            number(mean(corrupted(scores, **chosen)))
            for scores in models.values()
        ]

    summaries = [summary(scores) for scores in models.values()]
    head = [metric, *models]
    return '\n'.join(
        [
            table(
                head,
                [
                    ['clean', *(number(p) for p, _, _ in summaries)],
                    ['mPC', *(number(mpc) for _, mpc, _ in summaries)],
                    ['rPC, %', *(f'{rpc:.1f}' for _, _, rpc in summaries)],
                ],
            ),
            f'\nMean over severities {", ".join(map(str, severities))}:\n',
            table(head, [[c, *means(corruption=c)] for c in corruptions]),
            f'\nMean over the {len(corruptions)} corruption(s):\n',
            table(
                head,
                [[f'severity {s}', *means(severity=s)] for s in severities],
            ),
        ]
    )


def table(head: Sequence[str], rows: List[List[str]]) -> str:
    """A Markdown table with even columns."""
    lines = [list(head), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(
        1,
        [
            '-' * w if not i else '-' * (w - 1) + ':'
            for i, w in enumerate(widths)
        ],
    )
    return '\n'.join(
        '| '
        + ' | '.join(
            cell.rjust(w) if i else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(line, widths))
        )
        + ' |'
        for line in lines
    )
