"""A step of a trained model, captured for `minircnn trace` and for the gradient page's last screen."""

import json
import shutil

import numpy as np
import pytest
from browser import complaints, open_browser, open_page, requests
from commands import minircnn

from minircnn.base.errors import InputError
from minircnn.data import read_image
from minircnn.explain.capture import capture_step
from minircnn.explain.model_screen import model_data
from minircnn.explain.page import write_page
from minircnn.explain.scenario import SENT
from minircnn.losses import smooth_l1, softmax_cross_entropy
from minircnn.models.trace import norm_of
from minircnn.weights.model_file import load_model, save_model


@pytest.fixture(scope="module")
def run(finished_run):
    return finished_run


@pytest.fixture(scope="module")
def image(scenes):
    return scenes / "validation" / "image" / "000001.jpg"


@pytest.fixture(scope="module")
def step(run, image):
    return capture_step(run, image, down_to_the_image=True)


def test_the_true_boxes_are_the_annotations(step, image):
    items = json.loads((image.parent.parent / "annos" / "000001.json").read_text())
    ids = {item["category_id"] for key, item in items.items() if key.startswith("item")}
    assert step.truth_from == "annotation"
    assert set(step.drawn.labels) - {0} == ids
    assert step.normalised
    foreground = step.drawn.labels > 0
    assert np.abs(step.drawn.targets[foreground]).max() > 0.5  # in units of their spread
    assert (step.drawn.targets[~foreground] == 0).all()


def test_it_is_the_step_that_training_would_take(run, image, step):
    """The same batch through a model that is loaded anew, in the ordinary way: every norm to the last bit."""
    frozen = capture_step(run, image)
    batch = frozen.batch
    assert np.array_equal(batch.rois, step.drawn.rois)
    model = load_model(run)
    model.restate_offsets(_statistics(run, model))
    model.train()
    cls_score, bbox_pred = model.forward(batch.images, batch.rois)  # the small backbone has no dropout
    loss_cls, dcls_score = softmax_cross_entropy(cls_score, batch.labels)
    loss_bbox, dbbox_pred = smooth_l1(bbox_pred, batch.targets, batch.labels)
    model.backward(dcls_score, dbbox_pred)
    assert frozen.losses == {"loss_cls": loss_cls, "loss_bbox": loss_bbox}
    learned = {row.layer: row.gradients[SENT.index("both")].weight_norm for row in frozen.rows if row.learns}
    ordinary = {
        name.removesuffix(".weight"): norm_of(parameter.grad)
        for name, parameter in model.named_parameters()
        if name.endswith(".weight") and parameter.learns
    }
    assert learned == ordinary
    assert frozen.lowest == next(iter(learned)) == "conv4_1"  # blocks 1 to 3 are frozen in this run
    assert step.first == next(row.layer for row in step.rows if row.gradients) == "conv1_1"
    for name, norm in learned.items():  # and what is thawed for the picture changes nothing above
        assert step.rows[name].gradients[2].weight_norm == pytest.approx(norm, rel=1e-6)


def test_an_annotation_without_the_models_classes_is_background(run, image, tmp_path):
    split = tmp_path / "split"
    shutil.copytree(image.parent.parent, split)
    (tmp_path / "classes.json").write_text('{"classes": ["hat"]}')
    item = {"category_id": 1, "category_name": "hat", "bounding_box": [10, 10, 60, 60]}
    (split / "annos" / "000001.json").write_text(json.dumps({"source": "user", "pair_id": 1, "item1": item}))
    step = capture_step(run, split / "image" / "000001.jpg", down_to_the_image=True)
    assert step.truth_from == "annotation"
    assert (step.drawn.labels == 0).all()
    assert step.losses["loss_bbox"] == 0
    assert model_data(step)["heat"]["box"]["features"]["most"] == 0  # nothing arrives, and nothing breaks


def test_the_gradient_of_the_image_is_right_by_finite_differences(run, image):
    """A few pixels nudged, with dropout off, so that the forward can be run again."""
    step = capture_step(run, image, down_to_the_image=True)
    model = load_model(run)
    model.eval()
    batch = step.batch
    model.restate_offsets(_statistics(run, model))

    def loss(images: np.ndarray) -> float:
        cls_score, bbox_pred = model.forward(images, batch.rois)
        return (
            softmax_cross_entropy(cls_score, batch.labels)[0]
            + smooth_l1(bbox_pred, batch.targets, batch.labels, 1.0)[0]
        )

    dimage = step.rows["conv1_1"].gradients[2].dx[0]
    assert dimage.shape == batch.images.shape[1:]
    assert sum(step.losses.values()) == pytest.approx(loss(batch.images), rel=1e-5)  # the small backbone has no dropout
    direction = np.sign(dimage)[None]  # many pixels at once, or float32 would drown it
    e = np.float32(2e-4)
    slope = (loss(batch.images + e * direction) - loss(batch.images - e * direction)) / (2 * e)
    assert slope == pytest.approx(np.abs(dimage).sum(), rel=0.05)


def _statistics(run, model):
    from safetensors.numpy import load_file

    from minircnn.weights.description import stored_statistics

    return stored_statistics(model, load_file(run / "last.safetensors"), run)


def test_the_losses_add_up_in_every_layer(step):
    for name in ("roi_pool", step.first):
        from_class, from_box, both = (gradient.dx for gradient in step.rows[name].gradients)
        assert np.linalg.norm(from_class + from_box - both) <= 1e-5 * np.linalg.norm(both)  # float32, layer upon layer
        assert np.abs(from_box).max() > 0


