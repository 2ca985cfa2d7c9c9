"""Vectors by hand: the processor's own wide registers, for the loops where the compiler does not find them itself.

`load` takes as many neighbouring values of a flat array as one register holds, `+`, `-` and `*` work on all of them at
once, `store` puts them back. Where Numba is switched off (`NUMBA_DISABLE_JIT=1`) a vector is a small NumPy array and
everything here runs, slowly, in a debugger. Nothing here checks an index.
"""
# Numba's own hints know neither its types nor its intrinsics:
# mypy: disable-error-code="attr-defined, call-arg"

import operator

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

# Of the processor that Numba compiles for: this one, or the one described in NUMBA_CPU_FEATURES.
_FEATURES = llvmlite.binding.get_host_cpu_features()
if config.CPU_FEATURES is not None:
    _FEATURES = {feature[1:]: feature[0] == "+" for feature in config.CPU_FEATURES.split(",") if feature}
_WIDE, _ARM = bool(_FEATURES.get("avx512f")), bool(_FEATURES.get("neon"))
# AVX-512 has 32 registers of 64 bytes, AVX 16 of 32, NEON 32 of 16, SSE 16 of 16.
VECTOR_BYTES = 64 if _WIDE else 32 if _FEATURES.get("avx") else 16
REGISTERS = 32 if _WIDE or _ARM else 16


def lanes(dtype: np.dtype) -> int:
    """Values in one vector: 16 float32 where registers are 64 bytes wide."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


def whole_vectors(count: int, dtype: np.dtype, vectors: int = 1) -> int:
    """`count` values rounded up to a multiple of `vectors` vectors."""
    unit = vectors * lanes(dtype)
    return -(-count // unit) * unit


# What a vector does, in NumPy: this is what runs without the compiler, and what the definitions below must equal.


def load(array: np.ndarray, start: int) -> np.ndarray:
    """One vector of the flat `array`, from `start` on."""
    return array[start : start + lanes(array.dtype)].copy()


def load_some(array: np.ndarray, start: int, count: int) -> np.ndarray:
    """The same with `count` values, where fewer than a vector remain; zero in the other places."""
    vector = np.zeros(lanes(array.dtype), array.dtype)
    vector[:count] = array[start : start + min(count, len(vector))]
    return vector


def store(array: np.ndarray, start: int, vector: np.ndarray) -> None:
    """Put a vector back."""
    array[start : start + len(vector)] = vector


def store_some(array: np.ndarray, start: int, vector: np.ndarray, count: int) -> None:
    """Put back its first `count` values."""
    count = min(count, len(vector))
    array[start : start + count] = vector[:count]


def fill(array: np.ndarray, number: float) -> np.ndarray:
    """A vector of `array`'s dtype with the same number in every place."""
    return np.full(lanes(array.dtype), number, array.dtype)


