"""The multi-task loss: softmax cross-entropy for the class, smooth-L1 for the box (Fast R-CNN, section 2.3).

Comes after the two output layers; what it returns goes straight into `FastRCNN.backward`. Both terms are divided by
R, the number of **all** sampled RoIs: a background RoI adds nothing to the box loss but still counts below the line.
Each loss is a wrapper, which checks, above its loop, which writes the gradient beside the sum.
"""

import math

import numpy as np
from numba import njit

from minircnn.kernels.checks import check_floats, check_shape


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
    owner = "softmax_cross_entropy"
    check_shape(owner, "scores", scores, (None, None))
    check_floats(owner, scores=scores)
    _check_labels(owner, labels, *scores.shape)
    dscores = np.empty_like(scores)
    if len(scores) == 0:
        return 0.0, dscores
    return _softmax_cross_entropy_rows(scores, labels, dscores), dscores


@njit(cache=True)
def _softmax_cross_entropy_rows(scores: np.ndarray, labels: np.ndarray, dscores: np.ndarray) -> float:
    """Mean of -log p[label] over rows; fills dscores = (p - onehot) / R.

    scores, dscores (R, K+1), labels (R,) int. The row's maximum is taken off first: exp cannot overflow.
    """
    R, K1 = scores.shape
    loss = 0.0
    for r in range(R):
        top = scores[r, 0]
        for k in range(1, K1):
            top = max(top, scores[r, k])
        total = 0.0
        for k in range(K1):
            total += math.exp(scores[r, k] - top)
        loss += math.log(total) - (scores[r, labels[r]] - top)
        for k in range(K1):
            dscores[r, k] = math.exp(scores[r, k] - top) / total / R
        dscores[r, labels[r]] -= 1.0 / R
    return loss / R


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
    bbox_pred : (R, 4(K+1)) float, four offsets per class, background's slot included; or (R, 4), the same four for all
    bbox_targets : (R, 4) float, tx, ty, tw, th; not read where the label is 0
    labels : (R,) int; or, where the four are the same for all, (R,) bool, which RoIs are foreground: `labels > 0`
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
    owner = "smooth_l1"
    check_shape(owner, "bbox_pred", bbox_pred, (None, None))
    check_floats(owner, bbox_pred=bbox_pred)
    R, columns = bbox_pred.shape
    if columns % 4 or columns < 4:
        raise ValueError(f"{owner}: bbox_pred should have 4(K+1) columns, four for each class, or 4, not {columns}")
    if not 0 < sigma < math.inf:
        raise ValueError(f"{owner}: sigma should be above 0, not {sigma}")
    if columns == 4 and labels.dtype == bool:
        labels = labels.astype(np.int64)
    _check_labels(owner, labels, R, columns // 4 if columns > 4 else 2**31)
    check_shape(owner, "bbox_targets", bbox_targets, (R, 4))
    dpred = np.empty_like(bbox_pred)
    if len(bbox_pred) == 0:
        return 0.0, dpred
    return _smooth_l1_rows(bbox_pred, bbox_targets, labels, float(sigma), dpred), dpred


@njit(cache=True)
def _smooth_l1_rows(
    pred: np.ndarray, targets: np.ndarray, labels: np.ndarray, sigma: float, dpred: np.ndarray
) -> float:
    """Sum over foreground rows and their class's four offsets of the smooth-L1 of d = pred - target, over R.

    pred, dpred (R, 4(K+1)) or (R, 4), targets (R, 4), labels (R,) int. With σ = 1: 0.5 d² where |d| < 1, |d| - 0.5
    beyond, so the derivative is d clipped to [-1, 1]. In general the switch is at |d| = 1/σ².
    """
    R = pred.shape[0]
    sigma2 = sigma * sigma
    loss = 0.0
    for r in range(R):
        for i in range(pred.shape[1]):
            dpred[r, i] = 0
        if labels[r] == 0:  # background has no box: no loss, no gradient
            continue
        for i in range(4):
            column = i if pred.shape[1] == 4 else 4 * labels[r] + i
            d = float(pred[r, column]) - float(targets[r, i])
            if abs(d) < 1.0 / sigma2:
                loss += 0.5 * sigma2 * d * d
                dpred[r, column] = sigma2 * d / R
            else:
                loss += abs(d) - 0.5 / sigma2
                dpred[r, column] = d / abs(d) / R
    return loss / R


def binary_cross_entropy(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean over anchors of -log p[label], where p = 1 / (1 + exp(-score)) is how sure the network is of an object.

    Two scores and a softmax say the same as their difference and this: p = 1 / (1 + exp(-(object - background))).

    Parameters
    ----------
    scores : (S,) float
    labels : (S,) int, 1 object, 0 none

    Returns
    -------
    loss : float; 0 where there are no anchors
    dscores : (S,), (p - label) / S

    Raises
    ------
    ValueError : arrays that do not fit each other, or labels that are neither 0 nor 1
    """
    owner = "binary_cross_entropy"
    check_shape(owner, "scores", scores, (None,))
    check_floats(owner, scores=scores)
    _check_labels(owner, labels, len(scores), 2)
    dscores = np.empty_like(scores)
    if len(scores) == 0:
        return 0.0, dscores
    return _binary_cross_entropy_rows(scores, labels, dscores), dscores


@njit(cache=True)
def _binary_cross_entropy_rows(scores: np.ndarray, labels: np.ndarray, dscores: np.ndarray) -> float:
    """Mean of -log p[label]; fills dscores = (p - label) / S.

    -log p = max(-s, 0) + log(1 + exp(-|s|)) for an object: exp cannot overflow.
    """
    S = len(scores)
    loss = 0.0
    for i in range(S):
        score = float(scores[i])
        small = math.exp(-abs(score))
        loss += max(-score if labels[i] == 1 else score, 0.0) + math.log1p(small)
        p = 1.0 / (1.0 + small) if score >= 0 else small / (1.0 + small)
        dscores[i] = (p - labels[i]) / S
    return loss / S


def _check_labels(owner: str, labels: np.ndarray, R: int, classes: int) -> None:
    check_shape(owner, "labels", labels, (R,))
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{owner}: labels should be whole numbers, 0 for background, not {labels.dtype}")
    if R and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"{owner}: labels should lie in 0..{classes - 1}, not {labels.min()}..{labels.max()}")
