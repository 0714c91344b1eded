from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.commands.test_settings import DODO


def doit(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "dodo.py").write_text(
        f"{DODO}\n\ndef task_push_all():\n    return {{'actions': None}}\n\n\n"
        "def task_test():\n    return {'actions': None}\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "tasks", "plan", *words]
    return subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


def test_a_task_that_does_not_exist_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    done = doit(tmp_path, "pushall")
    assert done.returncode == 3
    assert "did you mean 'push_all'?" in done.stderr


def test_a_task_that_is_about_no_image_has_no_plan(tmp_path: Path) -> None:
    done = doit(tmp_path, "test")
    assert done.returncode == 3
    assert "nothing to plan" in done.stderr


def test_a_sandbox_that_does_not_run_is_not_waited_for(tmp_path: Path) -> None:
    done = doit(tmp_path, "target=sandbox", f"sandbox_dir={tmp_path}")
    assert done.returncode == 3
    assert "the sandbox is not started" in done.stderr
    assert "doit sandbox" in done.stderr
