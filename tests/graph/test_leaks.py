"""A marked secret in all that can carry one, and every layer failing: it is nowhere in what a run says or leaves.

The real doit, a real server that quotes back whatever it is sent, and a stand-in `docker` whose build asks for the
login and quotes it. What is not looked at is what the user wrote: their home directory and their environment.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from tests.faults.watcher import needles
from tests.graph.conftest import Done, Graph
from tests.registry.server import Answer, Asked, serving

pytestmark = pytest.mark.graph

SECRET = "MARKEDsecret/0123456789+abcdefMARKED"
SHORT = "MARKEDpw"
MARKS = [b"MARKED", *needles(SECRET), *needles(SHORT)]
SIGNED = f"X-Amz-Credential={SECRET}&X-Amz-Security-Token={SECRET}&X-Amz-Signature={SECRET}"

# Its build asks for the login as buildx does, and fails with everything that BuildKit's errors may quote.
DOCKER = """#!/bin/sh
echo "$@" >> {root}/home/words
case "$1 $2" in
    "version "*) echo 28.0 ;;
    "buildx version") echo github.com/docker/buildx v0.20.0 x ;;
    "info "*) echo '[["driver-type","io.containerd.snapshotter.v1"]]' ;;
    "context show") grep -so sleeper-images-sees "$DOCKER_CONFIG/config.json" || echo default ;;
    "buildx inspect")
        [ "$3" = default ] && echo 'Driver: docker' && exit
        echo "cannot reach https://me:{short}@proxy.example" >&2; exit 1 ;;
    "buildx build")
        echo '#7 pushing layers'
        echo {host} | docker-credential-sleeper-images get
        echo 'Get "https://bucket.s3.amazonaws.com/blob?{signed}": EOF'
        echo 'Authorization: Bearer {secret}'
        echo 'proxyconnect http://me:{short}@proxy.example:3128: refused'
        echo 'ERROR: failed to push {host}: "https://bucket.s3.amazonaws.com/blob?{signed}": 403'
        exit 1 ;;
