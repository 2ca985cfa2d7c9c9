"""Are more proposals better? And does their recall say how good the detector is? (Fast R-CNN, section 5.5)"""

import zlib

import numpy as np

from minircnn.data import Sample
from minircnn.proposals import proposal_recall
from minircnn.tasks.studies.lab import Lab
from minircnn.tasks.studies.study import Expected, Rows, Study, collect

SHARES = {"an eighth": 0.125, "a quarter": 0.25, "half": 0.5, "all": 1.0}
DENSE = {"all and 1000 more": 1000, "all and 3000 more": 3000}
SIDES = (24.0, 120.0)  # pixels, of boxes that nobody searched for


def some(proposals: np.ndarray, sample: Sample, share: float) -> np.ndarray:
    """A random share of an image's proposals, the same each time."""
    rng = np.random.default_rng(zlib.crc32(sample.image_id.encode()))
    kept = rng.permutation(len(proposals))[: max(1, round(share * len(proposals)))]
    return proposals[np.sort(kept)]


def with_dense(proposals: np.ndarray, sample: Sample, count: int) -> np.ndarray:
    """The proposals and as many boxes more of any place, size and shape."""
    rng = np.random.default_rng(zlib.crc32(sample.image_id.encode()))
    sides = np.exp(rng.uniform(np.log(SIDES[0]), np.log(SIDES[1]), (count, 2)))
    sides = np.minimum(sides, (sample.width, sample.height))
    corners = rng.uniform(0, 1, (count, 2)) * ((sample.width, sample.height) - sides)
    return np.concatenate([proposals, np.concatenate([corners, corners + sides], axis=1).astype(np.float32)])


def measure(lab: Lab) -> Rows:
    """One detector, given fewer proposals than it learned with, and more."""

    def of_seed(seed: int) -> dict[str, dict[str, float]]:
        model = lab.trained("baseline", seed).model

        def of(row: str) -> dict[str, float]:
            def given(sample: Sample) -> np.ndarray:
                found = lab.proposals_of(sample)
                return some(found, sample, SHARES[row]) if row in SHARES else with_dense(found, sample, DENSE[row])

            number = float(np.mean([len(given(sample)) for sample in lab.test]))
            recall = proposal_recall((given(sample), sample.learned()[0]) for sample in lab.test)[0.5]
            return {"proposals": number} | lab.measure(model, given) | {"recall": recall}

        return {row: of(row) for row in (*SHARES, *DENSE)}

    return collect(lab.seeds, of_seed)


STUDY = Study(
    question="Are more proposals better?",
    published="VOC07, M network: from 1,000 to 10,000 proposals mAP rises and then falls slightly while recall rises; "
    "with 45,000 dense boxes beside them it falls to 53.0, with these alone to 52.9 (Fast R-CNN, figure 3)",
    measure=measure,
    expected=(
        Expected("all", "an eighth"),
        Expected("all", "all and 3000 more"),
        Expected("all and 3000 more", "an eighth", "recall"),
    ),
    shown=("mAP50", "recall"),
    along="proposals",
)
