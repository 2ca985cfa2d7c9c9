"""Data: images on disk, the samples that name them, and the scenes that make the demo and the tests possible offline.

A reader gives `Sample`s; `read_image` gives a sample's pixels; proposals and targets come next.
"""

from minircnn.data.deepfashion2 import DeepFashion2
from minircnn.data.fashion_scenes import write_scenes
from minircnn.data.image import read_image
from minircnn.data.sample import Sample

__all__ = ["DeepFashion2", "Sample", "read_image", "write_scenes"]
