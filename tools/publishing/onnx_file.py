"""A student as an ONNX file, where its operators allow that."""

import warnings
from pathlib import Path
from typing import Tuple

import numpy as np
import torch
from torch import Tensor, nn

from mmfreekd.errors import UsageError

NEEDS = 'pip install onnx onnxruntime'


class RawOutputs(nn.Module):
    """A model from normalised images to the outputs of its head, flat."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tuple[Tensor, ...]:
        return tuple(flatten(self.model(images, None, mode='tensor')))


def flatten(outputs) -> list:
    """The tensors in any nesting, in their order."""
    if isinstance(outputs, Tensor):
        return [outputs]
    return [tensor for part in outputs for tensor in flatten(part)]


def write_onnx(
    model: nn.Module, path: Path, size: Tuple[int, int], tolerance=1e-3
) -> None:
    """Write a model as ONNX and compare what both compute.

    The file takes normalised images ``(N, 3, H, W)`` and gives what the head
    computes: scores for a segmenter, maps for each pyramid level for a
    detector. What comes before and after, normalisation and NMS, is not in
    it.

    Args:
        model (nn.Module): The model.
        path (Path): The file.
        size (tuple[int, int]): Height and width.
        tolerance (float): How far outputs may differ, relative to their
            largest. Defaults to 1e-3.

    Raises:
        UsageError: If ONNX is not installed, has not all the operators, or
            the outputs differ.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise UsageError(f'--onnx needs ONNX: {NEEDS}')
    raw = RawOutputs(model).eval()
    images = torch.randn(2, 3, *size, generator=torch.manual_seed(0))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')
        torch.onnx.export(
            raw,
            (images,),
            str(path),
            input_names=['images'],
            dynamic_axes=dict(images={0: 'N'}),
            dynamo=False,
        )
        expected = raw(images)
    domains = {node.domain for node in onnx.load(str(path)).graph.node}
    if domains - {'', 'ai.onnx'}:
        path.unlink()
        raise UsageError(
            'this model uses operators that ONNX does not have ('
            f'{", ".join(sorted(domains - {""}))}): export it with MMDeploy, '
            'see python tools/publish_student.py -h'
        )
    session = onnxruntime.InferenceSession(str(path))
    outputs = session.run(None, dict(images=images.numpy()))
    for ours, theirs in zip(outputs, expected):
        theirs = theirs.numpy()
        if np.abs(ours - theirs).max() > tolerance * np.abs(theirs).max():
            path.unlink()
            raise UsageError('the ONNX file computes something else')
