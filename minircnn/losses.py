"""The multi-task loss: softmax cross-entropy for the class, smooth-L1 for the box (Fast R-CNN, section 2.3).

Comes after the two output layers; what it returns goes straight into `FastRCNN.backward`. Both terms are divided by
R, the number of **all** sampled RoIs: a background RoI adds nothing to the box loss but still counts below the line.
"""

import math

import numpy as np

from minircnn.kernels.checks import check_floats, check_shape
from minircnn.kernels.losses import smooth_l1_rows, softmax_cross_entropy_rows


def softmax_cross_entropy(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean over RoIs of -log softmax(scores)[label].

    Parameters
    ----------
    scores : (R, K+1) float, `cls_score`
    labels : (R,) int, 0 background, 1..K

    Returns
    -------
    loss : float; 0 where there are no RoIs
    dscores : (R, K+1), (softmax(scores) - onehot(labels)) / R

    Raises
    ------
    ValueError : arrays that do not fit each other, or labels that are no whole numbers from 0 to K
    """
    check_shape("softmax_cross_entropy", "scores", scores, (None, None))
    check_floats("softmax_cross_entropy", scores=scores)
    _check("scores", scores, labels, scores.shape[1])
    dscores = np.empty_like(scores)
    if len(scores) == 0:
        return 0.0, dscores
    return softmax_cross_entropy_rows(scores, labels, dscores), dscores


def softmax(scores: np.ndarray) -> np.ndarray:
    """Class probabilities of the scores; the row's maximum is taken off first, so that exp cannot overflow.

    Parameters
    ----------
    scores : (R, K+1) float

    Returns
    -------
    (R, K+1), same dtype; each row sums to 1
    """
    with np.errstate(under="ignore"):  # exp(-200) is 0 here, whatever the program around would have NumPy raise
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def smooth_l1(
    bbox_pred: np.ndarray, bbox_targets: np.ndarray, labels: np.ndarray, sigma: float = 1.0
) -> tuple[float, np.ndarray]:
    """Smooth-L1 between the true class's four offsets and their targets, over foreground RoIs, divided by R.

    Parameters
    ----------
    bbox_pred : (R, 4(K+1)) float, four offsets per class, background's slot included
    bbox_targets : (R, 4) float, tx, ty, tw, th; not read where the label is 0
    labels : (R,) int
    sigma : float
        The quadratic part reaches to d = ±1/σ²: 1 for Fast R-CNN, 3 for the region proposal network.

    Returns
    -------
    loss : float; 0 where there are no RoIs
    dpred : (R, 4(K+1)), zero everywhere but in the true class's four columns of foreground rows

    Raises
    ------
    ValueError : arrays that do not fit each other, labels that are no whole numbers from 0 to K, or sigma not above 0
    """
    check_shape("smooth_l1", "bbox_pred", bbox_pred, (None, None))
    check_floats("smooth_l1", bbox_pred=bbox_pred)
    if bbox_pred.shape[1] % 4 or bbox_pred.shape[1] < 8:
        raise ValueError(
            f"smooth_l1: bbox_pred should have 4(K+1) columns, four for each class, not {bbox_pred.shape[1]}"
        )
    if not 0 < sigma < math.inf:
        raise ValueError(f"smooth_l1: sigma should be above 0, not {sigma}")
    _check("bbox_pred", bbox_pred, labels, bbox_pred.shape[1] // 4)
    check_shape("smooth_l1", "bbox_targets", bbox_targets, (len(labels), 4))
    dpred = np.empty_like(bbox_pred)
    if len(bbox_pred) == 0:
        return 0.0, dpred
    return smooth_l1_rows(bbox_pred, bbox_targets, labels, float(sigma), dpred), dpred


def _check(name: str, predicted: np.ndarray, labels: np.ndarray, classes: int) -> None:
    check_shape(name, "labels", labels, (None,))
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels should be whole numbers, 0 for background, not {labels.dtype}")
    if len(predicted) != len(labels):
        raise ValueError(f"{name} has {len(predicted)} rows for {len(labels)} labels")
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"labels should lie in 0..{classes - 1}, not {labels.min()}..{labels.max()}")
