"""Write COCO's layout: train/, validation/ and annotations/instances_….json, streamed."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from minircnn.base.files import written_whole
from minircnn.data.formats.writing import Annotated, rows


class CocoWriter:
    """What a writer has: `minircnn/data/formats/writing.py`. `ignore` becomes iscrowd, which COCO evaluates.

    Images and objects go into temporary files until the end, for a list stands whole behind the other in the JSON file.
    """

    keeps_ignore = keeps_folders = True

    def __init__(self, folder: Path, class_names: Sequence[str]):
        self._folder, self._class_names = folder, list(class_names)
        self._parts: dict[str, tuple[IO[str], IO[str]]] = {}
        self._images = self._objects = 0

    def image(self, split: str, name: str) -> Path:
        """DIR/train/…."""
        return self._folder / split / name

    def add(self, split: str, image: Annotated) -> None:
        """Its entry in images, and one in annotations for each object."""
        if split not in self._parts:
            self._parts[split] = (tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+"))  # noqa: SIM115
        images, objects = self._parts[split]
        self._images += 1
        entry = {"id": self._images, "file_name": image.name, "width": image.width, "height": image.height}
        images.write((",\n" if images.tell() else "") + json.dumps(entry))
        for (x1, y1, x2, y2), name, ignore, score in rows(image):
            self._objects += 1
            w, h = x2 - x1, y2 - y1
            row = {"id": self._objects, "image_id": self._images, "category_id": self._class_names.index(name) + 1,
                   "bbox": [x1, y1, w, h], "area": w * h, "iscrowd": int(ignore)}  # fmt: skip
            row |= {} if score is None else {"score": score}
            objects.write((",\n" if objects.tell() else "") + json.dumps(row))

    def finish(self) -> None:
        """annotations/instances_train.json, …."""
        categories = [{"id": number, "name": name} for number, name in enumerate(self._class_names, start=1)]
        for split, parts in self._parts.items():
            with (
                written_whole(self._folder / "annotations" / f"instances_{split}.json") as path,
                path.open("w", encoding="utf-8") as file,
            ):
                file.write(f'{{"categories": {json.dumps(categories)}')
                for key, part in zip(("images", "annotations"), parts, strict=True):
                    file.write(f',\n"{key}": [\n')
                    part.seek(0)
                    while text := part.read(1 << 20):
                        file.write(text)
                    file.write("]")
                    part.close()
                file.write("}\n")
