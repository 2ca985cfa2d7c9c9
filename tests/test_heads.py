"""The head by itself: two linear outputs on one row of fc7, and the way back through both."""

import numpy as np
import pytest

from minircnn.models.heads import Head


@pytest.fixture
def head(rng):
    head = Head((2, 2, 3), (7, 6), 2, ranks=(None, None), dropout=0.0, spreads=(0.5, 0.5), bias_lr_multiplier=2.0,
                dtype=np.float64)  # fmt: skip
    for layer in head.layers.values():
        layer.training = True
        for parameter in layer.parameters().values():
            parameter.value[...] = rng.standard_normal(parameter.value.shape)
    return head


def test_both_outputs_are_of_either_sign(head, rng):
    """No ReLU follows: an offset of "move left" is negative, and a score may be."""
    pooled = rng.standard_normal((5, 2, 2, 3))
    cls_score, bbox_pred = head.forward(pooled)
    assert cls_score.shape == (5, 3)
    assert bbox_pred.shape == (5, 12)
    for output in (cls_score, bbox_pred):
        assert (output < 0).any()
        assert (output > 0).any()


def test_the_two_gradients_meet_in_fc7(head, rng):
    """Finite differences of a weighted sum of both outputs, of every pooled number."""
    pooled = rng.standard_normal((3, 2, 2, 3))
    weights = rng.standard_normal((3, 3)), rng.standard_normal((3, 12))

    def total(at: np.ndarray) -> float:
        return sum(float((weight * output).sum()) for weight, output in zip(weights, head.forward(at), strict=True))

    numeric, e = np.zeros_like(pooled), 1e-6
    for place in np.ndindex(pooled.shape):
        step = np.zeros_like(pooled)
        step[place] = e
        numeric[place] = (total(pooled + step) - total(pooled - step)) / (2 * e)
    head.forward(pooled)
    np.testing.assert_allclose(head.backward(*weights), numeric, atol=1e-8)
