"""Do weights see? A whole VGG16 classifies photographs whose content everybody knows; convolutions tell them apart.

Convolutions that get pixels of a wrong size see little but their own biases, whatever is in front of them: the maps of
a cat and a rocket are then nearly the same. With the right pixels they have little in common.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np

from minircnn.base.errors import InputError
from minircnn.data import read_image
from minircnn.layers import Sequential
from minircnn.models import VGGClassifier
from minircnn.models.classifier import SIDE
from minircnn.models.preprocessing import LONGEST_SIDE, Preprocessing
from minircnn.weights.foreign.pixels import CHOICES

# Bundled photograph → the classes that a good classifier may have among its five best
PHOTOGRAPHS = {
    "photo_train_cat.jpg": ("n02123045", "n02123159", "n02124075", "n02123394", "n02127052"),  # tabby … lynx
    "photo_train_coffee.jpg": ("n07920052", "n07930864", "n03063599"),  # espresso, cup, coffee mug
    "photo_train_rocket.jpg": ("n03773504", "n04008634"),  # missile, projectile
    "photo_train_pavilion.jpg": ("n03877845", "n03781244", "n04346328", "n02825657", "n02980441"),  # palace, …, castle
    "photo_test_fig.jpg": ("n07753113",),  # fig
}


@dataclass(frozen=True)
class Answer:
    """What a classifier says of one photograph: its five best classes with their shares, and which were right."""

    photograph: str
    best: list[tuple[str, float, bool]]

    @property
    def right(self) -> bool:
        return any(right for _, _, right in self.best)


def class_names() -> list[tuple[str, str]]:
    """ImageNet's 1000 classes in the order of a classifier's outputs: WordNet's number and words."""
    text = resources.files("minircnn.fashion").joinpath("bundled", "imagenet_classes.txt").read_text(encoding="utf-8")
    return [(number, words) for number, _, words in (line.partition(" ") for line in text.splitlines())]


def look(model: VGGClassifier, preprocessing: Preprocessing) -> Iterator[Answer]:
    """Classify the bundled photographs, each scaled to 256 pixels and cut to the middle 224.

    Raises
    ------
    InputError : the classifier has other classes than ImageNet's 1000
    """
    names = class_names()
    outputs = model.layers["fc8"].parameters()["bias"].value.size
    if outputs != len(names):
        raise InputError(f"the classifier has {outputs} classes, not ImageNet's {len(names)}: nobody knows their names")
    for photograph, image in _photographs(preprocessing):
        scores = model.forward(image)[0]
        shares = np.exp(scores.astype(np.float64) - scores.max())
        shares /= shares.sum()
        best = np.argsort(-shares, kind="stable")[:5]
        shown = [(names[k][1], float(shares[k]), names[k][0] in PHOTOGRAPHS[photograph]) for k in best]
        yield Answer(photograph.removeprefix("photo_").split("_")[1].removesuffix(".jpg"), shown)


def likeness(backbone: Sequential, preprocessing: Preprocessing) -> float:
    """How much the maps of different photographs are alike: the mean correlation of their channels' means, -1 to 1."""
    backbone.set_training(False)
    means = [backbone.forward(image)[0].mean(axis=(0, 1)) for _, image in _photographs(preprocessing)]
    return float(np.corrcoef(means)[np.triu_indices(len(means), 1)].mean())


def compare_pixels(backbone: Sequential, preprocessing: Preprocessing) -> Iterator[tuple[str, str, float]]:
    """(name, in words, likeness) of the pixels that weights may expect, as `--pixels` names them."""
    for name, (pixels, words) in CHOICES.items():
        yield name, words, likeness(backbone, replace(preprocessing, **pixels))


def _photographs(preprocessing: Preprocessing) -> Iterator[tuple[str, np.ndarray]]:
    """Name and (1, SIDE, SIDE, 3) of each bundled photograph, scaled to 256 pixels and cut to its middle."""
    preprocessing = replace(preprocessing, short_side=256, long_side=LONGEST_SIDE)
    folder = resources.files("minircnn.fashion").joinpath("bundled")
    for photograph in PHOTOGRAPHS:
        with resources.as_file(folder.joinpath(photograph)) as path:
            image, _ = preprocessing.apply(read_image(path))
        top, left = (image.shape[0] - SIDE) // 2, (image.shape[1] - SIDE) // 2
        yield photograph, np.ascontiguousarray(image[None, top : top + SIDE, left : left + SIDE])
