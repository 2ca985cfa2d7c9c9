"""What every kernel's wrapper asks of its arrays before the loops begin, where nothing is asked any more.

A loop that reads past an array's end or takes whole numbers for fractions gives a wrong number and says nothing.
"""

import numpy as np


def check_array(owner: str, argument: str, array: object) -> None:
    """Raise ValueError of what is no NumPy array: a list, a path, another library's image or tensor."""
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{owner}: {argument} should be a NumPy array, not {type(array).__name__}")


def check_shape(owner: str, argument: str, array: np.ndarray, expected: tuple[int | None, ...]) -> None:
    """Raise ValueError unless `array` is an array of the expected shape; None stands for any size."""
    check_array(owner, argument, array)
    fits = array.ndim == len(expected) and all(
        want in (None, have) for want, have in zip(expected, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in expected)
        raise ValueError(f"{owner}: {argument} should have shape ({wanted}), not {array.shape}")


def check_floats(owner: str, **arrays: np.ndarray) -> None:
    """Raise ValueError unless all arrays are float32, or all float64."""
    for name, array in arrays.items():
        check_array(owner, name, array)
    kinds = {name: array.dtype for name, array in arrays.items()}
    first = next(iter(kinds.values()))
    if first not in (np.float32, np.float64) or any(kind != first for kind in kinds.values()):
        found = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise ValueError(f"{owner}: arrays should be float32, or all float64, not {found}; convert with astype")


def check_finite(owner: str, argument: str, array: np.ndarray) -> None:
    """Raise ValueError where a value is NaN or infinite."""
    if not np.isfinite(array).all():
        raise ValueError(f"{owner}: {argument} holds values that are not finite (NaN or infinity)")


def check_window(owner: str, **numbers: int) -> None:
    """Raise ValueError unless the sizes of kernels, windows and strides are whole numbers of at least 1."""
    for name, value in numbers.items():
        least = 0 if name == "padding" else 1
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{owner}: {name} should be a whole number of at least {least}, not {value!r}")


def pair(owner: str, argument: str, value: int | tuple[int, int]) -> tuple[int, int]:
    """A height and a width, from one whole number for both or from two; ValueError for anything else."""
    both = (value, value) if isinstance(value, int | np.integer) else value
    if not isinstance(both, tuple | list) or len(both) != 2:
        raise ValueError(f"{owner}: {argument} should be (height, width), or one number for both, not {value!r}")
    check_window(owner, **{f"{argument}[0]": both[0], f"{argument}[1]": both[1]})
    return int(both[0]), int(both[1])


def output(owner: str, shape: tuple[int, ...], dtype: np.dtype, out: np.ndarray | None) -> np.ndarray:
    """`out`, checked, or a new array where there is none."""
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise ValueError(f"{owner}: out should be a contiguous {dtype} array of shape {shape}, not {out.shape}")
    return out
