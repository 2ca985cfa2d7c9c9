"""Fast R-CNN: two inputs (images, rois), two outputs (cls_score, bbox_pred), and the way back written out.

    images → backbone → features ─┐
                                  ├→ roi_pool → fc6 → fc7 ─┬→ cls_score   (K+1 per RoI)
    rois ─────────────────────────┘                        └→ bbox_pred   (4(K+1) per RoI)

`targets.py` says what the outputs should have been, `losses.py` how wrong they are; `backward` takes the losses'
gradients and fills every parameter's `grad` (Girshick, Fast R-CNN, 2015).
"""

import math
from collections.abc import Container, Iterator, Sequence

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.layers import Dropout, Layer, Parameter, ReLU, RoIPool
from minircnn.models.heads import hidden_layer, output_layers
from minircnn.models.vgg import VGG
from minircnn.targets import OffsetStatistics


def check_class_names(names: Sequence[str] | None, num_classes: int) -> tuple[str, ...]:
    """K names; ValueError where they are not K different words. A model with others could be stored and not loaded."""
    if names is None:
        return tuple(f"class {k}" for k in range(1, num_classes + 1))
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"FastRCNN: class_names should be words, not {names!r}")
    if len(names) != num_classes or len(set(names)) != num_classes:
        raise ValueError(f"FastRCNN: class_names should be {num_classes} different names, one for each class: {names}")
    return tuple(map(str, names))


