"""Data: images on disk, and the samples that name them.

`open_samples` (`samples.py`) is the door: a format's reader (`formats/`) passes over the files once, `reader.py` puts
what it finds into an index (`index.py`), and from then on each `Sample` is looked up there. `image.py` gives a sample's
pixels. Proposals come next.
"""

from minircnn.data.image import read_image
from minircnn.data.sample import Sample
from minircnn.data.samples import Samples, open_samples

__all__ = ["Sample", "Samples", "open_samples", "read_image"]
