"""Mean, spread and paired differences, and tables of them."""

import math
import statistics
from typing import Dict, List, Sequence, Tuple


def mean_and_error(values: Sequence[float]) -> Tuple[float, float]:
    """The mean and its standard error (nan for fewer than two values)."""
    if len(values) < 2:
        return statistics.fmean(values), math.nan
    spread = statistics.stdev(values)
    return statistics.fmean(values), spread / math.sqrt(len(values))


def paired_difference(
    ours: Dict[int, float], theirs: Dict[int, float]
) -> Tuple[float, float]:
    """Mean and standard error of the differences seed by seed.

    Args:
        ours (dict[int, float]): From seeds to values.
        theirs (dict[int, float]): Likewise; seeds of only one are left out.

    Returns:
        tuple[float, float]: The mean difference and its standard error.
    """
    seeds = ours.keys() & theirs.keys()
    if not seeds:
        return math.nan, math.nan
    return mean_and_error([ours[seed] - theirs[seed] for seed in seeds])


def number(value: float, error: float = math.nan, signed: bool = False) -> str:
    """A value with its error, as a table shows it."""
    if math.isnan(value):
        return ''
    text = f'{value:+.1f}' if signed else f'{value:.1f}'
    return text if math.isnan(error) else f'{text} ± {error:.1f}'


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, numbers to the right."""
    lines = [head, ['---', *['---:'] * (len(head) - 1)], *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def by_seed(rows: List[dict]) -> Dict[int, float]:
    """From the seeds of rows to their values."""
    return {row['seed']: row['value'] for row in rows}
