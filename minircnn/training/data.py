"""What a run learns from: the two data sets, opened and checked, and their proposals, computed before training.

Everything that can be wrong with the user's files shows here, in the first minutes and not in the middle of the night.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minircnn.data import DeepFashion2, Sample
from minircnn.errors import InputError
from minircnn.proposals import ProposalCache
from minircnn.training.settings import TrainSettings

Report = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class TrainingData:
    """Training and validation samples, and the cache that holds their proposals.

    Attributes
    ----------
    train, validation : DeepFashion2
    cache : ProposalCache, filled for both
    skipped : one sentence for each file that was left out
    """

    train: DeepFashion2
    validation: DeepFashion2
    cache: ProposalCache
    skipped: tuple[str, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.train.class_names

    @classmethod
    def open(cls, settings: TrainSettings, run: Path, report: Report) -> "TrainingData":
        """Index both splits and compute their proposals."""
        proposals = Path(settings.proposals_folder) if settings.proposals_folder else run / "proposals"
        cache = ProposalCache(proposals, settings.proposals)
        skipped: list[str] = []
        splits = {}
        for split, limit in (("train", settings.limit), ("validation", None)):
            splits[split], sentences = open_split(settings, split, limit, run, cache, report)
            skipped += sentences
        if len(splits["train"]) == 0:
            raise InputError(f"{settings.data}/train has no usable image left; mend the files named above")
        return cls(splits["train"], splits["validation"], cache, tuple(skipped))

    def validation_subset(self, most: int) -> list[Sample]:
        """The first `most` validation samples: what the best weights are chosen on."""
        return [self.validation[i] for i in range(min(most, len(self.validation)))]


def open_split(
    settings: TrainSettings, split: str, limit: int | None, run: Path | None, cache: ProposalCache, report: Report
) -> tuple[DeepFashion2, list[str]]:
    """One split, indexed and checked, with its proposals computed; and a sentence for each file left out.

    The index is kept in the run folder, memory-mapped, when there is one.
    """
    samples = DeepFashion2(
        Path(settings.data) / split,
        classes=settings.classes,
        limit=limit,
        skip_bad=settings.skip_bad,
        index=run / f"index-{split}" if run else None,
        progress=lambda done, total: report(f"reading {split}", done, total, ""),
    )
    failed = cache.fill(
        samples,
        skip_bad=settings.skip_bad,
        progress=lambda done, total: report(f"proposals {split}", done, total, ""),
    )
    sentences = [*samples.skipped, *(sentence for _, sentence in failed)]
    if failed:
        samples = samples.without({image_id for image_id, _ in failed})
    return samples, sentences
