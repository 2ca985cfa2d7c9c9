"""Whom the benchmark compares with: named where missing, and computing the same where not."""

from dataclasses import replace

import numpy as np
import pytest

from minircnn.base.errors import InputError
from minircnn.bench import engines, graphs, peers
from minircnn.bench.measure import Row
from minircnn.bench.show import peer_lines, table_line
from minircnn.models import vgg16


def test_a_missing_peer_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(peers, "is_installed", lambda name: name != "ncnn")
    assert list(peers.chosen_peers("torch, ncnn")) == [("torch", None), ("ncnn", "pip install ncnn")]
    assert "ncnn" not in [name for name, _ in peers.chosen_peers("all")]
    assert list(peers.chosen_peers("none")) == []
    with pytest.raises(InputError, match="the peers are: torch, onnxruntime"):
        list(peers.chosen_peers("caffe"))


NARROW = replace(vgg16(), blocks=((5,), (7,), (6, 8), (9,)))


@pytest.fixture
def stack(rng):
    """A narrow VGG with every kind of edge: parameters, image, features, and a gradient of theirs."""
    backbone = NARROW.backbone()
    backbone.draw(rng)
    image = rng.standard_normal((1, 37, 50, 3), np.float32)
    backbone.set_training(True)
    features = backbone.forward(image)
    dy = rng.standard_normal(features.shape, np.float32)
    backbone.backward(dy)
    return dict(backbone.named_parameters()), image, features, dy


@pytest.mark.parametrize("engine", peers.ENGINES)
def test_an_engine_computes_the_same_and_would_be_found_out(engine, stack):
    if not peers.is_installed(engine):
        pytest.skip(f"{engine} is not installed: {peers.INSTALL[engine]}")
    parameters, image, features, _ = stack
    engines.stack(NARROW, parameters, image, features, engine)[engine]()
    with pytest.raises(RuntimeError, match="gives other features"):
        engines.stack(NARROW, parameters, image, features + 0.1 * features.max(), engine)


@pytest.mark.parametrize("framework", peers.GRAPHS)
def test_a_framework_computes_the_same_forward_and_back(framework, stack):
    if not peers.is_installed(framework):
        pytest.skip(f"{framework} is not installed: {peers.INSTALL[framework]}")
    parameters, image, features, dy = stack
    got = graphs.stack(NARROW, parameters, image, None, framework)[framework]()
    np.testing.assert_allclose(np.asarray(got).reshape(features.shape), features, atol=1e-4)
    got = graphs.stack(NARROW, parameters, image, dy, framework)[framework]()
    learning = [name for name in parameters if name >= "conv3"]
    gradients = dict(zip(learning, got, strict=True)) if isinstance(got, list) else got
    for name in learning:
        np.testing.assert_allclose(np.asarray(gradients[name]), parameters[name].grad, atol=1e-2)


def test_several_peers_stand_under_each_other():
    row = Row("stack forward", 100.0, {"torch": 300.0, "ncnn": 150.0, "mnn": 200.0}, 1.5, 1.0, 50.0, None, "")
    lines = peer_lines(row)
    assert [line.split()[1] for line in lines] == ["ncnn", "mnn", "torch"]
    assert lines[0].index("ncnn") == table_line(row).index("ncnn")
    assert peer_lines(Row("x", 1.0, {"torch": 1.0, "torch channels-last": 2.0}, 1, 1, 1, None, "")) == []