class FastRCNN:
    """The detector.

    Parameters
    ----------
    architecture : VGG
        `vgg16()` or `vgg_small()`.
    num_classes : int
        K, foreground classes.
    rng : numpy.random.Generator
        Draws the first weights and, in training, the dropout masks.
    class_names : K different names, stored with the model; "class 1", … if absent
    dtype : float32 to train, float64 to check gradients
    output_size : (PH, PW), or one number for both
    blank : names of hidden layers that begin as zeros, since a file gives their weights

    Raises
    ------
    ValueError : `num_classes` is below 1, or `class_names` are not so many different words
    """

    def __init__(
        self,
        architecture: VGG,
        num_classes: int,
        rng: np.random.Generator,
        class_names: Sequence[str] | None = None,
        dtype: type = np.float32,
        output_size: int | tuple[int, int] = (7, 7),
        blank: Container[str] = (),
    ):
        if num_classes < 1:
            raise ValueError(
                f"FastRCNN: num_classes counts the foreground classes and is at least 1, not {num_classes}"
            )
        self.architecture = architecture
        self.num_classes = num_classes
        self.class_names = check_class_names(class_names, num_classes)
        self.statistics = OffsetStatistics.identity(num_classes)  # training sets it; a stored model has none left
        self.training = False
        self.rng = rng

        self.roi_pool = RoIPool(output_size, 1 / architecture.stride)
        pooled = math.prod(self.roi_pool.output_size) * architecture.channels
        (hidden6, hidden7), (rank6, rank7) = architecture.hidden, architecture.ranks or (None, None)
        rule = architecture.bias_lr_multiplier
        self.backbone = architecture.build(rng, dtype, blank)
        self.fc6 = hidden_layer((pooled, hidden6), rank6, rule, None if "fc6" in blank else rng, dtype)
        self.relu6, self.drop6 = ReLU(), Dropout(architecture.dropout, rng)
        self.fc7 = hidden_layer((hidden6, hidden7), rank7, rule, None if "fc7" in blank else rng, dtype)
        self.relu7, self.drop7 = ReLU(), Dropout(architecture.dropout, rng)
        self.cls_score, self.bbox_pred = output_layers(
            hidden7, num_classes, architecture.output_spreads, rule, rng, dtype
        )

    def forward(self, images: np.ndarray, rois: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score and locate every region.

        Parameters
        ----------
        images : (N, H, W, 3) float, preprocessed
        rois : (R, 5) float, image index, x1, y1, x2, y2 in pixels of `images`

        Returns
        -------
        cls_score : (R, K+1), before softmax
        bbox_pred : (R, 4(K+1)), offsets normalised by `statistics`
        """
        return self.forward_rois(self.forward_features(images), rois)

    def forward_features(self, images: np.ndarray) -> np.ndarray:
        """images (N, H, W, 3) → features (N, FH, FW, C), computed once for all regions."""
        check_shape("FastRCNN", "images", images, (None, None, None, 3))
        return self.backbone.forward(images)

    def forward_rois(self, features: np.ndarray, rois: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """features (N, FH, FW, C), rois (R, 5) → cls_score (R, K+1), bbox_pred (R, 4(K+1))."""
        return self.forward_pooled(self.roi_pool.forward(features, rois, passing=not self.training))  # (R, PH, PW, C)

    def forward_pooled(self, pooled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """pooled (R, PH, PW, C) → cls_score (R, K+1), bbox_pred (R, 4(K+1)): fc6, fc7 and the two outputs."""
        flat = pooled.reshape(len(pooled), self.fc6.inputs)  # channels last, as fc6's rows run
        hidden6 = self.drop6.forward(self.relu6.forward(self.fc6.forward(flat)))
        hidden7 = self.drop7.forward(self.relu7.forward(self.fc7.forward(hidden6)))
        return self.cls_score.forward(hidden7), self.bbox_pred.forward(hidden7)

    def backward(self, dcls_score: np.ndarray, dbbox_pred: np.ndarray) -> None:
        """Carry both losses' gradients back to every parameter that learns.

        Parameters
        ----------
        dcls_score : (R, K+1), from `softmax_cross_entropy`
        dbbox_pred : (R, 4(K+1)), from `smooth_l1`
        """
        if self.backbone.learns:
            self.backbone.backward(self.backward_rois(dcls_score, dbbox_pred))
        else:
            self.backward_pooled(dcls_score, dbbox_pred)

    def backward_rois(self, dcls_score: np.ndarray, dbbox_pred: np.ndarray) -> np.ndarray:
        """The way back of `forward_rois` → dfeatures (N, FH, FW, C).

        Through RoI pooling every pooled value's gradient is added to the cell that won its bin. The rois themselves
        receive none: they are data here, and rounding them to cells has no slope.
        """
        return self.roi_pool.backward(self.backward_pooled(dcls_score, dbbox_pred))

    def backward_pooled(self, dcls_score: np.ndarray, dbbox_pred: np.ndarray) -> np.ndarray:
        """The way back of `forward_pooled` → dpooled (R, PH, PW, C)."""
        # The two branches meet: fc7 fed both outputs, so its gradient is the sum of what they send back.
        dhidden7 = self.cls_score.backward(dcls_score) + self.bbox_pred.backward(dbbox_pred)  # (R, hidden7)
        # Past the ReLUs: a unit that was closed in the forward stops the gradient here, an open one lets it through.
        dhidden6 = self.fc7.backward(self.relu7.backward(self.drop7.backward(dhidden7)))
        dflat = self.fc6.backward(self.relu6.backward(self.drop6.backward(dhidden6)))  # (R, PH*PW*C)
        return dflat.reshape(len(dflat), *self.roi_pool.output_size, self.architecture.channels)

    def head_layers(self) -> dict[str, Layer]:
        """What follows RoI pooling, in order, by name."""
        return {
            "fc6": self.fc6,
            "relu6": self.relu6,
            "drop6": self.drop6,
            "fc7": self.fc7,
            "relu7": self.relu7,
            "drop7": self.drop7,
            "cls_score": self.cls_score,
            "bbox_pred": self.bbox_pred,
        }

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """("conv1_1.weight", Parameter) … ("bbox_pred.bias", Parameter), in the data's order."""
        yield from self.backbone.named_parameters()
        for name, layer in self.head_layers().items():
            yield from layer.named_parameters(name)

    def train(self) -> None:
        """Training mode: layers keep what backward needs, dropout drops."""
        self._set_training(True)

    def eval(self) -> None:
        """Detection mode: nothing is kept, dropout passes everything."""
        self._set_training(False)

    def _set_training(self, training: bool) -> None:
        self.training = training
        self.backbone.set_training(training)
        self.roi_pool.training = training
        for layer in self.head_layers().values():
            layer.training = training

    def offsets(self, bbox_pred: np.ndarray) -> np.ndarray:
        """`bbox_pred` (R, 4(K+1)) as real offsets: the normalisation of training taken back."""
        return bbox_pred * self.statistics.std.reshape(-1) + self.statistics.mean.reshape(-1)

    def restate_offsets(self, statistics: OffsetStatistics) -> None:
        """From now on `bbox_pred` is normalised by `statistics`; the real offsets that it stands for stay the same.

        real = old * old_std + old_mean = new * new_std + new_mean, so new = old * old_std/new_std + …
        """
        old, new = self.statistics, statistics
        weight, bias = self.bbox_pred.weight.value, self.bbox_pred.bias.value
        weight *= (old.std / new.std).reshape(-1)
        bias[...] = (self.offsets(bias) - new.mean.reshape(-1)) / new.std.reshape(-1)
        self.statistics = statistics

    def folded_parameters(self) -> dict[str, np.ndarray]:
        """Every parameter's value by name, with `statistics` folded into `bbox_pred`: what a model file holds."""
        values = {name: parameter.value for name, parameter in self.named_parameters()}
        dtype = values["bbox_pred.weight"].dtype
        values["bbox_pred.weight"] = (values["bbox_pred.weight"] * self.statistics.std.reshape(-1)).astype(dtype)
        values["bbox_pred.bias"] = self.offsets(values["bbox_pred.bias"]).astype(dtype)
        return values
