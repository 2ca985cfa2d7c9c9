"""Truncated SVD of fc6 and fc7: most of detection's time goes there, and most of their weights are not needed.

A weight W (IN, OUT) is U S Vᵀ, and with the t largest singular values alone W ≈ (U S) Vᵀ: two layers, (IN, t) without
a bias and (t, OUT) with the old one, t (IN + OUT) multiplications a region instead of IN · OUT (Fast R-CNN, section
3.1). VGG16's fc6 with t = 1024 takes 30 million instead of 103.
"""

from dataclasses import replace

import numpy as np

from minircnn.base.errors import InputError
from minircnn.models import FastRCNN
from minircnn.models.rcnn import refuse_staged


def truncate(weight: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, float]:
    """weight (IN, OUT) → U S (IN, rank), Vᵀ (rank, OUT), and the share of Σ s² that they keep.

    V and s² are the eigenvectors and eigenvalues of the smaller of WᵀW and WWᵀ, in float64: for fc6 a matrix of 4096²,
    where the decomposition of W itself would take minutes.
    """
    exact = weight.astype(np.float64)
    wide = exact.shape[1] > exact.shape[0]
    exact = exact.T if wide else exact
    squares, vectors = np.linalg.eigh(exact.T @ exact)  # ascending
    kept = np.ascontiguousarray(vectors[:, ::-1][:, :rank])
    first, second = exact @ kept, kept.T
    if wide:  # Wᵀ = first @ second
        first, second = second.T, first.T
    share = float(squares[::-1][:rank].sum() / max(squares.sum(), np.finfo(float).tiny))
    return first.astype(weight.dtype), second.astype(weight.dtype), share


def usual_ranks(hidden6: int, hidden7: int) -> tuple[int, int]:
    """Singular values that fc6 and fc7 of these widths keep if nobody says: the paper's 1024 and 256 of 4096 each.

    256 of 4096 are a sixteenth, but 16 of 256 are too few: with them the demo's detector falls from mAP50 0.763 to
    0.614, and with a quarter to 0.759 (docs/performance.md).
    """
    return max(1, hidden6 // 4), max(1, min(hidden7 // 4, 256))


def compress(model: FastRCNN, fc6: int, fc7: int) -> tuple[FastRCNN, dict[str, float]]:
    """A detector whose fc6 and fc7 are two thin layers each, and what share of the squared singular values each keeps.

    Parameters
    ----------
    model : FastRCNN, left as it is
    fc6, fc7 : int, singular values that are kept; the paper keeps 1024 and 256

    Returns
    -------
    FastRCNN, and {"fc6": share, "fc7": share}

    Raises
    ------
    InputError : it is compressed already, or a rank is not one that the layer can have
    """
    refuse_staged(model, "it is not compressed")
    if model.architecture.ranks is not None:
        raise InputError(f"the model is compressed already, to {model.architecture.ranks}; give the one it came from")
    ranks = {"fc6": fc6, "fc7": fc7}
    for name, rank in ranks.items():
        shape = model.layers[name].parameters()["weight"].value.shape
        if not 1 <= rank <= min(shape):
            raise InputError(f"--{name} {rank} is not between 1 and {min(shape)}, the rank of a layer of {shape}")
    smaller = type(model)(
        replace(model.architecture, ranks=(fc6, fc7)),
        model.num_classes,
        np.random.default_rng(0),
        model.class_names,
        output_size=model.roi_layer.output_size,
    )
    for name in ("statistics", "learned_in", "best_score", "search"):
        setattr(smaller, name, getattr(model, name))
    values, shares = dict(model.named_parameters()), {}
    for name, parameter in smaller.named_parameters():
        if name in values:
            parameter.value[...] = values[name].value
    for name, rank in ranks.items():
        halves = smaller.layers[name].parameters()
        halves["first"].value, halves["second"].value, shares[name] = truncate(values[f"{name}.weight"].value, rank)
    return smaller, shares
