"""Gradient checks: every backward against finite differences, in float64.

A backward is right when, for a random upstream gradient g and a random direction v, the slope of Σ g·f(x) along v is
the analytic dx·v. The slope is taken numerically with the five-point rule

    f'(0) ≈ (8 (f(ε) - f(-ε)) - (f(2ε) - f(-2ε))) / 12ε

and compared along whole directions and at random single entries. Maxima and ReLUs have kinks, across which no slope
exists: layers are checked on values without ties, and end to end a direction in which any gate or winner changes
within the step is not a test of anything and another is drawn. The cases are in `cases.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

DIRECTIONS = 4
ENTRIES = 12
MAX_DRAWS = 5  # directions drawn for each one wanted, where kinks get in the way


@dataclass(frozen=True)
class CheckRow:
    """One line of the result.

    Attributes
    ----------
    name : what was checked, "roi_pool dfeatures"
    along_directions, at_entries : worst relative error of each kind
    """

    name: str
    along_directions: float
    at_entries: float

    @property
    def worst(self) -> float:
        return max(self.along_directions, self.at_entries)


def slope(loss_at: Callable[[np.ndarray], float], x: np.ndarray, direction: np.ndarray, step: float) -> float:
    """Numeric derivative of `loss_at` at `x` along `direction`, five-point rule."""
    near = loss_at(x + step * direction) - loss_at(x - step * direction)
    far = loss_at(x + 2 * step * direction) - loss_at(x - 2 * step * direction)
    return (8 * near - far) / (12 * step)


def check_gradient(
    name: str,
    loss_at: Callable[[np.ndarray], float],
    x: np.ndarray,
    analytic: np.ndarray,
    rng: np.random.Generator,
    step: float = 1e-4,
) -> CheckRow:
    """Compare `analytic`, the gradient of `loss_at` at `x`, with numeric slopes.

    Parameters
    ----------
    loss_at : takes an array of x's shape, gives a float; NaN where a kink lies between x and there
    x, analytic : float64, one shape
    step : ε; small against the distance to the nearest kink

    Returns
    -------
    CheckRow
        Errors along unit directions are relative to the gradient's norm over √size (a typical slope), or to the
        slope itself where that is larger; errors at entries to the largest entry of the gradient.
    """
    if analytic.shape != x.shape:
        raise ValueError(f"{name}: the gradient has shape {analytic.shape} for an input of {x.shape}")
    typical = float(np.linalg.norm(analytic) / np.sqrt(analytic.size))
    directions = (_unit(rng.standard_normal(x.shape)) for _ in range(MAX_DRAWS * DIRECTIONS))
    along = _worst(loss_at, x, analytic, directions, DIRECTIONS, typical, step)
    largest = float(np.abs(analytic).max())
    wanted = min(ENTRIES, x.size)
    indices = rng.permutation(x.size)[: MAX_DRAWS * ENTRIES]
    at_entries = _worst(loss_at, x, analytic, (_single(x.shape, i) for i in indices), wanted, largest, step)
    return CheckRow(name, along, at_entries)


def _worst(
    loss_at: Callable[[np.ndarray], float],
    x: np.ndarray,
    analytic: np.ndarray,
    directions: Iterable[np.ndarray],
    wanted: int,
    scale: float,
    step: float,
) -> float:
    """Largest relative error over the first `wanted` directions that cross no kink; inf when most of them do."""
    worst, usable = 0.0, 0
    for direction in directions:
        numeric = slope(loss_at, x, direction, step)
        if np.isnan(numeric):
            continue
        expected = float(np.vdot(analytic, direction))
        worst = max(worst, _relative(abs(numeric - expected), max(abs(expected), scale)))
        usable += 1
        if usable == wanted:
            return worst
    return worst if usable > wanted // 2 else float("inf")


def _unit(direction: np.ndarray) -> np.ndarray:
    return direction / np.linalg.norm(direction)


def _single(shape: tuple[int, ...], index: int) -> np.ndarray:
    direction = np.zeros(shape)
    direction.reshape(-1)[index] = 1.0
    return direction


def _relative(error: float, scale: float) -> float:
    """error / scale; an error where there should be no gradient at all counts in full."""
    return error / scale if scale > 0 else error


SPACING = 0.01  # between values, which no step of a check can overtake


def without_ties(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A shuffled, evenly spaced grid of values around 0, none at 0: no maximum or ReLU is near a kink."""
    size = int(np.prod(shape))
    values = (np.arange(size) - size / 2 + 0.5) * SPACING
    return rng.permutation(values).reshape(shape)
