"""A clock that is wrong: years behind or ahead, or one that jumps during the run.

Only our own process has it. BuildKit and the file system use the real clock, so to us files come from the future or
from long ago.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tests.faults.place import SIX, Place, place
from tests.faults.truth import IMAGES, jar

pytestmark = pytest.mark.integration

YEAR = 365 * 86_400

# Python imports a module of this name at its start, before anything else asks for the time.
CUSTOMIZE = """
import datetime, os, time

_true, _true_ns, _begun = time.time, time.time_ns, time.monotonic()

def _shift():
    jumped = time.monotonic() - _begun > float(os.environ["CLOCK_AFTER"])
    return int(os.environ["CLOCK_SHIFT"]) if jumped else 0

time.time = lambda: _true() + _shift()
time.time_ns = lambda: _true_ns() + _shift() * 1_000_000_000

class Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)

datetime.datetime = Wrong
open(os.environ["CLOCK_PROOF"], "a").write(f"{time.time()}\\n")
"""


@pytest.fixture(
    params=[
        (-10 * YEAR, 0),
        (10 * YEAR, 0),
        (-3_600, 1),
        *(pytest.param(wrong, marks=pytest.mark.nightly) for wrong in ((-86_400, 0), (86_400, 0), (3_600, 1))),
    ]
)
def wrong(
    request: pytest.FixtureRequest, sandbox: Sandbox, engine: Engine, tmp_path: Path
) -> Iterator[tuple[Place, int]]:
    """A place whose runs have a wrong clock, some from their second second on."""
    shift, after = request.param
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(CUSTOMIZE)
    (tmp_path / "there").mkdir()
    variables = {
        "PYTHONPATH": str(tmp_path / "python"),
        "CLOCK_SHIFT": str(shift),
        "CLOCK_AFTER": str(after),
        "CLOCK_PROOF": str(tmp_path / "proof"),
    }
    with place(tmp_path / "there", sandbox, engine, SIX, **variables) as found:
        yield found, shift


def test_a_wrong_clock_builds_what_changed_and_nothing_else(wrong: tuple[Place, int]) -> None:
    here, _ = wrong
    assert len(here.repair().built) == len(SIX)
    assert here.project.push_all().counts == (0, 0)
    edited = [image for image in IMAGES if image.name in {"ingest", "query-lambda"}]
    here.truth.edit(edited)
    assert here.repair().built == {image.name for image in edited}
    assert here.project.push_all().counts == (0, 0)
    assert (here.project.root.parent / "proof").exists()


@pytest.mark.parametrize(
    "seconds",
    [-40 * YEAR, 3_600, *(pytest.param(seconds, marks=pytest.mark.nightly) for seconds in (-3_600, 40 * YEAR))],
)
def test_files_from_another_time_are_seen_to_change(there: Place, seconds: int) -> None:
    """As a file server with a wrong clock, or an archive, leaves them; each edit keeps size and time."""
    here = there
    image = next(image for image in IMAGES if image.name == "ingest")
    script = jar(here.project, image).parent / "Dockerfile"
    moment = script.stat().st_mtime + seconds
    for path in here.project.scripts.rglob("*"):
        os.utime(path, (moment, moment))
    here.repair()
    assert here.project.push_all().counts == (0, 0)
    script.write_text(script.read_text().replace("\n\nCOPY", "\n \nCOPY", 1)[: script.stat().st_size])
    os.utime(script, (moment, moment))
    assert here.project.push_all("images=ingest").built == {"ingest"}
