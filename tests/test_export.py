"""Detectors as files for other programs: the whole graph in onnxruntime, the weights in plain PyTorch."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn
from safetensors.numpy import load_file

from minircnn import FasterRCNN, FastRCNN, InputError, detect, load_model, vgg_small
from minircnn.anchors import RPNSettings
from minircnn.data import open_samples, read_image
from minircnn.detection import DetectionSettings
from minircnn.models.preprocessing import Preprocessing
from minircnn.weights.export.onnx_detector import export_onnx
from minircnn.weights.export.torchvision_names import export_torchvision
from minircnn.weights.svd import compress

DOCS = Path(__file__).parent.parent / "docs"
SIZES = ((160, 160), (97, 211), (301, 120), (33, 17))  # height, width


def small(pooling="pool", kind=FastRCNN, **others):
    """A detector that nobody trained, whose outputs are spread enough to be told apart."""
    architecture = replace(vgg_small(), pooling=pooling, output_spreads=(0.3, 0.05), **others)
    return kind(architecture, 3, np.random.default_rng(0), ("hat", "스카프", "coat"))


MODELS = {
    "pool": small,
    "align": lambda: small("align"),
    "one box": lambda: small(class_agnostic=True),
    "thin": lambda: compress(small(), 40, 30)[0],
    "BGR": lambda: small(preprocessing=Preprocessing("BGR", (100.0, 110, 120), (60.0, 61, 90), 100, 140)),
    "faster": lambda: small("align", FasterRCNN),
    "faster, few": lambda: small(
        kind=FasterRCNN, rpn=RPNSettings(scales=(1, 4), ratios=(0.5, 1, 2), min_side=40, test_before=50, test_after=9)
    ),
}


def pictures(rng):
    """Smooth ones: a search finds something on them."""
    for height, width in SIZES:
        blocks = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
        yield np.kron(blocks, np.ones((16, 16, 1), np.uint8))[:height, :width].copy()


def runner(path):
    """`detect` of docs/export.md, and a session for it."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    code, _ = re.findall(r"```python\n(import json.*?)```", (DOCS / "export.md").read_text(encoding="utf-8"), re.DOTALL)
    found: dict = {}
    exec(code.replace("first.onnx", str(path)), found)
    return found["detect"], found["session"]


def compare(model, path, images):
    """Our detections and those of the graph; how many there were.

    Of two boxes of a class whose scores are equal to five digits either may stand first, and suppress the other: which
    does depends on the processor.
    """
    run, session = runner(path)
    count = swapped = 0
    for image in images:
        proposals = model.propose(image) if model.searches else None
        ours, (boxes, names, scores) = detect(model, image, proposals), run(session, image, proposals)
        assert names == [model.class_names[label - 1] for label in ours.labels]
        assert np.abs(scores - ours.scores).max(initial=0) < 1e-5
        other = np.flatnonzero(np.abs(boxes - ours.boxes).max(axis=1, initial=0) >= 1e-2)
        if len(other):
            every = detect(model, image, proposals, DetectionSettings(nms_threshold=1.0, max_detections=100_000))
            for place in other:
                alike = (every.labels == ours.labels[place]) & (np.abs(every.scores - ours.scores[place]) < 1e-5)
                assert (np.abs(every.boxes[alike] - boxes[place]).max(axis=1) < 1e-2).any()
        count, swapped = count + len(names), swapped + len(other)
    assert swapped <= count // 50
    return count


