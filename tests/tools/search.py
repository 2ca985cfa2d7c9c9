"""`python tests/tools/search.py FOLDER`: what Selective Search reaches on large scenes, and what it costs.

Writes scenes of 600 pixels there and searches copies of several sizes: the table of docs/data.md. One core, some
three minutes.
"""

import argparse
from pathlib import Path

import numpy as np

from minircnn.data import open_samples
from minircnn.fashion import write_scenes
from minircnn.proposals import ProposalSettings
from minircnn.proposals.reach import reach

SIZE = 600  # pixels
SIDES = (200, 320, 500)
MODES = {"fast": SIDES, "quality": (200, 320)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=60)
    options = parser.parse_args()
    write_scenes(options.folder, options.images, 1, size=SIZE)
    samples = list(open_samples(options.folder, "train"))
    boxes = np.concatenate([sample.learned()[0] for sample in samples])
    low, high = np.percentile(np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)), (10, 90))
    print(f"{len(samples)} scenes of {SIZE}×{SIZE}, {len(boxes)} garments, most of them {low:.0f} to {high:.0f} pixels")
    print("mode     side   IoU 0.5   IoU 0.7   proposals   seconds   20,000 images on two cores")
    for mode, sides in MODES.items():
        for side in sides:
            found = reach(samples, ProposalSettings(mode=mode, max_image_side=side)).to_dict()
            seconds = found["seconds_per_image"]
            print(
                f"{mode:8} {side:4} {found['recall50']:9.3f} {found['recall70']:9.3f} "
                f"{found['proposals_per_image']:11.0f} {seconds:9.2f} {20_000 * seconds / 2 / 3600:9.1f} h"
            )


if __name__ == "__main__":
    main()
