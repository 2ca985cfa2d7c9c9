"""Data: images on disk, the samples that name them, and the scenes that make demo and tests possible offline.

A reader gives `Sample`s; `read_image` gives a sample's pixels; proposals and targets come next.
"""

from minircnn.data.fashion_scenes import write_scenes
from minircnn.data.image import read_image
from minircnn.data.sample import Sample

__all__ = ["Sample", "read_image", "write_scenes"]
