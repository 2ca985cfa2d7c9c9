"""What a run learns from: the two data sets, opened and checked, and their proposals, computed before training.

Everything that can be wrong with the user's files shows here, in the first minutes and not in the middle of the night.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minircnn.base.cores import usable_cores
from minircnn.base.errors import InputError
from minircnn.base.progress import Progress, silent
from minircnn.base.ranks import Ranks, ranks
from minircnn.data import Sample, Samples, open_samples, read_image
from minircnn.models import MODELS
from minircnn.proposals import ProposalCache, ProposalsOf, open_proposals
from minircnn.training.model_proposals import ModelProposals
from minircnn.training.settings import TrainSettings

AHEAD = 64  # images that are decoded side by side, and of which the first bad one is told


@dataclass(frozen=True)
class TrainingData:
    """Training and validation samples, and the cache that holds their proposals.

    Attributes
    ----------
    train, validation : Samples
    cache : ProposalCache, filled for both once `with_proposals` has run; None where the model proposes regions itself
    skip_bad : images that turn out broken are skipped, not an error
    skipped : one sentence for each file that was left out, once `with_proposals` has run
    """

    train: Samples
    validation: Samples
    cache: ProposalCache | None
    skip_bad: bool
    skipped: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.train.class_names

    @property
    def proposals_of(self) -> ProposalsOf | None:
        """Sample → its proposals (P, 4), from the cache."""
        return self.cache.get if self.cache else None

    @classmethod
    def read(cls, settings: TrainSettings, run: Path, progress: Progress) -> "TrainingData":
        """Index and check both splits; writes nothing."""
        proposals = Path(settings.proposals_folder) if settings.proposals_folder else run / "proposals"
        cache: ProposalCache | None = None
        if settings.proposals_by is not None:
            cache = ModelProposals(proposals, settings.proposals_by)
        elif MODELS[settings.model].searches:
            cache = open_proposals(proposals, settings.proposals)
        train = open_split(settings, "train", settings.limit, run, progress)
        _check_train(train, settings)
        validation = open_split(settings, "validation", settings.validation_limit, run, progress, train.class_names)
        if len(validation) == 0:
            raise InputError(f"{settings.data}/validation has no usable image; mend or add some")
        return cls(train, validation, cache, settings.skip_bad)

    def with_proposals(self, progress: Progress, decoded: bool = False) -> "TrainingData":
        """The same with both indexes and all proposals on disk, less the images that could not be decoded.

        decoded : all could be before, and nobody needs to look again
        """
        found, sentences = {}, []
        for split, samples in (("train", self.train), ("validation", self.validation)):
            known = decoded and not self.skip_bad  # what was skipped is found again by looking
            found[split], left_out = with_proposals(samples, self.cache, progress, self.skip_bad, split, decoded=known)
            sentences += left_out
        for split, samples in found.items():
            if len(samples) == 0:
                raise InputError(f"not one usable image is left in {split}/: {'; '.join(sentences[:3])}")
        return replace(self, train=found["train"], validation=found["validation"], skipped=tuple(sentences))

    def validation_subset(self, most: int) -> list[Sample]:
        """The first `most` validation samples: what the best weights are chosen on."""
        return [self.validation[i] for i in range(min(most, len(self.validation)))]

    def contents(self) -> dict[str, np.ndarray]:
        """For each split a digest (N,) int64 of what training reads of each image: a resumed run must find the same."""
        return {"train": self.train.digests(), "validation": self.validation.digests()}

    def image_list(self) -> str:
        """A digest of the training images' names, in order: a resumed run must find the same."""
        digest = hashlib.blake2b(digest_size=16)
        for image_id in self.train.image_ids():
            digest.update(image_id.encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()


def spread(samples: Samples, most: int) -> list[Sample]:
    """At most `most` of the samples, spread evenly over them."""
    return [samples[int(i)] for i in np.linspace(0, len(samples) - 1, min(len(samples), most)).astype(int)]


def open_split(
    settings: TrainSettings,
    split: str,
    limit: int | None,
    run: Path,
    progress: Progress,
    known: tuple[str, ...] | None = None,
) -> Samples:
    """One split, indexed and checked. The index is kept in the run folder, once `keep_index` is called.

    known : the classes that another split has; those of the settings where it is None
    """
    return open_samples(
        settings.data,
        split,
        settings.format,
        classes=settings.classes if known is None else known,
        only_known=known is None,
        held_out=settings.split,
        split_seed=settings.split_seed,
        limit=limit,
        skip_bad=settings.skip_bad,
        index=run / f"index-{split}",
        write_index=False,
        progress=progress,
    )


def with_proposals(
    samples: Samples,
    cache: ProposalCache | None,
    progress: Progress,
    skip_bad: bool = False,
    split: str = "",
    workers: int | None = None,
    decoded: bool = False,
) -> tuple[Samples, list[str]]:
    """Index, fill the cache, skip the bad: the samples whose proposals are there, and what was left out in sentences.

    The index is written, if it was given a place, and the proposals are computed by `workers` processes. Without a
    cache the images are decoded and that is all, or not even that where they were `decoded` before. Without `skip_bad`
    the first that cannot be is an InputError.
    """
    samples.keep_index()
    sentences = [*samples.left_out, *samples.skipped]
    if cache is None and decoded:
        failed = []
    elif cache is None:
        failed = undecodable(samples, skip_bad, progress, f"images {split}".strip())
    else:
        stage = f"proposals {split}".strip()
        failed = _filled(cache, samples, workers, skip_bad, progress, stage)
    if failed:
        samples = samples.without({image_id for image_id, _ in failed})
    return samples, sentences + [sentence for _, sentence in failed]


def _filled(
    cache: ProposalCache, samples: Samples, workers: int | None, skip_bad: bool, progress: Progress, stage: str
) -> list[tuple[str, str]]:
    """`ProposalCache.fill`, shared out among the ranks where there are several."""
    everybody = ranks()
    if everybody.size == 1 or not cache.in_processes:  # what keeps all threads busy needs rank 0's model
        return cache.fill(samples, workers=workers, skip_bad=skip_bad, progress=progress, stage=stage)
    everybody.kept["progress"] = progress
    found = dict(pair for own in everybody.together(_fill, cache, samples, workers, skip_bad, stage) for pair in own)
    return [(image_id, found[image_id]) for image_id in samples.image_ids() if image_id in found]


def _fill(
    ranks: Ranks, cache: ProposalCache, samples: Samples, workers: int | None, skip_bad: bool, stage: str
) -> list[tuple[str, str]]:
    """This rank's share of it: every n-th image. Where one rank meets a bad image, all stop."""
    tell = ranks.kept.get("progress", silent)

    def progress(stage: str, done: int, _: int, words: str) -> None:
        if ranks.alarmed():
            raise _Elsewhere
        tell(stage, min(done * ranks.size, len(samples)), len(samples), words)

    try:
        return cache.fill(ranks.share(samples), workers, skip_bad, progress, stage)
    except _Elsewhere:
        return []
    except InputError:
        ranks.alarm()
        raise


class _Elsewhere(Exception):
    """Another rank has met what ends the task."""


def undecodable(samples: Samples, skip_bad: bool, progress: Progress, stage: str) -> list[tuple[str, str]]:
    """(image_id, sentence) of each image that cannot be decoded; without `skip_bad` the first is an InputError."""

    def wrong_with(sample: Sample) -> tuple[str, str] | None:
        try:
            read_image(sample.image_path)
        except InputError as error:
            if not skip_bad:
                raise
            return sample.image_id, str(error)
        return None

    found: list[tuple[str, str] | None] = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(samples), AHEAD):
            some = [samples[i] for i in range(start, min(start + AHEAD, len(samples)))]
            for result in pool.map(wrong_with, some):
                found.append(result)
                progress(stage, len(found), len(samples), "")
    return [wrong for wrong in found if wrong is not None]


def _check_train(train: Samples, settings: TrainSettings) -> None:
    folder = f"{settings.data}/train"
    if len(train) == 0:
        raise InputError(f"{folder} has no usable image left: {'; '.join(train.skipped[:3])}")
    if train.class_counts().sum() == 0:
        wanted = f" of the classes asked ({', '.join(settings.classes)})" if settings.classes else ""
        raise InputError(
            f"{folder}: not one box{wanted} in {len(train)} annotations, so there is nothing to learn; label some "
            "objects, or ask for other classes"
        )
