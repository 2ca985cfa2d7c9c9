"""The networks: `vgg.py` the backbones, `heads.py` what follows RoI pooling, `fast_rcnn.py` the two put together,
`classifier.py` the network that VGG16's backbone comes from, `crop_classifier.py` the one that the small one's does;
`trace.py` watches the detector layer by layer.
"""

from minircnn.models.classifier import VGGClassifier
from minircnn.models.fast_rcnn import FastRCNN
from minircnn.models.preprocessing import Preprocessing
from minircnn.models.vgg import BACKBONES, VGG, vgg16, vgg_small

__all__ = ["BACKBONES", "VGG", "FastRCNN", "Preprocessing", "VGGClassifier", "vgg16", "vgg_small"]
