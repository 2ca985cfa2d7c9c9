"""Proposals that a trained Faster R-CNN makes, kept on disk like the search's: a Fast R-CNN learns from them.

Of an image everything is kept that suppression leaves of all anchors, up to `train_after`, as alternating training
wants it (py-faster-rcnn's tools/train_faster_rcnn_alt_opt.py).
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import read_bytes
from minircnn.models import FasterRCNN
from minircnn.proposals import ProposalCache
from minircnn.weights.model_file import load_model, model_path

ALL = 2**31  # more than an image has anchors
FORMAT = 1  # raise it when a model begins to propose other boxes


class ModelProposals(ProposalCache):
    """What the model in a file proposes, by the model's and the images' bytes: an entry is never stale.

    Parameters
    ----------
    folder : path, made when the first are stored
    model : path of a file or run folder that holds a Faster R-CNN

    Raises
    ------
    InputError : it holds none
    """

    in_processes = False  # one image keeps all threads busy

    def __init__(self, folder: str | Path, model: str | Path):
        self.folder, self.notes, self.source = Path(folder), [], model
        found = load_model(model)
        if not isinstance(found, FasterRCNN):
            raise InputError(f"{model} proposes nothing: it holds no Faster R-CNN")
        self.model = found
        self.model.eval()
        content = hashlib.blake2b(read_bytes(model_path(model))).hexdigest()
        self._prefix = json.dumps(["model", FORMAT, content]).encode()

    def __reduce__(self) -> tuple:
        return ModelProposals, (self.folder, self.source)  # in another process from the file

    def _leave_settings(self) -> None:
        """Nothing to leave: the file of the model says it all."""

    def _make(self, image: np.ndarray) -> np.ndarray:
        return self.model.propose(image, limits=(ALL, self.model.architecture.rpn.train_after))
