"""One parameter in somebody's file: where it stands there, and how its axes are put in this project's order."""

import math
from dataclasses import dataclass

import numpy as np

from minircnn.base.errors import InputError
from minircnn.weights.foreign.stored import Stored

POOLED = 7  # cells on each side of what fc6 sees


@dataclass(frozen=True)
class Source:
    """One parameter in somebody's file, and how it becomes this project's.

    Attributes
    ----------
    name : in the file
    stored : its values there
    shape : here
    order : of the axes there: "ours", "OIHW" (a kernel), "OI" (dense), "OCHW" (dense, of a flattened map with channels
        first), "CHWO" (the same, inputs first)
    """

    name: str
    stored: Stored
    shape: tuple[int, ...]
    order: str

    def into(self, out: np.ndarray) -> None:
        """Fill `out`, of `shape`, block by block.

        Raises
        ------
        InputError : a value is not finite, or the file is damaged
        """
        there = self._in_the_files_axes(out)
        for where, values in self.stored.reshaped(there.shape).blocks():
            with np.errstate(over="ignore"):  # of a float64: then it is infinite, and refused
                values = values.astype(np.float32, copy=False)
            if not np.isfinite(values).all():
                raise InputError(f"{self.stored.path}: {self.name} holds values that are not finite; take another copy")
            there[where] = values

    def _in_the_files_axes(self, out: np.ndarray) -> np.ndarray:
        """A view of `out` whose axes run as the file's do; the flattened map's axis is three."""
        if self.order == "OI":
            return out.T  # (O, I)
        if self.order == "OIHW":
            return out.transpose(3, 2, 0, 1)  # (OC, C, KH, KW)
        if self.order in ("OCHW", "CHWO"):
            by_cell = out.reshape(POOLED, POOLED, -1, self.shape[1])  # (H, W, C, O)
            return by_cell.transpose(3, 2, 0, 1) if self.order == "OCHW" else by_cell.transpose(2, 0, 1, 3)
        return out.reshape(self.stored.shape)

    def array(self) -> np.ndarray:
        """A new float32 array in this project's order."""
        out = np.empty(self.shape, np.float32)
        self.into(out)
        return out

    @property
    def count(self) -> int:
        """Of values."""
        return math.prod(self.shape)

    @property
    def empty(self) -> bool:
        """Whether it holds no number at all: torchvision has a file with room for a classifier and none in it."""
        return all(np.isnan(values).all() for _, values in self.stored.blocks())
