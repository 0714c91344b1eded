"""Faults of a run as a whole: of the login, of AWS, of the registry's pace."""

from __future__ import annotations

import base64
import json

import pytest

from sandbox.layout import PASSWORD, USER
from tests.faults import proxy
from tests.faults.place import Place
from tests.faults.proxy import FOR_EVER, Action, Answer, Fault, Forward, Handler

pytestmark = pytest.mark.integration

FEW = "images=ingest,query-lambda,statestore-committer"
NAMES = {"ingest", "query-lambda", "statestore-committer"}
THROTTLED = proxy.aws_fault(400, "ThrottlingException")
DENIED = proxy.aws_fault(400, "AccessDeniedException")
ABSENT = proxy.answer(404, code="NAME_UNKNOWN")
BROKEN = proxy.aws_fault(500, "ServerException")


@pytest.mark.parametrize("action", [proxy.drop, proxy.lose, proxy.THROTTLED, proxy.FAILED, proxy.cut])
def test_a_fault_of_the_first_greeting_is_overcome(there: Place, action: Action) -> None:
    there.script(Fault("greeting", action, "ours: ping"))
    done = there.run(FEW)
    assert there.met() == 1
    assert (done.code, done.pushed) == (0, NAMES), done.output


@pytest.mark.parametrize("operation", ["GetAuthorizationToken", "CreateRepository"])
@pytest.mark.parametrize("action", [THROTTLED, BROKEN, proxy.drop], ids=["throttled", "500", "drop"])
def test_a_temporary_fault_of_aws_is_overcome(there: Place, operation: str, action: Action) -> None:
    there.api.script(Fault("aws", action, f"aws: {operation}", times=2))
    done = there.run(FEW)
    assert sum(1 for one in there.api.asked if one.fault) == 2
    assert (done.code, done.pushed) == (0, NAMES), done.output


@pytest.mark.parametrize("operation", ["GetAuthorizationToken", "CreateRepository"])
@pytest.mark.parametrize("action", [THROTTLED, DENIED], ids=["throttled", "denied"])
def test_a_fault_of_aws_that_stays_fails_before_anything_is_built(there: Place, operation: str, action: Action) -> None:
    there.api.script(Fault("aws", action, f"aws: {operation}", times=FOR_EVER))
    # A registry may create what is not there at the push. This one does not.
    there.registry.script(Fault("absent", ABSENT, "ours: POST uploads", times=FOR_EVER))
    done = there.run(FEW)
    assert done.code != 0
    assert done.counts == (0, 0)
    assert f"ecr:{operation}" in done.output
    assert "next:" in done.output
    there.api.script()
    there.registry.script()
    assert there.project.run("push_all", FEW).pushed == NAMES


class Tokens:
    """ECR tokens, of which the first expires after a number of requests to the registry."""

    def __init__(self, place: Place, lasts: int, refusal: Answer) -> None:
        self.given, self.refused, self._left, self._refusal = 0, 0, lasts, refusal
        place.registry.gate = self.check
        place.api.script(Fault("token", self.give, "aws: GetAuthorizationToken", times=FOR_EVER))

    def give(self, handler: Handler, forward: Forward) -> Answer:  # noqa: ARG002  # An action's signature.
        """Give a new token instead of the sandbox's."""
        answer = forward()
        found = json.loads(answer.body)
        self.given += 1
        text = f"{USER}:secret-of-token-{self.given}".encode()
        found["authorizationData"][0]["authorizationToken"] = base64.b64encode(text).decode()
        answer.body = json.dumps(found).encode()
        return answer

    def check(self, headers: dict[str, str]) -> Answer | None:
        """Refuse a request whose token has expired; replace a valid token by the sandbox's."""
        name = next((name for name in headers if name.lower() == "authorization"), None)
        if name is None:
            return None
        user, _, secret = base64.b64decode(headers[name].removeprefix("Basic ")).decode().partition(":")
        number = int(secret.removeprefix("secret-of-token-"))
        self._left -= 1
        if user != USER or not (1 if self._left >= 0 else 2) <= number <= self.given:
            self.refused += 1
            return Answer(self._refusal.status, list(self._refusal.headers), self._refusal.body)
        headers[name] = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return None


UNAUTHORIZED = Answer(401, [("WWW-Authenticate", 'Basic realm="scripted"')], b"")
EXPIRED = Answer(
    403, [], b'{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate."}]}'
)


@pytest.mark.parametrize(
    ("lasts", "refusal"),
    [
        pytest.param(lasts, refusal, id=f"{lasts}, {refusal.status}", marks=[] if daily else pytest.mark.nightly)
        for number, lasts in enumerate((3, 18, 40, 70))
        for refusal, daily in ((UNAUTHORIZED, number % 2 == 0), (EXPIRED, number % 2 == 1))
    ],
)
def test_a_token_that_expires_in_the_middle_is_replaced(there: Place, refusal: Answer, lasts: int) -> None:
    """In the look at the registry, in the preflight, and while BuildKit pushes: nobody sees any of it."""
    tokens = Tokens(there, lasts, refusal)
    done = there.run()
    assert done.code == 0, done.output
    assert tokens.refused > 0
    # BuildKit and we may be refused at the same moment, and ask for another one each.
    assert tokens.given in {2, 3}
    there.truth.check(complete=True)


def test_manifests_are_put_no_faster_than_they_may_be(there: Place) -> None:
    done = there.run("puts_per_second=4")
    assert done.code == 0, done.output
    puts = [one.at for one in there.registry.asked if one.step.startswith("ours: PUT") and "uploads" not in one.step]
    assert len(puts) >= 2 * len(there.truth.images)
    # Four a second, and two at once; and what the measuring itself shifts.
    assert max(sum(1 for other in puts if at <= other < at + 1) for at in puts) <= 6 + 1


def test_what_the_registry_throttles_is_pushed_again_and_told(there: Place) -> None:
    there.script(Fault("throttled", proxy.THROTTLED, "buildkit: PUT tag", "ingest", times=7))
    done = there.run(FEW)
    assert (done.code, done.pushed) == (0, NAMES), done.output
    assert "the registry accepted the push at attempt" in done.output
    builds = [argv for argv in done.commands if argv[:2] == ["buildx", "build"] and "ingest" in argv[-1]]
    assert 2 <= len(builds) <= 4


def test_a_fault_of_the_dockerfile_is_not_tried_again(there: Place) -> None:
    with (there.project.scripts / "docker" / "ingest" / "Dockerfile").open("a") as file:
        file.write("COPY not-there /x\n")
    done = there.run("images=ingest")
    assert done.code != 0
    assert len([argv for argv in done.commands if argv[:2] == ["buildx", "build"]]) == 1
