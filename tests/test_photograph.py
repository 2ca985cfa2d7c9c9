"""The photograph on the gradient page's last screen: every number of it from the captured step, by other ways."""

import json

import numpy as np
import pytest
from browser import complaints, open_browser, open_page, requests

from minircnn.boxes import decode_boxes, iou_matrix
from minircnn.data import read_image
from minircnn.data.formats import truth_beside
from minircnn.detection import detect
from minircnn.explain.capture import capture_step
from minircnn.explain.heat import heat_map
from minircnn.explain.model_screen import model_data
from minircnn.explain.photograph import DETECTOR, bundled_scene
from minircnn.explain.scenario import SENT
from minircnn.kernels.roi_pool import roi_pool_backward
from minircnn.losses import smooth_l1
from minircnn.weights.model_file import load_model


@pytest.fixture(scope="module")
def step():
    with bundled_scene() as scene:
        return capture_step(DETECTOR, scene, down_to_the_image=True)


@pytest.fixture(scope="module")
def shown(step):
    return model_data(step, bundled=True)


def test_the_detector_that_comes_along_finds_the_scenes_garments():
    detector = load_model(DETECTOR)
    assert DETECTOR.stat().st_size < 1.8e6
    assert detector.architecture.ranks == (32, 32)
    with bundled_scene() as scene:
        image = read_image(scene)
        truth, names = truth_beside(scene, *image.shape[:2])
        folder = scene.parents[2]
    assert not folder.exists()
    found = detect(detector, image).above(0.5)
    named = [detector.class_names[label - 1] for label in found.labels]
    overlaps = iou_matrix(found.boxes.astype(float), truth.astype(float))
    assert [name for name, row in zip(named, overlaps, strict=True) if row.max() > 0.5 and name == names[row.argmax()]]


def test_the_four_numbers_of_each_region_are_the_steps(step, shown):
    rows, drawn, R = step.rows, step.drawn, len(step.drawn.labels)
    _, dbbox_pred = smooth_l1(rows["bbox_pred"].y, drawn.targets, drawn.labels)
    statistics = load_model(DETECTOR).learned_in
    seen = 0
    for region in shown["regions"]:
        r, four = region["index"], region["four"]
        label = drawn.labels[r]
        assert region["bestProbability"] == step.probability[r].max()
        if label == 0:
            assert four is None
            continue
        t = rows["bbox_pred"].y[r].reshape(-1, 4)[label]
        assert four["t"] == t.tolist()
        assert four["target"] == drawn.targets[r].tolist()
        assert four["gradient"] == dbbox_pred[r].reshape(-1, 4)[label].tolist()
        assert np.clip(t - drawn.targets[r], -1, 1) / R == pytest.approx(four["gradient"], abs=1e-8)
        real = (t * statistics.std[label] + statistics.mean[label])[None]
        box = decode_boxes(drawn.rois[r : r + 1, 1:].astype(float), real)
        assert four["box"] == pytest.approx((box[0] / step.scale).tolist(), abs=1e-3)
        seen += 1
    assert seen == (drawn.labels > 0).sum() > 10
    first = shown["regions"][shown["first"]]
    assert first["four"]["after"] > first["four"]["before"] + 0.1
    assert first["best"] == drawn.labels[first["index"]]


def test_a_regions_own_gradients_add_up_to_all(step, shown):
    """Each by the kernel, from that region's row alone; the pictures hold them rounded to 255 steps."""
    layer = step.model.roi_layer
    argmax, rois, shape = layer.saved("argmax"), layer.saved("rois"), layer.saved("features_shape")
    for i, sent in enumerate(SENT):
        gradient = step.rows["roi_pool"].gradients[i]
        own = [roi_pool_backward(gradient.dy[r : r + 1], argmax[r : r + 1], rois[r : r + 1], shape)[0]
               for r in range(len(rois))]  # fmt: skip
        np.testing.assert_allclose(np.sum(own, axis=0), gradient.dx[0], atol=1e-6 * np.abs(gradient.dx).max())
        for region in shown["regions"]:
            assert region["heat"][sent]["most"] == pytest.approx(heat_map(own[region["index"]])["most"], rel=1e-5)
    background = next(region for region in shown["regions"] if region["four"] is None)
    assert background["heat"]["box"]["most"] == 0 < background["heat"]["class"]["most"]


