"""Data: images on disk, and the samples that name them.

`deepfashion2.py` gives `Sample`s: it lets `annotated_folder.py` pass over the files once, `annotation.py` check each
one and `annotation_index.py` keep what was found. `image.py` gives a sample's pixels. Proposals come next.
"""

from minircnn.data.deepfashion2 import DeepFashion2
from minircnn.data.image import read_image
from minircnn.data.sample import Sample

__all__ = ["DeepFashion2", "Sample", "read_image"]
