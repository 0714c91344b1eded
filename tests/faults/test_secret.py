"""The token is in no process's command or environment while a run lasts, and in no file, then or afterwards."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.place import Place
from tests.faults.proxy import FOR_EVER, FORBIDDEN, Fault, repeat
from tests.faults.proxy import UNAUTHORIZED as UNAUTHORIZED_FOR_EVER
from tests.faults.test_run import UNAUTHORIZED, Tokens
from tests.faults.watcher import Watcher, in_files, needles
from tests.integration.project import CHECKOUT

pytestmark = pytest.mark.integration

SECRETS = [f"secret-of-token-{number}" for number in range(1, 10)]


def directories(place: Place) -> list[Path]:
    """HOME, TMPDIR, the checkout's state, logs; and where buildx keeps what it knows."""
    return [place.project.root, place.project.sandbox.directory / "buildx"]


REFUSED = [
    Fault("401", UNAUTHORIZED_FOR_EVER, "ours: PUT version tag", "ingest", FOR_EVER),
    Fault("401", UNAUTHORIZED_FOR_EVER, "buildkit: PUT tag", "query-lambda", FOR_EVER),
    Fault("403", FORBIDDEN, "ours: GET blob", "metrics-lambda", FOR_EVER),
    Fault("repeated", repeat, "buildkit: PUT tag", "statestore-committer", FOR_EVER),
    Fault("repeated", repeat, "ours: PUT inputs tag", "athena-lambda", FOR_EVER),
]


@pytest.mark.parametrize("faults", [[], REFUSED], ids=["in a good run", "in a run that is refused"])
def test_the_token_is_nowhere(there: Place, faults: list[Fault]) -> None:
    there.script(*faults)
    tokens = Tokens(there, 400, UNAUTHORIZED)
    watched = directories(there)
    with Watcher(SECRETS, watched) as watcher:
        done = there.run()
    assert tokens.given >= 1
    assert (done.code == 0) == (not faults), done.output
    assert len(done.pushed) == len(there.truth.images) - len(faults)
    seen = watcher.seen
    print({key: seen[key] for key in ("looks", "read")}, len(seen["names"]))  # noqa: T201  # `pytest -s`: the figures.
    assert any("docker-buildx" in name or "docker" in name for name in seen["names"]), seen["names"]
    assert seen["found"] == []
    assert seen["files"] == []
    wanted = [needle for secret in SECRETS for needle in needles(secret)]
    # doit stands in the checkout, whose state is elsewhere here.
    assert in_files([*watched, CHECKOUT, Path(os.environ.get("HOME", "/root"), ".docker")], wanted) == []
    assert not [needle for needle in wanted if needle in done.output.encode()]


@pytest.mark.parametrize("how", ["an argument", "the environment", "a file", "a file in base64"])
def test_the_watcher_sees_a_secret(tmp_path: Path, how: str) -> None:
    secret = SECRETS[0]
    argument = [secret] if how == "an argument" else []
    environment = {"PATH": os.environ["PATH"]} | ({"X": f"y{secret}z"} if how == "the environment" else {})
    if how == "a file":
        (tmp_path / "x").write_text(f"token: {secret}\n")
    if how == "a file in base64":
        (tmp_path / "x").write_bytes(base64.b64encode(f"AWS:{secret}".encode()))
    with subprocess.Popen([sys.executable, "-c", "input()", *argument], env=environment, stdin=subprocess.PIPE) as one:
        with Watcher(SECRETS, [tmp_path]) as watcher:
            pass  # It looks once at the least.
        one.communicate(b"\n")
    assert bool(watcher.seen["found"]) == how.startswith(("an", "the"))
    assert bool(watcher.seen["files"]) == how.startswith("a file")


@pytest.mark.parametrize("before", ["", "A", "AW", "AWS:"])
@pytest.mark.parametrize("after", ["", "x", "yz", "\n"])
def test_a_secret_is_known_in_base64_wherever_it_stands(before: str, after: str) -> None:
    text = base64.b64encode(f"{before}{SECRETS[0]}{after}".encode())
    assert any(needle in text for needle in needles(SECRETS[0]))
