"""Layers: the state and shape checks around the kernels, each forward directly above its backward.

Start with `layer.py`, which says what all have, then `relu.py` and `linear.py`. `sequential.py` is a chain of them, and
`fused.py` plans which of a chain are computed together; `models/` puts chains into networks.
"""

from minircnn.layers.conv import Conv
from minircnn.layers.dropout import Dropout
from minircnn.layers.factored import FactoredLinear
from minircnn.layers.layer import Layer, Parameter
from minircnn.layers.linear import Linear
from minircnn.layers.max_pool import MaxPool
from minircnn.layers.relu import ReLU
from minircnn.layers.roi_align import RoIAlign
from minircnn.layers.roi_average import RoIAverage
from minircnn.layers.roi_pool import RoIPool
from minircnn.layers.sequential import Sequential
from minircnn.layers.spatial_pyramid import SpatialPyramid

__all__ = [
    "Conv",
    "Dropout",
    "FactoredLinear",
    "Layer",
    "Linear",
    "MaxPool",
    "Parameter",
    "ReLU",
    "RoIAlign",
    "RoIAverage",
    "RoIPool",
    "Sequential",
    "SpatialPyramid",
]