def test_the_same_seed_gives_the_same_step(run, image, step):
    again = capture_step(run, image, down_to_the_image=True)
    assert [row.norm for row in again.rows] == [row.norm for row in step.rows]
    other = capture_step(run, image, seed=1)
    assert not np.array_equal(other.drawn.rois, step.drawn.rois)


def test_without_an_annotation_detections_stand_in(run, image, tmp_path):
    shutil.copy(image, tmp_path / "photo.jpg")
    step = capture_step(run, tmp_path / "photo.jpg")
    assert step.truth_from in ("detections", "nothing")
    assert (step.drawn.labels > 0).any() == (step.truth_from == "detections")
    assert step.rows[0].gradients == []  # frozen: training does not go there


def test_a_model_file_alone_says_how_its_offsets_were_normalised(run, image, tmp_path):
    save_model(tmp_path / "model.safetensors", load_model(run))
    step = capture_step(tmp_path / "model.safetensors", image)
    assert step.normalised
    ran = capture_step(run, image)
    assert np.array_equal(step.drawn.targets, ran.drawn.targets)
    # A file that does not say, as another program's: real offsets then.
    model = load_model(run)
    model.learned_in = None
    save_model(tmp_path / "model.safetensors", model)
    step = capture_step(tmp_path / "model.safetensors", image)
    assert not step.normalised
    assert np.abs(step.drawn.targets).max() < 1


def test_the_screen_holds_the_photo_the_rois_and_the_norms(step, image):
    data = model_data(step)
    assert data["size"] == list(read_image(image).shape[1::-1])
    assert len(data["rois"]) == len(data["labels"]) == len(data["probability"])
    rois = np.array(data["rois"])
    assert rois.min() >= 0
    assert rois.max() <= 96
    for sent in SENT:
        assert data["heat"][sent]["features"]["picture"].startswith("data:image/png;base64,")
    assert data["heat"]["class"]["features"] != data["heat"]["box"]["features"]


def test_the_trace_command_prints_and_writes_the_journey(run, image, tmp_path):
    figures = tmp_path / "trace.json"
    shown = minircnn("trace", run, "--image", image, "--json", figures)
    assert shown.returncode == 0, shown.stderr
    stored = json.loads(figures.read_text())
    rows = {row["layer"]: row for row in stored["rows"]}
    assert rows["bbox_pred"]["gradient"]["class"] == 0 < rows["bbox_pred"]["gradient"]["box"]
    assert rows["conv4_1+relu4_1"]["weight_gradient"]["box"] > 0
    assert rows["conv3_3+relu3_3+pool3"]["gradient"] == {}
    for name in rows:
        assert f"\n{name} " in shown.stdout
    assert "the true boxes are the annotation's" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["explain", "--lang", "de"], "speaks en and ko, not 'de'"),
        (["explain", "--model", "RUN"], "give --image FILE as well"),
        (["explain", "--image", "IMAGE"], "give --model RUN as well"),
        (["explain", "--model", "EMPTY", "--image", "IMAGE"], "holds no best.safetensors"),
        (["explain", "--model", "RUN", "--image", "TEXT"], "not an image"),
        (["explain", "--model", "RUN", "--image", "NOWHERE"], "cannot be read"),
        (["trace", "EMPTY", "--image", "IMAGE"], "holds no best.safetensors"),
        (["trace", "RUN", "--image", "TEXT"], "not an image"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(run, image, tmp_path, capsys, arguments, sentence):
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty").mkdir()
    paths = {
        "RUN": run,
        "IMAGE": image,
        "TEXT": tmp_path / "text.jpg",
        "EMPTY": tmp_path / "empty",
        "NOWHERE": tmp_path / "a.jpg",
    }
    words = [str(paths.get(argument, argument)) for argument in arguments]
    if arguments[0] == "explain":
        words += ["--out", str(tmp_path / "page.html")]
    assert minircnn(*words).returncode == 2
    assert not (tmp_path / "page.html").exists()
    with pytest.raises(InputError, match=sentence):
        _again(words)


def _again(words):
    """The same by the functions, for their words."""
    given = dict(zip(words[1::2], words[2::2], strict=False))
    if words[0] == "explain":
        from pathlib import Path

        model, image = (Path(given[name]) if name in given else None for name in ("--model", "--image"))
        write_page(Path(given["--out"]), given.get("--lang", "en"), model, image)
    else:
        capture_step(words[1], words[3])


def test_a_file_of_somebody_else_is_not_written_over(tmp_path, gradient_page):
    (tmp_path / "thesis.html").write_text("<p>years of work")
    with pytest.raises(InputError, match="was not written by minircnn explain"):
        write_page(tmp_path / "thesis.html")
    assert (tmp_path / "thesis.html").read_text() == "<p>years of work"
    shutil.copy(gradient_page, tmp_path / "page.html")
    write_page(tmp_path / "page.html", "ko")  # its own it may


@pytest.mark.browser
def test_the_page_with_a_model_shows_its_norms(run, image, step, tmp_path):
    write_page(tmp_path / "page.html", "en", run, image)
    with open_browser() as browser:
        open_page(browser, tmp_path / "page.html")
        for sent in SENT:
            browser.execute_script("change({ sent: arguments[0] })", sent)
            shown = browser.execute_script(
                "return [...document.querySelectorAll('#model [data-of]')].map((e) => [e.dataset.of, e.dataset.value])"
            )
        assert complaints(browser) == []
        assert requests(browser) == []
    found = {of: float(value) for of, value in shown}
    for row in step.rows:
        for i, gradient in enumerate(row.gradients):
            assert found[f"model.norm {row.name} {i}"] == pytest.approx(gradient.norm, rel=1e-12)
    assert (found["model.loss 0"], found["model.loss 1"]) == tuple(step.losses.values())
