"""A linear SVM by SciPy's L-BFGS, and the mining of the negatives that it needs.

The loss is the squared hinge, which has a slope everywhere: ½|w|² + C Σ cᵢ max(0, 1 - yᵢ w·xᵢ)². There are millions of
negatives and most of them teach nothing, so an SVM learns from those that it got wrong or nearly so: images are gone
through one after another, what scores too high is kept, and every `RETRAIN` new ones the SVM learns again
(Girshick et al., R-CNN, 2014, section 2.3; the numbers are rbgirshick/fast-rcnn's tools/train_svms.py).
"""

from dataclasses import dataclass, field

import numpy as np
import scipy.optimize

C = 1e-3
POSITIVE_WEIGHT = 2.0
BIAS = 10.0  # the feature that the bias is the weight of: the larger, the less it is held down
RETRAIN = 2000  # new negatives
HARD, EASY = -1.0001, -1.1  # margins from where a negative is kept, and below which it is thrown away again
ITERATIONS = 300


def solve_svm(features: np.ndarray, positive: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """The SVM of two classes.

    Parameters
    ----------
    features : (N, D)
    positive : (N,) bool
    start : (D + 1,), where to begin; 0 if absent

    Returns
    -------
    (D + 1,) float64: weights and, last, the bias
    """
    x = np.concatenate([features, np.full((len(features), 1), BIAS)], axis=1).astype(np.float64)
    y = np.where(positive, 1.0, -1.0)
    cost = C * np.where(positive, POSITIVE_WEIGHT, 1.0)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        short = np.maximum(0, 1 - y * (x @ w))  # by how much each falls short of its margin
        return 0.5 * float(w @ w) + float(cost @ short**2), w - 2 * (x.T @ (cost * short * y))

    begin = np.zeros(x.shape[1]) if start is None else np.append(start[:-1], start[-1] / BIAS)
    found = scipy.optimize.minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    return np.append(found.x[:-1], BIAS * found.x[-1])


@dataclass
class Mining:
    """One class's SVM as it learns.

    Attributes
    ----------
    positives : (F, D) float32, features of the class's own true boxes
    weights : (D + 1,), the SVM so far
    negatives : features that are kept, in the order in which they were found
    seen : negatives that were ever kept
    """

    positives: np.ndarray
    weights: np.ndarray
    negatives: list[np.ndarray] = field(default_factory=list)
    new: int = 0
    seen: int = 0

    def look(self, candidates: np.ndarray) -> None:
        """Keep what of these negatives (M, D) scores too high; learn again once there are enough."""
        margins = candidates @ self.weights[:-1] + self.weights[-1]
        if (hard := margins > HARD).any():
            self.negatives.append(np.ascontiguousarray(candidates[hard], np.float32))
            self.new += int(hard.sum())
            self.seen += int(hard.sum())
        if self.new >= RETRAIN:
            self.learn()

    def learn(self) -> None:
        """Learn from the positives and what is kept, and throw away the negatives that have become easy."""
        kept = np.concatenate([np.zeros((0, self.positives.shape[1]), np.float32), *self.negatives])
        features = np.concatenate([self.positives, kept])
        positive = np.arange(len(features)) < len(self.positives)
        self.weights = solve_svm(features, positive, self.weights)
        still = kept @ self.weights[:-1] + self.weights[-1] >= EASY
        self.negatives, self.new = [kept[still]], 0
