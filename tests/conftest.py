"""What all tests share: a seeded generator, scenes, a finished run, a model file; and Hypothesis without deadlines.

The fixtures of a session are made once, by the first test that asks; a test that changes one copies it.
"""

import os

import numba
import numpy as np
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

EXAMPLES = int(os.environ.get("MINIRCNN_EXAMPLES", 30))  # of a property; fewer where each takes seconds (tools/arm.sh)
settings.register_profile("minircnn", deadline=None, derandomize=True, max_examples=EXAMPLES, database=None)
settings.load_profile("minircnn")
WITH_TORCH = {  # files that cannot be collected without PyTorch
    f"test_{name}.py"
    for name in (
        "against_torch", "hostile_weights", "real_weights", "torch_file", "vgg16_weights", "weight_formats",
        "weights_command",
    )
}  # fmt: skip


LONG = [  # files that take longest, which begin first: of two workers neither waits long for the other at the end
    f"test_{name}.py"
    for name in (
        "cli", "explain_page", "examples", "training", "threads", "hostile_weights", "surroundings", "pretrain",
        "against_torch", "report", "peers", "proposals", "capture", "vectors", "fashion_scenes",
    )
]  # fmt: skip


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name in WITH_TORCH:
            item.add_marker("torch")
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def pytest_configure():
    """Workers side by side (`pytest -n 2`) share the cores out among them."""
    if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
        threads = max(1, numba.config.NUMBA_NUM_THREADS // int(workers))
        numba.set_num_threads(threads)
        threadpool_limits(threads)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20150430)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """8 training and 4 validation scenes of 96 pixels, with their proposals, which runs may share."""
    from minircnn.fashion import write_scenes

    folder = tmp_path_factory.mktemp("shared") / "scenes"
    write_scenes(folder, 8, 4, size=96)
    return folder


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """A small detector of the scenes' ten classes, with random weights."""
    from minircnn.fashion.materials import CLASS_NAMES
    from minircnn.models import FastRCNN, vgg_small
    from minircnn.weights.model_file import save_model

    path = tmp_path_factory.mktemp("shared") / "model.safetensors"
    save_model(path, FastRCNN(vgg_small(), 10, np.random.default_rng(0), CLASS_NAMES))
    return path


@pytest.fixture(scope="session")
def gradient_page(tmp_path_factory):
    """The gradient page as `minircnn explain` writes it. Not to be changed."""
    from minircnn.explain.page import write_page

    path = tmp_path_factory.mktemp("shared") / "gradient.html"
    write_page(path)
    return path


@pytest.fixture(scope="session")
def finished_run(scenes, tmp_path_factory):
    """A run of 12 steps on the scenes, measured and reported. Not to be changed: `shutil.copytree` it."""
    from minircnn.tasks.finish import finish_run
    from minircnn.training.run_folder import RunFolder
    from minircnn.training.settings import TrainSettings
    from minircnn.training.train import Training

    folder = tmp_path_factory.mktemp("shared") / "run"
    given = TrainSettings(
        data=str(scenes), epochs=3, lr=0.005, images_per_step=2, proposals_folder=str(scenes / "proposals")
    )
    training = Training.start(RunFolder(folder), given)
    training.run()
    finish_run(training, training.data.validation, "validation", lambda *_: None)
    return folder


@pytest.fixture(scope="session")
def faster_run(scenes, tmp_path_factory):
    """A run of Faster R-CNN with RoIAlign, 8 steps on the scenes, measured and reported. Not to be changed."""
    from minircnn.tasks.finish import finish_run
    from minircnn.training.run_folder import RunFolder
    from minircnn.training.settings import TrainSettings
    from minircnn.training.train import Training

    folder = tmp_path_factory.mktemp("shared") / "faster"
    given = TrainSettings(data=str(scenes), model="faster", pooling="align", epochs=2, lr=0.005, images_per_step=2)
    training = Training.start(RunFolder(folder), given)
    training.run()
    finish_run(training, training.data.validation, "validation", lambda *_: None)
    return folder
