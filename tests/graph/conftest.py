"""The real doit on the project's own dodo.py, without an engine, an account or a network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sandbox import sample
from tasks.configuration import catalogue

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGES = catalogue.load(CHECKOUT / "catalogue" / "sleeper.yaml").images
VERSION = "1.2.3"


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code, and what it said on standard output and on standard error."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Graph:
    """A user at a terminal: a scripts directory, a state directory, and no PATH to an engine.

    Attributes:
        root: a directory of the user's own.
        variables: more of the environment.
    """

    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def scripts(self) -> Path:
        return self.root / "scripts"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def environment(self) -> dict[str, str]:
        (self.root / "home").mkdir(exist_ok=True)
        return {
            "PATH": str(self.root / "bin"),
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root),
            "SCRIPTS_DIR": str(self.scripts),
            "STATE_DIR": str(self.state),
            "SANDBOX_DIR": str(self.root / "sandbox"),
            # Coverage measures subprocesses by its own variables.
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
            **self.variables,
        }

    def given(self, **variables: str) -> Graph:
        """Return the same with more of the environment."""
        return replace(self, variables={**self.variables, **variables})

    def doit(self, *words: str, flags: tuple[str, ...] = ()) -> Done:
        """Run doit to its end, with `flags` for Python."""
        done = subprocess.run(
            [sys.executable, *flags, "-m", "tasks", *words],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def imported(self, *words: str) -> set[str]:
        """Return the modules that doit imports for a command, which must succeed."""
        # Coverage would import modules of its own.
        unmeasured = {name: "" for name in os.environ if name.startswith("COVERAGE_")}
        done = self.given(**unmeasured).doit(*words, flags=("-X", "importtime"))
        lines = [line for line in done.err.splitlines() if line.startswith("import time:")]
        assert done.code == 0, done.out
        return {line.rpartition("|")[2].strip() for line in lines}


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    """A user with a sample of Sleeper's scripts directory and no settings."""
    found = Graph(tmp_path)
    sample.make(found.scripts, IMAGES, VERSION)
    return found
