import signal
import sys
from pathlib import Path

import pytest

from tasks import checks
from tasks.errors import CommandError
from tasks.system import processes


def test_arguments_reach_pytest(capfd: pytest.CaptureFixture[str]) -> None:
    checks.test(["--version"])

    assert capfd.readouterr().out.startswith("pytest ")


def test_a_failing_test_is_an_error_that_shows_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_it():\n    assert False\n")

    with pytest.raises(CommandError, match="test_failing"):
        checks.test(["-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-c", "/dev/null", str(failing)])

    assert "1 failed" in capfd.readouterr().out


def test_no_test_at_all_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError):
        checks.test(["-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-c", "/dev/null", str(tmp_path)])

    assert "no tests ran" in capfd.readouterr().out


def test_an_interrupted_command_winds_up(tmp_path: Path) -> None:
    mark = tmp_path / "put-away"
    program = (
        "import os, pathlib, signal, sys, time\n"
        "try:\n"
        "    os.kill(os.getppid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "finally:\n"
        f"    pathlib.Path({str(mark)!r}).touch()\n"
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            processes.foreground([sys.executable, "-c", program])
    finally:
        signal.signal(signal.SIGINT, before)

    assert mark.exists()
