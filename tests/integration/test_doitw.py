"""doitw as people run it, in a checkout of a small project whose `doit` prints what it was given."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import socket
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from sandbox.process import wait_until
from tasks import venv
from tasks.system import processes
from tasks.system.terminal import Terminal

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
MAKING = "doitw: making .venv"
ADDING = "doitw: adding to .venv"
UV = pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed")
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "small"
version = "1"
dynamic = ["scripts"]

"""
BACKEND = '''\
"""Builds an editable wheel without any dependency, so pip needs no network."""

from pathlib import Path
import zipfile

HERE = Path(__file__).resolve().parent


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "small-1-py3-none-any.whl"
    files = {
        "small.pth": str(HERE),
        "small-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\nProvides-Extra: dev\\n",
        "small-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: us\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "small-1.dist-info/entry_points.txt": "[console_scripts]\\ndoit = small_doit:main\\n",
    }
    record = "".join(f"{path},,\\n" for path in [*files, "small-1.dist-info/RECORD"])
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as wheel:
        for path, text in {**files, "small-1.dist-info/RECORD": record}.items():
            wheel.writestr(path, text)
    return name
'''
DOIT = "import os, sys\n\n\ndef main():\n    print(os.getcwd(), os.environ['DOITW_CWD'], sys.argv[1:])\n"


def write_checkout(directory: Path) -> Path:
    shutil.copytree(ROOT / "tasks", directory / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "doitw", directory / "doitw")
    (directory / "pyproject.toml").write_text(PYPROJECT)
    for name in (venv.LOCK, venv.DEVELOPMENT_LOCK):
        (directory / name).write_text("")
    (directory / "backend.py").write_text(BACKEND)
    (directory / "small_doit.py").write_text(DOIT)
    return directory


def doitw(checkout: Path, *words: str, directory: Path | None = None, path: str | None = None) -> processes.Completed:
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    return processes.run([str(checkout / "doitw"), *words], directory=directory or checkout, environment=environment)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose environment was made; tests leave it complete."""
    checkout = write_checkout(tmp_path_factory.mktemp("doitw") / "made")
    done = doitw(checkout, "list")
    assert done.code == 0, done.errors
    (checkout / "first.log").write_text(done.errors)
    return checkout


@pytest.fixture
def programs(tmp_path: Path) -> str:
    """A PATH with what a small machine has, but no Python and no uv."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "cmp", "readlink", "pwd"):
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    return str(folder)