@pytest.mark.parametrize("kind", MODELS)
def test_the_graph_finds_what_we_find_on_images_of_any_size(kind, rng, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    model = MODELS[kind]()
    export_onnx(tmp_path / "m.onnx", model)
    assert compare(model, tmp_path / "m.onnx", pictures(rng)) > 20


@pytest.mark.parametrize("run", ["finished_run", "faster_run"])
def test_the_graph_of_a_trained_detector_finds_what_it_finds(run, scenes, tmp_path, request):
    pytest.importorskip("onnx", reason="onnx is not installed")
    model = load_model(request.getfixturevalue(run))
    export_onnx(tmp_path / "m.onnx", model)
    samples = open_samples(scenes, "validation")
    compare(model, tmp_path / "m.onnx", [read_image(sample.image_path) for sample in samples])


def test_nothing_proposed_and_nothing_found_are_empty(tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    model = small()
    export_onnx(tmp_path / "m.onnx", model)
    run, session = runner(tmp_path / "m.onnx")
    blank = np.zeros((80, 90, 3), np.uint8)
    assert [len(part) for part in run(session, blank, np.zeros((0, 4), np.float32))] == [0, 0, 0]
    export_onnx(tmp_path / "sure.onnx", model, score_threshold=0.999)
    run, session = runner(tmp_path / "sure.onnx")
    assert [len(part) for part in run(session, blank, np.array([[1, 2, 60, 70]], np.float32))] == [0, 0, 0]


def test_the_thresholds_stand_in_the_graph(tmp_path, rng):
    pytest.importorskip("onnx", reason="onnx is not installed")
    model, settings = small(), DetectionSettings(0.3, 0.6, 5)
    numbers = dict(zip(("score_threshold", "nms_threshold", "max_detections"), vars(settings).values(), strict=True))
    export_onnx(tmp_path / "m.onnx", model, **numbers)
    run, session = runner(tmp_path / "m.onnx")
    image = next(pictures(rng))
    proposals = model.propose(image)
    ours = detect(model, image, proposals, settings)
    boxes, _, scores = run(session, image, proposals)
    assert len(ours) == len(scores) == 5
    assert np.abs(scores - ours.scores).max() < 1e-5
    assert np.abs(boxes - ours.boxes).max() < 1e-2


@pytest.mark.torch
@pytest.mark.parametrize("kind", MODELS)
def test_plain_torch_computes_the_same_with_torchvisions_names(kind, rng, tmp_path):
    """What torchvision's modules do, layer by layer; torchvision itself does not load beside every torch."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    functional = torch.nn.functional
    model = MODELS[kind]()
    model.eval()
    export_torchvision(tmp_path / "m.safetensors", model)
    state = {name: torch.from_numpy(array) for name, array in load_file(tmp_path / "m.safetensors").items()}
    image = next(pictures(rng))[:100, :100]
    pixels = model.architecture.preprocessing
    small_one = pixels.apply(image)[0] * pixels.scale + pixels.mean  # resized, not yet centred
    rgb = small_one[..., ::-1] if pixels.channel_order == "BGR" else small_one
    meta = metadata(tmp_path / "m.safetensors")
    value = torch.from_numpy((rgb / 255 - meta["image_mean"]) / meta["image_std"]).float().permute(2, 0, 1)[None]
    position = 0
    while f"backbone.{position}.weight" in state or f"backbone.{position + 1}.weight" in state:
        if f"backbone.{position}.weight" not in state:
            value, position = functional.max_pool2d(value, 2, ceil_mode=True), position + 1
        weight, bias = state[f"backbone.{position}.weight"], state[f"backbone.{position}.bias"]
        value, position = functional.relu(functional.conv2d(value, weight, bias, padding=1)), position + 2
    features = model.forward_features(pixels.apply(image)[0][None])
    ours = torch.from_numpy(features).permute(0, 3, 1, 2)
    assert (value - ours).abs().max() < 1e-4 * ours.abs().max()

    rois = np.array([[0, 3, 4, 90, 80], [0, 30, 20, 50, 99]], np.float32)
    cls_score, bbox_pred = model.forward_rois(features, rois)
    pooled = torch.from_numpy(model.roi_layer.forward(features, rois)).permute(0, 3, 1, 2)
    hidden = pooled.flatten(1)
    for name in ("fc6", "fc7"):
        layer = f"roi_heads.box_head.{name}"
        hidden = functional.relu(functional.linear(hidden, state[f"{layer}.weight"], state[f"{layer}.bias"]))
    for name, own, units in (("cls_score", cls_score, 1), ("bbox_pred", model.offsets(bbox_pred), (10, 10, 5, 5) * 4)):
        layer = f"roi_heads.box_predictor.{name}"
        theirs = functional.linear(hidden, state[f"{layer}.weight"], state[f"{layer}.bias"]).numpy() / np.array(units)
        assert np.abs(theirs - own).max() < 1e-4 * max(1, np.abs(own).max())
    if kind.startswith("faster"):
        scores, offsets = model.rpn.forward(features)
        hidden = functional.relu(functional.conv2d(value, *head(state, "conv.0.0"), padding=1))
        theirs = functional.conv2d(hidden, *head(state, "cls_logits")).permute(0, 2, 3, 1).reshape(-1)
        assert np.abs(theirs.numpy() - scores[0]).max() < 1e-3
        theirs = functional.conv2d(hidden, *head(state, "bbox_pred")).permute(0, 2, 3, 1).reshape(-1, 4)
        assert np.abs(theirs.numpy() - offsets[0]).max() < 1e-3
    else:
        assert not any(name.startswith("rpn") for name in state)


def head(state, name):
    return state[f"rpn.head.{name}.weight"], state[f"rpn.head.{name}.bias"]


def metadata(path):
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return {name: json.loads(text) for name, text in file.metadata().items()}


def test_the_names_are_torchvisions(tmp_path):
    export_torchvision(tmp_path / "m.safetensors", MODELS["faster"]())
    names = list(load_file(tmp_path / "m.safetensors"))
    assert sorted(name for name in names if not name.startswith("backbone.")) == sorted(
        f"{layer}.{kind}"
        for kind in ("weight", "bias")
        for layer in ("rpn.head.conv.0.0", "rpn.head.cls_logits", "rpn.head.bbox_pred", "roi_heads.box_head.fc6",
                      "roi_heads.box_head.fc7", "roi_heads.box_predictor.cls_score",
                      "roi_heads.box_predictor.bbox_pred")
    )  # fmt: skip
    assert {name.split(".")[1] for name in names if name.startswith("backbone.")} == set(
        map(str, (0, 3, 6, 8, 10, 13, 15, 17))
    )


def test_export_says_what_it_wrote_and_writes_over_nothing(model_file, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    done = minircnn("export", model_file, "--out", tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    assert "takes image, proposals, scale and size, gives boxes, labels and scores" in done.stdout
    assert_one_sentence(minircnn("export", model_file, "--out", tmp_path / "m.onnx"), "is there already")
    assert_one_sentence(minircnn("export", model_file, "--out", tmp_path / "m.pt"), "should end in .onnx or .safetens")
    done = minircnn("export", model_file, "--out", tmp_path / "m.safetensors")
    assert "without rpn: it has none" in done.stdout


def test_without_the_package_onnx_is_one_sentence(model_file, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(InputError, match="pip install onnx"):
        export_onnx(tmp_path / "m.onnx", load_model(model_file))
    assert list(tmp_path.glob("m.onnx*")) == []


def test_a_pyramid_is_four_poolings_in_the_graph_and_none_of_torchvisions(tmp_path, rng):
    """On a few regions that lie apart: many of a search's are one and the same to its coarse levels."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    model = small("pyramid")
    with pytest.raises(InputError, match="torchvision has no spatial pyramid pooling"):
        export_torchvision(tmp_path / "m.safetensors", model)
    export_onnx(tmp_path / "m.onnx", model, score_threshold=0.0)
    run, session = runner(tmp_path / "m.onnx")
    image = next(pictures(rng))
    proposals = np.array([[5, 5, 40, 60], [50, 10, 100, 40], [90, 60, 150, 150], [10, 90, 60, 155]], np.float32)
    ours = detect(model, image, proposals, DetectionSettings(score_threshold=0.0))
    boxes, names, scores = run(session, image, proposals)
    assert len(ours) >= 12
    assert names == [model.class_names[label - 1] for label in ours.labels]
    assert np.abs(scores - ours.scores).max() < 1e-5
    assert np.abs(boxes - ours.boxes).max() < 1e-2
