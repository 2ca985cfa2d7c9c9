"""Which detectors there are: a new one is its own file, a subclass of `FastRCNN`, and a line here."""

from minircnn.models.fast_rcnn import FastRCNN
from minircnn.models.faster_rcnn import FasterRCNN

#: What the command line and model files call it → its class.
MODELS: dict[str, type[FastRCNN]] = {model.kind: model for model in (FastRCNN, FasterRCNN)}
