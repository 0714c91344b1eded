"""What a start needs before it begins, and who may stop a sandbox."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import servers
from sandbox.layout import defaults
from tasks.errors import LockedError

CHECKOUT = Path(__file__).resolve().parents[2]


def test_outside_the_environment_a_start_says_what_is_missing_and_starts_nothing(tmp_path: Path) -> None:
    box = tmp_path / "box"
    # -S: no package but Python's own library, as the system's Python.
    command = [sys.executable, "-S", "-m", "sandbox", "start", str(box)]

    done = subprocess.run(command, cwd=CHECKOUT, env=os.environ, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "the sandbox needs Python packages that are not installed: bcrypt, boto3, flask, moto, yaml",
        "  next: use ./doitw, which installs them: ./doitw sandbox, then .venv/bin/python -m sandbox",
    ]
    assert not box.exists()


def test_a_sandbox_that_runs_use_is_not_stopped(tmp_path: Path) -> None:
    box = defaults(tmp_path)

    with servers.used(box), servers.used(box), pytest.raises(LockedError, match="in use") as fault:
        servers.stop(box)

    assert "end it" in fault.value.next_step


def test_a_sandbox_that_no_run_uses_any_more_is_stopped(tmp_path: Path) -> None:
    box = defaults(tmp_path)

    with servers.used(box):
        pass

    servers.stop(box)
