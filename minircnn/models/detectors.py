"""Which detectors there are: a new one is its own file, a subclass of `FastRCNN`, and a word here."""

from minircnn.models.fast_rcnn import FastRCNN
from minircnn.models.faster_rcnn import FasterRCNN
from minircnn.models.rcnn import RCNN
from minircnn.models.sppnet import SPPNet

#: What the command line and model files call those that learn in one stage → their classes.
MODELS: dict[str, type[FastRCNN]] = {model.kind: model for model in (FastRCNN, FasterRCNN)}
#: All that a model file may hold.
DETECTORS: dict[str, type[FastRCNN]] = MODELS | {model.kind: model for model in (RCNN, SPPNet)}
