"""Regions that somebody else proposes: a plain file for each image, in place of Selective Search.

`NAME.npy` holds an array (P, 4) or wider, `NAME.csv` a line for each region: x1, y1, x2, y2 in pixels of the image
file, from its upper left corner; further columns (a score) are not read. NAME is the image file's without its ending.
Where images of two splits or folders have one name, the files stand in folders of the same names: `train/000001.npy`.
"""

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.boxes import clip_boxes
from minircnn.data.image import read_image
from minircnn.data.sample import Sample
from minircnn.proposals.cache import ProposalCache, Result
from minircnn.proposals.selective_search import ProposalSettings

ENDINGS = (".npy", ".csv")


class GivenProposals(ProposalCache):
    """The proposals in such files.

    Parameters
    ----------
    folder : path

    Raises
    ------
    InputError : it holds no such file
    """

    in_processes = False  # nothing is computed

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if not is_given(self.folder):
            raise InputError(f"{folder} holds no .npy or .csv file of regions; give a folder with one for each image")
        self._used: dict[Path, Path] = {}  # file → the image that it was read for
        self.notes = [f"proposals are those in {folder}; detection searches itself, unless it gets --proposals as well"]

    def get(self, sample: Sample) -> np.ndarray:
        """(P, 4) float32 proposals of one image.

        Raises
        ------
        InputError : its file is not there, or holds no regions
        """
        path = sample.image_path
        above = [parent.name for parent in path.parents[:2] if parent.name]  # image/ and train/, nearest first
        names = [f"{'/'.join(reversed(above))}/{path.stem}", *(f"{name}/{path.stem}" for name in reversed(above))]
        return self.of([*names, sample.image_id, path.stem], path, sample.height, sample.width)

    def of(self, names: Sequence[str], image: Path, height: int, width: int) -> np.ndarray:
        """Those of an image of this size, under the first of its names that has a file; clipped, none lies outside."""
        wanted = [self.folder / f"{name}{ending}" for name in dict.fromkeys(names) for ending in ENDINGS]
        path = next((path for path in wanted if path.is_file()), None)
        if path is None:
            raise InputError(
                f"{wanted[-2]} is not there, nor {wanted[-1].name}: every image needs its regions ({image})"
            )
        if (other := self._used.setdefault(path, image)) != image:
            raise InputError(f"{path} would serve both {other} and {image}; put regions into folders of the images' "
                             "folders' names, as train/ and validation/")  # fmt: skip
        boxes = _read_npy(path) if path.suffix == ".npy" else _read_csv(path)
        if boxes.ndim != 2 or boxes.shape[1] < 4:
            raise InputError(f"{path}: expected x1, y1, x2, y2 for each region, not an array of shape {boxes.shape}")
        with np.errstate(over="ignore"):  # infinity, which is told below
            boxes = boxes[:, :4].astype(np.float32)
        wrong = ~(np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1))
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(f"{path}: region {row + 1} is {boxes[row].tolist()}, and should have x1 < x2 and y1 < y2")
        boxes = clip_boxes(boxes, height, width)
        return boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]

    def _leave_settings(self) -> None:
        """Nothing to leave: the folder is somebody's."""

    def _ensure(self, sample: Sample) -> Result:
        try:
            read_image(sample.image_path)
        except InputError as error:
            return sample.image_id, str(error)
        self.get(sample)  # what is wrong there is not the image's fault, and never skipped
        return sample.image_id, None


def is_given(folder: Path) -> bool:
    """Whether the folder holds somebody's regions, and not what `ProposalCache` keeps."""
    if not folder.is_dir() or any(folder.glob("settings-*.json")):
        return False
    return any(path.suffix in ENDINGS for path in folder.rglob("*"))


def open_proposals(folder: str | Path, settings: ProposalSettings) -> ProposalCache:
    """What `--proposals FOLDER` stands for: somebody's regions where it holds such, else the cache of a search."""
    return GivenProposals(folder) if is_given(Path(folder)) else ProposalCache(folder, settings)


def _read_npy(path: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a header that Python 2 wrote
            stored = np.load(path, mmap_mode="r", allow_pickle=False)  # whatever size it says, nothing is made of it
            return np.array(stored, np.float64)
    except MemoryError:
        raise
    except Exception as error:  # a header is parsed as Python, and fails in as many ways
        raise InputError(f"{path} is no array of numbers ({error}); save it with numpy.save") from None


def _read_csv(path: Path) -> np.ndarray:
    """Rows of numbers, a first line of names left out; no row is (0, 4)."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}); give lines of x1,y1,x2,y2") from None
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            found.append([float(cell) for cell in row[:4]])
        except ValueError:
            if number == 1:
                continue
            raise InputError(f"{path}: line {number} is {','.join(row)!r}; give x1,y1,x2,y2") from None
        if len(row) < 4:
            raise InputError(f"{path}: line {number} has {len(row)} numbers; give x1,y1,x2,y2")
    return np.array(found, np.float64).reshape(-1, 4)
