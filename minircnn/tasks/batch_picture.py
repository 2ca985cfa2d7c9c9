"""RUN/batches.jpg: what a run's first steps have learned from, drawn, with the regions that were sampled.

Mirrored and resized as the network saw it: a wrong box, a wrong class or a wrong channel order shows here, minutes
after the start and not on the morning after.
"""

import io

import numpy as np
from PIL import Image

from minircnn.base.files import write_bytes
from minircnn.models import Batch
from minircnn.report.drawing import draw_detections
from minircnn.training.train import Training

IMAGES = 8  # in the picture
COLUMNS = 4
TILE = 480  # pixels
NAME = "batches.jpg"


class BatchPicture:
    """Gathers the first images that a run learns from, and writes them once there are enough.

    Parameters
    ----------
    training : a run at its first step; at a later one nothing is drawn
    """

    def __init__(self, training: Training):
        self.training, self.tiles = training, list[Image.Image]()
        if training.step == 0:
            training.steps.seen = self.add

    def add(self, batch: Batch) -> None:
        """The images of a minibatch: true boxes dashed, foreground in its class's colour, background in thin grey."""
        model = self.training.model
        drawn = getattr(model, "drawn", None)  # absent where only the network that proposes learns
        for index, image in enumerate(batch.images):
            height, width = batch.sizes[index]
            pixels = model.architecture.preprocessing.pixels(image[:height, :width])
            boxes, labels = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
            if drawn is not None:
                own = drawn.rois[:, 0] == index
                boxes, labels = drawn.rois[own, 1:], drawn.labels[own]
            foreground = labels > 0
            picture = Image.fromarray(
                draw_detections(
                    pixels, boxes[foreground], labels[foreground], model.class_names,
                    truth=batch.boxes[index], others=boxes[~foreground],
                )
            )  # fmt: skip
            picture.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
            self.tiles.append(picture)
        if len(self.tiles) >= IMAGES:
            self.write()

    def finish(self) -> None:
        """Write what there is, where a run ended before there were enough."""
        if self.tiles and self.training.steps.seen is not None:
            self.write()

    def write(self) -> None:
        """Write what there is, and look at no further minibatch."""
        self.training.steps.seen = None
        tiles = self.tiles[:IMAGES]
        rows = -(-len(tiles) // COLUMNS)
        sheet = Image.new("RGB", (COLUMNS * TILE, rows * TILE), "white")
        for number, tile in enumerate(tiles):
            sheet.paste(tile, (number % COLUMNS * TILE, number // COLUMNS * TILE))
        content = io.BytesIO()
        sheet.save(content, "JPEG", quality=85)
        write_bytes(self.training.folder.path / NAME, content.getvalue())
