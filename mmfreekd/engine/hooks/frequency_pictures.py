"""Pictures of what FreeKD sees."""

from typing import List, Sequence, Tuple

import numpy as np
from torch import Tensor

from .frequency_views import FrequencyView

LEGEND = (
    'energy: bright is most,\n'
    '  below its share\n'
    'mask: yellow is 1, blue 0,\n'
    '  below mean ± deviation'
)
SIDE, LEFT = 0.95, 1.7  # inches: of a map, and of what stands left of them


def draw(image: np.ndarray, view: FrequencyView, title: str) -> np.ndarray:
    """Draw a view: a column for each band, a row for each thing.

    Image and feature stand left of them.

    Args:
        image (np.ndarray): ``(H, W, 3)`` RGB image.
        view (FrequencyView): Its view.
        title (str): What the picture is called.

    Returns:
        np.ndarray: ``(h, w, 3)`` uint8 RGB picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = _rows(view), len(view.bands)
    tall = image.shape[0] / image.shape[1]
    height = max(1.2 + len(rows) * (SIDE * tall + 0.35), 1.4 + 2 * LEFT * tall)
    figure = Figure(
        figsize=(LEFT + 0.4 + columns * (SIDE + 0.05), height),
        dpi=100,
        layout='constrained',
    )
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(f'{title}: {view.name}', fontsize=11)
    left, right = figure.subfigures(
        1, 2, width_ratios=(LEFT, columns * (SIDE + 0.05) + 0.4)
    )
    above, below = left.subplots(2)
    for ax, what, text in (
        (above, image, 'input'),
        (below, view.feature, "teacher's feature"),
    ):
        ax.imshow(what, cmap='magma', vmin=0)
        ax.set(xticks=[], yticks=[])
        ax.set_title(text, fontsize=10)
    below.set_xlabel(LEGEND, fontsize=8, loc='left', multialignment='left')
    axes = right.subplots(len(rows), columns, squeeze=False)
    for line, (label, bands, texts, colours) in zip(axes, rows):
        line[0].set_ylabel(label, fontsize=10)
        for ax, band, text in zip(line, bands, texts):
            ax.imshow(band.numpy(), **colours)
            ax.set(xticks=[], yticks=[])
            ax.set_xlabel(text, fontsize=8.5, labelpad=2)
    for ax, name in zip(axes[0], view.bands):
        ax.set_title(name.replace('_', '\n'), fontsize=9.5)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


Row = Tuple[str, Sequence[Tensor], List[str], dict]


def _rows(view: FrequencyView) -> List[Row]:
    """Label, maps, their texts and their colours."""
    total = sum(float(band.sum()) for band in view.energy)

    def energies(label: str, bands: List[Tensor]) -> Row:
        shares = [f'{100 * float(b.sum()) / total:.2g} %' for b in bands]
        roots = [band.sqrt() for band in bands]
        return label, roots, shares, dict(vmin=0, cmap='magma')

    rows = [energies('energy', view.energy)]
    for prompt in range(len(view.masks[0]) if view.masks else 0):
        masks = [mask[prompt] for mask in view.masks]
        texts = [f'{m.mean():.2f} ± {m.std(correction=0):.2f}' for m in masks]
        colours = dict(vmin=0, vmax=1, cmap='viridis')
        rows.append((f'mask {prompt + 1}', masks, texts, colours))
    if view.difference is not None:
        rows.append(energies('still missing', view.difference))
    return rows
