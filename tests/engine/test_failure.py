"""What a failed build shows, made of what BuildKit and buildx really print."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.engine import failure

SAID = (Path(__file__).resolve().parents[1] / "golden" / "buildkit-failure.txt").read_text()
PROGRAM = """\
#4 [2/3] RUN make
#4 0.101 cc main.c
#4 0.146 main.c:3: error: 'x' undeclared

#4 [2/3] RUN make
#4 0.147 make: *** [all] Error 1
#4 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2
------
 > [2/3] RUN make:
------
Dockerfile:3
--------------------
   2 |     COPY . /
   3 | >>> RUN make
--------------------
ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2
"""


def told(said: str) -> list[str]:
    return str(failure.failed("ingest", 1, said, "/logs/push-ingest.log")).splitlines()


def test_the_step_its_line_its_error_and_the_log_are_told() -> None:
    first, step, line, error, step_next, log = told(SAID)
    assert first == "the build of ingest failed with exit code 1"
    assert step == "  step: [1/1] COPY nope /"
    assert line == "  line: Dockerfile:2  COPY nope /"
    assert error.startswith("  ERROR: failed to solve: failed to compute cache key")
    assert error.endswith('"/nope": not found')
    assert step_next.startswith("  next: ")
    assert log == "  log:  /logs/push-ingest.log"


def test_the_end_of_what_the_step_printed_is_told_without_its_times() -> None:
    lines = told(PROGRAM)
    assert [line for line in lines if line.startswith("    | ")] == [
        "    | cc main.c",
        "    | main.c:3: error: 'x' undeclared",
        "    | make: *** [all] Error 1",
    ]


def test_however_much_a_build_says_fifteen_lines_are_enough() -> None:
    printed = "".join(f"#4 0.2 line {number} {'x' * 500}\n" for number in range(200))
    assert len(told(PROGRAM.replace("#4 0.147", f"{printed}#4 0.147"))) < 15


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
        "ERROR: failed to solve: Unavailable: error reading from server: read unix @->docker.sock: connection reset",
    ],
)
def test_an_engine_that_died_says_the_same_of_every_build(said: str) -> None:
    texts = {told(f"#3 [2/3] COPY {name} /\n{said}\n")[0] for name in ("a", "b")}
    assert texts == {"the build of ingest was interrupted: the Docker engine or its builder stopped answering"}


def test_what_is_not_understood_is_told_as_it_came() -> None:
    assert told("one\ntwo\n")[1:3] == ["  one", "  two"]
