"""`python tests/tools/search.py FOLDER`: what Selective Search reaches on large images, and what it costs.

Searches copies of several sizes of scenes of 600 pixels, and of sheets of nine scenes of 200, whose garments are a
third as large: the table of docs/data.md. One core, some five minutes.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from minircnn.data import Sample, open_samples
from minircnn.data.formats import WHOLE, WRITERS
from minircnn.data.formats.writing import Annotated
from minircnn.fashion import write_scenes
from minircnn.proposals import ProposalSettings
from minircnn.proposals.reach import reach

SIZE, SIDE = 600, 3  # pixels; scenes along the side of a sheet
SEARCHES = [("fast", 200), ("fast", 320), ("fast", 500), ("quality", 200), ("quality", 320)]


def sheets(scenes: Path, out: Path) -> None:
    """Nine scenes to a sheet, with their boxes, as a CSV data set."""
    if out.exists():
        return
    samples, writer = open_samples(scenes, "train"), WRITERS["csv"](out, open_samples(scenes, "train").class_names)
    for start in range(0, len(samples), SIDE**2):
        sheet, boxes, names = Image.new("RGB", (SIZE, SIZE)), [], []
        for place, sample in enumerate(samples[start : start + SIDE**2]):
            x, y = place % SIDE * SIZE // SIDE, place // SIDE * SIZE // SIDE
            with Image.open(sample.image_path) as image:
                sheet.paste(image, (x, y))
            boxes.append(sample.boxes + np.array([x, y, x, y], np.float32))
            names += [samples.class_names[label - 1] for label in sample.labels]
        path = writer.image(WHOLE, f"{start:04}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
        writer.add(WHOLE, Annotated(path.name, SIZE, SIZE, np.concatenate(boxes), names, np.zeros(len(names), bool)))
    writer.finish()


def table(name: str, samples: list[Sample]) -> None:
    """Print the rows of one data set."""
    boxes = np.concatenate([sample.learned()[0] for sample in samples])
    low, high = np.percentile(np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)), (10, 90))
    print(f"{len(samples)} {name} of {SIZE}×{SIZE}, {len(boxes)} garments, most of them {low:.0f} to {high:.0f} pixels")
    print("mode     side   IoU 0.5   IoU 0.7   proposals   seconds   20,000 images on two cores")
    for mode, side in SEARCHES:
        found = reach(samples, ProposalSettings(mode=mode, max_image_side=side)).to_dict()
        seconds = found["seconds_per_image"]
        print(
            f"{mode:8} {side:4} {found['recall50']:9.3f} {found['recall70']:9.3f} "
            f"{found['proposals_per_image']:11.0f} {seconds:9.2f} {20_000 * seconds / 2 / 3600:9.1f} h",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=20, help="of each kind")
    options = parser.parse_args()
    write_scenes(options.folder / "large", options.images, 1, size=SIZE)
    write_scenes(options.folder / "small", SIDE**2 * options.images, 1, size=SIZE // SIDE)
    sheets(options.folder / "small", options.folder / "sheets")
    table("scenes", list(open_samples(options.folder / "large", "train")))
    table("sheets of nine scenes", list(open_samples(options.folder / "sheets", WHOLE)))


if __name__ == "__main__":
    main()
