"""The distance for a GPU, in two kernels; three Haar levels, blocks of 8 x 8.

``masks_kernel`` takes the teacher's feature, projected onto the prompts, to
masks reduced over the prompts. ``distance_kernel`` reads student, teacher and
masks once and makes the value, or, in the backward pass, the gradient:

    d = normalised t - normalised s           any strides and dtypes
    c = K d                                   three levels, in registers
    value += sum of factor * mask * penalty(c)
    gradient = -K^T (factor * mask * penalty'(c))

A program has NB blocks of one channel, NB a constant, so that few kernels are
compiled. Everything is computed in float32.
Masks are ``(N, L, 64)`` in the order of :func:`.haar.haar_matrix`.
"""

import triton
import triton.language as tl


@triton.jit
def _analyse(x, NB: tl.constexpr, R: tl.constexpr):
    """``(NB, 2R, 2R)`` to low, hor, ver and dia, each ``(NB, R, R)``."""
    x = tl.permute(tl.reshape(x, (NB, R, 2, R, 2)), (0, 1, 3, 2, 4))
    left, right = tl.split(x)
    a, c = tl.split(left)
    b, d = tl.split(right)
    top, bottom, up, down = a + b, c + d, a - b, c - d
    return (
        0.5 * (top + bottom),
        0.5 * (top - bottom),
        0.5 * (up + down),
        0.5 * (up - down),
    )


@triton.jit
def _synthesise(low, hor, ver, dia, NB: tl.constexpr, R: tl.constexpr):
    """The inverse, which is the transpose: the transform is orthonormal."""
    top, bottom, up, down = low + hor, low - hor, ver + dia, ver - dia
    left = tl.join(0.5 * (top + up), 0.5 * (bottom + down))
    right = tl.join(0.5 * (top - up), 0.5 * (bottom - down))
    x = tl.permute(tl.join(left, right), (0, 1, 3, 2, 4))
    return tl.reshape(x, (NB, 2 * R, 2 * R))


@triton.jit
def _penalty(x, KIND: tl.constexpr):
    """The penalty of a coefficient and its derivative."""
    size = tl.abs(x)
    sign = tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, 0.0))
    if KIND == 'l1':
        penalty, slope = size, sign
    elif KIND == 'mse':
        penalty, slope = x * x, 2 * x
    else:
        # log(1 + |x|), exact where |x| is small as well
        more = 1.0 + size
        log = tl.where(more == 1.0, size, tl.log(more) * (size / (more - 1.0)))
        penalty, slope = log * log, 2 * log / more * sign
    return penalty, slope


