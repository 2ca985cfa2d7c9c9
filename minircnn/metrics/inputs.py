"""What is measured: anything that has these arrays, such as a `Sample` and a `Detections` from further up the house."""

from typing import Protocol

import numpy as np


class Truth(Protocol):
    """The true boxes of one image."""

    @property
    def boxes(self) -> np.ndarray:
        """(G, 4), x1, y1, x2, y2 in pixels."""

    @property
    def labels(self) -> np.ndarray:
        """(G,), 1..K."""


def ignored(truth: Truth) -> np.ndarray:
    """(G,) bool: true boxes that are neither to be found nor to be missed; none where the truth says nothing of it."""
    ignore = getattr(truth, "ignore", None)
    return np.zeros(len(truth.labels), bool) if ignore is None else np.asarray(ignore, bool)


class Found(Truth, Protocol):
    """What was found in one image, best first."""

    @property
    def scores(self) -> np.ndarray:
        """(D,), in (0, 1)."""
