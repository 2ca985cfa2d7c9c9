"""The two losses' loops: softmax cross-entropy over classes, smooth-L1 over box offsets, gradients beside values.

Both sums are divided by R, all sampled RoIs, though the box loss has terms from foreground alone; `minircnn/losses.py`
says why. So a gradient row is already divided by R.
"""

import math

import numpy as np
from numba import njit


@njit(cache=True)
def softmax_cross_entropy_rows(scores: np.ndarray, labels: np.ndarray, dscores: np.ndarray) -> float:
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


@njit(cache=True)
def smooth_l1_rows(pred: np.ndarray, targets: np.ndarray, labels: np.ndarray, sigma: float, dpred: np.ndarray) -> float:
    """Sum over foreground rows and their class's four offsets of the smooth-L1 of d = pred - target, over R.

    pred, dpred (R, 4(K+1)), targets (R, 4), labels (R,) int. With σ = 1: 0.5 d² where |d| < 1, |d| - 0.5 beyond, so
    the derivative is d clipped to [-1, 1]. In general the switch is at |d| = 1/σ².
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
            column = 4 * labels[r] + i
            d = float(pred[r, column]) - float(targets[r, i])
            if abs(d) < 1.0 / sigma2:
                loss += 0.5 * sigma2 * d * d
                dpred[r, column] = sigma2 * d / R
            else:
                loss += abs(d) - 0.5 / sigma2
                dpred[r, column] = d / abs(d) / R
    return loss / R
