"""Draw curves of losses and metrics of several runs into one picture.

Reads what mmengine writes into work_dir/*/vis_data/scalars.json; a run that
was resumed has several of these, of which the later ones count.
"""

import argparse
import fnmatch
import json
import sys
from pathlib import Path
from typing import Dict, List, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cli import UsageError, run  # noqa: E402

Curves = Dict[str, Dict[int, float]]
RATES = ('lr', 'base_lr', 'momentum')
UNINTERESTING = {'step', 'iter', 'epoch', 'time', 'data_time', 'memory'}


def parse_args(args=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Draw curves of runs')
    parser.add_argument('work_dirs', nargs='+', help='work_dirs of the runs')
    parser.add_argument(
        '--keys',
        nargs='+',
        metavar='KEY',
        help='what to draw; * stands for anything, as in '
        '"loss_freekd/pyramid0/*". Defaults to all losses and metrics but '
        'those of single bands',
    )
    parser.add_argument(
        '--names',
        nargs='+',
        metavar='NAME',
        help='what to call the runs. Defaults to their paths',
    )
    parser.add_argument(
        '--out', default='runs.png', help='the picture. Defaults to runs.png'
    )
    return parser.parse_args(args)


def read_run(work_dir: str) -> Curves:
    """The curves of a run.

    Args:
        work_dir (str): Its work_dir.

    Returns:
        dict[str, dict[int, float]]: From each key to its values by step.

    Raises:
        UsageError: If nothing has been logged there.
    """
    files = sorted(Path(work_dir).glob('*/vis_data/scalars.json'))
    curves: Curves = {}
    for line in (line for f in files for line in f.read_text().splitlines()):
        row = json.loads(line)
        for key, value in row.items():
            if key not in UNINTERESTING and isinstance(value, (int, float)):
                # a student's curves go beside those of one trained alone
                key = key.removeprefix('student.')
                curves.setdefault(key, {})[row['step']] = value
    if not curves:
        raise UsageError(
            f'{work_dir!r} has no */vis_data/scalars.json with curves: give '
            'the work_dir of a training'
        )
    return curves


def choose_keys(runs: List[Curves], wanted: List[str] = None) -> List[str]:
    """What to draw: what was asked for, or all that tells something.

    Args:
        runs (list[dict]): The curves of each run.
        wanted (list[str], optional): Patterns of keys. None: losses first;
            without learning rates, single bands, and metrics of sizes that no
            object has, for which COCO says -1. Defaults to None.

    Returns:
        list[str]: The keys.

    Raises:
        UsageError: If no run has such a key.
    """
    known = sorted({key for curves in runs for key in curves})
    chosen: Dict[str, None] = {}
    for pattern in wanted or ():
        found = fnmatch.filter(known, pattern)
        if not found:
            raise UsageError(
                f'--keys must be among {", ".join(known)}, got {pattern!r}'
            )
        chosen.update(dict.fromkeys(found))
    if wanted:
        return list(chosen)
    drawn = [
        key
        for key in known
        if key.split('/')[-1] not in RATES
        and '/pyramid' not in key
        and {v for curves in runs for v in curves.get(key, {}).values()}
        != {-1}
    ]
    return sorted(drawn, key=lambda key: ('loss' not in key, key))


def draw(runs: Dict[str, Curves], keys: List[str], size: Tuple[float, float]):
    """Draw a panel for each key.

    Args:
        runs (dict[str, dict]): The curves of each run by its name.
        keys (list[str]): The keys.
        size (tuple[float, float]): Width and height of a panel, in inches.

    Returns:
        matplotlib.figure.Figure: The picture.
    """
    from matplotlib.figure import Figure

    columns = min(3, len(keys))
    rows = -(-len(keys) // columns)
    figure = Figure(
        figsize=(size[0] * columns, size[1] * rows + 0.3 * len(runs)),
        layout='constrained',
    )
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    lines = {}
    for ax, key in zip(panels, keys):
        for i, (name, curves) in enumerate(runs.items()):
            steps, values = zip(*sorted(curves.get(key, {0: None}).items()))
            few = 'o' if len(steps) < 15 else None
            (lines[name],) = ax.plot(
                steps, values, color=f'C{i}', marker=few, markersize=4
            )
        ax.set_xlim(left=0)
        ax.set_title(key, fontsize=10)
        ax.set_xlabel('iteration or epoch', fontsize=8)
        ax.tick_params(labelsize=8)
        ax.grid(alpha=0.3)
    for ax in panels[len(keys) :]:
        ax.axis('off')
    figure.legend(lines.values(), lines, loc='outside upper left', fontsize=9)
    return figure


def main() -> None:
    args = parse_args()
    names = args.names or args.work_dirs
    if len(names) != len(args.work_dirs):
        raise UsageError(
            f'--names must name {len(args.work_dirs)} runs, got {len(names)}'
        )
    runs = {n: read_run(w) for n, w in zip(names, args.work_dirs)}
    keys = choose_keys(list(runs.values()), args.keys)
    draw(runs, keys, (4.2, 2.8)).savefig(args.out, dpi=110)
    print(f'{args.out}: {", ".join(keys)}')


if __name__ == '__main__':
    run(main)
