"""Proposals kept on disk: one small file per image, named by what it was computed from.

The name is a hash of the image file's bytes, the settings and this file's format, so an entry is never stale: a
changed image or setting has another name. Filling the cache again finds what is there and goes on.
"""

import contextlib
import hashlib
import itertools
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path

import numpy as np

from minircnn.base.cores import usable_cores
from minircnn.base.errors import InputError
from minircnn.base.files import read_bytes, read_json, write_bytes, write_json
from minircnn.base.progress import Progress, silent
from minircnn.data.image import decode_image
from minircnn.data.sample import Sample
from minircnn.proposals.selective_search import ProposalSettings, contributed_opencv, propose

FORMAT = 2  # raise it when propose() begins to give other boxes, or their file changes
MAX_WORKERS = 61  # Windows can wait for no more
FEW = 8  # images: done in less time than processes take to start
IN_FLIGHT = 16  # images per worker handed out ahead: the whole set is never in memory

BOX, LARGEST = 16, 2**26  # bytes, of a box and of all of an image
Result = tuple[str, str | None]  # image_id, and what was wrong with the image file


class ProposalCache:
    """The proposals of images under `settings`, stored below `folder`. Processes may share the folder.

    Parameters
    ----------
    folder : path, made when the first are stored
    settings : ProposalSettings; with others, others are computed and stored beside

    Attributes
    ----------
    in_processes : whether several images are computed side by side, each in a process of its own
    notes : list of str
        Once `fill` has run: a sentence where the folder held proposals, and all of them of other settings.

    Raises
    ------
    InputError : OpenCV came without its contributed modules
    """

    in_processes = True

    def __init__(self, folder: str | Path, settings: ProposalSettings):
        self.folder, self.settings = Path(folder), settings
        self.notes: list[str] = []
        self._opencv = contributed_opencv().__version__
        self._prefix = json.dumps([FORMAT, self._opencv, asdict(settings)], sort_keys=True).encode()

    def get(self, sample: Sample) -> np.ndarray:
        """(P, 4) float32 proposals of one image, from disk where they are there, else computed and stored.

        Raises
        ------
        InputError : the image cannot be read, or the cache cannot be written
        """
        content = _read(sample.image_path)
        boxes = _load(self._path(content))
        if boxes is None:
            boxes = self._compute(content, decode_image(content, sample.image_path))
        return boxes

    def fill(
        self,
        samples: Sequence[Sample],
        workers: int | None = None,
        skip_bad: bool = False,
        progress: Progress = silent,
        stage: str = "proposals",
    ) -> list[tuple[str, str]]:
        """Compute what is missing, in worker processes.

        Parameters
        ----------
        samples : read one after another, never all at once
        workers : processes; when None, one per core that this process may use, and none for a few images; none at all
            when 1, or where the program came from standard input, which no other process can read again
        skip_bad : go on past images that cannot be read
        progress : called after each image, with `stage`

        Returns
        -------
        (image_id, sentence) of each image that could not be read

        Raises
        ------
        InputError : the first such image, unless `skip_bad`; workers out of range; or the cache cannot be written
        """
        if workers is None:
            workers = 1 if len(samples) <= FEW else min(usable_cores(), MAX_WORKERS)
        if not 1 <= workers <= MAX_WORKERS:
            raise InputError(f"workers should be 1 to {MAX_WORKERS} processes, not {workers}")
        if not (self.in_processes and _can_spawn()):
            workers = 1
        self._leave_settings()
        failed = []
        with contextlib.closing(self._results(samples, min(workers, max(1, len(samples))))) as results:
            for done, (image_id, sentence) in enumerate(results, start=1):
                if sentence is not None:
                    if not skip_bad:
                        raise InputError(sentence)
                    failed.append((image_id, sentence))
                progress(stage, done, len(samples), "")
        return failed

    def _leave_settings(self) -> None:
        """Say of what settings these proposals are, in a file beside them; and note where all others are of others."""
        own = self.folder / f"settings-{hashlib.blake2b(self._prefix, digest_size=8).hexdigest()}.json"
        if own.exists():
            return
        for path in sorted(self.folder.glob("settings-*.json")):
            with contextlib.suppress(InputError):
                stored = read_json(path, "")
                ours = {"OpenCV": self._opencv} | asdict(self.settings)
                theirs = [name for name in ours if stored.get(name) != ours[name]]
                differs = "; ".join(f"{name} {stored.get(name)}, not {ours[name]}" for name in theirs)
                self.notes.append(f"{self.folder} holds proposals of {differs}: those are not used here")
        with contextlib.suppress(InputError):  # a folder that may only be read serves all the same
            write_json(own, {"OpenCV": self._opencv} | asdict(self.settings))

    def _results(self, samples: Iterable[Sample], workers: int) -> Generator[Result, None, None]:
        """Every sample's result, in order; processes, which take a second to start, only if something is missing."""
        remaining = iter(samples)
        for sample in remaining:
            if workers == 1:
                yield self._ensure(sample)
            elif (known := self._look_up(sample)) is not None:
                yield known
            else:
                yield from self._in_processes(itertools.chain([sample], remaining), workers)

    def _in_processes(self, samples: Iterable[Sample], workers: int) -> Iterator[Result]:
        """The same from a pool of processes, with a bounded number of images under way."""
        context = multiprocessing.get_context("spawn")  # a fork after Numba's threads have run would hang
        try:
            pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
        except (OSError, ImportError, NotImplementedError):  # a system that refuses semaphores: one after another
            yield from map(self._ensure, samples)
            return
        pending: deque = deque()
        try:
            for sample in samples:
                pending.append(pool.submit(self._ensure, sample))
                if len(pending) >= IN_FLIGHT * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool:
            raise InputError(
                "the processes that compute proposals ended early: a script must call from under "
                "`if __name__ == '__main__':`; else memory ran out, so use workers=1 or a smaller max_image_side"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)

    def _ensure(self, sample: Sample) -> Result:
        """Compute and store what is missing. Only the image's own faults are a result; any other one is raised."""
        try:
            content = _read(sample.image_path)
            if _load(self._path(content)) is not None:
                return sample.image_id, None
            image = decode_image(content, sample.image_path)
        except InputError as error:
            return sample.image_id, str(error)
        self._compute(content, image)
        return sample.image_id, None

    def _look_up(self, sample: Sample) -> Result | None:
        """The result of an image that is in the cache or cannot be read; None where there is work to do."""
        try:
            content = _read(sample.image_path)
        except InputError as error:
            return sample.image_id, str(error)
        return None if _load(self._path(content)) is None else (sample.image_id, None)

    def _compute(self, content: bytes, image: np.ndarray) -> np.ndarray:
        boxes = self._make(image)
        _store(self._path(content), boxes)
        return boxes

    def _make(self, image: np.ndarray) -> np.ndarray:
        return propose(image, self.settings)

    def _path(self, content: bytes) -> Path:
        name = hashlib.blake2b(content, key=hashlib.blake2b(self._prefix).digest(), digest_size=16).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.boxes"


def _can_spawn() -> bool:
    """A spawned process reads the main module again, which it cannot where that came from standard input."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    return file is None or Path(file).is_file()


def _start_worker() -> None:
    """A worker is one core's worth of work, leaves Ctrl-C to its parent, and ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    contributed_opencv().setNumThreads(1)


def _end_with_parent() -> None:
    """A parent that is killed closes no pool: without this its workers would wait for work for ever."""
    if (parent := multiprocessing.parent_process()) is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); bring it back or remove its annotation") from None


def _load(path: Path) -> np.ndarray | None:
    """The stored boxes, or None where there is no whole, sound file: zlib's own checksum tells."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(path.read_bytes(), LARGEST)  # a small file may unpack to any size
    except (OSError, zlib.error):
        return None
    whole = unpacking.eof and len(content) % BOX == 0
    return np.frombuffer(content, "<f4").reshape(-1, 4).astype(np.float32) if whole else None


def _store(path: Path, boxes: np.ndarray) -> None:
    """Write whole or not at all; two processes may write the same entry at once."""
    write_bytes(path, zlib.compress(boxes.astype("<f4").tobytes()), "choose another folder for the proposals")
