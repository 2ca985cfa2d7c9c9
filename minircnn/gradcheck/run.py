"""Every row of `minircnn gradcheck`, in order."""

from collections.abc import Iterator

import numpy as np

from minircnn.gradcheck.cases import end_to_end_cases, layer_cases, loss_cases
from minircnn.gradcheck.faster_cases import anchor_cases, joint_cases
from minircnn.gradcheck.finite_differences import CheckRow


def run_all(seed: int = 0) -> Iterator[CheckRow]:
    """The rows, each as it is computed."""
    for case in (layer_cases, loss_cases, anchor_cases, end_to_end_cases, joint_cases):
        yield from case(np.random.default_rng(seed))
