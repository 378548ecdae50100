"""When the kernels of :mod:`.triton_kernels` are used, and how.

On a CUDA device where Triton is installed (PyTorch's CUDA builds bring it),
for features in float32, float16 or bfloat16 and three Haar levels. At the
first use on a device they are compared with :mod:`.reference` on a small
feature; where they do not build or differ, PyTorch's operators are used and
one warning says why. ``MMFREEKD_TRITON=0`` in the environment switches them
off.
"""

import contextlib
import os
import warnings
from functools import lru_cache
from importlib.util import find_spec
from typing import NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from .autograd import with_gradient_by_hand
from .bands import num_bands
from .masks import full_precision, project
from .reference import Switches, channel_moments, plain_distance
from .task import Task, band_factors

SWITCH = 'MMFREEKD_TRITON'
DEVICES = ('cuda',)
DTYPES = torch.float32, torch.float16, torch.bfloat16
LEVELS = 3
BLOCKS = 16  # of one program
TOLERANCE = 1e-4


def usable(
    s: Tensor, t: Tensor, weights: Optional[Tensor], task: Task
) -> bool:
    """Whether the kernels can compute this distance, here and now."""
    prompts, switches = task.prompts, task.switches
    tensors = s, t, weights, prompts, *(task.masks or ())
    tensors = [x for x in tensors if x is not None]
    return (
        s.device.type in DEVICES
        and switches.levels == LEVELS
        and all(type(x) in (Tensor, torch.nn.Parameter) for x in tensors)
        and all(x.device == s.device for x in tensors)
        and all(x.dtype in DTYPES for x in tensors)
        and os.environ.get(SWITCH) != '0'
        and _works(
            s.device,
            s.dtype,
            weights is not None,
            0 if prompts is None else prompts.size(1),
            task.refine_masks,
            switches._replace(loss_weight=1.0),
        )
    )


class TritonForm(NamedTuple):
    """The distance in two kernels; see :class:`.autograd.BlockForm`.

    Attributes:
        masks (Tensor, optional): ``(N, L, 64)``, or ``(1, L, 64)``.
        factors (tuple[float]): What a coefficient of the low band and of
            each level counts.
        switches (Switches): The choices of the distance.
    """

    masks: Optional[Tensor]
    factors: Tuple[float, ...]
    switches: Switches

    def values(
        self, s: Tensor, t: Tensor, weights: Optional[Tensor]
    ) -> Tuple[Optional[Tensor], ...]:
        """See :meth:`.autograd.BlockForm.values`."""
        moments = None
        if self.switches.normalize:
            both = [channel_moments(full_precision(x)) for x in (s, t)]
            moments = torch.stack([*both[0], *both[1], *both[1]]).flatten(1)
        num, channels = s.shape[:2]
        out = s.new_empty(3, num, channels, _tiles(s)[2], dtype=torch.float32)
        self._launch(s, t, weights, moments, values=out)
        if moments is not None:
            count = s.numel() // channels
            torch.div(out[1:].sum((1, 3)), count, out=moments[4:])
        return out[0].sum(() if weights is None else -1), moments

    def gradient(
        self,
        pull: Tensor,
        s: Tensor,
        t: Tensor,
        weights: Optional[Tensor],
        moments: Optional[Tensor],
    ) -> Tensor:
        """See :meth:`.autograd.BlockForm.gradient`."""
        out = torch.empty_like(s)
        self._launch(s, t, weights, moments, pull=pull, gradient=out)
        return out

    def _launch(
        self, s, t, weights, moments, values=None, pull=None, gradient=None
    ) -> None:
        num, channels, height, width = s.shape
        blocks, across, tiles = _tiles(s)
        masks, switches = self.masks, self.switches
        value, sums = (None, None) if values is None else values[:2]
        out = s if gradient is None else gradient
        launch(
            'distance_kernel',
            (num * channels, tiles),
            *(s, t, masks, moments, weights, pull, value, sums, gradient),
            *(channels, height, width, blocks, across, tiles),
            0 if masks is None or len(masks) == 1 else masks.stride(0),
            *(*s.stride(), *t.stride(), *out.stride(), *self.factors),
            *(switches.low_penalty, switches.high_penalty),
            *(masks is not None, weights is not None, switches.normalize),
            *(gradient is not None, BLOCKS),
        )


