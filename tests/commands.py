"""`minircnn …`, as tests run it: in this process, where it takes a moment, or in one of its own, where it has to be.

A process takes over a second to import Numba, OpenCV and Matplotlib. What is about the process itself (streams,
signals, encodings, another folder on the path) starts one; everything else runs `minircnn.cli.main` here.
"""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from minircnn.cli import main

PLAIN = {"COLUMNS": "200", "NO_COLOR": "1"}  # a wide terminal without colours


def minircnn(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """`minircnn WORDS` in this process: exit code and what was printed, as `subprocess.run` gives them.

    A fault that a user would see as a traceback is raised here.
    """
    command = ["minircnn", *map(str, words)]
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    code = 0
    with (
        chdir(cwd or os.getcwd()),
        redirect_stdout(streams[0]),
        redirect_stderr(streams[1]),
        mock.patch.object(sys, "argv", command),
        mock.patch.dict(os.environ, PLAIN),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    printed = [stream.buffer.getvalue().decode() for stream in streams]
    return subprocess.CompletedProcess(command, code, *printed)


def start(*words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, **given) -> subprocess.Popen:
    """`minircnn WORDS` in a process of its own, with pipes to read from."""
    command = [sys.executable, "-u", "-m", "minircnn", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | given
    return subprocess.Popen(command, cwd=cwd, env=os.environ | PLAIN | (env or {}), **pipes)


def python(*words: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    """`python WORDS` to its end, with these variables set besides."""
    command = [sys.executable, *map(str, words)]
    given = os.environ | PLAIN | environment
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=given, timeout=300)


def stop_at(stage: str, step: int):
    """A progress that asks to stop, as Ctrl-C does, once so many steps of a stage are done."""

    def progress(name, done, total, words=""):
        if (name, done) == (stage, step):
            signal.raise_signal(signal.SIGINT)

    return progress


def assert_one_sentence(done: subprocess.CompletedProcess, *parts: object) -> None:
    """What cannot work is exit code 2 and one line that holds all of `parts`."""
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    for part in parts:
        assert str(part) in lines[0]
