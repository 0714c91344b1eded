"""What a failed build shows and whether it is run again, by what BuildKit and buildx really print."""

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


REFUSED = (
    f"ERROR: failed to solve: failed to push 127.0.0.1:5000/mine/{'a' * 80}: failed commit on ref "
    f'"manifest-sha256:{"0" * 64}": unexpected status from PUT request to http://127.0.0.1:5000/v2/x: '
)


@pytest.mark.parametrize(
    ("answer", "next_step"),
    [
        ("400 Bad Request", "see the registry's whole answer at the end of the log, and correct its cause, then run"),
        ("401 Unauthorized", "let this login push to the repository, or use another login, then run"),
    ],
)
def test_a_refused_push_shows_the_answer_and_sends_nobody_to_the_dockerfile(answer: str, next_step: str) -> None:
    error = failure.failed("ingest", 1, f"#5 pushing layers\n{REFUSED}{answer}\n", "/logs/push-ingest.log")
    shown = error.message.splitlines()[-1]
    assert shown.startswith("  ERROR: failed to solve: failed to push ")
    assert shown.endswith(answer)
    assert len(shown) <= 242
    assert error.next_step.startswith(next_step)


def test_what_is_not_understood_is_told_as_it_came() -> None:
    assert told("one\ntwo\n")[1:3] == ["  one", "  two"]


# Another attempt

HOST = "123456789012.dkr.ecr.eu-west-2.amazonaws.com"
PUSH = f"ERROR: failed to solve: failed to push {HOST}/mine/ingest: "
DAEMON = "ERROR: Error response from daemon: "
# As BuildKit 0.20 and dockerd 27 word them; tests/faults has them come from the real ones.
BUSY = [
    f"{PUSH}failed commit on ref: unexpected status from PUT request to https://{HOST}/v2/: 429 Too Many Requests",
    f"{PUSH}unexpected status from HEAD request to https://{HOST}/v2/: 503 Service Unavailable",
    f'{PUSH}failed to do request: Head "https://{HOST}/v2/": read tcp 10.0.0.1:5: connection reset by peer',
    f'{PUSH}failed to do request: Head "https://{HOST}/v2/": net/http: HTTP/1.x transport connection broken',
    f'{PUSH}failed to do request: Put "https://{HOST}/v2/": EOF',
    f"{DAEMON}toomanyrequests: Rate exceeded",
    f"{DAEMON}received unexpected HTTP status: 502 Bad Gateway",
    f"{DAEMON}unexpected EOF",
]
LOGIN = [
    f"{PUSH}unexpected status from POST request to https://{HOST}/v2/: 401 Unauthorized",
    f"{PUSH}unexpected status from HEAD request to https://{HOST}/v2/: 403 Forbidden",
    f"{DAEMON}unauthorized: authentication required",
    f"{DAEMON}denied: Your authorization token has expired. Reauthenticate and try again.",
]
LOST = "snapshot u2xirm6jgsd does not exist: not found"
CACHE = [
    f"ERROR: failed to solve: failed to commit u2xirm6jgsd to 9s5 during finalize: failed to stat active key: {LOST}",
    f"ERROR: failed to solve: failed to apply diffs: failed to stat lower snapshot u2xirm6jgsd: {LOST}",
]
NEITHER = [
    "",
    'ERROR: failed to solve: process "/bin/sh -c curl x" did not complete successfully: exit code: 22',
    "ERROR: failed to solve: process \"/bin/sh -c echo ': 503 Service Unavailable'; false\" failed: exit code: 1",
    "ERROR: failed to solve: failed to compute cache key: /not-there: not found",
    'ERROR: failed to solve: process "/bin/sh -c echo snapshot a does not exist: not found; false" failed: 1',
    f"{PUSH}failed commit on ref: got digest sha256:1, expected sha256:2",
    f"{PUSH}unexpected status from PUT request to https://{HOST}/v2/: 400 Bad Request",
    f"{DAEMON}No such image",
    "ERROR: failed to solve: docker.io/library/x: unexpected status from HEAD request: 429 Too Many Requests",
]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        *((s, failure.Cause.BUSY) for s in BUSY),
        *((s, failure.Cause.LOGIN) for s in LOGIN),
        *((s, failure.Cause.CACHE) for s in CACHE),
        *((s, None) for s in NEITHER),
    ],
)
def test_the_last_error_tells_whether_a_build_is_worth_another_attempt(
    said: str, expected: failure.Cause | None
) -> None:
    assert failure.cause(said) is expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        *((s, failure.Cause.BUSY) for s in BUSY),
        *((s, failure.Cause.LOGIN) for s in LOGIN),
        *((s, failure.Cause.CACHE) for s in CACHE),
        *((s, None) for s in NEITHER),
    ],
)
def test_newer_buildxs_words_mean_the_same(said: str, expected: failure.Cause | None) -> None:
    """As buildx 0.29 begins its last line."""
    assert failure.cause(said.replace("ERROR: ", "ERROR: failed to build: ")) is expected


# As BuildKit of dockerd 26.1 words it, and by the status that each registry gives.
KEPT = f"ERROR: failed to solve: failed to push {HOST}/mine/ingest:building: "


@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "405 Method Not Allowed", "409 Conflict"])
def test_a_refusal_of_the_tag_that_is_built_to_is_known(status: str) -> None:
    said = f"{KEPT}unexpected status from PUT request to https://{HOST}/v2/mine/ingest/manifests/building: {status}"
    assert failure.refuses_tag(said)


@pytest.mark.parametrize(
    "said",
    [
        f"{PUSH}unexpected status from PUT request to https://{HOST}/v2/mine/ingest/manifests/sha256:0: 400 Bad",
        f"{KEPT}unexpected status from PUT request to https://{HOST}/v2/mine/ingest/manifests/building: 500 Error",
        "ERROR: failed to solve: process \"/bin/sh -c echo ':building: 400 Bad'\" did not complete: exit code: 1",
        *BUSY,
        *NEITHER,
    ],
)
def test_another_refusal_is_not_one_of_the_tag(said: str) -> None:
    assert not failure.refuses_tag(said)
