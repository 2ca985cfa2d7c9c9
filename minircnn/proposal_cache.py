"""Proposals kept on disk: one small file per image, named by what it was computed from.

The name is a hash of the image file's bytes, the settings and this file's format, so an entry is never stale: a
changed image or setting has another name. Filling the cache again finds what is there and goes on.
"""

import collections
import hashlib
import itertools
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from minircnn.data.image import decode_image
from minircnn.data.sample import Sample
from minircnn.errors import InputError
from minircnn.proposals import ProposalSettings, propose

FORMAT = 1  # raise it when propose() begins to give other boxes
IN_FLIGHT = 16  # images per worker handed out ahead: the whole set is never in memory


class ProposalCache:
    """The proposals of images under `settings`, stored below `folder`."""

    def __init__(self, folder: str | Path, settings: ProposalSettings):
        self.folder, self.settings = Path(folder), settings
        self._prefix = json.dumps([FORMAT, cv2.__version__, asdict(settings)], sort_keys=True).encode()

    def get(self, sample: Sample) -> np.ndarray:
        """(P, 4) float32 proposals of one image, from disk where they are there, else computed and stored."""
        content = _read(sample.image_path)
        path = self._path(content)
        stored = _load(path)
        if stored is None:
            stored = propose(decode_image(content, sample.image_path), self.settings)
            _store(path, stored)
        return stored

    def _path(self, content: bytes) -> Path:
        name = hashlib.blake2b(self._prefix + content, digest_size=16).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.npy"

    def fill(
        self,
        samples: Iterable[Sample],
        workers: int | None = None,
        skip_bad: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[tuple[str, str]]:
        """Compute what is missing, in worker processes.

        Parameters
        ----------
        samples : sized; read one after another
        workers : processes; one per core when None, none at all when 1
        skip_bad : go on past images that cannot be read

        Returns
        -------
        (image_id, sentence) of each image that could not be read

        Raises
        ------
        InputError : the first such image, unless `skip_bad`; or the cache cannot be written
        """
        total, failed = len(samples), []
        for done, (image_id, sentence) in enumerate(self._results(samples, workers or os.cpu_count() or 1), start=1):
            if sentence is not None:
                if not skip_bad or sentence.startswith(str(self.folder)):
                    raise InputError(sentence)
                failed.append((image_id, sentence))
            if progress:
                progress(done, total)
        return failed

    def _results(self, samples: Iterable[Sample], workers: int) -> Iterator[tuple[str, str | None]]:
        """(image_id, None or what was wrong) of every sample, in order."""
        remaining = iter(samples)
        for sample in remaining:
            if workers > 1 and self._is_missing(sample):  # starting processes costs a second: only when needed
                yield from self._in_processes(itertools.chain([sample], remaining), workers)
            else:
                yield self._try(sample)

    def _in_processes(self, samples: Iterable[Sample], workers: int) -> Iterator[tuple[str, str | None]]:
        """The same from a pool of processes, with a bounded number of images under way."""
        context = multiprocessing.get_context("spawn")  # a fork after Numba's threads have run would hang
        pending: collections.deque = collections.deque()
        with context.Pool(workers, initializer=_start_worker) as pool:
            for sample in samples:
                pending.append(pool.apply_async(self._try, (sample,)))
                if len(pending) >= IN_FLIGHT * workers:
                    yield pending.popleft().get()
            while pending:
                yield pending.popleft().get()

    def _is_missing(self, sample: Sample) -> bool:
        try:
            return _load(self._path(_read(sample.image_path))) is None
        except InputError:
            return False  # _try says what is wrong

    def _try(self, sample: Sample) -> tuple[str, str | None]:
        try:
            self.get(sample)
        except InputError as error:
            return sample.image_id, str(error)
        return sample.image_id, None


def _start_worker() -> None:
    """A worker is one core's worth of work, and leaves Ctrl-C to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); bring it back or remove its annotation") from None


def _load(path: Path) -> np.ndarray | None:
    """The stored boxes, or None where there is no whole, sound file."""
    try:
        boxes = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return boxes if boxes.ndim == 2 and boxes.shape[1] == 4 and boxes.dtype == np.float32 else None


def _store(path: Path, boxes: np.ndarray) -> None:
    """Write whole or not at all; two processes may write the same entry at once."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            np.save(file, boxes)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path.parent} cannot be written ({error.strerror}); make room or choose another folder for the proposals"
        ) from None
