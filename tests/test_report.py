"""The report: one file with nothing from outside, whole however short the run and whatever the names."""

import base64
import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from minircnn.data import Sample
from minircnn.detection import Detections
from minircnn.errors import InputError
from minircnn.metrics import evaluate_detections
from minircnn.report.charts import HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, chart, precision_recall_chart, smooth, ticks
from minircnn.report.page import write_report

NAMES = ("셔츠", "<b>coat & 'tie'</b>", "bag")
VOID = {"meta", "img", "br", "path", "circle", "polyline", "polygon"}


def _write_run(folder, rows=30, history=3, names=NAMES, images=6, **metrics):
    """A run folder with its images, and what was measured on them."""
    rng = np.random.default_rng(0)
    detections, truths = [], []
    for i in range(images):
        path = folder / f"image <{i}>.png"
        Image.fromarray(rng.integers(0, 256, (60, 90, 3), np.uint8)).save(path)
        boxes = np.array([[5, 5, 40, 50], [50, 10, 85, 55]], np.float32)[: i % 3]
        labels = rng.integers(1, len(names) + 1, len(boxes))
        truths.append(Sample(path.stem, path, 60, 90, boxes, labels))
        said = labels.copy() if i < 4 else labels % len(names) + 1
        scores = np.linspace(0.9, 0.8, len(boxes), dtype=np.float32)
        detections.append(Detections(boxes + np.float32(1.5), said, scores))
    evaluation = evaluate_detections(detections, truths, names)
    log = ["step,epoch,lr,loss,loss_cls,loss_bbox,foreground,seconds"]
    log += [
        f"{20 * i},{i / 9},{0.01 if i < 20 else 0.001},{2 / i},{1.5 / i},{0.5 / i},0.24,{i}" for i in range(1, rows + 1)
    ]
    (folder / "log.csv").write_text("\n".join(log) + "\n")
    (folder / "settings.json").write_text(json.dumps({"backbone": "vgg_small", "sampling": {"rois_per_image": 64}}))
    content = evaluation.as_metrics() | {
        "train_seconds": 312.0,
        "proposal_recall50": 0.987,
        "proposal_recall70": 0.9,
        "weights": "best.safetensors",
        "skipped": [],
        "history": [
            {"epoch": i + 0.5, "step": i, "mAP50": 0.1 * i, "mAP75": None, "AP": 0.05 * i} for i in range(history)
        ],
    }
    (folder / "metrics.json").write_text(json.dumps(content | metrics))
    return evaluation, detections, truths


def _report(folder, *run):
    write_report(folder, *run)
    return (folder / "report.html").read_text(encoding="utf-8")


def _text(page):
    """What a reader sees, tags and style left out."""
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def _code(page):
    """The page without what its pictures hold."""
    return re.sub(r"base64,[^\"]*", "", page)


