"""Files are written whole or not at all, with the user's permissions, and a lock holds against other processes."""

import json
import os
import subprocess
import sys

import pytest

from minircnn.base.errors import InputError
from minircnn.base.files import check_creatable, locked, read_json, shell_words, write_bytes, write_json, written_whole


def test_a_failure_half_way_leaves_the_old_content_and_no_other_file(tmp_path):
    write_bytes(tmp_path / "a", b"old")

    def fail():
        with written_whole(tmp_path / "a") as temporary:
            temporary.write_bytes(b"ne")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"a cannot be written \(No space left on device\); make room"):
        fail()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="permissions of this kind are POSIX's")
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_a_file_gets_the_permissions_that_the_umask_gives(tmp_path, umask):
    before = os.umask(umask)
    try:
        with written_whole(tmp_path / "weights") as temporary:
            temporary.unlink()  # a library may make its own file in place of ours, for the user alone
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        os.umask(before)
    assert (tmp_path / "weights").stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_is_synced_is_open_for_writing(tmp_path, monkeypatch):
    """Windows refuses to sync a descriptor that may only read."""
    fcntl = pytest.importorskip("fcntl")
    modes = []
    monkeypatch.setattr(os, "fsync", lambda fd: modes.append(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE))
    with written_whole(tmp_path / "a") as temporary:
        temporary.write_bytes(b"content")
    assert modes == [os.O_RDWR]


def test_a_name_as_long_as_the_file_system_takes(tmp_path):
    path = tmp_path / ("가" * 83 + "a.jpg")  # 255 bytes
    write_bytes(path, b"content")
    assert path.read_bytes() == b"content"


def test_json_has_no_nan_and_keeps_any_name(tmp_path):
    name = os.fsdecode(b"\xc7\xd1.jpg")
    write_json(tmp_path / "a.json", {"nan": float("nan"), "rows": [(float("inf"), 1.5)], "이름": name})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == {"nan": None, "rows": [[None, 1.5]], "이름": name}


@pytest.mark.parametrize("content", ["{", "[1]", "\udc80"])
def test_json_that_is_no_object_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"a\.json .*; begin anew"):
        read_json(tmp_path / "a.json", "begin anew")


def test_a_lock_holds_against_another_process_and_ends_with_its_holder(tmp_path):
    path = tmp_path / "run" / "lock"
    code = (
        "import sys, time; from pathlib import Path; from minircnn.base.files import locked\n"
        f"with locked(Path({str(path)!r}), 'the run is in use'): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=rf"the run is in use \(number {holder.pid}\); wait"),
            locked(path, "the run is in use"),
        ):
            pass
    finally:
        holder.kill()  # not even SIGKILL leaves it locked
        holder.communicate()
    with locked(path, "the run is in use"):
        with locked(path, "blocks of one process may nest"):
            pass
        assert path.exists()
    assert list(path.parent.iterdir()) == []


def test_a_place_where_no_folder_can_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be made .*file is a file"):
        check_creatable(tmp_path / "file" / "deeper" / "run")
    check_creatable(tmp_path / "new" / "run")
    assert not (tmp_path / "new").exists()


def test_a_command_is_quoted_as_it_must_be_typed():
    assert shell_words(["minircnn", "train", "--resume", "my run"]).endswith(('"my run"', "'my run'"))
