"""The settings of a training run, and the defaults that suit each backbone.

`resolve` turns what the user gave into complete settings; the run folder keeps those, so that a run can be read,
resumed and repeated. Each stage's own settings are frozen dataclasses next to the stage.
"""

import math
import os
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

from minircnn.anchors import RPNSettings, rpn_settings
from minircnn.base.errors import InputError
from minircnn.data.formats import check_format
from minircnn.detection import DetectionSettings
from minircnn.models import BACKBONES, MODELS, POOLINGS
from minircnn.proposals import ProposalSettings
from minircnn.targets import SamplingSettings
from minircnn.training.defaults import DEFAULTS, RANDOM, SHIPPED
from minircnn.training.optim import StepSchedule

UNBOUNDED = 2**63
RANGES = {  # name → kind of number, least, most; a least of 0 is itself allowed for whole numbers only
    "epochs": (int | float, 0, 1_000_000),
    "lr": (int | float, 0, 1_000),
    "images_per_step": (int, 1, 1_000),
    "frozen_blocks": (int, 0, 5),
    "sigma": (int | float, 0, 1_000),
    "seed": (int, 0, 2**128),
    "split": (int | float, 0, 1),
    "split_seed": (int, 0, 2**128),
    "limit": (int, 1, UNBOUNDED),
    "validation_limit": (int, 1, UNBOUNDED),
    "validation_images": (int, 1, UNBOUNDED),
    "validations": (int, 1, 10_000),
    "patience": (int, 1, 10_000),
    "checkpoint_seconds": (int | float, 0, 1_000_000),
}
Number = TypeVar("Number", int, float)
PARTS = ("all", "rpn")
SUMS = ("tree", "plain")
SLOW_EPOCHS, SLOW_SHARE = 5, 0.2  # of a scaled rate's climb from the usual one: so many epochs, or that of a short run
OPTIONAL = ("split", "epochs", "lr", "images_per_step", "frozen_blocks", "limit", "validation_limit", "patience")


