"""The measures against cases worked out by hand and against a slow twin written from the published rules."""

import json
import warnings
from types import SimpleNamespace

import naive
import numpy as np
import pytest

from minircnn.metrics import coco_results, evaluate_detections
from minircnn.metrics.coco import coco_ap, coco_truth
from minircnn.metrics.confusion import NOTHING, confusion_matrix, match_image
from minircnn.metrics.examples import choose_examples, judge_image
from minircnn.metrics.voc import Curve, average_precision, best_point, iou_with_last_pixel, precision_recall
from minircnn.report.pictures import caption

NAMES = ("coat", "bag", "sandal")


def _found(*rows):
    """Detections of one image from rows of (label, score, x1, y1, x2, y2)."""
    rows = np.array(rows, np.float32).reshape(-1, 6)
    return SimpleNamespace(boxes=rows[:, 2:], labels=rows[:, 0].astype(np.int64), scores=rows[:, 1])


def _truth(*rows, difficult=None):
    """Truth of one image of 200×200 from rows of (label, x1, y1, x2, y2)."""
    rows = np.array(rows, np.float32).reshape(-1, 5)
    truth = SimpleNamespace(boxes=rows[:, 1:], labels=rows[:, 0].astype(np.int64), height=200, width=200)
    if difficult is not None:
        truth.ignore = np.array(difficult, bool)
    return truth


def _random_set(rng, images=12, classes=3):
    """Truths, and detections that are near them, doubled, of another class, or anywhere."""
    found, truths = [], []
    for _ in range(images):
        count = rng.integers(0, 5)
        corner, size = rng.uniform(0, 80, (count, 2)), rng.choice([20, 60, 110], (count, 1)) * rng.uniform(0.8, 1, 2)
        boxes = np.concatenate([corner, corner + size], axis=1)
        labels = rng.integers(1, classes + 1, count)
        truths.append(_truth(*np.column_stack([labels, boxes])))
        near = np.repeat(np.column_stack([labels, boxes]), 2, axis=0)
        near[:, 1:] += rng.normal(0, 0.1, (2 * count, 4)) * np.repeat(size.max(axis=1), 2)[:, None]
        wrong = rng.random(2 * count) < 0.2
        near[wrong, 0] = rng.integers(1, classes + 1, wrong.sum())
        far = rng.uniform(0, 60, (3, 4))
        far[:, 2:] += far[:, :2] + 5
        far = np.column_stack([rng.integers(1, classes + 1, 3), far])
        rows = np.concatenate([near, far])
        rows = np.insert(rows, 1, rng.uniform(0.05, 1, len(rows)), axis=1)
        found.append(_found(*rows))
    return found, truths


# Slow twins, box by box and score by score


def _naive_iou(a, b, last_pixel):
    w = min(a[2], b[2]) - max(a[0], b[0]) + last_pixel
    h = min(a[3], b[3]) - max(a[1], b[1]) + last_pixel
    if w <= 0 or h <= 0:
        return 0.0
    area = [(c[2] - c[0] + last_pixel) * (c[3] - c[1] + last_pixel) for c in (a, b)]
    return w * h / (sum(area) - w * h)


def _ranked(found, label):
    """(score, image, box) of one class, best first."""
    rows = [
        (float(s), image, [float(v) for v in box])
        for image, d in enumerate(found)
        for box, k, s in zip(d.boxes, d.labels, d.scores, strict=True)
        if k == label
    ]
    return sorted(rows, key=lambda row: -row[0])


def _naive_voc_curve(found, truths, label, threshold):
    """VOCdevkit's loop: best score first, each to the true box it overlaps most."""
    own = [[[float(v) for v in b] for b, k in zip(t.boxes, t.labels, strict=True) if k == label] for t in truths]
    difficult = [
        [bool(d) for d, k in zip(getattr(t, "ignore", [False] * len(t.labels)), t.labels, strict=True) if k == label]
        for t in truths
    ]
    total = sum(not d for image in difficult for d in image)
    taken = set()
    right, seen, recall, precision = 0, 0, [], []
    for _, image, box in _ranked(found, label):
        overlaps = [_naive_iou(box, other, 1) for other in own[image]]
        best = max(range(len(overlaps)), key=lambda i: overlaps[i], default=None)
        if best is not None and overlaps[best] > threshold:
            if difficult[image][best]:
                continue
            right += (image, best) not in taken
            taken.add((image, best))
        seen += 1
        recall.append(right / total if total else 0.0)
        precision.append(right / seen)
    return recall, precision, total


