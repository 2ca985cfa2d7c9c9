"""The innermost loop of every matrix product here: one tile of the result, held in registers while its sums run.

A row-by-row product reads and writes memory for each multiplication; a tile loads `ROWS + 2` times for `2 * ROWS`
multiplications of whole vectors, which keeps the multipliers busy. Against BLAS it gains twice more: rows may lie
anywhere (a convolution's patches overlap and are read in place), and filters are laid out once, not in every call. A
tile's sums run in the order of k whatever stands around it, so the bits of a product are the same however the tiles are
shared out among threads.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from minircnn.kernels.vectors import REGISTERS, Vector, address_of, in_every_lane, lanes, load_from, store_to

ROWS = 12 if REGISTERS == 32 else 6  # of a tile: 2 * ROWS sums, 2 vectors of b and a spare must fit the registers
MANY_WEIGHTS = 1 << 17  # C*OC from which U is read from memory in every block, and blocks must be large to pay for it


def product_tile(a, a_start, a_row, a_k, b, b_start, b_k, K, c, c_start, c_row, add):
    """Compute a tile of c = a @ b, or of c += a @ b, ROWS rows by two vectors of columns; all arrays flat.

        c[c_start + i*c_row + j] = Σ_k  a[a_start + i*a_row + k*a_k] * b[b_start + k*b_k + j]

    With a_row and a_k exchanged it reads `a` transposed.
    """
    columns = np.arange(2 * lanes(c.dtype))
    sums = np.zeros((ROWS, len(columns)), c.dtype)
    for i in range(ROWS):
        if add:
            sums[i] = c[c_start + i * c_row + columns]
        for k in range(K):
            sums[i] += a[a_start + i * a_row + k * a_k] * b[b_start + k * b_k + columns]
        c[c_start + i * c_row + columns] = sums[i]


@intrinsic
def _product_tile(typing, a, a_start, a_row, a_k, b, b_start, b_k, K, c, c_start, c_row, add):
    signature = types.void(a, a_start, a_row, a_k, b, b_start, b_k, K, c, c_start, c_row, add)
    return signature, _generate_product_tile


def _generate_product_tile(context, builder, signature, arguments):
    a, a_start, a_row, a_k, b, b_start, b_k, K, c, c_start, c_row, add = arguments
    dtype, align = signature.args[8].dtype, signature.args[8].dtype.bitwidth // 8
    kind, whole = context.get_value_type(Vector(dtype)), K.type
    a = address_of(context, builder, signature.args[0], a, a_start)
    b = address_of(context, builder, signature.args[4], b, b_start)
    c = address_of(context, builder, signature.args[8], c, c_start)
    name = f"llvm.fma.v{kind.count}f{dtype.bitwidth}"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    places = {}  # of the sums: (row, vector) → address in c
    for i in range(ROWS):
        row = builder.gep(c, [builder.mul(c_row, whole(i))])
        places[i, 0], places[i, 1] = row, builder.gep(row, [whole(kind.count)])
    sums = {place: cgutils.alloca_once(builder, kind) for place in places}  # in registers, once LLVM is done
    with builder.if_else(add) as (go_on, begin):
        with go_on:
            for place, address in places.items():
                builder.store(load_from(builder, address, kind, align), sums[place])
        with begin:
            for total in sums.values():
                builder.store(ir.Constant(kind, [0.0] * kind.count), total)
    # Rows are addressed in threes, from one pointer each: more pointers than that do not fit the registers.
    steps = (None, a_row, builder.mul(a_row, whole(2)))
    threes = [builder.gep(a, [builder.mul(a_row, whole(i))]) for i in range(0, ROWS, 3)]
    threes = [cgutils.alloca_once_value(builder, pointer) for pointer in threes]
    b = cgutils.alloca_once_value(builder, b)
    with cgutils.for_range(builder, K, intp=whole):
        row = builder.load(b)
        columns = [load_from(builder, builder.gep(row, [whole(j * kind.count)]), kind, align) for j in (0, 1)]
        builder.store(builder.gep(row, [b_k]), b)
        for three, pointer in enumerate(threes):
            start = builder.load(pointer)
            for i, step in enumerate(steps):
                value = builder.load(start if step is None else builder.gep(start, [step]))
                value = in_every_lane(builder, value, kind)
                for j in (0, 1):
                    total = sums[3 * three + i, j]
                    builder.store(builder.call(fma, [value, columns[j], builder.load(total)]), total)
            builder.store(builder.gep(start, [a_k]), pointer)
    for place, address in places.items():
        store_to(builder, builder.load(sums[place]), address, align)
    return context.get_dummy_value()


@overload(product_tile)
def _compiled_product_tile(a, a_start, a_row, a_k, b, b_start, b_k, K, c, c_start, c_row, add):
    return lambda a, a_start, a_row, a_k, b, b_start, b_k, K, c, c_start, c_row, add: _product_tile(  # type: ignore[call-arg]
        a, a_start, a_row, a_k, b, b_start, b_k, K, c, c_start, c_row, add
    )


def tiles_per_block(total: int, weights: int, owners: int) -> int:
    """Tiles in a block: a multiple of ROWS, such that every owner gets as many blocks as the others."""
    most = 96 if weights < MANY_WEIGHTS else 240
    blocks = max(1, -(-total // (most * owners))) * owners
    return max(1, -(-total // (blocks * ROWS))) * ROWS
