"""The photograph that the page shows unless it is given another: a test scene of the bundled data, in a folder of its
own for as long as it is read, and the detector that comes with the package."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from minircnn.fashion.folders import write_scenes
from minircnn.weights.backbone_file import SHIPPED

SCENE = 20  # of the demo's test scenes: four garments, one behind another, and the Hubble eXtreme Deep Field behind all
DETECTOR = SHIPPED / "garments.safetensors"


@contextmanager
def bundled_scene() -> Iterator[Path]:
    """The scene's image, its annotation beside it in DeepFashion2's layout; both are gone at the end."""
    with TemporaryDirectory(prefix="minircnn-") as folder:
        write_scenes(folder, images=1, validation=0, test=SCENE)
        yield Path(folder) / "test" / "image" / f"{SCENE:06}.jpg"
