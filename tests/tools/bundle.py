"""Make the bundled garments and photographs from their originals (LICENCES.md beside them says where to get those).

    python tests/tools/bundle.py --fashion-mnist DIR --photographs DIR --out DIR

A seeded draw takes 500 training and 100 test garments of each class from Fashion-MNIST's own two sets and stores
them losslessly, one contact sheet a class; the photographs are reduced to 320 pixels on the short side.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.data.image import read_image
from minircnn.fashion.materials import CLASS_NAMES, SHEET_COLUMNS, SIDE, Garments, idx_garments, sheet_name

GARMENTS_PER_CLASS = {"train": 500, "test": 100}
SEED = 0
SHORT_SIDE = 320  # pixels: scenes are 160 wide, so a crop of half the photograph is still sharp
QUALITY = 80

# name of the bundled file -> name of the original
PHOTOGRAPHS = {
    "photo_train_bricks.jpg": "brick.png",
    "photo_train_brushes.jpg": "Picture_1A_by_freespace.jpg",
    "photo_train_cat.jpg": "chelsea.png",
    "photo_train_coffee.jpg": "coffee.png",
    "photo_train_dandelions.jpg": "seeding_by_Clements_Engelhardt.jpg",
    "photo_train_mountains.jpg": "picosdeeuropa_by_Aitzol_Berasategi.jpg",
    "photo_train_pavilion.jpg": "china.jpg",
    "photo_train_rocket.jpg": "rocket.jpg",
    "photo_train_room.jpg": "Wine_by_Jakkub_Mede.jpg",
    "photo_train_stream.jpg": "life_by_Aitzol_Berasategi.jpg",
    "photo_train_sunset.jpg": "sunset_by_Aitzol_Berasategi.jpg",
    "photo_test_dogs.jpg": "friends_by_Aitzol_Berasategi.jpg",
    "photo_test_fig.jpg": "Picture_0B_by_freespace.jpg",
    "photo_test_flower.jpg": "flower.jpg",
    "photo_test_galaxies.jpg": "hubble_deep_field.jpg",
    "photo_test_gravel.jpg": "gravel.png",
}


def write_sheets(garments: Garments, split: str, rng: np.random.Generator, out: Path) -> None:
    """Write one lossless contact sheet a class: rows of 25, in the order of the idx file."""
    for label in range(len(CLASS_NAMES)):
        members = rng.choice(garments.by_class[label], GARMENTS_PER_CLASS[split], replace=False)
        chosen = garments.images[np.sort(members)].reshape(-1, SHEET_COLUMNS, SIDE, SIDE)
        sheet = chosen.swapaxes(1, 2).reshape(-1, SHEET_COLUMNS * SIDE)
        image = Image.fromarray(sheet).convert("RGB")  # WebP has no grey; its lossless mode stores equal channels once
        image.save(out / sheet_name(split, label), lossless=True, quality=100, method=6)


def write_photographs(originals: Path, out: Path) -> None:
    """Write each photograph with a short side of 320 pixels, or its own if that is less."""
    for name, original in PHOTOGRAPHS.items():
        image = Image.fromarray(read_image(originals / original))
        factor = min(1, SHORT_SIDE / min(image.size))
        width, height = (round(side * factor) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
        image.save(out / name, quality=QUALITY, optimize=True, progressive=True)


def main() -> None:
    """Read the three folders from the command line and make the bundle."""
    parser = argparse.ArgumentParser(description="Make the bundled garments and photographs.")
    parser.add_argument("--fashion-mnist", type=Path, required=True, help="folder of Fashion-MNIST's idx files")
    parser.add_argument("--photographs", type=Path, required=True, help="folder of the original photographs")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    arguments = parser.parse_args()
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(SEED)
        for split in GARMENTS_PER_CLASS:
            write_sheets(idx_garments(arguments.fashion_mnist, split), split, rng, arguments.out)
        write_photographs(arguments.photographs, arguments.out)
    except InputError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