@dataclass(frozen=True)
class TrainSettings:
    """Everything a run depends on; None means "what suits the backbone" and is filled in by `resolve`.

    Attributes
    ----------
    data : folder with train/ and validation/
    format : one of `minircnn.data.formats.FORMATS`, or "auto"
    split : share of the images to be held out for validation, where the data has no validation split
    split_seed : of that choice
    backbone : "vgg_small" or "vgg16"
    model : "fast", whose proposals are Selective Search's, or "faster", which proposes itself
    part : what of a Faster R-CNN learns, "all" of it or "rpn", the network that proposes and the features alone
    alternating : whether its parts learn in turn, in four runs (`tasks/alternating.py`)
    proposals_by : file of a Faster R-CNN whose proposals take the place of the search's
    pooling : what makes cells of a region, "pool" or "align"; as suits the model when None
    class_agnostic : predict one box for a region, whatever its class
    weights : backbone or model file to start from, "none" for random weights, "shipped" for the package's own
    pixels : what somebody's VGG16 in `weights` expects, one of `weights.pixels.CHOICES`; known or guessed when None
    epochs : times the training set is seen; may be a fraction
    lr : learning rate after warm-up
    scale_lr : whether `lr` grows in proportion to `images_per_step`, as compared to what suits the backbone
    images_per_step : int; each gives `sampling.rois_per_image` RoIs
    frozen_blocks : the first blocks of convolutions, which do not learn; 0 from random weights
    momentum, decay : SGD's
    sigma : smooth-L1's
    flip : probability of mirroring an image
    sum : of the gradient: "tree", image by image in one order, or "plain", a process's images at once (`spread.py`)
    seed : of the one generator that draws weights, order, RoIs, flips and dropout
    classes : names to learn, in order; all when None
    limit, validation_limit : use only the first N images of the split
    validation_images : how many are scored while training, to choose the best weights
    proposals_folder : where proposals are cached; in the run folder when None
    sampling : how RoIs are drawn; as suits the model when None
    rpn : the numbers of a region proposal network; as suits the backbone when None
    skip_bad : skip and count broken files instead of stopping
    checkpoint_seconds : a checkpoint is written at least this often
    """

    data: str
    format: str = "auto"
    split: float | None = None
    split_seed: int = 0
    backbone: str = "vgg_small"
    model: str = "fast"
    part: str = "all"
    alternating: bool = False
    proposals_by: str | None = None
    pooling: str | None = None
    class_agnostic: bool = False
    weights: str | None = None
    pixels: str | None = None
    epochs: float | None = None
    lr: float | None = None
    scale_lr: bool = False
    images_per_step: int | None = None
    frozen_blocks: int | None = None
    momentum: float = 0.9
    decay: float = 5e-4
    sigma: float = 1.0
    flip: float = 0.5
    sum: str = "plain"
    seed: int = 0
    classes: tuple[str, ...] | None = None
    limit: int | None = None
    validation_limit: int | None = None
    validation_images: int = 100
    validations: int = 6
    patience: int | None = None
    freeze: tuple[str, ...] = ()
    proposals_folder: str | None = None
    skip_bad: bool = False
    checkpoint_seconds: float = 300.0
    sampling: SamplingSettings | None = None
    rpn: RPNSettings | None = None
    proposals: ProposalSettings = field(default_factory=ProposalSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)

    def __post_init__(self) -> None:
        for name, (kind, least, most) in RANGES.items():
            value = getattr(self, name)
            if value is None and name in OPTIONAL:
                continue
            if not isinstance(value, kind) or isinstance(value, bool):
                raise InputError(f"{name} should be a {'whole ' if kind is int else ''}number, not {value!r}")
            if not (math.isfinite(value) and least <= value <= most) or (least == 0 and kind is not int and value == 0):
                low = f"at least {least}" if kind is int else "above 0"
                high = f" and at most {most:,}" if most < UNBOUNDED else ""
                raise InputError(f"{name} should be {low}{high}, not {value}")
        for name in ("data", "weights", "proposals_folder", "proposals_by"):
            value = getattr(self, name)
            if not (isinstance(value, str) or (value is None and name != "data")):
                raise InputError(f"{name} should be a path, not {value!r}")
        if self.backbone not in BACKBONES:
            raise InputError(f"backbone should be one of {', '.join(BACKBONES)}, not {self.backbone!r}")
        if self.model not in MODELS:
            raise InputError(f"model should be one of {', '.join(MODELS)}, not {self.model!r}")
        if self.proposals_folder is not None and not MODELS[self.model].searches:
            raise InputError(f"--model {self.model} proposes its regions itself and keeps none: leave out --proposals")
        if self.rpn is not None and MODELS[self.model].searches:
            raise InputError(f"--model {self.model} has no region proposal network: leave out --anchor-scales")
        if self.pooling not in (None, *POOLINGS):
            raise InputError(f"pooling should be one of {', '.join(POOLINGS)}, not {self.pooling!r}")
        if self.part not in PARTS:
            raise InputError(f"part should be one of {', '.join(PARTS)}, not {self.part!r}")
        if MODELS[self.model].searches and (self.part != "all" or self.alternating):
            raise InputError(f"--model {self.model} has one part, which learns at once: leave out --alternating")
        if self.weights == RANDOM and (self.frozen_blocks or self.freeze):
            raise InputError("frozen layers would keep random weights as they are; freeze none, or give --weights")
        if not MODELS[self.model].searches and self.proposals != ProposalSettings():
            raise InputError(f"--model {self.model} proposes its regions itself: leave out the options of the search")
        if self.sum not in SUMS:
            raise InputError(f"sum should be one of {', '.join(SUMS)}, not {self.sum!r}")
        check_format(self.format)

    @property
    def roi_sampling(self) -> SamplingSettings:
        """How RoIs are drawn."""
        return self.sampling or MODELS[self.model].sampling

    def rooted(self) -> "TrainSettings":
        """The same with absolute paths, so that the run goes on from any folder."""
        paths = {name: getattr(self, name) for name in ("data", "proposals_folder", "proposals_by")}
        if self.weights not in (RANDOM, SHIPPED):
            paths["weights"] = self.weights
        return replace(self, **{name: path and os.path.abspath(path) for name, path in paths.items()})

    def resolve(self, images: int) -> "TrainSettings":
        """The same with nothing left open, for a training set of `images` images."""
        suits = DEFAULTS[self.backbone]
        epochs = self.epochs
        if epochs is None:
            epochs = suits.images / images
            if suits.max_epochs is not None:
                epochs = min(epochs, suits.max_epochs)
        weights = self.weights or suits.weights
        frozen_blocks = self.frozen_blocks
        if frozen_blocks is None:
            frozen_blocks = 0 if weights == RANDOM or images >= suits.frozen_below else suits.frozen_blocks
        return replace(
            self,
            epochs=epochs,
            lr=suits.lr if self.lr is None else self.lr,
            images_per_step=suits.images_per_step if self.images_per_step is None else self.images_per_step,
            weights=weights,
            frozen_blocks=frozen_blocks,
            sampling=self.roi_sampling,
            pooling=self.pooling or MODELS[self.model].pooling,
        )

    def steps(self, images: int) -> int:
        """Training steps of the whole run; settings must be resolved, as for the three that follow."""
        return max(1, round(_resolved(self.epochs) * images / _resolved(self.images_per_step)))

    def images_of_a_step(self, images: int) -> int:
        """How many of a training set of `images` each step sees."""
        return min(_resolved(self.images_per_step), images)

    def epochs_after(self, steps: int, images: int) -> float:
        """How many times a training set of `images` has been seen after so many steps."""
        return steps * _resolved(self.images_per_step) / images

    def schedule(self, steps: int) -> StepSchedule:
        """The learning rate of each step."""
        suits, factor = DEFAULTS[self.backbone], self.lr_factor()
        milestones = tuple(round(fraction * steps) for fraction in suits.drops)
        warmup = min(suits.warmup_steps, steps // 4)
        if factor == 1:
            return StepSchedule(_resolved(self.lr), milestones, warmup_steps=warmup)
        slow = round(min(SLOW_EPOCHS / _resolved(self.epochs), SLOW_SHARE) * steps)
        lowest = (StepSchedule.warmup_factor if warmup else 1.0) / factor
        return StepSchedule(factor * _resolved(self.lr), milestones, warmup_steps=slow, warmup_factor=lowest)

    def lr_factor(self) -> float:
        """By how much the minibatch's size has the learning rate grow: the linear rule (Goyal et al., 2017)."""
        if not self.scale_lr:
            return 1.0
        return max(1.0, _resolved(self.images_per_step) / DEFAULTS[self.backbone].images_per_step)

    def to_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict) -> "TrainSettings":
        """What `to_dict` gave, back again."""
        fields = dict(stored)
        try:
            fields["sampling"] = None if fields["sampling"] is None else SamplingSettings(**fields["sampling"])
            fields["rpn"] = rpn_settings(fields["rpn"]) if fields.get("rpn") else None
            fields["proposals"] = ProposalSettings(**fields["proposals"])
            fields["detection"] = DetectionSettings(**fields["detection"])
            fields["classes"] = tuple(fields["classes"]) if fields["classes"] else None
            fields["freeze"] = tuple(fields.get("freeze", ()))
            return cls(**fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # an InputError is a ValueError
            raise InputError(
                f"the run's settings.json is damaged or of another version ({error}); start a new run"
            ) from None


def _resolved(value: Number | None) -> Number:
    if value is None:
        raise ValueError("the settings leave something open: call resolve first")
    return value