def test_winners_are_the_largest_of_their_bins(step, shown):
    features = step.model.forward_features(step.batch.images)[0]
    dpooled = step.rows["roi_pool"].gradients[SENT.index("both")].dy
    for region in shown["regions"]:
        r, won = region["index"], region["won"]
        norms = np.linalg.norm(dpooled[r].reshape(49, -1), axis=0)
        assert won["channel"] == norms.argmax()
        channel = features[:, :, won["channel"]]
        for b, winner in enumerate(won["winners"]):
            (h1, h2), (w1, w2) = won["rows"][b // 7], won["columns"][b % 7]
            window = channel[h1:h2, w1:w2]
            if window.size == 0:
                assert winner == -1
                continue
            row, column = divmod(winner, channel.shape[1])
            assert h1 <= row < h2
            assert w1 <= column < w2
            assert channel[row, column] == window.max()
        assert won["gradients"] == dpooled[r, :, :, won["channel"]].reshape(-1).tolist()


def test_a_heat_map_is_deepest_where_the_norm_is():
    gradient = np.zeros((3, 4, 2))
    gradient[1, 2] = 3, 4
    gradient[0, 0] = 0, 1.25
    import base64

    import cv2

    found = heat_map(gradient)
    assert found["most"] == 5
    picture = cv2.imdecode(
        np.frombuffer(base64.b64decode(found["picture"].split(",")[1]), np.uint8), cv2.IMREAD_UNCHANGED
    )
    opacity = picture[..., 3].astype(int)
    assert opacity.max() == opacity[1, 2] == 230
    assert opacity[0, 0] == 115  # a quarter of the norm is half as deep
    assert (opacity > 0).sum() == 2


@pytest.mark.browser
def test_every_number_of_the_photograph_is_the_steps(step, gradient_page):
    rows, drawn = step.rows, step.drawn
    truth = step.batch.boxes[0]
    overlaps = iou_matrix(drawn.rois[:, 1:].astype(np.float32), truth.astype(np.float32)).max(axis=1)

    def expected(name: str) -> float:
        kind, *words = name.removeprefix("model.").split(" ")
        if kind == "loss":
            return list(step.losses.values())[int(words[0])]
        if kind == "norm":
            return next(row for row in rows if row.name == words[0]).gradients[int(words[1])].norm
        if kind == "weight":
            return next(row for row in rows if row.name == words[0]).gradients[2].weight_norm
        if kind == "most":
            arrived = rows["roi_pool" if words[1] != "image" else step.first].gradients[SENT.index(words[0])]
            if words[1].isdigit():
                argmax, rois, shape = (step.model.roi_layer.saved(key) for key in ("argmax", "rois", "features_shape"))
                one = slice(int(words[1]), int(words[1]) + 1)
                return heat_map(roi_pool_backward(arrived.dy[one], argmax[one], rois[one], shape)[0])["most"]
            return np.sqrt((arrived.dx[0].astype(float) ** 2).sum(axis=2)).max()
        r = int(words[0])
        label = drawn.labels[r]
        if kind in ("overlap", "probability", "best"):
            return {"overlap": overlaps[r], "probability": step.probability[r, label],
                    "best": step.probability[r].max()}[kind]  # fmt: skip
        t = rows["bbox_pred"].y[r].reshape(-1, 4)[label]
        if kind in ("t", "target", "d", "gradient"):
            d = t.astype(float) - drawn.targets[r]
            gradient = np.clip(d, -1, 1) / len(drawn.labels)
            return {"t": t, "target": drawn.targets[r], "d": d, "gradient": gradient}[kind][int(words[1])]
        region = next(region for region in data["regions"] if region["index"] == r)
        if kind == "won":
            gradients = rows["roi_pool"].gradients[2].dy[r, :, :, region["won"]["channel"]].reshape(-1).astype(float)
            return gradients[np.array(region["won"]["winners"]) == int(words[1])].sum()
        box = drawn.rois[r, 1:].astype(float)[None]
        if kind == "after":
            statistics = load_model(DETECTOR).learned_in
            box = decode_boxes(box, (t * statistics.std[label] + statistics.mean[label])[None].astype(float))
        mine = truth[iou_matrix(drawn.rois[r : r + 1, 1:].astype(np.float32), truth.astype(np.float32)).argmax()]
        return iou_matrix(box, mine[None].astype(float))[0, 0]

    data, seen = model_data(step), set()
    with open_browser() as browser:
        open_page(browser, gradient_page)
        for number in range(len(data["regions"])):
            for sent in SENT if number == 0 else (SENT[number % 3],):
                browser.execute_script("change(arguments[0])", {"region": number, "sent": sent})
                shown = json.loads(browser.execute_script(
                    "return JSON.stringify([...document.querySelectorAll('#model [data-of]')].map((e) =>"
                    " [e.dataset.of, e.dataset.value]))"
                ))  # fmt: skip
                for of, value in shown:
                    if of not in seen:
                        assert float(value) == pytest.approx(expected(of), rel=1e-5, abs=1e-9), of
                seen |= {of for of, _ in shown}
        text = browser.execute_script("return document.querySelector('#model details').textContent")
        assert complaints(browser) == []
        assert requests(browser) == []
    for r in range(len(drawn.labels)):  # the class of every RoI stands in words
        assert f"model.probability {r}" in seen
    assert all(
        name in text for name in ("background", *(step.class_names[label - 1] for label in drawn.labels if label))
    )
    assert {name.split(" ")[0] for name in seen} == {
        f"model.{kind}" for kind in ("loss", "norm", "weight", "most", "overlap", "probability", "best", "t", "target",
                                     "d", "gradient", "won", "before", "after")}  # fmt: skip
