import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import checks
from tasks.errors import CommandError
from tasks.system import processes

pytest_plugins = ["pytester"]


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


def test_an_interrupted_command_winds_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited_for, mark = tmp_path / "waited-for", tmp_path / "put-away"
    program = (
        "import os, pathlib, signal, sys, time\n"
        "try:\n"
        f"    while not pathlib.Path({str(waited_for)!r}).exists():\n"
        "        time.sleep(0.01)\n"
        "    os.kill(os.getppid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "finally:\n"
        f"    pathlib.Path({str(mark)!r}).touch()\n"
    )
    wait = subprocess.Popen.wait

    def marked_wait(child: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        waited_for.touch()
        return wait(child, timeout)

    # An interrupt while the command is being started is for stop_all, which the caller of `foreground` calls.
    monkeypatch.setattr(subprocess.Popen, "wait", marked_wait)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            processes.foreground([sys.executable, "-c", program])
    finally:
        signal.signal(signal.SIGINT, before)

    assert mark.exists()


def commands(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[list[str]]:
    """Return the options of each pytest that `test` runs."""
    found: list[list[str]] = []

    def foreground(argv: list[str]) -> int:
        found.append(argv[3:])
        return 0

    monkeypatch.setattr(processes, "foreground", foreground)
    checks.test(list(arguments))
    return found


def test_without_arguments_the_fast_tests_run_before_those_with_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, real = commands(monkeypatch)
    rooms = {"tests/faults", "tests/integration"}
    assert {word.removeprefix("--ignore=") for word in fast if word.startswith("--ignore=")} == rooms
    assert rooms <= set(real)
    for words in (fast, real):
        assert "--durations=10" in words
        assert [word for word in words if word.startswith("--numprocesses=")]


@pytest.mark.parametrize("options", [["--all"], ["--cov"], ["--all", "--cov"]])
def test_options_alone_apply_to_the_whole_suite(monkeypatch: pytest.MonkeyPatch, options: list[str]) -> None:
    assert [set(options) <= set(words) for words in commands(monkeypatch, *options)] == [True, True]


def test_coverage_of_the_whole_suite_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, real = commands(monkeypatch, "--cov")
    assert ("--cov-report=" in fast, "--cov-append" in real) == (True, True)
    assert "--cov-report=" not in real


def test_a_path_after_cov_is_what_runs_and_not_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands(monkeypatch, "--cov", "tests/graph") == [["tests/graph", "--cov"]]


def test_an_environment_without_pytest_gives_the_command_that_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(CommandError, match="pytest is not installed") as caught:
        checks.test([])
    assert caught.value.next_step == f"run {checks.CHECKOUT}/doitw test, which adds it"


@pytest.mark.parametrize("option", [[], ["--all"]])
def test_nightly_tests_run_with_all_alone(pytester: pytest.Pytester, option: list[str]) -> None:
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text())
    pytester.makeini("[pytest]\nmarkers =\n    nightly\n")
    pytester.makepyfile("import pytest\n\ndef test_day(): pass\n\n@pytest.mark.nightly\ndef test_night(): pass\n")
    outcome = pytester.runpytest_inprocess(*option, "-p", "no:cacheprovider")
    outcome.assert_outcomes(passed=1 + len(option), deselected=1 - len(option))
