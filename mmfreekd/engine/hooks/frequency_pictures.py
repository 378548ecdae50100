"""Pictures of what FreeKD sees."""

from typing import List, Sequence, Tuple

import numpy as np
from torch import Tensor

from .frequency_views import FrequencyView

LEGEND = (
    'masks: dark 0, bright 1\n'
    '    below: mean ± deviation\n'
    'others: dark 0, bright most\n'
    "    below: share of the\n    teacher's energy"
)


def draw(image: np.ndarray, view: FrequencyView, title: str) -> np.ndarray:
    """Draw a view: a column for each band, a row for each thing.

    Args:
        image (np.ndarray): ``(H, W, 3)`` RGB image.
        view (FrequencyView): Its view.
        title (str): What the picture is called.

    Returns:
        np.ndarray: ``(h, w, 3)`` uint8 RGB picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = _rows(view)
    figure = Figure(
        figsize=(1.3 * (len(view.bands) + 2), 1.6 * len(rows) + 0.5),
        dpi=100,
        layout='constrained',
    )
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(f'{title}: {view.name}', fontsize=11)
    left, right = figure.subfigures(1, 2, width_ratios=(2, len(view.bands)))
    ax = left.subplots()
    ax.imshow(image)
    ax.axis('off')
    ax.set_title(LEGEND, fontsize=8, loc='left')
    axes = right.subplots(len(rows), len(view.bands), squeeze=False)
    for line, (label, bands, texts, limits) in zip(axes, rows):
        line[0].set_ylabel(label, fontsize=9)
        for ax, band, text in zip(line, bands, texts):
            ax.imshow(band.numpy(), cmap='viridis', **limits)
            ax.set(xticks=[], yticks=[])
            ax.set_xlabel(text, fontsize=8, labelpad=2)
    for ax, name in zip(axes[0], view.bands):
        ax.set_title(name.replace('_', '\n'), fontsize=9)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


Row = Tuple[str, Sequence[Tensor], List[str], dict]


def _rows(view: FrequencyView) -> List[Row]:
    """Label, maps, their texts and the limits of the colours."""
    total = sum(float(band.sum()) for band in view.energy)

    def energies(label: str, bands: List[Tensor]) -> Row:
        shares = [f'{100 * float(b.sum()) / total:.2g} %' for b in bands]
        return label, [band.sqrt() for band in bands], shares, dict(vmin=0)

    rows = [energies('energy', view.energy)]
    for prompt in range(len(view.masks[0]) if view.masks else 0):
        masks = [mask[prompt] for mask in view.masks]
        texts = [f'{m.mean():.2f} ± {m.std(correction=0):.2f}' for m in masks]
        rows.append((f'mask {prompt + 1}', masks, texts, dict(vmin=0, vmax=1)))
    if view.difference is not None:
        rows.append(energies('still missing', view.difference))
    return rows