class Log(io.StringIO):
    """A stream that waits for a text."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self._awaited = awaited
        self.seen = threading.Event()

    def write(self, text: str) -> int:
        if text.startswith(self._awaited):
            self.seen.set()
        return super().write(text)


class Tty(Log):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_an_environment_that_fits_is_used_as_it_is(made: Path) -> None:
    done = doitw(made, "list", "--all")

    assert done.output == f"{made} {made} ['list', '--all']\n"
    assert not done.errors


def test_neither_python_nor_a_network_is_looked_for_then(made: Path, programs: str) -> None:
    assert doitw(made, "list", path=programs).code == 0


def test_doit_runs_in_the_checkout_and_knows_where_it_was_called(made: Path, tmp_path: Path) -> None:
    done = doitw(made, "list", directory=tmp_path)

    assert done.output == f"{made} {tmp_path} ['list']\n"


@pytest.mark.parametrize("words", [("test", "-k", "name"), ("test", "--", "-k", "name")])
def test_options_after_test_are_left_for_pytest(made: Path, words: tuple[str, ...]) -> None:
    assert "['test', '--', '-k', 'name']" in doitw(made, *words).output


@pytest.mark.parametrize("words", [("",), ("plan", ""), ("digests", "--check", "")])
def test_an_empty_word_is_refused_in_a_line(made: Path, words: tuple[str, ...]) -> None:
    done = doitw(made, *words)
    assert done.code == 3
    assert done.errors.splitlines()[0] == "doitw: the command line contains an empty word"


@pytest.mark.parametrize(
    "words", [("list",), ("push_all",), ("plan", "test"), ("stages=test", "stage"), ("sandbox:stop",)]
)
def test_what_pushes_needs_no_development_packages(made: Path, words: tuple[str, ...]) -> None:
    (made / ".venv" / "stamp-dev").unlink(missing_ok=True)

    assert not doitw(made, *words).errors
    assert not (made / ".venv" / "stamp-dev").exists()


@pytest.mark.parametrize(
    "words", [("test", "-q"), ("lint",), ("sandbox", "push_all"), ("-n", "2", "sandbox"), ("run", "lint")]
)
def test_test_lint_and_sandbox_add_their_packages_once(made: Path, words: tuple[str, ...]) -> None:
    (made / ".venv" / "stamp-dev").unlink(missing_ok=True)

    first, second = doitw(made, *words), doitw(made, *words)
    (made / ".venv" / "stamp-dev").unlink()

    assert ADDING in first.errors
    assert MAKING not in first.errors
    assert not second.errors


def test_changed_development_packages_are_noticed_by_tests_alone(made: Path) -> None:
    doitw(made, "test")
    (made / "requirements-dev.lock").write_text("# Something else.\n")

    assert not doitw(made, "list").errors
    assert ADDING in doitw(made, "test").errors
    (made / ".venv" / "stamp-dev").unlink()


def test_an_environment_made_for_tests_is_made_in_one_go(tmp_path: Path) -> None:
    checkout = write_checkout(tmp_path / "checkout")

    done = doitw(checkout, "test")

    assert (done.code, MAKING in done.errors, ADDING in done.errors) == (0, True, False)
    assert not doitw(checkout, "list").errors


def test_each_step_is_one_line(made: Path) -> None:
    steps = [line for line in (made / "first.log").read_text().splitlines() if "…" not in line]

    assert steps[:-1] == [
        "doitw: making .venv (once, and when its dependencies change)",
        "doitw: creating the virtual environment",
        "doitw: installing the packages of requirements.lock",
        "doitw: installing this project",
    ]
    assert steps[-1].startswith("doitw: .venv is ready (")


@pytest.mark.parametrize(
    ("stream", "first", "tick"),
    [
        (Log, "doitw: installing\n", "doitw: … installing (moto), "),
        (Tty, "\r\x1b[Kdoitw: installing", "\r\x1b[Kdoitw: installing (moto), "),
    ],
)
def test_a_step_that_takes_long_reports_its_package_until_it_ends(
    stream: type[Log], first: str, tick: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venv, "LINE_SECONDS", 0.001)
    monkeypatch.setattr(venv, "REWRITE_SECONDS", 0.001)
    log = stream(tick)

    with venv.shown("installing", Terminal(log, {"TERM": "xterm"})) as progress:
        assert progress.line("Collecting moto==5.1 (from -r requirements-dev.lock)")
        assert log.seen.wait(10)

    assert log.getvalue().startswith(first)
    assert log.getvalue().endswith("\n")
    assert log.getvalue().count("\n") == (1 if stream is Tty else log.getvalue().count("doitw: "))


def test_a_link_to_it_works(made: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(made / "doitw")

    done = processes.run([str(tmp_path / "link"), "list"], directory=tmp_path)

    assert done.output.startswith(f"{made} ")


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_changed_dependencies_are_noticed(made: Path, name: str) -> None:
    path = made / name
    path.write_text(path.read_text() + "\n# Something else.\n")

    assert MAKING in doitw(made, "list").errors
    assert MAKING not in doitw(made, "list").errors


def test_two_at_once_make_it_once(made: Path) -> None:
    (made / ".venv" / "stamp").unlink()
    logs = [made / "one.log", made / "two.log"]
    pids = [processes.spawn([str(made / "doitw"), "list"], environment=os.environ, log=log) for log in logs]

    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]

    said = [log.read_text() for log in logs]
    assert codes == [0, 0]
    assert all("['list']" in text for text in said)
    assert sum(MAKING in text for text in said) == 1


def test_the_run_after_one_that_was_killed_makes_the_environment(made: Path) -> None:
    (made / ".venv" / "stamp").unlink()
    log = made / "killed.log"
    pid = processes.spawn([str(made / "doitw"), "list"], environment=os.environ, log=log)
    assert wait_until(lambda: MAKING in log.read_text(), 30)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    done = doitw(made, "list")

    assert (done.code, MAKING in done.errors) == (0, True)


def test_an_interrupt_while_the_environment_is_made_gives_one_line(made: Path) -> None:
    (made / ".venv" / "stamp").unlink()
    log = made / "interrupted.log"
    pid = processes.spawn([str(made / "doitw"), "list"], environment=os.environ, log=log)
    assert wait_until(lambda: MAKING in log.read_text(), 30)
    os.killpg(pid, signal.SIGINT)
    os.waitpid(pid, 0)

    assert "doitw: interrupted" in log.read_text()
    assert "tasks/venv.py" not in log.read_text()
    assert MAKING in doitw(made, "list").errors


def test_a_checkout_that_was_moved_gets_another_environment(made: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(made, moved, symlinks=True)

    done = doitw(moved, "list")

    assert MAKING in done.errors
    assert done.output.startswith(f"{moved} ")


def test_without_python_the_error_says_what_to_install(programs: str, tmp_path: Path) -> None:
    done = doitw(write_checkout(tmp_path / "checkout"), "list", path=programs)

    assert done.code == 3
    assert "apt-get install python3" in done.errors


def test_an_older_python_is_passed_over(programs: str, tmp_path: Path) -> None:
    old = Path(programs) / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)

    done = doitw(write_checkout(tmp_path / "checkout"), "list", path=programs)

    assert "Python 3.11 or newer is needed" in done.errors


def test_a_python_without_ensurepip_gives_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout = write_checkout(tmp_path / "checkout")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ensurepip" else name)

    code = venv.main([str(checkout)])

    assert code == 3
    said = capsys.readouterr().err
    assert "does not have ensurepip" in said
    assert f"python{sys.version_info.major}.{sys.version_info.minor}-venv" in said


def wheel(folder: Path) -> Path:
    """A package that a lock file can name, as an index serves it."""
    path = folder / "pinned-1-py3-none-any.whl"
    files = {
        "pinned.py": "",
        "pinned-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: pinned\nVersion: 1\n",
        "pinned-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "pinned-1.dist-info/RECORD": "",
    }
    folder.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("installer", [pytest.param("uv", marks=UV), "pip"])
@pytest.mark.parametrize("right", [True, False], ids=["the locked hash", "another hash"])
def test_what_is_installed_has_the_hash_of_the_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installer: str, *, right: bool
) -> None:
    checkout = write_checkout(tmp_path / "checkout")
    package = wheel(tmp_path / "wheels")
    digest = hashlib.sha256(package.read_bytes() if right else b"").hexdigest()
    (checkout / "requirements.lock").write_text(f"pinned==1 --hash=sha256:{digest}\n")
    for variable in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(variable, str(package.parent))
    for variable in ("PIP_NO_INDEX", "UV_NO_INDEX", "UV_NO_CACHE"):
        monkeypatch.setenv(variable, "1")
    if installer == "pip":
        monkeypatch.setattr("shutil.which", lambda _: None)

    assert venv.main([str(checkout)]) == (0 if right else 3)

    assert bool(list((checkout / ".venv").glob("lib/python*/site-packages/pinned.py"))) is right
    assert (checkout / ".venv" / "stamp").exists() is right


def test_an_installation_that_fails_leaves_no_stamp(made: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(made, broken, symlinks=True)
    (broken / "backend.py").write_text("raise SystemExit('no backend today')\n")

    done = doitw(broken, "list")

    assert done.code == 3
    assert not (broken / ".venv" / "stamp").exists()


def test_a_removal_that_is_interrupted_leaves_no_stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an environment that fits a push, and that pip cannot add to: uv made it, and is gone."""
    checkout = write_checkout(tmp_path / "checkout")
    environment = checkout / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    (environment / "stamp").write_bytes(venv.stamp(checkout))
    assert venv.current(checkout)

    def interrupted(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("shutil.rmtree", interrupted)

    assert venv.main([str(checkout), "--dev"]) == 130
    assert not venv.current(checkout)


def test_an_index_that_cannot_be_reached_gives_a_few_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = write_checkout(tmp_path / "checkout")
    (checkout / "requirements.lock").write_text(f"pinned==1 --hash=sha256:{'0' * 64}\n")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("PIP_INDEX_URL", f"http://somebody:hunter2@127.0.0.1:{port}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    done = doitw(checkout, "list", path=without_uv(tmp_path))
    assert done.code == 3
    assert "pip could not download the packages of requirements.lock from its package index" in done.errors
    assert "PIP_INDEX_URL" in done.errors
    assert "Traceback" not in done.errors
    assert "hunter2" not in done.errors
    assert len([line for line in done.errors.splitlines() if "…" not in line]) <= 9


def test_a_checkout_that_cannot_be_written_gives_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert venv.main(["/proc"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("doitw: cannot write /proc/.venv.lock: ")
    assert "Traceback" not in said


def without_uv(tmp_path: Path) -> str:
    """A PATH of this Python and of what doitw needs."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "cat", "cmp", "readlink", "pwd", "env", "true"):
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    (folder / "python3").symlink_to(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    return str(folder)