class _Balance(HTMLParser):
    """Every element is closed in its place."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_report_is_whole_and_needs_nothing_from_outside(tmp_path):
    page = _report(tmp_path, *_write_run(tmp_path))
    balance = _Balance()
    balance.feed(page)
    assert balance.open == []
    assert not re.search(r"(https?:)?//|<script|<link|@import|url\(", _code(page))
    assert re.search(r"\$[a-z]", _code(page)) is None  # every place of the template was filled
    assert len(page) < 1_500_000
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".png") == [
        "log.csv", "metrics.json", "report.html", "settings.json"
    ]  # fmt: skip


def test_report_shows_the_headline_figures(tmp_path):
    run = _write_run(tmp_path)
    text = _text(_report(tmp_path, *run))
    metrics = run[0].as_metrics()
    assert f"mAP50 {metrics['mAP50']:.3f}" in text
    assert f"mAP75 {metrics['mAP75']:.3f}" in text
    assert f"VOC07 mAP {metrics['voc07_mAP']:.3f}" in text
    assert "Proposal recall 0.987" in text
    assert "Training time 5.2 min" in text
    assert "sampling.rois_per_image 64" in text


def test_report_lists_every_class_with_its_figures(tmp_path):
    run = _write_run(tmp_path)
    text = _text(_report(tmp_path, *run))
    for row in run[0].classes:
        assert (
            f"{row.name} {row.AP50:.3f} {row.AP75:.3f} {row.AP:.3f} {row.voc07:.3f} {row.truths} {row.detections}"
            in text
        )


def test_report_shows_the_confusion_matrix(tmp_path):
    run = _write_run(tmp_path)
    page = _report(tmp_path, *run)
    table = page[page.index('<table class="confusion">') :]
    rows = re.findall(r"<tr><th>(?!</th>)(.*?)</th>(.*?)</tr>", table[: table.index("</table>")])
    shown = np.array([[int(cell or 0) for cell in re.findall(r"<td[^>]*>(\d*)</td>", cells)] for _, cells in rows])
    order = [1, 2, 3, 0]
    np.testing.assert_array_equal(shown, run[0].confusion[np.ix_(order, order)])
    assert [html.unescape(name) for name, _ in rows] == [*NAMES, "nothing there"]


def test_names_are_escaped_everywhere(tmp_path):
    (tmp_path / "settings.json").touch()
    run = _write_run(tmp_path, skipped=["a<b>.jpg is broken; mend it"])
    (tmp_path / "settings.json").write_text(json.dumps({"backbone": "<i>x</i>", "data": "</table>"}))
    page = _report(tmp_path, *run)
    for raw in ("<b>coat", "image <0>", "a<b>.jpg", "<i>x</i>", "</table></td>"):
        assert raw not in page
    text = _text(page)
    for shown in ("<b>coat & 'tie'</b>", "셔츠", "a<b>.jpg is broken; mend it", "1 files were skipped"):
        assert shown in text


def test_pictures_carry_their_boxes_in_percent(tmp_path):
    page = _report(tmp_path, *_write_run(tmp_path, names=("coat", "bag", "hat")))
    place = "left:7.22%;top:10.83%;width:38.89%;height:75.00%"  # (6.5, 6.5, 41.5, 51.5) of 90×60
    assert f'<i class="box right" style="{place}"' in page
    assert f'<i class="box wrong" style="{place}"' in page
    for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", page):
        assert base64.b64decode(data).startswith(b"\xff\xd8")


def test_worst_and_best_images_say_why(tmp_path):
    text = _text(_report(tmp_path, *_write_run(tmp_path, names=("coat", "bag", "hat"))))
    worst, best = text[text.index("Worst images") :].split("Best images")
    assert re.search(r"(coat|bag|hat) taken for (coat|bag|hat)", worst)
    assert re.search(r"all 2 right, mean IoU 0\.\d\d \(image <2>\)", best)


@pytest.mark.parametrize(("rows", "history", "images"), [(1, 1, 6), (1, 0, 1), (0, 0, 0), (2000, 40, 3)])
def test_report_of_a_short_or_long_run(tmp_path, rows, history, images):
    page = _report(tmp_path, *_write_run(tmp_path, rows=rows, history=history, images=images))
    assert "nan" not in _code(page)
    assert "Learning" in page


def test_report_without_figures_shows_dashes(tmp_path):
    text = _text(_report(tmp_path, *_write_run(tmp_path, images=1, proposal_recall50=float("nan"))))
    assert "mAP50 –" in text
    assert "Proposal recall –" in text
    assert "Not one mistake." in text
    assert "No image is without a mistake." in text


@pytest.mark.parametrize("name", ["log.csv", "metrics.json", "settings.json"])
def test_missing_file_is_named(tmp_path, name):
    run = _write_run(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name):
        write_report(tmp_path, *run)


@pytest.mark.parametrize(
    "content", ["step,loss\n1,2\n", "step,epoch,lr,loss,loss_cls,loss_bbox,foreground,seconds\n1,2\n"]
)
def test_damaged_log_is_named(tmp_path, content):
    run = _write_run(tmp_path)
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(InputError, match=r"log\.csv is damaged"):
        write_report(tmp_path, *run)


def test_report_that_cannot_be_written_is_named(tmp_path):
    run = _write_run(tmp_path)
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError, match=r"report\.html cannot be written"):
        write_report(tmp_path, *run)


# Charts


def _points(svg, tag="polyline"):
    found = re.findall(rf'<{tag}[^>]*points="([^"]*)"', svg)
    return [np.array([[float(v) for v in pair.split(",")] for pair in line.split()]) for line in found]


def test_chart_places_points_between_its_axes():
    (line,) = _points(chart([Line([0, 50, 100], [0, 1, 4], "a")], "step"))
    floor = HEIGHT - 36
    np.testing.assert_allclose(
        line, [[LEFT, floor], [(LEFT + WIDTH - RIGHT) / 2, floor - (floor - TOP) / 4], [WIDTH - RIGHT, TOP]]
    )


def test_chart_on_a_logarithmic_axis_has_even_decades():
    (line,) = _points(chart([Line([1, 2, 3, 4], [0.001, 0.01, 0.1, 0.0], "a")], "step", log=True))
    assert len(line) == 3  # zero has no place there
    np.testing.assert_allclose(np.diff(line[:, 1]), [-(HEIGHT - 36 - TOP) / 2] * 2, atol=0.11)


def test_chart_keeps_what_is_above_its_top_on_the_picture():
    (line,) = _points(chart([Line([0, 1], [0.5, 9], "a")], "step", top=1.0))
    assert line[1, 1] == TOP


def test_chart_leaves_out_what_was_not_measured():
    svg = chart([Line([0, 1, 2], [0.5, float("nan"), 1], "a", dots=True)], "epoch")
    assert len(_points(svg)[0]) == svg.count("<circle") == 2


def test_chart_of_zeros_has_its_point_in_the_corner():
    svg = chart([Line([0], [0], "a")], "step")
    assert f'cx="{LEFT:.1f}" cy="{HEIGHT - 36:.1f}"' in svg


def test_chart_of_nothing_says_so():
    assert "Nothing was recorded" in chart([Line([], [], "a"), Line([1], [float("nan")], "b")], "step")


def test_chart_thins_a_long_line():
    (line,) = _points(chart([Line(np.arange(1, 20_001), np.ones(20_000), "a")], "step"))
    assert 400 < len(line) <= 500
    assert line[-1, 0] == WIDTH - RIGHT


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3800, [0, 1000, 2000, 3000]),
        (0.3, [0, 0.1, 0.2, 0.3]),
        (7e-5, [0, 2e-5, 4e-5, 6e-5]),
    ],
)
def test_ticks_are_round_and_few(end, expected):
    assert ticks(end) == pytest.approx(expected)


def test_smoothing_keeps_length_ends_and_straight_lines():
    line = np.linspace(3, 1, 200)
    np.testing.assert_allclose(smooth(line), line)
    noisy = line + np.random.default_rng(0).normal(0, 0.1, 200)
    assert np.std(smooth(noisy) - line) < 0.06
    assert smooth(noisy)[0] == pytest.approx(noisy[0])
    np.testing.assert_array_equal(smooth(np.array([5.0])), [5])
    assert smooth(np.zeros(0)).shape == (0,)


def test_precision_recall_chart_draws_every_find_and_marks_what_is_shown():
    recall, precision = np.array([0.0, 0.5, 0.5, 1.0, 1.0]), np.array([0.0, 0.5, 1 / 3, 0.5, 0.4])
    svg = precision_recall_chart(recall, precision, at=3)
    x, y = _points(svg)[0].T
    np.testing.assert_allclose((x - 16) / 100, [0, 0, 0.5, 0.5, 1, 1], atol=1e-3)
    np.testing.assert_allclose((104 - y) / 100, [0, 0, 0.5, 1 / 3, 0.5, 0.4], atol=1e-3)
    assert re.search(r'<circle class="ink" cx="66.0" cy="70.7"', svg)
    assert "<circle" not in precision_recall_chart(recall, precision, at=0)
    assert "<polyline" not in precision_recall_chart(np.zeros(0), np.zeros(0), at=0)
