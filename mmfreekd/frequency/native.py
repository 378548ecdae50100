"""The CPU kernels of ``haar.cpp``: compiled when first used, or done without.

GCC (``c++``, or what ``CXX`` says) turns ``haar.cpp`` into a library in the
user's cache folder, once for each source, compiler command and CPU. Where
there is no compiler or another one, which lacks ``__builtin_shuffle``, where
that folder cannot be written, and with ``MMFREEKD_NATIVE=0`` in the
environment, PyTorch's operators do the same in more passes over memory.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name('haar.cpp')
SWITCH = 'MMFREEKD_NATIVE'
# libgomp is not linked: PyTorch has loaded the one that it uses itself
COMPILE = (
    '-std=c++17',
    '-O3',
    '-march=native',
    '-fno-math-errno',
    '-fopenmp',
    '-fPIC',
)
SECONDS = 120  # more than any compiler takes
LEVELS = 3  # as many wavelet levels as a block of 8 x 8 has
PENALTIES = ('l1', 'mse', 'log_mse')

Pointer, Long, Int = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int


class Loaded(NamedTuple):
    """The kernels, or why there are none.

    Attributes:
        library (CDLL, optional): None if there are none.
        state (str): What a report says about them.
    """

    library: Optional[ctypes.CDLL]
    state: str


def kernels() -> Loaded:
    """The kernels; compiles them when it is called for the first time."""
    if os.environ.get(SWITCH) == '0':
        return Loaded(None, f'switched off by {SWITCH}=0')
    return _load()


def usable(*tensors: Optional[Tensor]) -> bool:
    """Whether the kernels can serve these tensors.

    Args:
        *tensors (Tensor, optional): Whatever takes part; None does not.
    """
    return (
        not torch.compiler.is_compiling()
        and all(
            type(x) in (Tensor, torch.nn.Parameter)
            and x.device.type == 'cpu'
            and x.is_floating_point()
            and x.dtype != torch.float64
            for x in tensors
            if x is not None
        )
        and kernels().library is not None
    )


def has_transform(levels: int, wavelet: str) -> bool:
    """Whether the kernels know this transform."""
    return wavelet == 'haar' and levels <= LEVELS


def padded_size(height: int, width: int) -> Tuple[int, int]:
    """The size of a map that is laid out in place: multiples of 8."""
    return -height % 8 + height, -width % 8 + width


def slots(levels: int, height: int, width: int) -> List[Tuple[slice, slice]]:
    """Where the coefficients of each band stand in a map laid out in place.

    A cell of 2^j rows and columns holds one coefficient of each band of level
    j: the low one in its corner, the details half a cell down, to the right,
    and both.

    Args:
        levels (int): Wavelet levels J.
        height (int): Height of the feature map.
        width (int): Its width.

    Returns:
        list[tuple[slice, slice]]: Rows and columns of the 1 + 3J bands.
    """

    def slot(level: int, down: int, right: int) -> Tuple[slice, slice]:
        cell = 2**level
        # cells that reach into the map
        return tuple(
            slice(start * cell // 2, -size % cell + size, cell)
            for start, size in ((down, height), (right, width))
        )

    return [slot(levels, 0, 0)] + [
        slot(level, *half)
        for level in range(1, levels + 1)
        for half in ((1, 0), (0, 1), (1, 1))
    ]


def distance(
    s: Tensor,
    t: Tensor,
    masks: Tensor,
    weights: Optional[Tensor],
    levels: int,
    low_penalty: str,
    high_penalty: str,
    normalize: bool,
    with_gradient: bool,
) -> Tuple[Tensor, Optional[Tensor]]:
    """The distance of each plane, and the gradient of their weighed sum.

    Args:
        s (Tensor): The student's feature ``(N, C, H, W)``.
        t (Tensor): The teacher's.
        masks (Tensor): ``(N or 1, H', W')`` of :func:`padded_size`, at each
            coefficient, laid out in place, what it counts.
        weights (Tensor, optional): ``(N, C)``; None for ones.
        levels (int): Wavelet levels, 1 to 3.
        low_penalty (str): See ``frequency_distance``.
        high_penalty (str): See there.
        normalize (bool): Whether the channels are normalised first.
        with_gradient (bool): Whether the gradient is asked for.

    Returns:
        tuple: ``(N, C)`` in float64, before the weights, and ``(N, C, H, W)``
        in float32 or None.
    """
    s, t, masks = (x.float().contiguous() for x in (s, t, masks))
    if weights is not None:
        weights = weights.float().contiguous()
    values = torch.empty(s.shape[:2], dtype=torch.float64)
    gradient = torch.empty_like(s) if with_gradient else None
    kernels().library.mmfreekd_distance(
        s.data_ptr(),
        t.data_ptr(),
        masks.data_ptr(),
        masks[0].numel() if len(masks) > 1 else 0,
        None if weights is None else weights.data_ptr(),
        values.data_ptr(),
        None if gradient is None else gradient.data_ptr(),
        *s.shape,
        levels,
        PENALTIES.index(low_penalty),
        PENALTIES.index(high_penalty),
        normalize,
        torch.get_num_threads(),
    )
    return values, gradient


def project(
    x: Tensor, prompts: Tensor, levels: int, band_layout: str
) -> Tensor:
    """Each coefficient of a feature, projected onto the prompts of its band.

    Args:
        x (Tensor): The feature ``(N, C, H, W)``.
        prompts (Tensor): ``(B, T, C)``.
        levels (int): Wavelet levels, 1 to 3.
        band_layout (str): ``'subband'`` or ``'level'``, in which the three
            orientations have the prompts of their level.

    Returns:
        Tensor: ``(N, T, H', W')`` of :func:`padded_size`, laid out in place.
    """
    x, prompts = (y.float().contiguous() for y in (x, prompts))
    num, num_prompts = x.size(0), prompts.size(1)
    out = x.new_zeros(num, num_prompts, *padded_size(*x.shape[2:]))
    kernels().library.mmfreekd_project(
        x.data_ptr(),
        prompts.data_ptr(),
        out.data_ptr(),
        *x.shape,
        num_prompts,
        levels,
        band_layout == 'level',
        torch.get_num_threads(),
    )
    return out


def halve(x: Tensor) -> Tensor:
    """Average ``(N, C, 2H, 2W)`` to ``(N, C, H, W)`` in float32."""
    x = x.float().contiguous()
    num, channels, height, width = x.shape
    out = x.new_empty(num, channels, height // 2, width // 2)
    kernels().library.mmfreekd_halve(
        x.data_ptr(),
        out.data_ptr(),
        num * channels,
        *out.shape[2:],
        torch.get_num_threads(),
    )
    return out


@lru_cache(maxsize=None)
def _load() -> Loaded:
    try:
        path = _compiled()
        library = ctypes.CDLL(str(path))
    except (
        OSError,
        RuntimeError,  # no home folder
        ValueError,  # quotes in CXX that do not close
        subprocess.SubprocessError,
    ) as error:
        state = f'none, PyTorch does without: {error}{_last_line(error)}'
        logging.getLogger(__name__).info('CPU kernels: %s', state)
        return Loaded(None, state)
    library.mmfreekd_distance.argtypes = (
        [Pointer] * 3 + [Long] + [Pointer] * 3 + [Long] * 4 + [Int] * 5
    )
    library.mmfreekd_project.argtypes = [Pointer] * 3 + [Long] * 5 + [Int] * 3
    library.mmfreekd_halve.argtypes = [Pointer] * 2 + [Long] * 3 + [Int]
    library.mmfreekd_halve.restype = None
    library.mmfreekd_distance.restype = None
    library.mmfreekd_project.restype = None
    return Loaded(library, str(path))


def _path(compiler: List[str]) -> Path:
    """Where the library is: one for each source, command and CPU."""
    key = hashlib.sha256(SOURCE.read_bytes())
    key.update('\0'.join([*compiler, *COMPILE, _cpu()]).encode())
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return cache / 'mmfreekd' / f'haar-{key.hexdigest()[:16]}.so'


def _compiled() -> Path:
    """The library, which is compiled unless it was before."""
    compiler = shlex.split(os.environ.get('CXX', 'c++'))
    path = _path(compiler)
    if path.exists():
        return path
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # several processes may be here: each has a folder of its own
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        compiled, library = f'{folder}/haar.o', f'{folder}/haar.so'
        for arguments in (
            [*COMPILE, '-c', str(SOURCE), '-o', compiled],
            ['-shared', compiled, '-o', library],
        ):
            subprocess.run(
                [*compiler, *arguments],
                check=True,
                timeout=SECONDS,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        os.replace(library, path)
    return path


def _last_line(error: Exception) -> str:
    """Of what the compiler said, if it is to blame."""
    said = (getattr(error, 'stderr', None) or b'').decode(errors='replace')
    return ''.join(f' {line}' for line in said.strip().splitlines()[-1:])


def _cpu() -> str:
    """What the compiler's ``-march=native`` stands for on this machine."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor()
    # x86 says flags, ARM Features
    names = ('model name', 'flags', 'CPU part', 'Features')
    return '\n'.join(sorted({x for x in lines if x.startswith(names)}))