@triton.jit
def _places(block, across, H, W):
    """Rows, columns and which pixels are on the map, ``(NB, 8, 8)``."""
    rows = (block // across)[:, None, None] * 8
    rows += tl.arange(0, 8)[None, :, None]
    columns = (block % across)[:, None, None] * 8
    columns += tl.arange(0, 8)[None, None, :]
    return rows, columns, (rows < H) & (columns < W)


@triton.jit
def _band_places(block, START: tl.constexpr, R: tl.constexpr):
    """Where the coefficients of a band are among the masks, (NB, R, R)."""
    inner = tl.arange(0, R)[None, :, None] * R + tl.arange(0, R)[None, None, :]
    return block[:, None, None] * 64 + START + inner


@triton.jit
def _band(
    x, M, block, inside, factor,
    START: tl.constexpr, R: tl.constexpr, KIND: tl.constexpr,
    MASKED: tl.constexpr,
):  # fmt: skip
    """The value of a band, and the derivatives of its coefficients."""
    penalty, slope = _penalty(x, KIND)
    counts = tl.zeros_like(x) + factor
    if MASKED:
        places = _band_places(block, START, R)
        counts *= tl.load(M + places, inside[:, None, None], other=0.0)
    # what does not count may be infinite
    value = tl.where(counts == 0.0, 0.0, counts * penalty)
    return tl.sum(value), tl.where(counts == 0.0, 0.0, counts * slope)


@triton.jit
def _level(
    hor, ver, dia, M, block, inside, factor,
    START: tl.constexpr, R: tl.constexpr, KIND: tl.constexpr,
    MASKED: tl.constexpr,
):  # fmt: skip
    a, hor = _band(hor, M, block, inside, factor, START, R, KIND, MASKED)
    b, ver = _band(
        ver, M, block, inside, factor, START + R * R, R, KIND, MASKED
    )
    c, dia = _band(
        dia, M, block, inside, factor, START + 2 * R * R, R, KIND, MASKED
    )
    return a + b + c, hor, ver, dia


@triton.jit
def distance_kernel(
    S, T, M, MOMENTS, WEIGHTS, PULL, VALUES, SUMS, GRADIENT,
    C, H, W, blocks, across, tiles, m_n,
    s_n, s_c, s_h, s_w, t_n, t_c, t_h, t_w, g_n, g_c, g_h, g_w,
    f_low, f_1, f_2, f_3,
    LOW: tl.constexpr, HIGH: tl.constexpr, MASKED: tl.constexpr,
    WEIGHTED: tl.constexpr, NORMALIZED: tl.constexpr,
    BACKWARD: tl.constexpr, NB: tl.constexpr,
):  # fmt: skip
    plane, tile = tl.program_id(0).to(tl.int64), tl.program_id(1)
    n, c = plane // C, plane % C
    if MASKED:
        M += n * m_n
    block = tile * NB + tl.arange(0, NB)
    inside = block < blocks
    rows, columns, there = _places(block, across, H, W)
    there &= inside[:, None, None]
    s = tl.load(
        S + n * s_n + c * s_c + rows * s_h + columns * s_w, there, other=0.0
    ).to(tl.float32)
    t = tl.load(
        T + n * t_n + c * t_c + rows * t_h + columns * t_w, there, other=0.0
    ).to(tl.float32)
    scale = 1.0
    if NORMALIZED:  # (6, C): mean and scale of s and t, two means
        scale = tl.load(MOMENTS + C + c)
        s = (s - tl.load(MOMENTS + c)) * scale
        t = (t - tl.load(MOMENTS + 2 * C + c)) * tl.load(MOMENTS + 3 * C + c)
        s, t = tl.where(there, s, 0.0), tl.where(there, t, 0.0)

    low, h1, v1, d1 = _analyse(t - s, NB, 4)
    low, h2, v2, d2 = _analyse(low, NB, 2)
    low, h3, v3, d3 = _analyse(low, NB, 1)
    value, low = _band(low, M, block, inside, f_low, 0, 1, LOW, MASKED)
    a, h1, v1, d1 = _level(
        h1, v1, d1, M, block, inside, f_1, 1, 4, HIGH, MASKED
    )
    b, h2, v2, d2 = _level(
        h2, v2, d2, M, block, inside, f_2, 49, 2, HIGH, MASKED
    )
    d, h3, v3, d3 = _level(
        h3, v3, d3, M, block, inside, f_3, 61, 1, HIGH, MASKED
    )
    if not BACKWARD:
        tl.store(VALUES + plane * tiles + tile, value + a + b + d)
    if BACKWARD or NORMALIZED:
        x = _synthesise(low, h3, v3, d3, NB, 1)
        x = _synthesise(x, h2, v2, d2, NB, 2)
        x = -_synthesise(x, h1, v1, d1, NB, 4)
        if WEIGHTED:
            x *= tl.load(WEIGHTS + plane)
    if NORMALIZED and not BACKWARD:
        at = SUMS + plane * tiles + tile
        tl.store(at, tl.sum(tl.where(there, x, 0.0)))
        tl.store(at + tl.num_programs(0) * tiles, tl.sum(x * s))
    if BACKWARD:
        if NORMALIZED:
            x -= tl.load(MOMENTS + 4 * C + c)
            x -= s * tl.load(MOMENTS + 5 * C + c)
        x *= scale * tl.load(PULL).to(tl.float32)
        tl.store(
            GRADIENT + n * g_n + c * g_c + rows * g_h + columns * g_w, x, there
        )


@triton.jit
def _coefficients(
    P, rows, columns, there, W,
    LEVEL: tl.constexpr, BAND: tl.constexpr, NB: tl.constexpr,
):  # fmt: skip
    """A band of a projected map: of its low, hor, ver, dia, or their sum."""
    x = tl.load(P + rows * W + columns, there, other=0.0).to(tl.float32)
    low, hor, ver, dia = _analyse(x, NB, 4)
    if LEVEL > 1:
        low, hor, ver, dia = _analyse(low, NB, 2)
    if LEVEL > 2:
        low, hor, ver, dia = _analyse(low, NB, 1)
    if BAND == 'low':
        out = low
    elif BAND == 'hor':
        out = hor
    elif BAND == 'ver':
        out = ver
    elif BAND == 'dia':
        out = dia
    else:
        out = hor + ver + dia
    return out


@triton.jit
def _mask(
    P, Q, OUT, block, rows, columns, there, inside, W, T, size,
    LEVEL: tl.constexpr, START: tl.constexpr, BAND: tl.constexpr,
    REFINED: tl.constexpr, MAX: tl.constexpr, NB: tl.constexpr,
):  # fmt: skip
    """One mask of NB blocks, reduced over the prompts."""
    R: tl.constexpr = 8 >> LEVEL
    mask = tl.zeros((NB, R, R), tl.float32)
    for i in range(T):
        at = i * size
        x = tl.sigmoid(
            _coefficients(P + at, rows, columns, there, W, LEVEL, BAND, NB)
        )
        if REFINED:
            x *= tl.sigmoid(
                _coefficients(Q + at, rows, columns, there, W, LEVEL, BAND, NB)
            )
        if MAX:
            mask = tl.maximum(mask, x)
        else:
            mask += x
    places = OUT + _band_places(block, START, R)
    tl.store(places, mask, inside[:, None, None])
    if BAND == 'sum':  # one mask for three orientations
        tl.store(places + R * R, mask, inside[:, None, None])
        tl.store(places + 2 * R * R, mask, inside[:, None, None])


@triton.jit
def _masks_of_level(
    b, P, Q, OUT, block, rows, columns, there, inside, W, T, size,
    LEVEL: tl.constexpr, START: tl.constexpr, SUBBAND: tl.constexpr,
    REFINED: tl.constexpr, MAX: tl.constexpr, NB: tl.constexpr,
):  # fmt: skip
    RR: tl.constexpr = (8 >> LEVEL) * (8 >> LEVEL)
    if SUBBAND:
        if b == 3 * LEVEL - 2:
            _mask(
                P, Q, OUT, block, rows, columns, there, inside, W, T, size,
                LEVEL, START, 'hor', REFINED, MAX, NB,
            )  # fmt: skip
        if b == 3 * LEVEL - 1:
            _mask(
                P, Q, OUT, block, rows, columns, there, inside, W, T, size,
                LEVEL, START + RR, 'ver', REFINED, MAX, NB,
            )  # fmt: skip
        if b == 3 * LEVEL:
            _mask(
                P, Q, OUT, block, rows, columns, there, inside, W, T, size,
                LEVEL, START + 2 * RR, 'dia', REFINED, MAX, NB,
            )  # fmt: skip
    elif b == LEVEL:
        _mask(
            P, Q, OUT, block, rows, columns, there, inside, W, T, size,
            LEVEL, START, 'sum', REFINED, MAX, NB,
        )  # fmt: skip


@triton.jit
def masks_kernel(
    P, Q, OUT, H, W, T, B, blocks, across,
    SUBBAND: tl.constexpr, REFINED: tl.constexpr, MAX: tl.constexpr,
    NB: tl.constexpr,
):  # fmt: skip
    n, b = tl.program_id(0).to(tl.int64), tl.program_id(1)
    block = tl.program_id(2) * NB + tl.arange(0, NB)
    inside = block < blocks
    rows, columns, there = _places(block, across, H, W)
    there &= inside[:, None, None]
    size = H * W
    P += (n * B + b) * T * size
    if REFINED:
        Q += (n * B + b) * T * size
    OUT += n * blocks * 64
    if b == 0:
        _mask(
            P, Q, OUT, block, rows, columns, there, inside, W, T, size,
            3, 0, 'low', REFINED, MAX, NB,
        )  # fmt: skip
    _masks_of_level(
        b, P, Q, OUT, block, rows, columns, there, inside, W, T, size,
        1, 1, SUBBAND, REFINED, MAX, NB,
    )  # fmt: skip
    _masks_of_level(
        b, P, Q, OUT, block, rows, columns, there, inside, W, T, size,
        2, 49, SUBBAND, REFINED, MAX, NB,
    )  # fmt: skip
    _masks_of_level(
        b, P, Q, OUT, block, rows, columns, there, inside, W, T, size,
        3, 61, SUBBAND, REFINED, MAX, NB,
    )  # fmt: skip
