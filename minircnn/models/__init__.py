"""The networks.

`architecture.py` says what a detector is made of, `vgg.py` is one, `backbones.py` lists them; `heads.py` is what
follows RoI pooling, and `fast_rcnn.py` puts the parts together, on the base that `model.py` gives to all. `rpn.py`
proposes regions, `faster_rcnn.py` is the detector with that in it, and `detectors.py` lists both. `rcnn.py` is where
they come from: each region alone, cut out by `warping.py`.
`classifier.py` is the network that VGG16's backbone comes from, `crop_classifier.py` the one that the small one's
does; `trace.py` watches a model layer by layer.
"""

from minircnn.models.architecture import POOLINGS, Architecture
from minircnn.models.backbones import BACKBONES, KINDS
from minircnn.models.batch import Batch
from minircnn.models.classifier import VGGClassifier
from minircnn.models.detectors import DETECTORS, MODELS
from minircnn.models.fast_rcnn import FastRCNN
from minircnn.models.faster_rcnn import FasterRCNN
from minircnn.models.model import Model
from minircnn.models.preprocessing import Preprocessing
from minircnn.models.vgg import VGG, vgg16, vgg_small

__all__ = [
    "BACKBONES",
    "DETECTORS",
    "KINDS",
    "MODELS",
    "POOLINGS",
    "VGG",
    "Architecture",
    "Batch",
    "FastRCNN",
    "FasterRCNN",
    "Model",
    "Preprocessing",
    "VGGClassifier",
    "vgg16",
    "vgg_small",
]
