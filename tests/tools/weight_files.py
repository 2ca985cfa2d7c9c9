"""Full-size weight files: how far their scores are from the peer's, how long they load, and in how much memory.

`python tests/tools/weight_files.py FOLDER` writes a VGG16 there in everybody's format, one file after the other, and
prints for each the greatest difference of its scores, the seconds of loading, and the most memory that it had beyond
what the program has anyway. The peer is the framework that reads such files: onnxruntime, Keras, and PyTorch for the
others.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from weight_files import (
    WRITERS,
    keras_network,
    keras_scores,
    onnxruntime_scores,
    random_arrays,
    torch_logits,
    write_caffe,
)

MEASURE = r"""
import json, re, sys, time
import numpy as np
from minircnn.models import vgg16
from minircnn.weights.foreign.detector import read_classifier
from minircnn.weights.foreign.vgg16 import read_vgg16
import h5py
path, images, out = sys.argv[1:]

def peak():  # resident bytes, pages of mapped files among them; Linux tells
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])

before = peak()
began = time.perf_counter()
model = read_classifier(read_vgg16(path, vgg16()), vgg16())
seconds = time.perf_counter() - began
memory = peak() - before
np.save(out, model.forward(np.load(images)))
print(json.dumps({"seconds": seconds, "memory": memory}))
"""


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    widths = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    arrays = random_arrays(widths, (4096, 4096), {"fc8": 1000})
    images = np.random.default_rng(1).standard_normal((2, 3, 224, 224), np.float32)
    want = torch_logits(arrays, images)
    np.save(folder / "images.npy", np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
    print(f"{'format':20}{'MB':>6}{'error':>10}{'seconds':>10}{'memory / file':>15}")
    for kind, write in WRITERS.items():
        path = folder / "weights.npz"
        write(path, arrays)
        theirs = onnxruntime_scores(path, images) if kind.startswith("onnx") else want
        report(kind, path, folder, theirs)
    report_detector(folder, widths)
    os.environ["KERAS_BACKEND"], os.environ["KERAS_HOME"] = "torch", str(folder / "keras")
    network = keras_network(arrays)
    theirs = keras_scores(network, images.transpose(0, 2, 3, 1))
    for kind, save in ((".keras", network.save), (".weights.h5", network.save_weights)):
        save(folder / f"a{kind}")
        report(kind, folder / f"a{kind}", folder, theirs)


def report_detector(folder, widths):
    """The original Fast R-CNN model: cls_score and bbox_pred of given pooled maps, against PyTorch."""
    import torch
    from torch.nn import functional

    from minircnn import load_model

    arrays = random_arrays(widths, (4096, 4096), {"cls_score": 21, "bbox_pred": 84})
    write_caffe(folder / "detector", arrays)
    pooled = np.random.default_rng(2).standard_normal((4, 512, 7, 7), np.float32)
    hidden = torch.from_numpy(pooled).flatten(1)
    for name in ("fc6", "fc7"):
        hidden = functional.relu(functional.linear(hidden, *map(torch.from_numpy, arrays[name])))
    model = load_model(folder / "detector")
    outputs = model.head.forward(np.ascontiguousarray(pooled.transpose(0, 2, 3, 1)))
    for name, got in zip(("cls_score", "bbox_pred"), outputs, strict=True):
        want = functional.linear(hidden, *map(torch.from_numpy, arrays[name])).numpy()
        size = (folder / "detector").stat().st_size / 1e6
        print(f"{name + ' (caffe)':20}{size:6.0f}{np.abs(got - want).max() / np.abs(want).max():10.1e}", flush=True)
    (folder / "detector").unlink()


def report(kind, path, folder, want):
    command = [sys.executable, "-c", MEASURE, str(path), str(folder / "images.npy"), str(folder / "scores.npy")]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    error = np.abs(np.load(folder / "scores.npy") - want).max() / np.abs(want).max()
    size = path.stat().st_size
    print(f"{kind:20}{size / 1e6:6.0f}{error:10.1e}{told['seconds']:10.2f}{told['memory'] / size:15.2f}", flush=True)
    path.unlink()


if __name__ == "__main__":
    main(sys.argv[1])
