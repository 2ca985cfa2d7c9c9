"""Data: images on disk, the samples that name them, and the scenes that make the demo and the tests possible offline.

`deepfashion2.py` gives `Sample`s: it lets `annotated_folder.py` pass over the files once, `annotation.py` check each
one and `annotation_index.py` keep what was found. `image.py` gives a sample's pixels. `fashion_scenes.py` writes data
in the same layout: `scenes.py` composes it of what `materials.py` holds and `garments.py` draws. Proposals come next.
`crops.py` composes single garments of the same material, for a backbone to learn from before there is a detector.
"""

from minircnn.data.deepfashion2 import DeepFashion2
from minircnn.data.fashion_scenes import write_scenes
from minircnn.data.image import read_image
from minircnn.data.sample import Sample

__all__ = ["DeepFashion2", "Sample", "read_image", "write_scenes"]
