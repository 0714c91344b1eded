from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
import traceback
from pathlib import Path

import pytest

from tasks.system.secrets import keep
from tasks.system.terminal import Guarded, Terminal, colours, columns


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "colour", "live"),
    [
        ({"TERM": "xterm-256color"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": ""}, False, False),
        ({}, False, False),
        ({"TERM": "xterm", "CI": "true"}, True, False),
        ({"TERM": "xterm", "CI": "false"}, True, True),
    ],
)
def test_a_terminal_says_what_it_can_show(environment: dict[str, str], colour: bool, live: bool) -> None:
    found = Terminal(Tty(), environment)
    assert (found.colour, found.live) == (colour, live)


def test_what_is_no_terminal_gets_neither_colour_nor_a_board() -> None:
    found = Terminal(io.StringIO(), {"TERM": "xterm"})
    assert (found.colour, found.live) == (False, False)


@pytest.mark.parametrize(("encoding", "said"), [("ascii", b"a -> b - c ?"), ("utf-8", "a → b · c ✓".encode())])
def test_what_a_stream_cannot_encode_is_written_otherwise(encoding: str, said: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    Terminal(stream, {}).write("a → b · c ✓")
    assert raw.getvalue() == said


def test_a_reader_that_has_gone_ends_nothing() -> None:
    code = (
        "import sys; from tasks.system.terminal import Terminal\n"
        "t = Terminal(sys.stdout, {})\n"
        "sys.stdin.read()\n"
        "for _ in range(3): t.write('x' * 100_000)\n"
        "sys.stderr.write('went on')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, stderr=-1, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), errors) == (0, "went on")


def test_a_real_terminal_is_one() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        assert Terminal(stream, {"TERM": "xterm"}).live
    os.close(ours)


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Tty(), {"TERM": "xterm"}, True),
        (Tty(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Tty(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Tty(), {"TERM": "dumb"}, False),
        (Tty(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colour_needs_a_terminal_that_has_it_and_nobody_who_minds(
    stream: io.StringIO, environment: dict[str, str], *, expected: bool
) -> None:
    assert colours(stream, environment) is expected


@pytest.mark.parametrize(("terminal", "expected"), [(60, 60), (80, 80), (200, 80), (10, 80), (0, 80)])
def test_lines_are_as_wide_as_a_terminal_that_is_narrower_than_a_log(terminal: int, expected: int) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        fcntl.ioctl(stream, termios.TIOCSWINSZ, struct.pack("HHHH", 24, terminal, 0, 0))
        assert columns(stream) == expected
    os.close(ours)


def test_what_is_no_terminal_has_the_width_of_a_log(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        assert (columns(stream), columns(io.StringIO())) == (80, 80)


def test_a_traceback_of_a_bug_holds_no_secret() -> None:
    keep("MARKEDsecret0123456789")
    written = io.StringIO()
    traceback.print_exception(RuntimeError("Invalid header value b'MARKEDsecret0123456789\\n'"), file=Guarded(written))
    assert "RuntimeError: Invalid header value b'***" in written.getvalue()
    assert "MARKED" not in written.getvalue()


def test_what_a_terminal_shows_holds_no_secret() -> None:
    keep("MARKEDsecret0123456789")
    written = io.StringIO()
    Terminal(written, {}).write("it is MARKEDsecret0123456789\n")
    assert written.getvalue() == "it is ***\n"


def test_a_guarded_stream_is_the_stream_in_all_else(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w", encoding="latin-1") as stream:
        guarded = Guarded(stream)
        assert (guarded.encoding, guarded.fileno(), guarded.isatty()) == ("latin-1", stream.fileno(), False)
