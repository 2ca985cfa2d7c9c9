"""What Winograd's algorithm does to one tile; `winograd.py` says why, and walks the tiles.

Each transform multiplies a small matrix to both sides of a square of vectors, one channel in each lane: along the
columns first, into `lines`, a few vectors that never leave the core, then along the rows. The matrices are written out
as sums, which share what they can.
"""

from numba import njit

from minircnn.kernels.vectors import VECTOR_BYTES, fill, larger, load, store

# The points are 0, ±P, ±Q and ∞. The usual 1 and 2 share a little more arithmetic, but 2³ in both directions magnifies
# the rounding of what is multiplied by it; with these the largest error is 0.28 to 0.35 of theirs and the mean one 0.6,
# and P² and Q² are exact in binary.
P, Q = 0.75, 1.5
PP, QQ = P * P, Q * Q
N0, NP, NQ = PP * QQ, 2 * PP * (PP - QQ), 2 * QQ * (QQ - PP)  # a point's distances to the others, multiplied


@njit
def evaluate_filter(g0, g1, g2):
    """G g: three taps as a polynomial at the six points, each divided by what finding the polynomial divides by."""
    even_p, odd_p = (1 / NP) * g0 + (PP / NP) * g2, (P / NP) * g1
    even_q, odd_q = (1 / NQ) * g0 + (QQ / NQ) * g2, (Q / NQ) * g1
    return (1 / N0) * g0, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, g2


@njit
def in_line(d0, d1, d2, d3, d4, d5):
    """Bᵀ d along one line: row by row the polynomials that are zero at all points but one."""
    even_p, odd_p = d4 - QQ * d2, P * (d3 - QQ * d1)
    even_q, odd_q = d4 - PP * d2, Q * (d3 - PP * d1)
    first, last = N0 * d0 - (PP + QQ) * d2 + d4, N0 * d1 - (PP + QQ) * d3 + d5
    return first, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, last


@njit
def out_line(m0, m1, m2, m3, m4, m5):
    """Aᵀ m along one line: 1, p, p² and p³ times the value at p."""
    sum_p, difference_p, sum_q, difference_q = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return (
        m0 + sum_p + sum_q,
        P * difference_p + Q * difference_q,
        PP * sum_p + QQ * sum_q,
        (P * PP) * difference_p + (Q * QQ) * difference_q + m5,
    )


@njit
def load_line(array, start, step):
    """Six vectors, `step` apart."""
    return (
        load(array, start),
        load(array, start + step),
        load(array, start + 2 * step),
        load(array, start + 3 * step),
        load(array, start + 4 * step),
        load(array, start + 5 * step),
    )


@njit
def store_line(array, start, step, line):
    """Put back six vectors, `step` apart."""
    store(array, start, line[0])
    store(array, start + step, line[1])
    store(array, start + 2 * step, line[2])
    store(array, start + 3 * step, line[3])
    store(array, start + 4 * step, line[4])
    store(array, start + 5 * step, line[5])


@njit
def tile_in(x, start, row, C, v, v_start, v_step, lines):
    """V of one tile: 6×6 cells of x from `start`, `row` apart, channels side by side; C whole vectors."""
    lanes = VECTOR_BYTES // x.itemsize
    for c in range(0, C, lanes):
        for j in range(6):
            store_line(lines, j * lanes, 6 * lanes, in_line(*load_line(x, start + j * C + c, row)))
        for i in range(6):
            line = in_line(*load_line(lines, i * 6 * lanes, lanes))
            store_line(v, v_start + i * 6 * v_step + c, v_step, line)


@njit
def copy_tile(x, n, top, left, size, C, padded):
    """A tile of size×size cells that hangs over the border, zero beyond it; C: channels in `padded`, x's or more."""
    _, H, W, channels = x.shape
    padded[:] = 0
    for h in range(max(0, -top), min(size, H - top)):
        for w in range(max(0, -left), min(size, W - left)):
            cell = (h * size + w) * C
            for c in range(channels):
                padded[cell + c] = x[n, top + h, left + w, c]


@njit
def tile_out(m, m_start, m_step, bias, relu, lines, cells):
    """One vector of channels of a tile's M, `m_step` from k to k, to 4×4 `cells`: Aᵀ M A + bias, and ReLU."""
    lanes = VECTOR_BYTES // m.itemsize
    zero = fill(m, 0.0)
    for j in range(6):
        line = out_line(*load_line(m, m_start + j * m_step, 6 * m_step))
        for i in range(4):
            store(lines, (i * 6 + j) * lanes, line[i])
    for i in range(4):
        line = out_line(*load_line(lines, i * 6 * lanes, lanes))
        for j in range(4):
            value = line[j] + bias
            store(cells, (i * 4 + j) * lanes, larger(zero, value) if relu else value)


@njit
def pool_cells(cells, rows, columns):
    """The maximum of each 2×2 of a tile's 4×4 cells, to its first 2×2; those beyond `rows`, `columns` count as 0."""
    lanes = VECTOR_BYTES // cells.itemsize
    for i in range(4):
        for j in range(4):
            if i >= rows or j >= columns:
                store(cells, (i * 4 + j) * lanes, fill(cells, 0.0))
    for i in range(2):
        for j in range(2):
            at = (2 * i * 4 + 2 * j) * lanes
            best = larger(load(cells, at), load(cells, at + lanes))
            best = larger(best, larger(load(cells, at + 4 * lanes), load(cells, at + 5 * lanes)))
            store(cells, (i * 4 + j) * lanes, best)


# The adjoints, for the gradient of the filters: each is its matrix the other way round.


@njit
def spread_line(d0, d1, d2, d3):
    """A d, of four gradients along a line: the adjoint of `out_line`."""
    even_p, odd_p = d0 + PP * d2, P * d1 + (P * PP) * d3
    even_q, odd_q = d0 + QQ * d2, Q * d1 + (Q * QQ) * d3
    return d0, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, d3


@njit
def gather_filter(u0, u1, u2, u3, u4, u5):
    """Gᵀ u, three taps from six values: the adjoint of `evaluate_filter`."""
    sum_p, difference_p, sum_q, difference_q = u1 + u2, u1 - u2, u3 + u4, u3 - u4
    return (
        (1 / N0) * u0 + (1 / NP) * sum_p + (1 / NQ) * sum_q,
        (P / NP) * difference_p + (Q / NQ) * difference_q,
        (PP / NP) * sum_p + (QQ / NQ) * sum_q + u5,
    )


@njit
def tile_gradient_in(dy, start, row, C, dm, dm_start, dm_step, lines, sums):
    """dM = A dy Aᵀ of one tile: 4×4 cells of dy from `start`, `row` apart; they are added to `sums`."""
    lanes = VECTOR_BYTES // dy.itemsize
    for c in range(0, C, lanes):
        for j in range(4):
            at = start + j * C + c
            cells = load(dy, at), load(dy, at + row), load(dy, at + 2 * row), load(dy, at + 3 * row)
            store_line(lines, j * lanes, 4 * lanes, spread_line(*cells))
            store(sums, c, load(sums, c) + ((cells[0] + cells[1]) + (cells[2] + cells[3])))
        for i in range(6):
            at = i * 4 * lanes
            cells = load(lines, at), load(lines, at + lanes), load(lines, at + 2 * lanes), load(lines, at + 3 * lanes)
            store_line(dm, dm_start + i * 6 * dm_step + c, dm_step, spread_line(*cells))
