"""`python tests/tools/large_coco.py FOLDER [--images N]`: a JSON file of COCO's size, and what indexing it takes.

Makes N small images and one file with seven objects each, polygons included, and prints seconds and peak memory of
opening it, the first time and once its index is there.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

OBJECTS = 7  # an image; COCO has 7.3
POINTS = 24  # numbers of a polygon; COCO has about 50


def make(folder: Path, images: int) -> Path:
    """FOLDER/images and FOLDER/labels.json."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 120, 60)).save(picture, "JPEG")
    path = folder / "labels.json"
    for start in range(0, images, 1000):
        (folder / "images" / f"{start // 1000:04}").mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.write('{"info": {}, "licenses": [], "images": [')
        for i in range(images):
            name = f"{i // 1000:04}/{i:07}.jpg"
            (folder / "images" / name).write_bytes(picture.getvalue())
            entry = {"id": i, "file_name": name, "width": 64, "height": 48, "license": 1}
            file.write(("," if i else "") + json.dumps(entry))
        file.write('], "annotations": [')
        for number in range(images * OBJECTS):
            box = [number % 30, number % 20, 10.25 + number % 17, 9.5]
            row = {"id": number, "image_id": number * 7919 % images, "category_id": number % 80 + 1, "bbox": box}
            row |= {"iscrowd": 0, "area": box[2] * box[3], "segmentation": [[1.5 + number % 40] * POINTS]}
            file.write(("," if number else "") + json.dumps(row))
        categories = [{"id": k, "name": f"class {k}"} for k in range(1, 81)]
        file.write(f'], "categories": {json.dumps(categories)}}}')
    return path


def measure(folder: Path) -> None:
    """In a process of its own: its peak is that of opening alone."""
    from minircnn.data import open_samples

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    samples = open_samples(folder, "all", index=folder / "index")
    boxes = int(samples.class_counts().sum())
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{len(samples)} images, {boxes} boxes: {seconds:.1f} s, peak {peak / 1e3:.0f} MB ({before / 1e3:.0f} before)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--measure", action="store_true")
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.folder)
    else:
        path = make(arguments.folder, arguments.images)
        print(f"{path}: {path.stat().st_size / 1e6:.0f} MB")
        for _ in range(2):
            subprocess.run([sys.executable, __file__, str(arguments.folder), "--measure"], check=True)
