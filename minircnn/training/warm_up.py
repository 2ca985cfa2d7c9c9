"""Compile every kernel that training and detection use, once and with an announcement, on arrays of a few cells.

Numba compiles a kernel at its first call and caches the result on disk; without this the first step would seem to
hang. A second run finds the cache and this takes a moment.
"""

import numpy as np

from minircnn.base.progress import Progress
from minircnn.kernels import KEPT
from minircnn.models import Batch, FastRCNN, vgg_small
from minircnn.training.optim import SGD
from minircnn.training.steps import train_step


def warm_up(progress: Progress) -> None:
    """One training step and one detection pass of the small model on a 16×16 image."""
    stage, words = "preparing kernels", "compiled at the first run, then cached"
    if not KEPT:
        words = "compiled at every run: no cache folder is writable, set NUMBA_CACHE_DIR to one that is"
    progress(stage, 0, 1, words)
    rng = np.random.default_rng(0)
    model = FastRCNN(vgg_small(), num_classes=1, rng=rng)
    images = rng.standard_normal((1, 16, 16, 3)).astype(np.float32)
    rois = np.array([[0, 0, 0, 15, 15], [0, 4, 4, 9, 9]], np.float32)
    model.train()
    batch = Batch(images, rois, np.array([1, 0]), np.zeros((2, 4), np.float32), ("",))
    train_step(model, SGD(model.named_parameters()), batch, 1e-3)
    progress(stage, 1, 1, words)
