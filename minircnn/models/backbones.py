"""Which backbones there are, and which kinds of architecture: a new one is its own file and a line here."""

from minircnn.models.architecture import Architecture
from minircnn.models.vgg import VGG, vgg16, vgg_small

#: Name → what makes it.
BACKBONES = {"vgg16": vgg16, "vgg_small": vgg_small}

#: What model files call a kind of architecture → its class.
KINDS: dict[str, type[Architecture]] = {kind.kind: kind for kind in (VGG,)}