esac
"""

Handler = Callable[[Asked], Answer]
BASIC = {"WWW-Authenticate": 'Basic realm="x"'}


def heard(asked: Asked) -> str:
    """Return what a server may quote of a request: its headers and its body."""
    headers = "".join(f"{name}: {value}\n" for name, value in asked.headers.items())
    login = asked.headers.get("authorization", "").partition(" ")[2]
    return f"{headers}{login} {asked.body.decode(errors='replace')} {unquote_plus(asked.body.decode(errors='replace'))}"


def echo(status: int, headers: dict[str, str] | None = None) -> Handler:
    """Refuse everything, and quote what was sent: as a registry, in words and in a header."""

    def answer(asked: Asked) -> Answer:
        body = {"errors": [{"code": "DENIED", "message": heard(asked), "detail": heard(asked)}]}
        return Answer(status, headers or {}, json.dumps(body).encode())

    return answer


def logged_in(then: Handler) -> Handler:
    """Ask for Basic first."""
    return lambda asked: then(asked) if "authorization" in asked.headers else Answer(401, BASIC)


def redirecting(to: str) -> Handler:
    """Send every request for a manifest or an upload to a signed URL."""
    return lambda asked: Answer() if asked.target == "/v2/" else Answer(307, {"Location": f"{to}?{SIGNED}"})


def uploads_at(to: str) -> Handler:
    """Hold nothing, and take uploads at a signed URL."""

    def answer(asked: Asked) -> Answer:
        if asked.target == "/v2/":
            return Answer()
        return Answer(202, {"Location": f"{to}?{SIGNED}"}) if asked.method == "POST" else Answer(404)

    return answer


def tokens(said: Answer | Handler, realm: str = "{host}/token") -> Handler:
    """Ask for a token, and give `said` for one."""

    def answer(asked: Asked) -> Answer:
        if asked.target.startswith("/token"):
            return said if isinstance(said, Answer) else said(asked)
        if "authorization" in asked.headers and asked.target != "/v2/":
            return echo(403)(asked)
        there = realm.format(host=f"http://{asked.headers['host']}")
        return Answer(401, {"WWW-Authenticate": f'Bearer realm="{there}",service="x"'})

    return answer


def aws(asked: Asked) -> Answer:
    """Refuse as AWS does, with the request in the words."""
    text = f"The Canonical String should have been 'POST\n{heard(asked)}'"
    body = json.dumps({"__type": "InvalidSignatureException", "message": text})
    return Answer(400, {"Content-Type": "application/x-amz-json-1.1"}, body.encode())


def taking(asked: Asked) -> Answer:
    """Take every upload."""
    if asked.target == "/v2/":
        return Answer()
    return Answer(202, {"Location": asked.target + "1"}) if asked.method == "POST" else Answer(404)


def ending(asked: Asked) -> Answer:
    """Quote the request, in an answer that is cut off."""
    return Answer(200, {"Content-Length": "99999"}, heard(asked).encode(), broken=True)


@dataclass(frozen=True)
class Case:
    """What carries a secret, and how it fails.

    Attributes:
        name: of the case.
        variables: of the environment; `URL` and `HOST` stand for the server.
        answer: what the server says.
        docker: the user's config.json.
        files: other files of the home directory.
        helper: what a credential helper of the user's says.
    """

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    answer: Handler = field(default_factory=lambda: echo(500))
    docker: Mapping[str, object] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    helper: str = ""


PLAIN = {"DOCKER_REGISTRY": "HOST", "BUILDER_DRIVER": "docker"}
AWAY = {"DOCKER_REGISTRY": "registry.example", "BUILDER_DRIVER": "docker"}
KEYS = {
    "AWS_ACCESS_KEY_ID": f"AKIA{SECRET}",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": f"{SECRET}{SECRET}",
    "AWS_EC2_METADATA_DISABLED": "true",
}
ECR = {"ACCOUNT": "123456789012", "REGION": "eu-west-2", "AWS_ENDPOINT_URL": "URL", "BUILDER_DRIVER": "docker"}
FILES = {**ECR, "AWS_EC2_METADATA_DISABLED": "true"}
REAL = {"ACCOUNT": "123456789012", "REGION": "eu-west-2", "BUILDER_DRIVER": "docker"}
LOGIN = {"auths": {"HOST": {"auth": base64.b64encode(f"me:{SECRET}".encode()).decode()}}}
IDENTITY = {"auths": {"HOST": {"auth": base64.b64encode(b"me:").decode(), "identitytoken": SECRET}}}
HELPED = {"credHelpers": {"HOST": "mine"}}

CASES = [
    # Variables
    Case("a session token with a line break", {**ECR, **KEYS, "AWS_SESSION_TOKEN": f"{SECRET}\n"}, aws),
    Case("keys with white space", {**ECR, **KEYS, "AWS_SECRET_ACCESS_KEY": f" {SECRET}\r\n"}, aws),
    Case("what AWS quotes", {**ECR, **KEYS}, aws),
    Case("an answer of AWS's that is none", {**ECR, **KEYS}, lambda asked: Answer(200, body=heard(asked).encode())),
    Case("an endpoint with a login", {**REAL, **KEYS, "AWS_ENDPOINT_URL": f"https://me:{SECRET}@127.0.0.1:1"}),
    Case("an endpoint that is none", {**REAL, **KEYS, "AWS_ENDPOINT_URL": f"http://me:{SHORT}@[::1"}),
    *(
        Case(f"{name} {what}, {how}", {**target, **KEYS, name: url})
        for how, name, target in (
            ("to AWS", "HTTPS_PROXY", REAL),
            ("to a registry", "HTTPS_PROXY", AWAY),
            ("to a registry", "all_proxy", AWAY),
            ("to AWS", "NO_PROXY", REAL),
            ("to a registry", "no_proxy", AWAY),
        )
        for what, url in (
            ("by socks", f"socks5h://me:{SHORT}@127.0.0.1:1"),
            ("that is none", f"http://me:{SHORT}@[::1"),
            ("with a slash", f"http://me:{SHORT}/{SECRET}@127.0.0.1:1"),
            ("that is not there", f"http://me:{SHORT}@127.0.0.1:1"),
            ("that quotes", f"http://me:{SHORT}@HOST"),
        )
        if name == "HTTPS_PROXY" or what == "that is none"
    ),
    Case("a registry with a login", {"DOCKER_REGISTRY": f"me:{SECRET}@registry.example"}),
    Case("a repository prefix with a login", {"REPO_PREFIX": f"https://me:{SHORT}@registry.example/x"}),
    # Files of AWS's
    Case("a configuration that is none", FILES, aws, files={".aws/config": SECRET}),
    Case(
        "a credential process",
        FILES,
        aws,
        files={".aws/config": f"[default]\ncredential_process = /bin/sh -c 'echo {SECRET} >&2; exit 1'\n"},
    ),
    Case(
        "credentials in a file",
        FILES,
        aws,
        files={
            ".aws/credentials": f"[default]\naws_access_key_id = A\naws_secret_access_key = {SECRET}\n"
            f"aws_session_token = {SECRET}{SECRET}\n"
        },
    ),
    # Docker's configuration
    Case("a login that is refused", PLAIN, logged_in(echo(403)), docker=LOGIN),
    Case("a login that is refused twice", PLAIN, echo(401, BASIC), docker=LOGIN),
    Case("a login that is no base64", PLAIN, logged_in(echo(403)), docker={"auths": {"HOST": {"auth": f"{SECRET}%"}}}),
    Case("an identity token", PLAIN, tokens(echo(403)), docker=IDENTITY),
    Case("an identity token in a form", PLAIN, tokens(lambda asked: Answer(400, body=asked.body)), docker=IDENTITY),
    Case("a helper's", PLAIN, logged_in(echo(403)), docker=HELPED, helper=f'{{"Username":"me","Secret":"{SECRET}"}}'),
    Case("a helper's error", PLAIN, logged_in(echo(403)), docker=HELPED, helper=f"password={SECRET}; exit 1"),
    Case("a helper of no JSON", PLAIN, logged_in(echo(403)), docker=HELPED, helper=SECRET),
    Case("logins in a variable", {**PLAIN, "DOCKER_AUTH_CONFIG": json.dumps(LOGIN)}, echo(401, BASIC)),
    Case(
        "an option of a builder that cannot boot",
        {**PLAIN, "BUILDER_DRIVER": "docker-container", "BUILDER_OPTIONS": f"env.HTTPS_PROXY=http://me:{SECRET}@127.0.0.1:1"},
        taking,
    ),
    # What registries say
    Case("a token that is refused", PLAIN, tokens(Answer(200, body=json.dumps({"token": SECRET}).encode()))),
    Case("a token of another form", PLAIN, tokens(Answer(200, body=json.dumps({"token": f"{SECRET}\n"}).encode()))),
    Case("a token server that quotes", PLAIN, tokens(echo(500)), docker=LOGIN),
    Case("a realm with a login", PLAIN, tokens(Answer(), f"https://me:{SHORT}@127.0.0.1:1/token")),
    Case("a realm that is signed", PLAIN, tokens(Answer(), f"https://127.0.0.1:1/token?{SIGNED}")),
    Case("a signed redirect to nobody", PLAIN, redirecting("http://127.0.0.1:1/blob")),
    Case("a signed redirect away", PLAIN, redirecting("http://registry.example/blob")),
    Case("a signed redirect that is none", PLAIN, redirecting("http://[::1")),
    Case("a signed redirect in a circle", PLAIN, redirecting("/v2/x")),
    Case("a signed upload at nobody", PLAIN, uploads_at("http://127.0.0.1:1/upload"), docker=LOGIN),
    Case("a signed upload that fails", PLAIN, uploads_at("/upload"), docker=LOGIN),
    Case("headers that are none", PLAIN, lambda _: Answer(200, {f"bad {SECRET}\r\n{SECRET}": SECRET}, broken=True)),
    Case("an answer that ends early", PLAIN, ending, docker=LOGIN),
]  # fmt: skip


def user(graph: Graph, case: Case, url: str) -> Graph:
    """Return a user whose variables and files carry the secret."""
    host = url.removeprefix("http://")

    def filled(text: str) -> str:
        return text.replace("URL", url).replace("HOST", host)

    programs = {"docker": DOCKER.format(root=graph.root, host=host, signed=SIGNED, secret=SECRET, short=SHORT)}
    said, _, code = case.helper.partition("; exit ")
    programs["docker-credential-mine"] = f"#!/bin/sh\necho '{said}'\nexit {code or 0}\n"
    files = {"home/.docker/config.json": json.dumps(case.docker)}
    files |= {f"home/{name}": text for name, text in case.files.items()}
    for name, text in {**files, **{f"bin/{name}": text for name, text in programs.items()}}.items():
        file = graph.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if name.startswith("bin/") else filled(text))
        file.chmod(0o700)
    path = f"{graph.root / 'bin'}:/bin:/usr/bin"
    return graph.given(INSTANCE_ID="mine", PATH=path, **{name: filled(text) for name, text in case.variables.items()})


def shown(done: Done, root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what a run said, and everything that it left but what the user wrote."""
    yield "output", done.text.encode()
    for path in root.rglob("*"):
        if path.is_file() and path.relative_to(root).parts[0] not in {"home", "bin", "scripts"}:
            yield str(path.relative_to(root)), path.read_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_secret_is_nowhere_in_what_a_run_says_or_leaves(graph: Graph, case: Case) -> None:
    with serving(case.answer) as server:
        somebody = user(graph, case, server.url)
        done = somebody.doit("push:ingest")
    assert done.code != 0, done.text
    assert [where for where, content in shown(done, graph.root) if any(mark in content for mark in MARKS)] == []
    assert "Traceback" not in done.text
    assert "next:" in done.text


@pytest.mark.parametrize("reporter", ["plain", "jsonl"])
def test_a_build_that_quotes_the_login_leaves_no_secret_in_its_log(graph: Graph, reporter: str) -> None:
    with serving(logged_in(taking)) as server:
        somebody = user(graph, Case("", PLAIN, docker=LOGIN), server.url)
        done = somebody.doit("run", "--reporter", reporter, "push:ingest")
    argv = (graph.root / "home" / "words").read_text()
    (log,) = (graph.state / "logs").iterdir()
    said = log.read_text()
    assert '"Username": "me", "Secret": "***"' in said
    assert "X-Amz-Signature=***" in said
    assert "X-Amz-Signature=***" in done.out
    assert "buildx build" in argv
    assert "MARKED" not in argv
    assert [where for where, content in shown(done, graph.root) if any(mark in content for mark in MARKS)] == []
