"""The report: one file with nothing from outside, whole however short the run and whatever the names."""

import base64
import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.data import Sample
from minircnn.detection import Detections
from minircnn.metrics import evaluate_detections
from minircnn.report import page
from minircnn.report.charts import COLOURS, STYLE, Line, chart, precision_recall_chart, smooth
from minircnn.report.page import write_report
from minircnn.report.words import LANGUAGES, sentences

NAMES = ("셔츠", "<b>coat & 'tie'</b>", "bag")
VOID = {"meta", "img", "br", "input"}


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
    """What a reader of the English sees, tags and style left out."""
    page = re.sub(r'<span lang="ko">.*?</span>', "", page)
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def _best(row):
    values = (row.best.precision, row.best.recall, row.best.score) if row.best else None
    return "– – –" if values is None else " ".join(f"{value:.3f}"[:4] for value in values)


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
        assert tag in VOID | {"path", "use", "rect", "g", "defs"}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_report_is_whole_and_needs_nothing_from_outside(tmp_path):
    page = _report(tmp_path, *_write_run(tmp_path))
    balance = _Balance()
    balance.feed(page)
    assert balance.open == []
    assert not re.search(r"(https?:)?//|<script|<link|@import|url\((?!#)", _code(page))
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
            f"{row.name} {row.AP50:.3f} {row.AP75:.3f} {row.AP:.3f} {row.voc07:.3f} {_best(row)} {row.truths}" in text
        )


def test_report_shows_the_confusion_matrix(tmp_path):
    run = _write_run(tmp_path)
    page = _report(tmp_path, *run)
    table = page[page.index('<table class="confusion">') :]
    rows = re.findall(r"<tr><th>(?!</th>)(.*?)</th>(.*?)</tr>", table[: table.index("</table>")])
    shown = np.array([[int(cell or 0) for cell in re.findall(r"<td[^>]*>(\d*)</td>", cells)] for _, cells in rows])
    order = [1, 2, 3, 0]
    np.testing.assert_array_equal(shown, run[0].confusion[np.ix_(order, order)])
    assert [_text(name).strip() for name, _ in rows] == [*NAMES, "nothing there"]


RUN = {
    "started_from": "the <backbone> of a friend",
    "data": {
        "folder": "/home/me/scenes", "format": "deepfashion2", "split": "validation", "chose_the_weights": True,
        "train_images": 2400, "validation_images": 100,
    },
    "steps": 4800,
    "ms_per_image": {"proposals": 61.04, "network": 14.0, "post_processing": 2.06, "images": 25},
    "version": "0.1.0", "date": "2026-01-31T12:00+01:00", "machine": "x86_64, 2 cores, Python 3.11.2",
}  # fmt: skip


def test_report_says_what_the_run_was(tmp_path):
    text = _text(_report(tmp_path, *_write_run(tmp_path, **RUN)))
    for words in (
        "Started from the <backbone> of a friend",
        "Learned from scenes (deepfashion2), 2,400 images",
        "6 validation images with 6 true boxes. The weights were chosen on these images",
        "4,800 steps",
        "77 ms an image: Selective Search 61.0 ms, network 14.0 ms, post-processing 2.1 ms (medians of 25 images)",
        "minircnn 0.1.0, 2026-01-31T12:00+01:00, x86_64",
        "small, area up to 32² pixels – 0",
        "medium, 32² to 96²",
    ):
        assert words in text
    tested = RUN["data"] | {"split": "test", "chose_the_weights": False}
    text = _text(_report(tmp_path, *_write_run(tmp_path, **RUN | {"data": tested})))
    assert "6 test images with 6 true boxes; the weights were chosen on 100 validation images" in text


def test_report_sets_two_starts_beside_each_other(tmp_path):
    run = _write_run(tmp_path, **RUN)
    assert "Two starts" not in _text(_report(tmp_path, *run))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    rival = metrics | {"started_from": "random weights", "mAP50": 0.123, "train_seconds": 60.0}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics | {"rival": rival}))
    page = _report(tmp_path, *run)
    text = _text(page)
    assert f"the <backbone> of a friend {metrics['mAP50']:.3f}" in text
    assert "random weights 0.123" in text
    drawn = page[page.index("Two starts") :]
    drawn = drawn[: drawn.index("</svg>")]
    assert len(_dots(drawn, "a")) == len(_dots(drawn, "b")) == 3  # mAP75 was not measured there


def test_a_wild_beginning_does_not_flatten_the_losses(tmp_path, monkeypatch):
    tops, drawn = [], page.chart
    monkeypatch.setattr(page, "chart", lambda *given, top=None, **more: tops.append(top) or drawn(*given, **more))
    run = _write_run(tmp_path, rows=300)
    log = (tmp_path / "log.csv").read_text().splitlines()
    log[1] = "20,0.1,0.01,1e6,1e6,0.5,0.24,1"
    (tmp_path / "log.csv").write_text("\n".join(log) + "\n")
    _report(tmp_path, *run)
    losses = sorted(float(line.split(",")[3]) for line in log[1:])
    assert tops[0] == pytest.approx(1.1 * np.quantile(losses, 0.98))


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


def _lines(svg, colour):
    """The points of every line that is drawn in a colour: (P, 2) pixels."""
    found = re.findall(rf'<path d="([^"]*)"[^>]*style="fill: none; stroke: var\(--{colour}\)[^"]*"', svg)
    return [np.array([[float(v) for v in pair] for pair in re.findall(r"[ML] (\S+) (\S+)", d)]) for d in found]


