"""Offsets as training has them and as they are: `bbox_pred` learns targets, centred and divided by their spread.

A model speaks in offsets normalised by its `statistics`; stored, these are folded into `bbox_pred`, and what it says is
real. Boxes are predicted for each class, or, where the architecture is class-agnostic, one for all.
"""

import numpy as np

from minircnn.models.architecture import Architecture
from minircnn.models.heads import Head
from minircnn.models.model import Model
from minircnn.targets import OffsetStatistics


class Normalised(Model):
    """A model with a head whose offsets are normalised.

    Attributes
    ----------
    statistics : by which they are; training sets them, a stored model has none left
    learned_in : those that training had set, once they are folded away
    """

    architecture: Architecture
    num_classes: int
    head: Head
    statistics: OffsetStatistics
    learned_in: OffsetStatistics | None

    def offsets(self, bbox_pred: np.ndarray) -> np.ndarray:
        """`bbox_pred` as real offsets (R, 4(K+1)): the normalisation of training taken back; class-agnostic ones are
        every class's."""
        real = self._unnormalised(bbox_pred)
        return np.tile(real, (1, self.num_classes + 1)) if self.architecture.class_agnostic else real

    def columns_of(self, label: int) -> slice:
        """Which columns of `bbox_pred` are a class's four offsets."""
        return slice(0, 4) if self.architecture.class_agnostic else slice(4 * label, 4 * label + 4)

    def _unnormalised(self, bbox_pred: np.ndarray) -> np.ndarray:
        mean, std = self._by_column(self.statistics)
        return bbox_pred * std + mean

    def _by_column(self, statistics: OffsetStatistics) -> tuple[np.ndarray, np.ndarray]:
        """Mean and spread of each column of `bbox_pred`."""
        if not self.architecture.class_agnostic:
            return statistics.mean.reshape(-1), statistics.std.reshape(-1)
        if (statistics.mean[1:] != statistics.mean[1]).any() or (statistics.std[1:] != statistics.std[1]).any():
            raise ValueError("FastRCNN: class-agnostic boxes need statistics that are the same for all classes")
        return statistics.mean[1], statistics.std[1]

    def restate_offsets(self, statistics: OffsetStatistics) -> None:
        """From now on `bbox_pred` is normalised by `statistics`; the real offsets that it stands for stay the same.

        real = old * old_std + old_mean = new * new_std + new_mean, so new = old * old_std/new_std + …
        """
        (_, old_std), (new_mean, new_std) = self._by_column(self.statistics), self._by_column(statistics)
        self.learned_in = self.learned_in if self.statistics.is_identity else self.statistics
        weight, bias = self.head.bbox_pred.weight.value, self.head.bbox_pred.bias.value
        weight *= old_std / new_std
        bias[...] = (self._unnormalised(bias) - new_mean) / new_std
        self.statistics = statistics

    def folded_parameters(self) -> dict[str, np.ndarray]:
        """Every parameter's value by name, with `statistics` folded into `bbox_pred`: what a model file holds."""
        values = {name: parameter.value for name, parameter in self.named_parameters()}
        dtype = values["bbox_pred.weight"].dtype
        values["bbox_pred.weight"] = (values["bbox_pred.weight"] * self._by_column(self.statistics)[1]).astype(dtype)
        values["bbox_pred.bias"] = self._unnormalised(values["bbox_pred.bias"]).astype(dtype)
        return values

    def parameters_by_class(self) -> dict[str, np.ndarray]:
        """The same for programs that know boxes of each class alone: class-agnostic columns stand once for each."""
        values = self.folded_parameters()
        if self.architecture.class_agnostic:
            for name in ("bbox_pred.weight", "bbox_pred.bias"):
                values[name] = np.tile(values[name], self.num_classes + 1)
        return values
