"""`minircnn doctor`: each thing that can be wrong is found and has its remedy; the exit code is the worst one's."""

import json
import sys

import pytest
from commands import assert_one_sentence, minircnn

from minircnn.base.errors import InputError
from minircnn.tasks import doctor
from minircnn.tasks.doctor import ERROR, OK, SEVERITIES, WARNING, Finding, examine, exit_code


def of(name, run=None):
    return next(finding for finding in examine(run) if finding.name == name)


def test_here_all_that_is_needed_is_there():
    findings = examine()
    assert [finding for finding in findings if finding.severity == ERROR] == []
    assert {"Python", "NumPy", "BLAS", "Numba", "OpenCV", "fonts", "cores", "memory", "disk"} <= {
        finding.name for finding in findings
    }
    assert all(finding.remedy for finding in findings if finding.severity != OK)


def test_the_exit_code_is_that_of_the_worst():
    assert exit_code([]) == 0
    for place, severity in enumerate(SEVERITIES):
        assert exit_code([Finding("a", OK, ""), Finding("b", severity, ""), Finding("c", OK, "")]) == place


def test_what_slows_blas_is_named(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    found = of("BLAS")
    assert found.severity == WARNING
    assert "OPENBLAS_CORETYPE is set" in found.found


def test_one_thread_on_many_cores_is_named(monkeypatch):
    for name in doctor.SLOWING:
        monkeypatch.delenv(name, raising=False)
    import numba
    import threadpoolctl

    monkeypatch.setattr(doctor, "usable_cores", lambda: 8)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 1)
    with threadpoolctl.threadpool_limits(1):
        assert "one thread on 8 cores" in of("BLAS").found
    assert of("Numba").severity == WARNING
    assert "8 cores" in of("Numba").found


def test_two_opencvs_clash(monkeypatch):
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: "4.9" if name.startswith("opencv-python") else version(name))
    found = of("OpenCV")
    assert found.severity == WARNING
    assert "write over each other's files" in found.found
    assert "pip uninstall -y" in found.remedy


def test_an_opencv_without_selective_search_does_not_work(monkeypatch):
    def broken():
        raise InputError("this OpenCV has no Selective Search; remove them all")

    monkeypatch.setattr(doctor, "contributed_opencv", broken)
    found = of("OpenCV")
    assert (found.severity, found.remedy) == (ERROR, "remove them all")


def test_a_font_without_the_classes_letters_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "can_write", lambda name: name.isascii())
    found = of("fonts")
    assert found.severity == WARNING
    assert "fonts-nanum" in found.remedy


def test_too_little_memory_and_disk_are_told_by_what_the_backbone_needs(monkeypatch, model_file, tmp_path):
    monkeypatch.setattr(doctor, "memory_available", lambda: int(0.4e9))
    assert of("memory").severity == WARNING
    assert of("memory", model_file).severity == ERROR
    monkeypatch.setattr(doctor, "memory_available", lambda: int(1e9))
    assert of("memory", model_file).found.endswith("enough to train vgg_small")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 10_000_000})())
    assert of("disk").severity == ERROR


def test_a_package_that_breaks_is_a_finding_and_no_crash(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    found = [finding for finding in examine() if finding.severity == ERROR]
    assert len(found) == 1
    assert "could not be looked at" in found[0].found


def test_the_command_prints_its_findings_and_takes_a_run(model_file, tmp_path):
    done = minircnn("doctor", model_file, "--json", tmp_path / "doctor.json")
    told = json.loads((tmp_path / "doctor.json").read_text())
    assert done.returncode == told["exit_code"]
    assert done.returncode in (0, 1), done.stdout
    assert all(finding["found"] in done.stdout for finding in told["findings"])
    assert "there are letters for T-shirt/top" in done.stdout
    assert_one_sentence(minircnn("doctor", tmp_path / "nothing"), "nothing is not there")
    assert_one_sentence(minircnn("doctor", tmp_path), "holds no model")


@pytest.mark.parametrize("value", ["max\n", "123456789\n", "nonsense"])
def test_a_containers_limit_counts(monkeypatch, tmp_path, value):
    from minircnn.base import memory

    (tmp_path / "memory.max").write_text(value)
    monkeypatch.setattr(memory, "LIMITS", (str(tmp_path / "memory.max"),))
    limit = memory.memory_limit()
    if value.startswith("1"):
        assert limit == 123456789
        assert memory.memory_available() <= limit
    else:
        assert limit is None or limit > 1e8