def _dots(svg, colour):
    """Where markers of a colour stand: (P, 2) pixels."""
    found = re.findall(rf'<use href="[^"]*" x="([^"]*)" y="([^"]*)" style="[^"]*stroke: var\(--{colour}\)', svg)
    return np.array([[float(x), float(y)] for x, y in found])


def _words(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_chart_places_points_between_its_axes():
    (line,) = _lines(chart([Line([0, 50, 100], [0, 1, 4], "a")], "step", top=4.0), "a")
    (left, floor), middle, (right, top) = line
    np.testing.assert_allclose(middle, [(left + right) / 2, floor + (top - floor) / 4], atol=0.01)
    assert left < 60
    assert right > 300
    assert top < 10


def test_chart_names_axis_and_ticks():
    words = _words(chart([Line([0, 100], [0, 1], "a")], "epoch"))
    assert "epoch" in words
    assert {"0", "20", "100", "0.00", "0.25"} <= set(words)


def test_chart_on_a_logarithmic_axis_has_even_decades():
    (line,) = _lines(chart([Line([1, 2, 3, 4], [0.001, 0.01, 0.1, 0.0], "a")], "step", log=True), "a")
    assert len(line) == 3  # zero has no place there
    np.testing.assert_allclose(*np.diff(line[:, 1]), rtol=1e-3)


def test_chart_cuts_off_what_is_above_its_top():
    (line,) = _lines(chart([Line([0, 1], [0.5, 1.0], "a"), Line([0, 1], [0.5, 9.0], "b")], "step", top=1.0), "a")
    svg = chart([Line([0, 1], [0.5, 9.0], "b")], "step", top=1.0)
    assert 'clip-path="url(#' in svg
    assert line[1, 1] > 0


def test_chart_leaves_out_what_was_not_measured():
    svg = chart([Line([0, 1, 2], [0.5, float("nan"), 1], "a", dots=True)], "epoch")
    assert len(_lines(svg, "a")[0]) == len(_dots(svg, "a")) == 2


def test_chart_of_one_point_marks_it():
    assert len(_dots(chart([Line([0], [0], "a")], "step"), "a")) == 1


def test_chart_of_nothing_says_so():
    assert "Nothing was recorded" in chart([Line([], [], "a"), Line([1], [float("nan")], "b")], "step")


def test_chart_thins_a_long_line():
    rng = np.random.default_rng(0)
    svg = chart([Line(np.arange(1, 20_001), rng.random(20_000), "a")], "step")
    assert len(svg) < 60_000
    assert 300 < len(_lines(svg, "a")[0]) <= 500


def test_charts_take_their_colours_from_the_page():
    """Every colour of the style is one of the page's by day, and none stays as a number."""
    page = STYLE.with_name("page.css").read_text(encoding="utf-8")
    by_day = dict(re.findall(r"--(\w+): (#\w+);", page[: page.index("@media")]))
    assert all(by_day[name] == colour for name, colour in COLOURS.items())
    used = set(re.findall(r"color: (\w{6})$", STYLE.read_text(), flags=re.MULTILINE))
    assert {f"#{colour}" for colour in used} <= set(COLOURS.values())
    svg = chart([Line([0, 1], [0, 1], "ink", faint=True), Line([0, 1], [1, 0], "c", dots=True)], "step")
    assert re.search(r"#[0-9a-f]{6}", svg) is None
    assert "font-family" not in svg


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
    svg = precision_recall_chart(recall, precision, at=3, best=(1.0, 0.5))
    line = _lines(svg, "a")[0]
    (x0, _), (x1, _) = line[0], line[-1]
    across = (line[:, 0] - x0) / (x1 - x0)
    np.testing.assert_allclose(across, [0, 0, 0.5, 0.5, 1, 1][-len(across) :], atol=1e-3)
    unit = (line[-2, 1] - line[-1, 1]) / 0.1  # pixels for a precision of 1, downwards
    floor = line[-1, 1] - 0.4 * unit
    (dot,), (ring,) = _dots(svg, "ink"), _dots(svg, "b")
    np.testing.assert_allclose(dot, [(x0 + x1) / 2, floor + unit / 3], atol=0.05)
    np.testing.assert_allclose(ring, [x1, floor + unit / 2], atol=0.05)
    assert len(_dots(precision_recall_chart(recall, precision, at=0), "ink")) == 0
    assert _lines(precision_recall_chart(np.zeros(0), np.zeros(0), at=0), "a") == []


# Two languages


def test_every_sentence_has_the_same_places_in_both_languages():
    for key, text in sentences().items():
        assert set(text) == set(LANGUAGES), key
        assert len({tuple(sorted(re.findall(r"{\w+}", words))) for words in text.values()}) == 1, key
        assert re.search("[가-힣]", text["ko"]), key


def test_the_report_says_everything_in_korean_too(tmp_path):
    page = _report(tmp_path, *_write_run(tmp_path, **RUN))
    korean = _text(re.sub(r'<span lang="en">.*?</span>', "", page.replace('<span lang="ko">', "<span>")))
    english = re.findall(r"[A-Za-z]{3,}(?: [a-z]{3,}){3,}", korean)
    assert english == [], "English sentences that stay when Korean is chosen"
    for words in ("후보 영역 재현율", "측정한 데이터", "가장 많이 틀린 이미지", "없는 곳", "정답 박스"):
        assert words in korean


@pytest.mark.parametrize("names", [("coat", "bag", "hat"), ("coat", "셔츠", "hat")])
def test_the_language_of_the_class_names_is_shown_first(tmp_path, names):
    page = _report(tmp_path, *_write_run(tmp_path, names=names))
    first = "ko" if "셔츠" in names else "en"
    assert f'<html lang="{first}">' in page
    assert re.findall(r'id="(\w\w)" checked', page) == [first]
