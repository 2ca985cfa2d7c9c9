"""Fast R-CNN written out by hand in NumPy and Numba. The journey of the data, in order:

    data          images and annotations            `data/`
    proposals     where something might be          `proposals/`
    targets       what the model should say there   `targets.py`, `training/batches.py`
    model         features, RoI pooling, two heads  `models/`, over `layers/`, over `kernels/`
    losses        how wrong it is                   `losses.py`
    back          the same way back, by hand        every `backward`; `models/fast_rcnn.py` shows the whole
    optim         SGD moves the weights             `training/optim.py`
    detection     boxes, classes, scores            `detection/`, measured with `metrics/`
    all of it     watched, and shown on a page      `models/trace.py`, `explain/`

Begin with three files, in this order: `kernels/conv.py`, `kernels/roi_pool.py`, `models/fast_rcnn.py`.

The public names below are loaded when first used, so that `import minircnn` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minircnn.base.errors import InputError
    from minircnn.detection import Detections, detect, detect_each
    from minircnn.losses import smooth_l1, softmax_cross_entropy
    from minircnn.models import FasterRCNN, FastRCNN, vgg16, vgg_small
    from minircnn.training.optim import SGD, StepSchedule
    from minircnn.weights.model_file import load_model, save_model

__version__ = "0.1.0"

_HOME = {
    "Detections": "detection",
    "FastRCNN": "models",
    "FasterRCNN": "models",
    "InputError": "base.errors",
    "SGD": "training.optim",
    "StepSchedule": "training.optim",
    "detect": "detection",
    "detect_each": "detection",
    "load_model": "weights.model_file",
    "save_model": "weights.model_file",
    "smooth_l1": "losses",
    "softmax_cross_entropy": "losses",
    "vgg16": "models",
    "vgg_small": "models",
}

__all__ = [
    "SGD",
    "Detections",
    "FastRCNN",
    "FasterRCNN",
    "InputError",
    "StepSchedule",
    "detect",
    "detect_each",
    "load_model",
    "save_model",
    "smooth_l1",
    "softmax_cross_entropy",
    "vgg16",
    "vgg_small",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'minircnn' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"minircnn.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """What stands here and what is loaded when it is first used: a notebook completes both."""
    return sorted({*globals(), *__all__})