def build(s: Tensor, t: Tensor, task: Task) -> TritonForm:
    """The form of a task.

    Args:
        s (Tensor): The student's feature ``(N, C, H, W)``.
        t (Tensor): The teacher's.
        task (Task): What is to be computed.

    Returns:
        TritonForm: With the masks made.
    """
    switches = task.switches
    factors = band_factors(s.shape, switches)[::3]
    if task.prompts is None:
        masks = task.blocks(s, t)
        if masks is not None:  # (64, N * L, 1) -> (N, L, 64)
            masks = masks[..., 0].T.unflatten(0, (len(s), -1)).contiguous()
        return TritonForm(masks, (*factors,), switches)
    if switches.prompt_reduction == 'mean':
        factors = [factor / task.prompts.size(1) for factor in factors]
    masks = prompt_masks(s, t, task)
    return TritonForm(masks, (*factors,), switches)


@torch.no_grad()
def prompt_masks(s: Tensor, t: Tensor, task: Task) -> Tensor:
    """The masks of prompts, added up or their greatest, ``(N, L, 64)``."""
    switches, (bands, num_prompts) = task.switches, task.prompts.shape[:2]
    num, _, height, width = s.shape
    blocks, across, tiles = _tiles(s)
    out = s.new_empty(num, blocks, 64, dtype=torch.float32)
    projected = refined = project(t, task.prompts)
    if task.refine_masks:
        refined = project(s, task.prompts)
    launch(
        'masks_kernel',
        (num, bands, tiles),
        *(projected, refined, out),
        *(height, width, num_prompts, bands, blocks, across),
        *(switches.band_layout == 'subband', task.refine_masks),
        *(switches.prompt_reduction == 'max', BLOCKS),
    )
    return out


def launch(name: str, grid: Tuple[int, ...], *args) -> None:
    """Run a kernel on the device of its tensors.

    Args:
        name (str): Its name in :mod:`.triton_kernels`.
        grid (tuple[int]): How many programs.
        *args: Its arguments.
    """
    from . import triton_kernels

    device = args[0].device
    here = contextlib.nullcontext()
    if device.type == 'cuda':
        here = torch.cuda.device(device)
    with here:
        getattr(triton_kernels, name)[grid](*args)


def _tiles(x: Tensor) -> Tuple[int, int, int]:
    """Blocks of a map, blocks side by side, programs of a map."""
    down, across = (-(-n // 8) for n in x.shape[2:])
    return down * across, across, -(-down * across // BLOCKS)


@lru_cache(maxsize=None)
def _works(device: torch.device, *case) -> bool:
    """Whether the kernels of a case build and compute what they should."""
    if find_spec('triton') is None:
        return False
    try:
        with torch.enable_grad(), torch.inference_mode(False):
            error = _error(device, *case)
    except Exception as exception:  # whatever a compiler or a driver raises
        reason = f'{type(exception).__name__}: {exception}'
    else:
        if error < TOLERANCE:
            return True
        reason = f'they are off by {error:.1e}'
    warnings.warn(
        'the Triton kernels of the frequency distance are not used on '
        f"{device}: {reason}. PyTorch's operators are, which takes longer and "
        f'changes nothing else; {SWITCH}=0 does so without a warning',
        RuntimeWarning,
        stacklevel=2,
    )
    return False


def _error(
    device: torch.device,
    dtype: torch.dtype,
    weighted: bool,
    num_prompts: int,
    refine_masks: bool,
    switches: Switches,
) -> float:
    """The error beyond rounding, relative, of value and gradient."""
    # no random numbers: those of a training stay what they are
    waves = torch.arange(2000.0, device=device).sin()
    s, t = waves[: 2 * 2 * 2 * 13 * 10].view(2, 2, 2, 13, 10).to(dtype)
    weights = 1 + waves[:4].view(2, 2) if weighted else None
    prompts = None
    if num_prompts:
        bands = num_bands(LEVELS, switches.band_layout)
        prompts = waves[: bands * num_prompts * 2].view(bands, num_prompts, 2)
    task = Task(None, prompts, refine_masks, switches)

    def reference(s: Tensor, t: Tensor, weights: Optional[Tensor]) -> Tensor:
        return plain_distance(s, t, task.maps(s, t), weights, switches)

    def by_kernels(s: Tensor, t: Tensor, weights: Optional[Tensor]) -> Tensor:
        form = build(s, t, task)
        return with_gradient_by_hand(s, t, weights, form, reference)

    found = []
    for distance in (by_kernels, reference):
        x = s.detach().requires_grad_()
        value = distance(x, t, weights)
        found.append((value, *torch.autograd.grad(value, x)))
    errors = [(a - b).abs().amax() / b.abs().amax() for a, b in zip(*found)]
    return max(error.item() for error in errors) - torch.finfo(dtype).eps