def _naive_coco_ap(found, truths, label, threshold, sizes=(0, 1e10)):
    """COCO's loop: each detection to the free true box of highest IoU; a box of another size counts neither way."""
    ignored = [
        [not sizes[0] <= (b[2] - b[0]) * (b[3] - b[1]) <= sizes[1] for b in t.boxes[t.labels == label].astype(float)]
        for t in truths
    ]
    total = sum(not i for image in ignored for i in image)
    if not total:
        return None
    taken = set()
    right, seen, recall, precision = 0, 0, [], []
    for _, image, box in _ranked(found, label):
        free = [
            (not ignored[image][i], _naive_iou(box, other, 0), i)
            for i, other in enumerate(truths[image].boxes[truths[image].labels == label].astype(float))
            if (image, i) not in taken
        ]
        free = [row for row in free if row[1] >= threshold]
        if free:
            counted, _, best = max(free)
            taken.add((image, best))
            if not counted:
                continue
            right += 1
        elif not sizes[0] <= (box[2] - box[0]) * (box[3] - box[1]) <= sizes[1]:
            continue
        seen += 1
        recall.append(right / total)
        precision.append(right / seen)
    points = [  # at COCO's own floating-point recalls: at an exact tie they decide
        max([p for r, p in zip(recall, precision, strict=True) if r >= point], default=0.0)
        for point in np.linspace(0, 1, 101)
    ]
    return sum(points) / 101


# Pascal VOC


def test_iou_counts_the_last_pixel():
    """Two boxes of 2×2 pixels that share one pixel: 1 / 7."""
    iou = iou_with_last_pixel(np.array([[0, 0, 1, 1.0]]), np.array([[1, 1, 2, 2.0], [2, 2, 3, 3], [0, 0, 1, 1]]))
    np.testing.assert_allclose(iou, [[1 / 7, 0, 1]])


def test_voc_curve_by_hand():
    """Two coats: found at 0.9, doubled at 0.8, a false alarm at 0.7, the second found at 0.6."""
    truth = _truth((1, 0, 0, 50, 50), (1, 100, 100, 150, 150))
    found = _found(
        (1, 0.7, 0, 100, 50, 150), (1, 0.9, 1, 0, 50, 50), (1, 0.6, 100, 100, 150, 148), (1, 0.8, 0, 0, 50, 49)
    )
    curve = precision_recall([found], [truth], 1)
    np.testing.assert_allclose(curve.scores, [0.9, 0.8, 0.7, 0.6], rtol=1e-6)
    np.testing.assert_allclose(curve.recall, [0.5, 0.5, 0.5, 1.0])
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 1 / 3, 2 / 4])
    assert average_precision(curve.recall, curve.precision, eleven_points=True) == pytest.approx((6 * 1 + 5 * 0.5) / 11)
    assert average_precision(curve.recall, curve.precision, eleven_points=False) == pytest.approx(0.5 * 1 + 0.5 * 0.5)
    metrics = evaluate_detections([found], [truth], ("coat",)).as_metrics()
    assert (metrics["voc07_mAP"], metrics["voc_area_mAP"]) == pytest.approx((8.5 / 11, 0.75))


def test_voc_takes_the_best_truth_even_when_it_is_taken():
    """The second detection overlaps a free truth by more than half, but a taken one more: it is a false alarm."""
    truth = _truth((1, 0, 0, 99, 99), (1, 0, 30, 99, 129))
    found = _found((1, 0.9, 0, 0, 99, 99), (1, 0.8, 0, 10, 99, 109))
    np.testing.assert_allclose(precision_recall([found], [truth], 1).precision, [1, 0.5])


