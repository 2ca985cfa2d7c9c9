"""The workspace kernels work in: arrays of the size asked for, that share nothing, whatever was asked before."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minircnn.kernels.scratch import _kept, scratch


@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=4), min_size=1, max_size=6), st.booleans())
def test_arrays_have_the_size_asked_for_and_share_nothing(calls, double):
    _kept.__dict__.clear()
    for counts in calls:
        arrays = scratch(np.float64 if double else np.float32, *counts)
        assert [len(array) for array in arrays] == counts
        for index, array in enumerate(arrays):
            assert len(array) == 0 or array.ctypes.data % 64 == 0
            array[:] = index
        for index, array in enumerate(arrays):
            assert (array == index).all()


def test_rooms_are_apart():
    first, second = scratch(np.float32, 100, workspace="a")[0], scratch(np.float32, 100, workspace="b")[0]
    first[:], second[:] = 1, 2
    assert (first == 1).all()
    assert scratch(np.float32, 100, workspace="a")[0].ctypes.data == first.ctypes.data


def test_large_room_is_asked_for_once():
    first = scratch(np.float32, 100_000)[0].ctypes.data
    assert scratch(np.float32, 99_000)[0].ctypes.data == first
