"""Ridge regression of boxes from pooled features: R-CNN's way to move a box, without a way back into the network.

Offsets of the pairs of a class are centred and whitened, so that the four are learned alike, and one λ holds all
weights down (Girshick et al., R-CNN, 2014, appendix C: λ = 1000, pairs that overlap by more than 0.6).
"""

import numpy as np
import scipy.linalg

LAMBDA = 1000.0
LEAST_IOU = 0.6
WHITE = 1e-3  # added to the offsets' covariance, which few pairs make singular


def solve_ridge(features: np.ndarray, offsets: np.ndarray, strength: float = LAMBDA) -> np.ndarray:
    """The regression.

    Parameters
    ----------
    features : (N, E), scaled
    offsets : (N, T), what they should give
    strength : λ; the bias is not held down

    Returns
    -------
    (E + 1, T) float64, the last row the bias; 0 where there is no pair
    """
    N, E = features.shape
    if N == 0:
        return np.zeros((E + 1, offsets.shape[1]))
    mean = offsets.mean(axis=0)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(offsets.T, bias=True)) + WHITE * np.eye(offsets.shape[1]))
    white, back = (vectors * values**power @ vectors.T for power in (-0.5, 0.5))
    middle = features.mean(axis=0, dtype=np.float64)
    x, t = features - middle, (offsets - mean) @ white  # with both centred the bias falls out
    if N < E:  # (XᵀX + λ)⁻¹ Xᵀ = Xᵀ (XXᵀ + λ)⁻¹: as many equations as there are pairs
        weights = x.T @ scipy.linalg.solve(x @ x.T + strength * np.eye(N), t, assume_a="pos")
    else:
        weights = scipy.linalg.solve(x.T @ x + strength * np.eye(E), x.T @ t, assume_a="pos")
    weights = weights @ back
    return np.concatenate([weights, (mean - middle @ weights)[None]])