def larger(v: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The larger of two vectors, place by place; NaN where either is."""
    return np.maximum(v, w)


def passed(gate: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """`vector` where `gate` is above zero, 0 elsewhere."""
    return np.where(gate > 0, vector, 0).astype(vector.dtype)


# The same for the compiler: each is written in LLVM's own instructions.


class Vector(types.Type):
    """The type of a vector in compiled code: `lanes` values of `dtype`."""

    def __init__(self, dtype: types.Type):
        self.dtype, self.lanes = dtype, VECTOR_BYTES * 8 // dtype.bitwidth
        super().__init__(f"Vector({dtype}, {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        element = dmm.lookup(fe_type.dtype).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.lanes))


def address_of(context, builder, array_type, array, start):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [start])


def load_from(builder, address, kind, align):
    value = builder.load(builder.bitcast(address, kind.as_pointer()))
    value.align = align
    return value


def store_to(builder, value, address, align):
    builder.store(value, builder.bitcast(address, value.type.as_pointer())).align = align


def in_every_lane(builder, value, kind):
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)


@intrinsic
def _load_vector(typing, array, start):
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        address = address_of(context, builder, array, *arguments)
        return load_from(builder, address, context.get_value_type(vector), array.dtype.bitwidth // 8)

    return vector(array, start), generate


@intrinsic
def _store_vector(typing, array, start, vector):
    def generate(context, builder, signature, arguments):
        address = address_of(context, builder, array, *arguments[:2])
        store_to(builder, arguments[2], address, array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, start, vector), generate


@intrinsic
def _load_some_vector(typing, array, start, count):
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(vector)
        slot = cgutils.alloca_once_value(builder, ir.Constant(kind, [0.0] * kind.count))
        _copy(builder, address_of(context, builder, array, *arguments[:2]), slot, kind, arguments[2], inward=True)
        return builder.load(slot)

    return vector(array, start, count), generate


@intrinsic
def _store_some_vector(typing, array, start, vector, count):
    def generate(context, builder, signature, arguments):
        address, value = address_of(context, builder, array, *arguments[:2]), arguments[2]
        slot = cgutils.alloca_once_value(builder, value)
        _copy(builder, address, slot, value.type, arguments[3], inward=False)
        return context.get_dummy_value()

    return types.void(array, start, vector, count), generate


def _copy(builder, address, slot, kind, count, inward):
    """The first `count` values, one by one, between memory and a vector's own place on the stack."""
    slot = builder.bitcast(slot, kind.element.as_pointer())
    whole = count.type(kind.count)
    few = builder.select(builder.icmp_signed("<", count, whole), count, whole)
    with cgutils.for_range(builder, few, intp=count.type) as loop:
        source, target = (address, slot) if inward else (slot, address)
        builder.store(builder.load(builder.gep(source, [loop.index])), builder.gep(target, [loop.index]))


def _two_vectors(instruction):
    """An intrinsic that gives both its vectors to one instruction."""

    @intrinsic
    def combine(typing, v, w):
        def generate(context, builder, signature, arguments):
            return instruction(builder, *arguments)

        return v(v, w), generate

    return combine


def _generate_passed(builder, gate, v):
    zero = ir.Constant(gate.type, [0.0] * gate.type.count)
    return builder.select(builder.fcmp_ordered(">", gate, zero), v, zero)


def _generate_larger(builder, v, w):
    larger = builder.select(builder.fcmp_ordered(">", v, w), v, w)  # w where either is NaN
    return builder.select(builder.fcmp_unordered("!=", v, v), v, larger)


_add = _two_vectors(lambda builder, v, w: builder.fadd(v, w, flags=["contract"]))
_subtract = _two_vectors(lambda builder, v, w: builder.fsub(v, w, flags=["contract"]))
_larger = _two_vectors(_generate_larger)
_passed = _two_vectors(_generate_passed)


@intrinsic
def _scale(typing, number, v):
    def generate(context, builder, signature, arguments):
        value = context.cast(builder, arguments[0], number, v.dtype)
        return builder.fmul(in_every_lane(builder, value, arguments[1].type), arguments[1], flags=["contract"])

    return v(number, v), generate


@intrinsic
def _fill(typing, array, number):
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        return in_every_lane(
            builder, context.cast(builder, arguments[1], number, array.dtype), context.get_value_type(vector)
        )

    return vector(array, number), generate


# Which of the two runs: compiled code takes the second.

overload(load)(lambda array, start: lambda array, start: _load_vector(array, start))
overload(load_some)(lambda array, start, count: lambda array, start, count: _load_some_vector(array, start, count))
overload(store)(lambda array, start, vector: lambda array, start, vector: _store_vector(array, start, vector))
overload(store_some)(
    lambda array, start, vector, count: (
        lambda array, start, vector, count: _store_some_vector(array, start, vector, count)
    )
)
overload(fill)(lambda array, number: lambda array, number: _fill(array, number))
overload(larger)(lambda v, w: lambda v, w: _larger(v, w))
overload(passed)(lambda gate, vector: lambda gate, vector: _passed(gate, vector))


def _of_two_vectors(combine):
    return lambda v, w: (lambda v, w: combine(v, w)) if isinstance(v, Vector) and v == w else None


overload(operator.add)(_of_two_vectors(_add))
overload(operator.sub)(_of_two_vectors(_subtract))


@overload(operator.mul)
def _compiled_scale(number, v):
    if isinstance(v, Vector) and isinstance(number, types.Number):
        return lambda number, v: _scale(number, v)
