"""The benchmark measures what it says, in JSON, a table and a chart; its figures themselves are no test's business."""

import json

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn

from minircnn.bench.cases import all_cases, convolution_shapes
from minircnn.bench.machine import describe_machine
from minircnn.bench.measure import Case, Row, measure
from minircnn.bench.peers import Peers
from minircnn.bench.show import HEADER, machine_lines, save_plot, table_line


def test_ours_and_theirs_take_turns_and_the_fastest_peer_counts(monkeypatch):
    clock, calls = [0.0], []
    monkeypatch.setattr("minircnn.bench.measure.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("minircnn.bench.measure.time.sleep", lambda seconds: None)

    def work(name, seconds):
        def once():
            calls.append(name)
            clock[0] += seconds

        return once

    case = Case("x", work("ours", 0.010), {"a": work("a", 0.030), "b": work("b", 0.020)}, multiplications=5e6)
    row = measure(case, peak=2.0, runs=3)
    assert calls[:3] == ["ours", "a", "b"]  # once unmeasured
    assert calls[3:] == ["ours", "ours", "a", "a", "b", "b"] * 3  # in turns, short ones after a warming run
    assert row.ours_ms == pytest.approx(10)
    assert row.peers == pytest.approx({"a": 30, "b": 20})
    assert row.ratio == pytest.approx(2.0)
    assert row.gflops == pytest.approx(1.0)
    assert row.percent_of_sgemm_peak == pytest.approx(50)


def test_the_rows_cover_every_convolution_in_every_direction():
    names = list(all_cases(Peers()))
    assert next(iter(convolution_shapes().items())) == ("conv1_1", (3, 64, 600, 800))
    assert convolution_shapes()["conv5_1"] == (512, 512, 38, 50)  # 37.5 rounded up, as Caffe pools
    for name in convolution_shapes():
        assert {f"{name} forward", f"{name} dw"} <= set(names)
    for wanted in ("stack forward", "roi_pool backward 2000", "vgg16 step", "detect 2000", "small step"):
        assert wanted in names


def test_a_table_line_fits_its_header_and_100_columns():
    row = Row("roi_pool backward 2000", 12345.6, {"torch adaptive_max_pool2d": 99999.9}, 12.34, 1.0, 123.4, 3e-6, "")
    assert len(table_line(row)) <= len(HEADER) <= 100
    alone = Row("x", 1.0, {}, None, None, None, None, "")
    assert table_line(alone).split() == ["x", "1.0", "-", "-"]


def test_a_slowing_variable_is_warned_of(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    machine = describe_machine()
    assert any("OPENBLAS_CORETYPE is set to Haswell" in line for line in machine_lines(machine, 100.0))
    assert any("kernel" in line for line in machine["blas"])
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    monkeypatch.delenv("OPENBLAS_L2_SIZE", raising=False)
    assert describe_machine()["warnings"] == []


def test_the_chart_is_drawn(tmp_path):
    save_plot(tmp_path / "a.png", [Row("x", 1.0, {"torch": 2.0}, 2.0, None, None, None, "")], "title")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_row_of_each_kind_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr("minircnn.bench.cases.convolution_shapes", lambda: {"conv5_1": (24, 32, 12, 10)})
    done = minircnn("bench", "--only", "conv5_1", "--quick", "--against", "none", "--json", str(tmp_path / "b.json"))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in figures["rows"]] == ["conv5_1 forward", "conv5_1 dx", "conv5_1 dw"]
    for row in figures["rows"]:
        assert row["ours_ms"] > 0
        assert 0 < row["max_error"] <= 2e-5
        assert row["gflops"] > 0
    assert figures["machine"]["cores"] >= 1
    assert figures["sgemm_peak_gflops"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "conv9"], "conv5_1 dw"),
        (["--against", "caffe"], "the peers are: torch, onnxruntime"),
        (["--plot", "chart.txt"], ".png, .svg or .pdf"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(arguments, words):
    assert_one_sentence(minircnn("bench", *arguments), words)


def test_the_peer_computes_the_same(rng):
    """Else the comparison would be with something else."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch to compare with it")
    from minircnn.bench import torch_peer
    from minircnn.kernels.conv import conv2d_backward, conv2d_forward

    x, dy = (rng.standard_normal((1, 7, 9, c), np.float32) for c in (5, 6))
    w, b = rng.standard_normal((3, 3, 5, 6), np.float32), rng.standard_normal(6, np.float32)
    dx, dw, _ = conv2d_backward(dy, x, w, 1, 1)
    want = {"forward": conv2d_forward(x, w, b, 1, 1).transpose(0, 3, 1, 2), "dx": dx.transpose(0, 3, 1, 2),
            "dw": dw.transpose(3, 2, 0, 1)}  # fmt: skip
    for direction, index in (("forward", None), ("dx", 0), ("dw", 1)):
        for name, work in torch_peer.convolution(x, dy, w, b, direction).items():
            got = work() if index is None else work()[index]
            np.testing.assert_allclose(got.detach().numpy(), want[direction], atol=1e-3, err_msg=name)
    assert torch.is_tensor(got)
