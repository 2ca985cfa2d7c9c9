"""What suits each backbone if nobody says otherwise: how long it learns, how fast, and from what."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class BackboneDefaults:
    """A schedule and first weights that suit a backbone; `images` counts every time an image is seen."""

    lr: float
    images: int
    max_epochs: int | None
    drops: tuple[float, ...]  # at these fractions of the run the learning rate falls to a tenth
    warmup_steps: int
    images_per_step: int
    weights: str
    frozen_blocks: int  # the first blocks of convolutions, which stay as a file gives them …
    frozen_below: float = math.inf  # … on training sets of fewer images than this; on larger ones all learn


RANDOM, SHIPPED = "none", "shipped"  # of `weights`: no file, and the one that comes with the package
DEFAULTS = {
    # Some ten minutes on two cores; a small data set is not seen over and over. How it was chosen: docs/training.md.
    "vgg_small": BackboneDefaults(
        lr=0.02,
        images=24_000,
        max_epochs=30,
        drops=(0.7, 0.9),
        warmup_steps=150,
        images_per_step=4,
        weights=SHIPPED,
        frozen_blocks=3,
        frozen_below=2_500,
    ),
    # The paper's: 40,000 steps of two images, the rate falls after 30,000.
    "vgg16": BackboneDefaults(
        lr=0.001,
        images=80_000,
        max_epochs=None,
        drops=(0.75,),
        warmup_steps=0,
        images_per_step=2,
        weights=RANDOM,
        frozen_blocks=2,
    ),
}
