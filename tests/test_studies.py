"""`minircnn study`: every study runs from one command, and what it says is what its figures say."""

import json

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn

from minircnn import FastRCNN, load_model, vgg_small
from minircnn.base.progress import silent
from minircnn.data import open_samples
from minircnn.losses import smooth_l1
from minircnn.models.batch import Drawn
from minircnn.models.rcnn import LinearModels
from minircnn.tasks import studies
from minircnn.tasks.budget import Budget
from minircnn.tasks.studies import STUDIES, find_studies, lab
from minircnn.tasks.studies.approximate import Whole
from minircnn.tasks.studies.lab import Lab, same_weights
from minircnn.tasks.studies.loss import Absolute, Squared
from minircnn.tasks.studies.proposals import some, with_dense
from minircnn.tasks.studies.softmax_svm import SVMOnTop
from minircnn.tasks.studies.study import Expected, Study, collect, table, verdict
from minircnn.training.begin import first_model
from minircnn.training.steps import DetectorSteps

SIZE = Budget(train=20, test=2, epochs=0.2)  # one step; every class has a box


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Every study, once: the command as it ended, its folder, its figures."""
    folder = tmp_path_factory.mktemp("studies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "QUICK", SIZE)
        ended = minircnn(
            "study", "all", "--quick", "--seeds", 1, "--out", folder / "out", "--json", folder / "studies.json"
        )
    assert ended.returncode == 0, ended.stderr
    return ended, folder / "out", json.loads((folder / "studies.json").read_text())["studies"]


def test_every_study_runs_from_one_command_and_writes_its_plot(done):
    ended, folder, found = done
    assert list(found) == list(STUDIES)
    for name, figures in found.items():
        assert (folder / f"{name}.svg").read_text().startswith("<?xml")
        for row, columns in figures["rows"].items():
            assert row in ended.stdout
            assert all(len(values) == 1 and np.isfinite(values).all() for values in columns.values()), (name, row)
        assert figures["published"] in ended.stdout
        assert figures["verdict"] in ended.stdout


def test_what_is_trained_is_not_trained_again(done, monkeypatch):
    _, folder, found = done
    monkeypatch.setattr(Lab, "_train", lambda *given: pytest.fail("trained again"))
    again = find_studies("multitask")["multitask"].measure(Lab(folder, SIZE, (0,), silent))
    assert again == found["multitask"]["rows"]


def test_wrong_words_are_one_sentence(done, tmp_path):
    assert_one_sentence(
        minircnn("study", "yolo", "--out", tmp_path / "a"), "there is no study yolo; there are multitask"
    )
    assert_one_sentence(minircnn("study", "svd", "--seeds", 0, "--out", tmp_path / "a"), "--seeds is 0")
    assert not (tmp_path / "a").exists()
    (tmp_path / "notes.txt").write_text("mine")
    assert_one_sentence(minircnn("study", "svd", "--quick", "--out", tmp_path), "holds something else")
    assert_one_sentence(minircnn("study", "svd", "--out", done[1]), "studies of another size")


def test_every_study_expects_something_of_rows_and_columns_that_it_has(done):
    _, _, found = done
    for name, study in find_studies("all").items():
        rows = found[name]["rows"]
        assert study.question.endswith("?"), name
        assert study.expected, name
        for pair in study.expected:
            assert (pair.of or study.shown[0]) in rows[pair.more], name
            assert pair.more != pair.less, name
            assert pair.less in rows, name
        assert len(set(study.expected)) == len(study.expected), name  # no order said twice


ROWS = {"a": {"mAP50": [0.5, 0.6], "s": [3.0, 3.0]}, "b": {"mAP50": [0.4, 0.5], "s": [2.0, 4.0]}}


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (Expected("a", "b"), "a above b: holds (+0.100, 2 seeds)"),
        (Expected("b", "a"), "b above a: is the other way round here (-0.100, 2 seeds)"),
        (Expected("a", "b", "s"), "a above b in s: cannot be told here: the seeds do not agree (+0.000, 2 seeds)"),
    ],
)
def test_a_verdict_is_by_every_seed(pair, words):
    assert verdict(Study("?", "", lambda lab: ROWS, (pair,)), ROWS) == words


def test_a_table_shows_means_and_from_where_to_where_they_lie():
    assert table(ROWS)[0] == ("", "mAP50", "s")
    assert table(ROWS)[1] == ("a", "0.550 (0.500 to 0.600)", "3")
    assert collect((0, 1), lambda seed: {"a": {"x": float(seed)}}) == {"a": {"x": [0.0, 1.0]}}


@pytest.mark.parametrize(("kind", "loss"), [(Squared, lambda d: 0.5 * d**2), (Absolute, np.abs)])
def test_the_other_losses_have_the_slope_of_their_value(kind, loss, rng):
    model = kind(vgg_small(), 3, rng)
    pred = 3 * rng.standard_normal((6, 16))
    drawn = Drawn(np.zeros((6, 5), np.float32), np.array([0, 1, 2, 3, 0, 1]), rng.standard_normal((6, 4)))
    value, gradient = model.box_loss(pred, drawn)
    own = [
        loss(pred[r, 4 * label : 4 * label + 4] - drawn.targets[r]).sum()
        for r, label in enumerate(drawn.labels)
        if label
    ]
    assert value == pytest.approx(sum(own) / 6)
    for place in np.ndindex(pred.shape):
        moved = [pred.copy(), pred.copy()]
        moved[0][place] += 1e-6
        moved[1][place] -= 1e-6
        up, down = (model.box_loss(each, drawn)[0] for each in moved)
        assert gradient[place] == pytest.approx((up - down) / 2e-6, abs=1e-6)
    near = drawn.targets.copy() + 0.2
    pred[np.arange(6)[:, None], 4 * drawn.labels[:, None] + np.arange(4)] = near
    if kind is Squared:  # where everything is nearly right the two are one
        np.testing.assert_allclose(model.box_loss(pred, drawn)[1], smooth_l1(pred, drawn.targets, drawn.labels)[1])


def test_the_whole_gradient_differs_from_the_approximate_by_what_was_dropped(done):
    """On one batch of one model: only the network that proposes, and the features, hear more."""
    here = Lab(done[1], SIZE, (0,), silent)
    data, settings = here.data("faster"), here.settings(0, model="faster")
    settings = settings.resolve(len(data.train))
    grads, dropped = [], None
    for kind in (None, Whole):
        begun = first_model(settings, data.class_names, np.random.default_rng(0))
        model = begun.model if kind is None else lab.as_kind(kind, begun)
        steps = DetectorSteps(model, data.train, None, settings)
        model.train()
        batch = steps.next_batch()
        model.losses(batch)
        model.backward()
        dropped = model.dropped_gradient() if dropped is None else dropped
        grads.append({name: p.grad.copy() for name, p in model.named_parameters() if p.learns})
    one, other = grads
    moved = {name for name in one if not np.array_equal(one[name], other[name])}
    assert {"rpn_bbox_pred.weight", "rpn_bbox_pred.bias", "rpn_conv.weight"} <= moved
    more = other["rpn_bbox_pred.bias"] - one["rpn_bbox_pred.bias"]  # the bias hears the sum over the map
    expected = dropped.reshape(-1, *more.shape).sum(axis=0)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(more, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert not moved & {"rpn_cls_score.weight", "fc6.weight", "cls_score.weight", "bbox_pred.weight"}


def test_svms_on_top_say_the_classes_and_the_network_moves_the_boxes(model_file, rng):
    fast = load_model(model_file)
    top, K = same_weights(SVMOnTop, fast), fast.num_classes
    svm = rng.standard_normal((fast.architecture.hidden[1] + 1, K))
    top.linear = LinearModels(svm, 0.5, np.zeros((fast.head.fc6.inputs + 1, 4 * K)), 1.0)
    image, boxes = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8), np.array([[5, 5, 60, 70], [30, 10, 110, 80]])
    boxes = boxes.astype(np.float32)
    margins, offsets = top.score_regions(image, top.image_features(image), boxes)
    fast.eval()
    _, expected = fast.score_regions(image, fast.image_features(image), boxes)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(offsets, expected, rtol=1e-4, atol=1e-5)
    _, hidden7 = top.region_features(image, top.image_features(image), boxes)
    np.testing.assert_allclose(margins[:, 1:], 0.5 * hidden7 @ svm[:-1] + svm[-1], rtol=1e-5)


def test_fewer_proposals_are_some_of_them_and_dense_ones_lie_on_the_image(scenes, rng):
    sample = open_samples(scenes, "train")[0]
    proposals = np.sort(rng.uniform(0, 96, (40, 2, 2)), axis=1).reshape(40, 4).astype(np.float32)
    few = some(proposals, sample, 0.25)
    assert len(few) == 10
    assert {tuple(box) for box in few} <= {tuple(box) for box in proposals}
    np.testing.assert_array_equal(few, some(proposals, sample, 0.25))
    dense = with_dense(proposals, sample, 500)
    np.testing.assert_array_equal(dense[:40], proposals)
    more = dense[40:]
    assert len(more) == 500
    assert (more[:, 2:] > more[:, :2]).all()
    assert (more >= 0).all()
    assert (more <= 96.001).all()


def test_studies_are_in_the_commands_help():
    words = minircnn("study", "--help").stdout
    assert all(name in words.replace("\n", " ") for name in ("multitask", "softmax-svm", "approximate"))
    assert studies.STUDIES["softmax-svm"] == "softmax_svm"
    assert issubclass(Squared, FastRCNN)


def test_wrong_epochs_are_one_sentence(tmp_path):
    assert_one_sentence(
        minircnn("study", "svd", "--epochs", 0, "--out", tmp_path / "a"), "--epochs is 0; give a number"
    )
    assert not (tmp_path / "a").exists()
