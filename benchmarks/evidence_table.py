"""The tables of the evidence: what each method is worth."""

import math
from typing import Dict, List

from .tables import (
    markdown,
    mean_and_error,
    number,
    paired_difference,
)

NAMES = dict(
    teacher='teacher',
    student='student alone',
    inherit="alone, with the teacher's neck and head",
    mse='MSE',
    cwd='CWD',
    pkd='PKD',
    pkd_aided='PKD, with what FreeKD recommended has beside its loss',
    mgd='MGD',
    fkd='plain frequency distance (FKD)',
    freekd_official='FreeKD, preset official',
    freekd_paper='FreeKD, preset paper',
    freekd_plus='FreeKD, preset plus',
    freekd='FreeKD, recommended',
    freekd_shuffled='recommended, with the masks of another image',
    freekd_flat='recommended, with the mean of each mask',
    freekd_unmasked='recommended, without masks',
)
HEAD = [
    'method',
    'seeds',
    'clean',
    'against alone',
    'recommended against it',
    'gap closed',
]
CORRUPTED = ['corrupted', 'lost by corruption']
MORE = dict(test_unseen='unseen sequence', test_AP50='AP50', val='val')


def evidence_tables(rows: List[dict]) -> str:
    """A table in Markdown for each task.

    Args:
        rows (list[dict]): ``task``, ``method``, ``seed``, ``metric``,
            ``value`` in percent and ``corrupted``.

    Returns:
        str: The tables.
    """
    text = ''
    for task in sorted({row['task'] for row in rows}):
        of_task = [row for row in rows if row['task'] == task]
        metric = of_task[0]['metric']
        text += (
            f'### {task}: {metric} on the test split, mean ± standard error '
            f'over seeds\n\n{_table(of_task)}\n\n'
        )
    return text


def _table(rows: List[dict]) -> str:
    clean = {m: _values(rows, m, False) for m in NAMES}
    corrupted = {m: _values(rows, m, True) for m in NAMES}
    more = [key for key in MORE if key in rows[0]]
    lines = [
        [NAMES[m], str(len(clean[m])), *_cells(m, clean)]
        + (_lost(clean[m], corrupted[m]) if any(corrupted.values()) else [])
        + [_summary(_values(rows, m, False, key)) for key in more]
        for m in NAMES
        if clean[m]
    ]
    head = HEAD + (CORRUPTED if any(corrupted.values()) else [])
    return markdown(head + [MORE[key] for key in more], lines)


def _values(
    rows: List[dict], method: str, corrupted: bool, key: str = 'value'
) -> Dict[int, float]:
    return {
        row['seed']: row[key]
        for row in rows
        if row['method'] == method and row['corrupted'] == corrupted
    }


def _cells(method: str, clean: Dict) -> List[str]:
    mean, error = mean_and_error([*clean[method].values()])
    cells = [number(mean, error), '', '', '']
    if method not in ('teacher', 'student'):
        against = paired_difference(clean[method], clean['student'])
        cells[1] = number(*against, signed=True)
        gap = _mean(clean['teacher']) - _mean(clean['student'])
        cells[3] = f'{100 * (mean - _mean(clean["student"])) / gap:.0f} %'
    if method not in ('teacher', 'freekd'):
        against = paired_difference(clean['freekd'], clean[method])
        cells[2] = number(*against, signed=True)
    return cells


def _lost(clean: Dict[int, float], corrupted: Dict[int, float]) -> List[str]:
    mean, worse = _mean(clean), _mean(corrupted)
    lost = 100 * (1 - worse / mean) if mean else math.nan
    return [_summary(corrupted), f'{lost:.0f} %']


def _summary(values: Dict[int, float]) -> str:
    return number(*mean_and_error([*values.values()]))


def _mean(values: Dict[int, float]) -> float:
    return mean_and_error([*values.values()])[0] if values else math.nan