def test_voc_match_needs_half():
    """100 pixels against 50 and 40 of them: the devkit asks for an IoU of at least 0.5."""
    truth = _truth((1, 0, 0, 9, 9))
    assert precision_recall([_found((1, 0.9, 0, 0, 9, 4))], [truth], 1).recall.tolist() == [1]
    assert precision_recall([_found((1, 0.9, 0, 0, 9, 3))], [truth], 1).recall.tolist() == [0]
    assert precision_recall([_found((1, 0.9, 0, 0, 9, 5))], [truth], 1).recall.tolist() == [1]


def test_a_box_to_be_ignored_is_neither_found_nor_missed():
    truth = _truth((1, 0, 0, 50, 50), (1, 100, 100, 150, 150), difficult=(True, False))
    found = _found((1, 0.9, 0, 0, 50, 50), (1, 0.8, 100, 100, 150, 150))
    for detections in (found, _found((1, 0.8, 100, 100, 150, 150))):
        evaluation = evaluate_detections([detections], [truth], ("a",))
        assert evaluation.as_metrics()["AP"] == 1
        best, worst = choose_examples([detections], [truth], ("a",))
        assert (len(best), len(worst)) == (1, 0)
    assert choose_examples([_found()], [truth], ("a",))[1][0].missed == (1,)
    nothing = evaluate_detections([_found()], [_truth((1, 0, 0, 50, 50), difficult=(True,))], ("a",))
    assert nothing.as_metrics()["AP"] is None


def test_voc_difficult_box_counts_neither_way():
    truth = _truth((1, 0, 0, 50, 50), (1, 100, 100, 150, 150), difficult=(True, False))
    found = _found((1, 0.9, 0, 0, 50, 50), (1, 0.8, 0, 0, 50, 49), (1, 0.7, 100, 100, 150, 150))
    curve = precision_recall([found], [truth], 1)
    assert curve.truths == 1
    assert curve.recall.tolist() == [1]
    assert curve.precision.tolist() == [1]


def test_the_best_point_of_all_classes_is_that_of_every_threshold_tried(rng):
    truths = [SimpleNamespace(boxes=b, labels=rng.integers(1, 4, 5), height=100, width=100) for b in _boxes(rng, 6, 5)]
    found = []
    for truth in truths:
        boxes = np.concatenate([truth.boxes + 1, _boxes(rng, 1, 4)[0]]).astype(np.float32)
        labels = np.concatenate([truth.labels, rng.integers(1, 4, 4)])
        found.append(SimpleNamespace(boxes=boxes, labels=labels, scores=rng.integers(1, 20, 9).astype(np.float32) / 20))
    best = evaluate_detections(found, truths, ("a", "b", "c")).best
    tried = {}
    for score in np.unique(np.concatenate([image.scores for image in found])):
        right = said = 0
        for label in (1, 2, 3):
            kept = [
                SimpleNamespace(boxes=f.boxes[k], labels=f.labels[k], scores=f.scores[k])
                for f, k in ((f, f.scores >= score) for f in found)
            ]
            curve = precision_recall(kept, truths, label)
            right += round(curve.recall[-1] * curve.truths) if len(curve.recall) else 0
            said += len(curve.scores)
        tried[float(score)] = 2 * right / (said + 30)
    assert best.f1 == pytest.approx(max(tried.values()))
    assert tried[best.score] == pytest.approx(best.f1)


def _boxes(rng, images, count):
    corners = rng.integers(0, 60, (images, count, 2))
    return np.concatenate([corners, corners + rng.integers(10, 40, (images, count, 2))], axis=2).astype(np.float32)


def test_best_point_by_hand():
    """Four truths; of five detections the first, second and fourth are right. F1: 0.4, 0.67, 0.57, 0.75, 0.67."""
    hits = np.array([1, 2, 2, 3, 3])
    curve = Curve(hits / 4, hits / np.arange(1, 6), np.array([0.9, 0.8, 0.7, 0.6, 0.5]), 4)
    best = best_point(curve)
    assert (best.score, best.precision, best.recall) == (0.6, 0.75, 0.75)
    assert best.f1 == pytest.approx(0.75)
    # Whoever shows the fourth shows the fifth as well when they score the same
    tied = Curve(curve.recall, curve.precision, np.array([0.9, 0.8, 0.7, 0.6, 0.6]), 4)
    best = best_point(tied)
    assert (best.score, best.precision, best.recall) == (0.8, 1.0, 0.5)
    assert best_point(Curve(np.zeros(2), np.zeros(2), np.array([0.5, 0.4]), 3)) is None
    assert best_point(Curve(np.zeros(0), np.zeros(0), np.zeros(0), 3)) is None


