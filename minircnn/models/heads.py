"""What follows RoI pooling: fc6, fc7, and then two output layers side by side; and the way back through them.

Both outputs read the same row of fc7. `cls_score` gives K+1 numbers (background is class 0), `bbox_pred` four
offsets for each of the K+1 classes, 4(K+1) in all. Neither is followed by a ReLU: softmax wants scores of both signs,
and an offset of -0.2 ("move left") would come out as 0.
"""

import math
from typing import Any

import numpy as np

from minircnn.layers import Dropout, FactoredLinear, Layer, Linear, Parameter, ReLU
from minircnn.models.first_weights import First, before_relu, of_spread


class Head:
    """fc6 → fc7 → cls_score beside bbox_pred, for regions that were pooled to `shape`.

    Parameters
    ----------
    shape : (PH, PW, C) of a pooled region
    hidden : width of fc6 and fc7
    num_classes : K
    ranks : of fc6 and fc7, each as two thin layers with so many numbers between them; None where it is whole
    dropout, bias_lr_multiplier, class_agnostic : as the architecture has them
    spreads : standard deviation of the first weights of cls_score and bbox_pred

    Attributes
    ----------
    layers : dict, name → layer, in the data's order
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        hidden: tuple[int, int],
        num_classes: int,
        *,
        ranks: tuple[int | None, int | None],
        dropout: float,
        spreads: tuple[float, float],
        bias_lr_multiplier: float,
        dtype: type,
        class_agnostic: bool = False,
    ):
        self.shape = shape
        rule: dict[str, Any] = {"bias_lr_multiplier": bias_lr_multiplier, "dtype": dtype}
        self.fc6 = hidden_layer(math.prod(shape), hidden[0], rank=ranks[0], **rule)
        self.relu6, self.drop6 = ReLU(), Dropout(dropout)
        self.fc7 = hidden_layer(*hidden, rank=ranks[1], **rule)
        self.relu7, self.drop7 = ReLU(), Dropout(dropout)
        self.cls_score, self.bbox_pred = output_layers(hidden[1], num_classes, spreads, class_agnostic, **rule)
        names = ("fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "cls_score", "bbox_pred")
        self.layers: dict[str, Layer] = {name: getattr(self, name) for name in names}

    def forward(self, pooled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """pooled (R, PH, PW, C) → cls_score (R, K+1), bbox_pred (R, 4(K+1)): fc6, fc7 and the two outputs."""
        flat = pooled.reshape(len(pooled), self.fc6.inputs)  # channels last, as fc6's rows run
        hidden6 = self.drop6.forward(self.relu6.forward(self.fc6.forward(flat)))
        hidden7 = self.drop7.forward(self.relu7.forward(self.fc7.forward(hidden6)))
        return self.cls_score.forward(hidden7), self.bbox_pred.forward(hidden7)

    def backward(self, dcls_score: np.ndarray, dbbox_pred: np.ndarray) -> np.ndarray:
        """dcls_score (R, K+1), dbbox_pred (R, 4(K+1)) → dpooled (R, PH, PW, C); fills the layers' gradients."""
        # The two branches meet: fc7 fed both outputs, so its gradient is the sum of what they send back.
        dhidden7 = self.cls_score.backward(dcls_score) + self.bbox_pred.backward(dbbox_pred)  # (R, hidden7)
        # Past the ReLUs: a unit that was closed in the forward stops the gradient here, an open one lets it through.
        dhidden6 = self.fc7.backward(self.relu7.backward(self.drop7.backward(dhidden7)))
        dflat = self.fc6.backward(self.relu6.backward(self.drop6.backward(dhidden6)))  # (R, PH*PW*C)
        return dflat.reshape(len(dflat), *self.shape)


def linear(inputs: int, outputs: int, *, bias_lr_multiplier: float, dtype: type, first: First = before_relu) -> Linear:
    """A fully connected layer of zeros, that begins with `first` once it is drawn; its bias has no decay."""
    return Linear(Parameter(np.zeros((inputs, outputs), dtype), first=first), _bias(outputs, bias_lr_multiplier, dtype))


def hidden_layer(
    inputs: int, outputs: int, *, rank: int | None, bias_lr_multiplier: float, dtype: type
) -> Linear | FactoredLinear:
    """fc6 or fc7; as two thin layers where `rank` says how many numbers between them."""
    if rank is None:
        return linear(inputs, outputs, bias_lr_multiplier=bias_lr_multiplier, dtype=dtype)
    first, second = (
        Parameter(np.zeros(shape, dtype), first=before_relu) for shape in ((inputs, rank), (rank, outputs))
    )
    return FactoredLinear(first, second, _bias(outputs, bias_lr_multiplier, dtype))


def output_layers(
    inputs: int,
    num_classes: int,
    spreads: tuple[float, float],
    class_agnostic: bool = False,
    *,
    bias_lr_multiplier: float,
    dtype: type,
) -> tuple[Linear, Linear]:
    """`cls_score` (inputs, K+1) and `bbox_pred` (inputs, 4(K+1)), with the spreads of their first weights.

    K = 13: 14 scores and 56 offsets for each RoI; class 5 owns columns 20 … 23 of the offsets, class k 4k … 4k + 3.
    class_agnostic : `bbox_pred` has four columns, the same for whatever class
    """
    rule: dict[str, Any] = {"bias_lr_multiplier": bias_lr_multiplier, "dtype": dtype}
    cls_score = linear(inputs, num_classes + 1, first=of_spread(spreads[0]), **rule)
    bbox_pred = linear(inputs, 4 if class_agnostic else 4 * (num_classes + 1), first=of_spread(spreads[1]), **rule)
    return cls_score, bbox_pred


def _bias(outputs: int, lr_multiplier: float, dtype: type) -> Parameter:
    return Parameter(np.zeros(outputs, dtype), lr_multiplier=lr_multiplier, decay_multiplier=0.0)
