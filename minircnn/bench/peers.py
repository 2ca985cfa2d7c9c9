"""Whom a row is compared with: which frameworks there are, how each is installed, and what each can do.

Each framework's own code is imported only when its turn comes: `torch_peer.py`, `graphs.py`, `engines.py`.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minircnn.base.errors import InputError
from minircnn.bench.measure import Work
from minircnn.models import Architecture

INSTALL = {
    "torch": "pip install torch",
    "onnxruntime": "pip install onnxruntime onnx",
    "openvino": "pip install openvino",
    "ncnn": "pip install ncnn",
    "mnn": "pip install mnn onnx",
    "tensorflow": "pip install tensorflow-cpu",
    "jax": "pip install jax",
}
MODULES = {"mnn": ("MNN", "onnx"), "onnxruntime": ("onnxruntime", "onnx")}  # where the name is not the module's
ENGINES, GRAPHS = ("onnxruntime", "openvino", "ncnn", "mnn"), ("tensorflow", "jax")


def chosen_peers(against: str) -> Iterator[tuple[str, str | None]]:
    """Each peer that `--against` names, with what installs it where it is missing, else None.

    "all" names those that are installed. InputError names what there is where a name is unknown.
    """
    names = [name.strip() for name in against.split(",") if name.strip() not in ("", "none")]
    if names == ["all"]:
        names = [name for name in INSTALL if is_installed(name)]
    for name in names:
        if name not in INSTALL:
            raise InputError(f"--against {name!r} is not known; the peers are: {', '.join(INSTALL)}, all, none")
        yield name, None if is_installed(name) else INSTALL[name]


def is_installed(name: str) -> bool:
    """Whether its modules are found; nothing is imported."""
    return all(importlib.util.find_spec(module) for module in MODULES.get(name, (name,)))


@dataclass(frozen=True)
class Peers:
    """The peers of one run: `names` of those installed."""

    names: tuple[str, ...] = ()

    def torch(self, what: str, *arguments: object) -> dict[str, Work]:
        """PyTorch's `what` of `torch_peer.py`, or nothing."""
        if "torch" not in self.names:
            return {}
        from minircnn.bench import torch_peer

        return getattr(torch_peer, what)(*arguments)

    def torch_faster(self, what: str, *arguments: object) -> dict[str, Work]:
        """PyTorch's or torchvision's `what` of `torch_faster.py`, or nothing."""
        if "torch" not in self.names:
            return {}
        from minircnn.bench import torch_faster

        return getattr(torch_faster, what)(*arguments)

    def stack(
        self,
        architecture: Architecture,
        parameters: dict,
        image: np.ndarray,
        features: np.ndarray,
        dy: np.ndarray | None,
    ) -> dict[str, Work]:
        """The convolutions forward in every framework, or with `dy` in those that learn."""
        works = self.torch("stack", architecture, parameters, image, dy)
        for name in self.names:
            if name in GRAPHS:
                from minircnn.bench import graphs

                works |= graphs.stack(architecture, parameters, image, dy, name)
            elif name in ENGINES and dy is None:
                from minircnn.bench import engines

                works |= engines.stack(architecture, parameters, image, features, name)
        return works

    def roi_pool(
        self, features: np.ndarray, rois: np.ndarray, dpooled: np.ndarray, backward: bool
    ) -> tuple[dict[str, Work], str]:
        """torchvision's kernel where that is installed, else what PyTorch's own operators can do; and which."""
        works = self.torch("roi_pool", features, rois, dpooled, backward)
        stands = any("adaptive" in name for name in works)
        return works, "without torchvision: adaptive_max_pool2d of each RoI's cells stands for RoI pooling" * stands