def test_voc_ignores_other_classes_and_other_images():
    truths = [_truth((1, 0, 0, 50, 50)), _truth((2, 0, 0, 50, 50))]
    curve = precision_recall([_found((2, 0.9, 0, 0, 50, 50)), _found((1, 0.8, 0, 0, 50, 50))], truths, 1)
    assert curve.recall.tolist() == [0]


@pytest.mark.parametrize("tenths", [3, 6, 7])
@pytest.mark.parametrize("count", [10, 20, 30, 70, 130])
def test_voc07_counts_a_recall_of_exactly_so_many_tenths(tenths, count):
    """A sum of tenths (0.1 + 0.1 + 0.1 > 0.3) would miss the point."""
    hits = np.arange(1, count * tenths // 10 + 1)
    ap = average_precision(hits / count, np.ones(len(hits)), eleven_points=True)
    assert ap == pytest.approx((tenths + 1) / 11)


def test_average_precision_takes_the_best_precision_to_the_right():
    recall, precision = np.array([0.25, 0.5, 0.75, 1.0]), np.array([0.5, 1.0, 0.6, 0.8])
    assert average_precision(recall, precision, eleven_points=False) == pytest.approx(0.5 * 1 + 0.5 * 0.8)
    assert average_precision(recall, precision, eleven_points=True) == pytest.approx((6 * 1 + 5 * 0.8) / 11)


def test_average_precision_of_nothing_is_zero():
    assert average_precision(np.zeros(0), np.zeros(0), eleven_points=True) == 0
    assert average_precision(np.zeros(0), np.zeros(0), eleven_points=False) == 0


@pytest.mark.parametrize("seed", range(4))
def test_voc_equals_its_slow_twin(seed):
    rng = np.random.default_rng(seed)
    found, truths = _random_set(rng)
    for truth in truths:
        truth.ignore = rng.random(len(truth.labels)) < 0.3
    for label in (1, 2, 3):
        for threshold in (0.5, 0.8):
            curve = precision_recall(found, truths, label, threshold)
            recall, precision, total = _naive_voc_curve(found, truths, label, threshold)
            assert curve.truths == total
            assert max(recall) > 0
            np.testing.assert_allclose(curve.recall, recall, rtol=1e-12)
            np.testing.assert_allclose(curve.precision, precision, rtol=1e-12)
            for eleven in (True, False):
                ap = average_precision(curve.recall, curve.precision, eleven_points=eleven)
                assert ap == pytest.approx(naive.voc_ap(recall, precision, eleven), rel=1e-12)


# COCO


def test_coco_by_hand():
    """One coat of two found, IoU 0.72: right at 0.50 … 0.70, and recall 0.5 covers 51 of COCO's 101 points."""
    truth = _truth((1, 0, 0, 100, 100), (1, 100, 100, 200, 200))
    ap = coco_ap([_found((1, 0.9, 0, 0, 100, 72))], [truth], 1)
    np.testing.assert_allclose(ap.AP50, 51 / 101)
    assert ap.AP75 == 0
    np.testing.assert_allclose(ap.AP, 5 * 51 / 101 / 10)


@pytest.mark.parametrize("seed", range(3))
def test_coco_equals_its_slow_twin(seed):
    found, truths = _random_set(np.random.default_rng(seed))
    ap = coco_ap(found, truths, 3)
    thresholds = np.linspace(0.5, 0.95, 10)
    twin = np.array([[_naive_coco_ap(found, truths, label, t) for t in thresholds] for label in (1, 2, 3)])
    means = [twin.mean(), twin[:, 0].mean(), twin[:, 5].mean()]
    np.testing.assert_allclose([ap.AP, ap.AP50, ap.AP75], means, rtol=1e-12)
    for label in (1, 2, 3):
        row = twin[label - 1]
        assert ap.per_class[label] == pytest.approx({"AP": row.mean(), "AP50": row[0], "AP75": row[5]})
    sizes = {"AP_small": (0, 32**2), "AP_medium": (32**2, 96**2), "AP_large": (96**2, 1e10)}
    for name, size in sizes.items():
        rows = [_naive_coco_ap(found, truths, label, t, size) for label in (1, 2, 3) for t in thresholds]
        known = [value for value in rows if value is not None]
        assert 0 < np.mean(known) < 1
        np.testing.assert_allclose(getattr(ap, name), np.mean(known), rtol=1e-12)


def test_coco_is_silent(capfd):
    found, truths = _random_set(np.random.default_rng(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coco_ap(found, truths, 3)
    assert capfd.readouterr() == ("", "")


def test_coco_without_detections_equals_a_detection_far_off():
    """Nothing found scores as one hopeless guess does: 0 for every class and size that has truth, None for the rest."""
    truths = [_truth((1, 0, 0, 20, 20), (2, 0, 0, 60, 60)), _truth()]
    nothing = coco_ap([_found(), _found()], truths, 3)
    hopeless = coco_ap([_found(), _found((1, 0.1, 150, 150, 160, 160))], truths, 3)
    assert nothing == hopeless
    assert (nothing.AP, nothing.AP_small, nothing.AP_medium, nothing.AP_large) == (0, 0, 0, None)
    assert nothing.per_class[3] == {"AP": None, "AP50": None, "AP75": None}


def test_coco_forms_use_corner_and_size():
    truth, found = _truth((2, 10, 20, 40, 60)), _found((2, 0.5, 11, 22, 33, 44))
    assert coco_truth([_truth(), truth], 2)["annotations"] == [
        {"id": 1, "image_id": 2, "category_id": 2, "bbox": [10, 20, 30, 40], "area": 1200, "iscrowd": 0}
    ]
    results = coco_results([_found(), found], ["a", "b"])
    assert results == [{"image_id": "b", "category_id": 2, "bbox": [11, 22, 22, 22], "score": 0.5}]
    assert json.loads(json.dumps(results)) == results
    assert coco_results([_found(), found])[0]["image_id"] == 2


# Confusion


def test_matching_by_hand():
    truth = _truth((1, 0, 0, 50, 50), (2, 100, 100, 150, 150), (3, 0, 100, 50, 150))
    found = _found(
        (1, 0.60, 0, 0, 50, 48),  # 0: would fit, but detection 1 was there first
        (2, 0.90, 0, 0, 50, 50),  # 1: the coat, taken for a bag
        (2, 0.80, 100, 100, 150, 149),  # 2: right
        (3, 0.49, 0, 100, 50, 150),  # 3: right, but below the score
        (3, 0.70, 150, 0, 190, 40),  # 4: nothing there
    )
    assert match_image(found, truth) == [(1, 0), (2, 1), (4, NOTHING), (0, NOTHING), (NOTHING, 2)]
    matrix = confusion_matrix([found], [truth], 3)
    expected = np.zeros((4, 4), int)
    expected[1, 2] = expected[2, 2] = expected[0, 3] = expected[0, 1] = expected[3, 0] = 1
    np.testing.assert_array_equal(matrix, expected)


def test_matching_takes_the_free_truth_of_highest_iou():
    truth = _truth((1, 0, 0, 100, 100), (1, 0, 20, 100, 120))
    found = _found((1, 0.9, 0, 15, 100, 115), (1, 0.8, 0, 18, 100, 118))
    assert match_image(found, truth) == [(0, 1), (1, 0)]


def test_matching_includes_both_thresholds():
    truth, found = _truth((1, 0, 0, 10, 10)), _found((1, 0.5, 0, 0, 10, 5))
    assert match_image(found, truth) == [(0, 0)]


def test_confusion_rows_hold_every_truth_and_columns_every_detection():
    found, truths = _random_set(np.random.default_rng(5))
    matrix = confusion_matrix(found, truths, 3)
    for label in (1, 2, 3):
        assert matrix[label].sum() == sum((t.labels == label).sum() for t in truths)
        assert matrix[:, label].sum() == sum(((d.labels == label) & (d.scores >= 0.5)).sum() for d in found)
    assert matrix[0, 0] == 0


# Examples

COAT, BAG = (0, 0, 50, 50), (100, 100, 150, 150)


@pytest.mark.parametrize(
    ("found", "words", "mistakes"),
    [
        ([(1, 0.9, *COAT), (2, 0.8, *BAG)], "all 2 right, mean IoU 1.00", 0),
        ([(1, 0.9, *COAT), (2, 0.8, 100, 100, 150, 140)], "all 2 right, mean IoU 0.90", 0),
        ([(1, 0.9, *COAT)], "bag missed", 1),
        ([(1, 0.9, *COAT), (2, 0.3, *BAG)], "bag missed, scored only 0.30", 1),
        ([(1, 0.9, *COAT), (3, 0.8, *BAG)], "bag taken for sandal", 1),
        ([(1, 0.9, *COAT), (2, 0.8, 100, 100, 150, 120)], "bag found askew, IoU 0.40", 1),
        ([(1, 0.9, *COAT), (2, 0.8, *BAG), (1, 0.7, 0, 0, 50, 49)], "coat found twice", 1),
        ([(1, 0.9, *COAT), (2, 0.8, *BAG), (1, 0.7, 150, 0, 190, 50)], "coat where there is none", 1),
        ([(1, 0.9, *COAT), (3, 0.8, 150, 0, 190, 50)], "sandal where there is none; bag missed", 2),
        ([(1, 0.9, *COAT), (2, 0.8, *BAG), (3, 0.7, 150, 0, 190, 50), (3, 0.6, 150, 60, 190, 90)],
         "2 × sandal where there is none", 2),
        ([(1, 0.9, *COAT), (2, 0.8, *BAG), (1, 0.7, 0, 0, 50, 10)], "coat where there is none", 1),
        ([(1, 0.9, *COAT), (2, 0.8, 100, 100, 150, 120), (2, 0.7, 100, 130, 150, 150)],
         "bag found askew, IoU 0.40; bag where there is none", 2),
        ([], "coat missed; bag missed", 2),
    ],
)  # fmt: skip
def test_judgement_says_what_went_wrong(found, words, mistakes):
    example = judge_image(7, _found(*found), _truth((1, *COAT), (2, *BAG)), NAMES)
    assert caption(example, "en") == words
    assert example.mistakes == mistakes
    assert example.image == 7
    shown = [i for i, row in enumerate(found) if row[1] >= 0.5]
    assert sorted(example.right + example.wrong) == shown


def test_judgement_names_the_boxes():
    found = _found((3, 0.9, *COAT), (2, 0.8, *BAG), (1, 0.4, *COAT))
    example = judge_image(0, found, _truth((1, *COAT), (2, *BAG), (3, 0, 100, 40, 140)), NAMES)
    assert (example.right, example.wrong, example.missed) == ((1,), (0,), (2,))
    assert example.quality == pytest.approx(2 * 1 / 5)


def test_miss_beside_a_match_is_not_called_weak():
    """The one detection also overlaps the second coat by two thirds, but it is the first one's."""
    example = judge_image(0, _found((1, 0.9, *COAT)), _truth((1, *COAT), (1, 0, 10, 50, 60)), NAMES)
    assert caption(example, "en") == "coat missed"


def test_worst_is_most_mistakes_before_least_quality():
    alarms = _found((1, 0.9, *COAT), (2, 0.8, *BAG), (3, 0.7, 150, 0, 190, 40), (3, 0.6, 150, 50, 190, 90))
    _, worst = choose_examples([_found(), alarms], [_truth((1, *COAT)), _truth((1, *COAT), (2, *BAG))], NAMES)
    assert [row.image for row in worst] == [1, 0]
    assert worst[0].quality > worst[1].quality


def test_empty_image_is_neither_good_nor_bad():
    example = judge_image(0, _found(), _truth(), NAMES)
    assert caption(example, "en") == "nothing there, nothing said"
    assert choose_examples([_found()], [_truth()], NAMES) == ([], [])


def test_examples_are_the_fullest_without_mistakes_and_those_with_most():
    truth = _truth((1, *COAT), (2, *BAG))
    one = _truth((1, *COAT))
    perfect, loose = _found((1, 0.9, *COAT), (2, 0.8, *BAG)), _found((1, 0.9, *COAT), (2, 0.8, 100, 100, 150, 140))
    half, none = _found((1, 0.9, *COAT)), _found()
    best, worst = choose_examples([half, loose, half, none, perfect], [one, truth, truth, truth, truth], NAMES)
    assert [row.image for row in best] == [4, 1, 0]
    assert [row.image for row in worst] == [3, 2]
    best, worst = choose_examples([half, loose, half, none], [one, truth, truth, truth], NAMES, count=1)
    assert ([row.image for row in best], [row.image for row in worst]) == ([1], [3])


# All of it


def test_evaluation_of_a_perfect_detector():
    _, truths = _random_set(np.random.default_rng(1))
    found = [_found(*np.column_stack([t.labels, np.full(len(t.labels), 0.9), t.boxes])) for t in truths]
    evaluation = evaluate_detections(found, truths, NAMES)
    metrics = evaluation.as_metrics()
    for key in ("mAP50", "mAP75", "AP", "voc07_mAP", "voc_area_mAP"):
        assert metrics[key] == pytest.approx(1)
    assert metrics["images"] == len(truths)
    counts = np.bincount(np.concatenate([t.labels for t in truths]), minlength=4)
    np.testing.assert_array_equal(evaluation.confusion, np.diag(counts))
    assert [row.truths for row in evaluation.classes] == counts[1:].tolist()


def test_class_without_truth_is_left_out_of_the_means():
    truths = [_truth((1, 0, 0, 50, 50), (2, 100, 100, 150, 150)), _truth()]
    found = [_found((1, 0.9, 0, 0, 50, 50), (3, 0.8, 0, 0, 20, 20)), _found((3, 0.7, 0, 0, 20, 20))]
    metrics = evaluate_detections(found, truths, NAMES).as_metrics()
    for key in ("mAP50", "mAP75", "AP", "voc07_mAP", "voc_area_mAP"):
        assert metrics[key] == pytest.approx(0.5)
    assert metrics["per_class"]["sandal"] == {
        "AP50": None, "AP75": None, "AP": None, "voc07": None, "voc_area": None, "truths": 0, "detections": 2,
        "best": None,
    }  # fmt: skip
    assert metrics["per_class"]["bag"]["AP50"] == 0
    assert metrics["per_class"]["bag"]["best"] is None
    assert metrics["per_class"]["coat"]["best"] == {"score": pytest.approx(0.9), "precision": 1.0, "recall": 1.0}
    assert [row.shown for row in evaluate_detections(found, truths, NAMES).classes] == [1, 0, 2]
    assert json.loads(json.dumps(metrics)) == metrics


@pytest.mark.parametrize("images", [0, 2])
def test_evaluation_without_truth_or_detections_has_no_figures(images):
    metrics = evaluate_detections([_found()] * images, [_truth()] * images, NAMES).as_metrics()
    assert metrics["images"] == images
    assert metrics["mAP50"] is metrics["AP"] is metrics["voc07_mAP"] is None


def test_evaluation_without_detections_scores_zero():
    metrics = evaluate_detections([_found()], [_truth((2, 0, 0, 50, 50))], NAMES).as_metrics()
    assert metrics["mAP50"] == metrics["AP"] == metrics["voc07_mAP"] == metrics["voc_area_mAP"] == 0
    assert metrics["per_class"]["bag"]["detections"] == 0


def test_detections_of_images_without_garments_lower_precision():
    truths = [_truth((1, 0, 0, 50, 50)), _truth()]
    found = [_found((1, 0.5, 0, 0, 50, 50)), _found((1, 0.9, 0, 0, 50, 50))]
    metrics = evaluate_detections(found, truths, ("coat",)).as_metrics()
    assert metrics["mAP50"] == pytest.approx(0.5)
    assert metrics["voc_area_mAP"] == pytest.approx(0.5)


def test_detections_and_truths_of_unequal_number_are_a_mistake():
    with pytest.raises(ValueError, match="zip"):
        evaluate_detections([_found()], [_truth((1, 0, 0, 9, 9))] * 2, NAMES)
