"""The pictures of a report: predictions side by side, and curves."""

from pathlib import Path
from typing import Dict, Sequence

from analysis import plot_runs
from reporting.panels import Panels


def draw_predictions(
    panels: Panels, titles: Sequence[str], images: Sequence[int], path: Path
) -> None:
    """Draw ground truth and predictions, a line for each image.

    Args:
        panels (Panels): The models.
        titles (list[str]): What to call ground truth and models.
        images (list[int]): Which images of the data set.
        path (Path): The picture.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(
        layout='constrained', figsize=(2.4 * len(titles), 2.4 * len(images))
    )
    axes = figure.subplots(len(images), len(titles))
    for line, index in zip(axes, images):
        for ax, image in zip(line, panels.draw(index)):
            ax.imshow(image)
            ax.set(xticks=[], yticks=[])
    for ax, title in zip(axes[0], titles):
        ax.set_title(title, fontsize=12)
    patches = [
        Patch(color=colour / 255, label=name)
        for name, colour in panels.colours().items()
    ]
    figure.legend(
        handles=patches,
        loc='outside lower center',
        ncols=3 * len(titles) // 2,
        fontsize=11,
    )
    figure.savefig(path, dpi=100)


def draw_curves(folders: Dict[str, Path], path: Path) -> None:
    """Draw what the logs of trainings tell.

    Args:
        folders (dict[str, Path]): The work_dir of each training by its name.
        path (Path): The picture.
    """
    runs = {
        name: plot_runs.read_run(str(folder))
        for name, folder in folders.items()
    }
    keys = [
        key
        for key in plot_runs.choose_keys(list(runs.values()))
        if any(len(curves.get(key, ())) > 1 for curves in runs.values())
    ]
    plot_runs.draw(runs, keys, (3.4, 2.3)).savefig(path, dpi=80)
