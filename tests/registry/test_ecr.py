from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tasks.errors import CredentialsError, RegistryError
from tasks.reference import Digest, Registry, Repository
from tasks.registry.credentials import Credential
from tasks.registry.ecr import Ecr
from tasks.registry.ecr_answers import Stored, TagMutability
from tasks.registry.model import sha256
from tests.integration.project import CHECKOUT
from tests.registry import images
from tests.registry.server import Answer, Asked, Server, serving

REGION = "eu-west-2"
LOGIN = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOST = "123456789012.dkr.ecr.eu-west-2.amazonaws.com"


@pytest.fixture(autouse=True)
def _no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own AWS configuration counts."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """moto's ECR, served over HTTP as AWS's is."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def ecr(endpoint: str) -> Ecr:
    return Ecr(REGION, environment={**LOGIN, "AWS_ENDPOINT_URL": endpoint})


def at(server: Server, now: Callable[[], datetime] = lambda: NOW) -> Ecr:
    """Return ECR as a server of ours plays it."""
    return Ecr(REGION, environment={**LOGIN, "AWS_ENDPOINT_URL_ECR": server.url}, now=now)


def place(name: str) -> Repository:
    return Repository(Registry(HOST), name)


def token_answer(expires: datetime = NOW + timedelta(hours=12), **changed: object) -> Answer:
    entry = {
        "authorizationToken": base64.b64encode(b"AWS:secret").decode(),
        "expiresAt": expires.timestamp(),
        "proxyEndpoint": f"https://{HOST}",
    }
    return Answer(200, body=json.dumps({"authorizationData": [{**entry, **changed}]}).encode())


def fault(code: str, status: int = 400, message: str = "so it is") -> Callable[[Asked], Answer]:
    body = json.dumps({"__type": code, "message": message}).encode()
    return lambda _: Answer(status, {"Content-Type": "application/x-amz-json-1.1"}, body)


# Tokens


def test_a_token_says_the_login_the_registry_and_the_account(ecr: Ecr) -> None:
    token = ecr.token()
    assert token.credential == Credential("AWS", "123456789012-auth-token")
    assert token.registry == Registry(HOST)
    assert token.account == "123456789012"
    assert "auth-token" not in repr(token)


def test_threads_share_one_token() -> None:
    with serving(lambda _: token_answer()) as server, ThreadPoolExecutor(8) as pool:
        ecr = at(server)
        tokens = list(pool.map(lambda _: ecr.token(), range(8)))
        assert server.count() == 1
    assert all(token is tokens[0] for token in tokens)


def test_a_fresh_token_is_another_one() -> None:
    with serving(lambda _: token_answer()) as server:
        ecr = at(server)
        first, fresh = ecr.token(), ecr.token(fresh=True)
        assert server.count() == 2
    assert fresh is not first


def test_a_token_is_replaced_before_it_ends() -> None:
    now = [NOW]
    with serving(lambda _: token_answer()) as server:
        ecr = at(server, lambda: now[0])
        for hours, fetched in ((0, 1), (11, 1), (11.9, 2)):
            now[0] = NOW + timedelta(hours=hours)
            ecr.token()
            assert server.count() == fetched


def test_a_token_that_is_past_its_end_when_it_comes_lasts_until_it_is_refused() -> None:
    with serving(lambda _: token_answer(expires=datetime(2015, 1, 1, tzinfo=UTC))) as server:
        ecr = at(server)
        ecr.token()
        ecr.token()
        assert server.count() == 1
        ecr.token(fresh=True)
        assert server.count() == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"authorizationToken": "no base64!"},
        {"authorizationToken": base64.b64encode(b"no colon").decode()},
        {"authorizationToken": base64.b64encode(b"AWS:").decode()},
        {"authorizationToken": base64.b64encode(b"\xff:\xff").decode()},
        {"authorizationToken": None},
        {"proxyEndpoint": f"ftp://{HOST}"},
        {"proxyEndpoint": "https://"},
        {"proxyEndpoint": None},
        {"expiresAt": None},
    ],
)
def test_an_answer_without_a_usable_token_is_an_error(changed: dict[str, object]) -> None:
    with serving(lambda _: token_answer(**changed)) as server, pytest.raises(RegistryError, match="has no token"):  # type: ignore[arg-type]  # Some of the entry's keys.
        at(server).token()


# The registry of the login


@pytest.mark.parametrize("host", ["localhost:4510", "127.0.0.1:4566"])
def test_a_stand_in_on_loopback_may_name_its_registry_by_http(host: str) -> None:
    with serving(lambda _: token_answer(proxyEndpoint=f"http://{host}")) as server:
        assert at(server).registry() == Registry(host)


def test_a_registry_elsewhere_that_takes_no_https_is_refused() -> None:
    host = "000000000000.dkr.ecr.us-east-1.localhost.localstack.cloud:4566"
    with serving(lambda _: token_answer(proxyEndpoint=f"http://{host}")) as server:
        with pytest.raises(RegistryError, match=f"names http://{host} as the registry") as info:
            at(server).registry()
        assert "DOCKER_REGISTRY=localhost:" in info.value.next_step


def test_the_token_of_such_a_registry_is_good_for_the_one_that_was_set() -> None:
    host = "000000000000.dkr.ecr.us-east-1.localhost.localstack.cloud:4566"
    with serving(lambda _: token_answer(proxyEndpoint=f"http://{host}")) as server:
        assert at(server).token().credential == Credential("AWS", "secret")


# Repositories


def test_a_repository_is_created_once(ecr: Ecr) -> None:
    assert [ecr.create_repository(place("once/ingest")) for _ in range(2)] == [True, False]


def test_repositories_are_created_at_once(ecr: Ecr, endpoint: str) -> None:
    names = [f"many/image-{number}" for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ecr.create_repository, map(place, names))) == [True] * 20
    asked = boto3.client("ecr", REGION, endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="x")
    found = {one["repositoryName"] for one in asked.describe_repositories(repositoryNames=names)["repositories"]}
    assert found == set(names)


@pytest.fixture
def repositories(endpoint: str, request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    """Return what creates repositories with a setting each, below a name of the test's own."""
    client = boto3.client("ecr", REGION, endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="x")
    prefix = request.node.name.split("[")[0].removeprefix("test_")

    def create(*settings: str, filters: tuple[str, ...] = ()) -> list[str]:
        names = [f"{prefix}/{number}" for number, _ in enumerate(settings)]
        for name, setting in zip(names, settings, strict=True):
            options = (
                {"imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": one} for one in filters]}
                if setting.endswith("_WITH_EXCLUSION")
                else {}
            )
            client.create_repository(repositoryName=name, imageTagMutability=setting, **options)
        return names

    return create


def test_settings_of_many_repositories_are_read(ecr: Ecr, repositories: Callable[..., list[str]]) -> None:
    names = repositories("MUTABLE", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION", filters=("latest*",))
    assert ecr.tag_mutability(names) == {
        names[0]: TagMutability("MUTABLE"),
        names[1]: TagMutability("IMMUTABLE"),
        names[2]: TagMutability("IMMUTABLE_WITH_EXCLUSION", ("latest*",)),
    }


def test_repositories_that_do_not_exist_have_no_setting(ecr: Ecr, repositories: Callable[..., list[str]]) -> None:
    names = repositories("MUTABLE", "IMMUTABLE", "MUTABLE")
    wanted = ["gone/a", *names, "gone/b", "gone/c"]
    assert sorted(ecr.tag_mutability(wanted)) == names


def test_no_repositories_need_no_call() -> None:
    with serving(fault("ServerException", 500)) as server:
        assert at(server).tag_mutability([]) == {}
        assert server.count() == 0


def test_two_hundred_repositories_are_two_calls() -> None:
    def answer(asked: Asked) -> Answer:
        names = json.loads(asked.body)["repositoryNames"]
        assert len(names) <= 100
        found = [{"repositoryName": name, "imageTagMutability": "IMMUTABLE"} for name in names]
        return Answer(200, body=json.dumps({"repositories": found}).encode())

    with serving(answer) as server:
        assert len(at(server).tag_mutability(f"a/{number}" for number in range(200))) == 200
        assert server.count() == 2


def test_the_repositories_whose_tag_cannot_move_are_named(ecr: Ecr, repositories: Callable[..., list[str]]) -> None:
    names = repositories("MUTABLE", "IMMUTABLE")
    asked = [place(name).tag("0.1") for name in (*names, "gone/a")]
    assert ecr.immutable(asked) == {asked[1]}


# Where AWS is, and who we are


def test_the_given_environment_counts_instead_of_the_process_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: token_answer()) as server, serving(lambda _: token_answer()) as other:
        for name, value in {
            "AWS_ENDPOINT_URL": other.url,
            "AWS_ENDPOINT_URL_ECR": other.url,
            "AWS_PROFILE": "of-somebody-else",
            "AWS_ACCESS_KEY_ID": "real",
            "AWS_SECRET_ACCESS_KEY": "real",
            "AWS_SESSION_TOKEN": "real",
        }.items():
            monkeypatch.setenv(name, value)
        Ecr(environment={**LOGIN, "AWS_ENDPOINT_URL": server.url, "AWS_REGION": REGION}).token()
        assert (server.count(), other.count()) == (1, 0)
        assert "Credential=testing/" in server.asked[0].headers["authorization"]
        assert "x-amz-security-token" not in server.asked[0].headers


def test_without_one_the_process_own_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: token_answer()) as server:
        for name, value in {**LOGIN, "AWS_ENDPOINT_URL_ECR": server.url, "AWS_REGION": REGION}.items():
            monkeypatch.setenv(name, value)
        Ecr().token()
        assert f"/{REGION}/ecr/" in server.asked[0].headers["authorization"]


def test_a_profile_says_login_and_endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with serving(lambda _: token_answer()) as server:
        (tmp_path / "profiles").write_text(
            f"[profile mine]\nregion = {REGION}\nendpoint_url = {server.url}\n"
            "aws_access_key_id = profiled\naws_secret_access_key = x\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        Ecr(environment={"AWS_PROFILE": "mine", "AWS_CONFIG_FILE": str(tmp_path / "profiles")}).token()
        assert "Credential=profiled/" in server.asked[0].headers["authorization"]


@pytest.mark.parametrize("url", ["http://aws.example", "http://10.0.0.1:4566", "http://127.0.0.1.aws.example"])
def test_an_endpoint_where_others_could_listen_in_is_refused(url: str) -> None:
    error = caught(Ecr(REGION, environment={**LOGIN, "AWS_ENDPOINT_URL": url}))
    assert f"{url} is not https" in error.message


def test_such_an_endpoint_of_a_profile_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text(f"[profile mine]\nregion = {REGION}\nendpoint_url = http://aws.example\n")
    environment = {**LOGIN, "AWS_PROFILE": "mine", "AWS_CONFIG_FILE": str(tmp_path / "profiles")}
    assert "is not https" in caught(Ecr(environment=environment)).message


def test_a_loopback_endpoint_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Answer(502)) as proxy, serving(lambda _: token_answer()) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        at(server).token()
        assert (server.count(), proxy.count()) == (1, 0)


def test_one_client_is_made_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    create = boto3.session.Session.client

    def client(session: boto3.session.Session, name: str, **options: object) -> object:
        made.append(name)
        return create(session, name, **options)

    monkeypatch.setattr(boto3.session.Session, "client", client)
    together = threading.Barrier(8)
    with serving(lambda _: token_answer()) as server, ThreadPoolExecutor(8) as pool:
        ecr = at(server)

        def ask(_: int) -> None:
            together.wait(10)
            ecr.tag_mutability([])
            ecr.token()

        list(pool.map(ask, range(8)))
    assert made == ["ecr"]


# When images were pushed


def test_ecr_says_when_an_image_was_pushed(ecr: Ecr, endpoint: str) -> None:
    ecr.create_repository(place("mine/pushed-at"))
    client = boto3.client(
        "ecr", REGION, endpoint_url=endpoint, aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    manifest = images.image(images.config())
    before = datetime.now(UTC)
    put = client.put_image(repositoryName="mine/pushed-at", imageManifest=manifest.content.decode(), imageTag="1")
    digest = Digest(put["image"]["imageId"]["imageDigest"])
    found = ecr.pushed_at(place("mine/pushed-at"), digest)
    assert found is not None
    assert before - timedelta(seconds=1) <= found <= datetime.now(UTC)


def test_ecr_does_not_know_when_an_image_was_pushed_that_it_does_not_hold(ecr: Ecr) -> None:
    ecr.create_repository(place("mine/empty"))
    digest = Digest("sha256:" + "0" * 64)
    assert ecr.pushed_at(place("mine/empty"), digest) is None
    assert ecr.pushed_at(place("mine/nowhere"), digest) is None


def test_all_images_of_a_repository_are_read_page_by_page() -> None:
    def answer(asked: Asked) -> Answer:
        page = int(json.loads(asked.body).get("nextToken", "0"))
        names = [f"{page}-{number}" for number in range(3)]
        found: dict[str, object] = {
            "imageDetails": [
                {"imageDigest": str(sha256(name.encode())), "imageTags": [name], "imagePushedAt": NOW.timestamp()}
                for name in names
            ]
        }
        return Answer(200, body=json.dumps(found | ({"nextToken": str(page + 1)} if page < 2 else {})).encode())

    with serving(answer) as server:
        found = at(server).images(place("mine/ingest"))
        assert server.count() == 3
    assert [one.tags for one in found] == [(f"{page}-{number}",) for page in range(3) for number in range(3)]
    assert found[0] == Stored(sha256(b"0-0"), ("0-0",), NOW)


# Lifecycle policies


def test_a_lifecycle_policy_is_read(endpoint: str, ecr: Ecr) -> None:
    """The one of the documentation, as ECR's own validation takes it."""
    text = (CHECKOUT / "docs" / "ecr-lifecycle-policy.json").read_text()
    client = boto3.client("ecr", REGION, endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="x")
    client.create_repository(repositoryName="mine/lived")
    client.put_lifecycle_policy(repositoryName="mine/lived", lifecyclePolicyText=text)
    assert json.loads(ecr.lifecycle_policy(place("mine/lived"))) == json.loads(text)


def test_a_repository_without_a_lifecycle_policy_has_none(ecr: Ecr) -> None:
    ecr.create_repository(place("mine/unruled"))
    assert ecr.lifecycle_policy(place("mine/unruled")) == ""
    assert ecr.lifecycle_policy(place("mine/nowhere")) == ""


def expiry(policy: str | None, pushed: datetime, *others: datetime) -> str:
    """Return what the backend says of an image and of a repository with others, at NOW."""
    digest = sha256(b"0")
    details = [
        {"imageDigest": str(sha256(str(number).encode())), "imageTags": ["0.1"], "imagePushedAt": at.timestamp()}
        for number, at in enumerate((pushed, *others))
    ]

    def answer(asked: Asked) -> Answer:
        if asked.headers["x-amz-target"].endswith("GetLifecyclePolicy"):
            return fault("LifecyclePolicyNotFoundException")(asked) if policy is None else policy_answer(policy)
        alone = "imageIds" in json.loads(asked.body)
        return Answer(200, body=json.dumps({"imageDetails": details[:1] if alone else details}).encode())

    with serving(answer) as server:
        return at(server).expiry(place("mine/ingest"), digest, NOW)


def policy_answer(policy: str) -> Answer:
    return Answer(200, body=json.dumps({"lifecyclePolicyText": policy}).encode())


def policy_of(kind: str, number: int) -> str:
    selection = {"tagStatus": "any", "countType": kind, "countNumber": number}
    return json.dumps({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})


def test_a_rule_that_soon_deletes_an_image_is_said() -> None:
    text = expiry(policy_of("sinceImagePushed", 90), NOW - timedelta(days=85))
    assert "lifecycle rule 1 (any images, 90 days after the push) deletes this image in 5 days" in text


def test_a_rule_that_counts_images_is_given_all_of_the_repository() -> None:
    newer = [NOW - timedelta(days=1)] * 3
    assert "at any time" in expiry(policy_of("imageCountMoreThan", 3), NOW - timedelta(days=2), *newer)


@pytest.mark.parametrize("policy", [None, "a form of the future", json.dumps({"rules": []})])
def test_without_a_rule_that_is_known_nothing_is_said_of_an_image(policy: str | None) -> None:
    assert expiry(policy, NOW - timedelta(days=85)) == ""


def test_a_login_that_may_not_describe_images_is_told_what_it_lacks() -> None:
    with serving(fault("AccessDeniedException")) as server, pytest.raises(RegistryError) as info:
        at(server).pushed_at(place("mine/x"), Digest("sha256:" + "0" * 64))
    assert "ecr:DescribeImages" in info.value.next_step


# Faults


def caught(ecr: Ecr) -> RegistryError:
    """Return the error that creating a repository raises, or returns where a right is missing."""
    try:
        found = ecr.create_repository(place("mine/ingest"))
    except RegistryError as error:
        return error
    assert isinstance(found, RegistryError)
    return found


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        ("AccessDeniedException", RegistryError, "ecr:CreateRepository"),
        ("ExpiredTokenException", CredentialsError, "log in to AWS"),
        ("UnrecognizedClientException", CredentialsError, "log in to AWS"),
        ("InvalidSignatureException", CredentialsError, "clock"),
        ("LimitExceededException", RegistryError, "quota"),
        ("InvalidParameterException", RegistryError, "INSTANCE_ID"),
        ("KmsException", RegistryError, "API reference"),
    ],
)
def test_what_aws_refuses_says_the_code_and_the_next_step(
    code: str, kind: type[RegistryError], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # botocore repeats what exceeds a limit.
    with serving(fault(code)) as server:
        error = caught(at(server))
    assert type(error) is kind
    assert error.message == f"ecr:CreateRepository for mine/ingest: AWS answered {code} (so it is)"
    assert hint in error.next_step
    assert (error.code, error.status, error.temporary) == (code, 400, False)


@pytest.mark.parametrize(
    ("how", "hint"), [("role", "allow sts:AssumeRole on that role"), ("web", "trust policy of AWS_ROLE_ARN")]
)
def test_a_role_that_may_not_be_assumed_is_said_to_be_that(
    how: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"
    (tmp_path / "token").write_text("a token")
    with serving(lambda _: Answer(403, {"Content-Type": "text/xml"}, body)) as server:
        (tmp_path / "profiles").write_text(
            "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = first\n"
            f"[profile web]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
            f"web_identity_token_file = {tmp_path / 'token'}\n"
            "[profile first]\naws_access_key_id = first\naws_secret_access_key = x\n"
        )
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        chosen = {"AWS_PROFILE": how, "AWS_CONFIG_FILE": str(tmp_path / "profiles"), "AWS_ENDPOINT_URL": server.url}
        error = caught(Ecr(REGION, environment=chosen))
    assert isinstance(error, CredentialsError)
    assert "AWS answered AccessDenied (not you)" in error.message
    assert hint in error.next_step
    assert "ecr:CreateRepository" not in error.next_step


def test_a_throttled_call_is_repeated_and_then_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with serving(fault("ThrottlingException")) as server:
        error = caught(at(server))
        assert server.count() == 6
    assert error.temporary
    assert "again" in error.next_step


def test_nobody_answering_names_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with serving(lambda _: Answer()) as server:
        gone = server
    error = caught(at(gone))
    assert error.temporary
    assert f"{gone.url}" in error.message
    assert "does not answer" in error.message


def test_no_login_is_an_error_of_credentials() -> None:
    error = caught(Ecr(REGION, environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}))
    assert isinstance(error, CredentialsError)
    assert "log in to AWS" in error.next_step


def test_half_a_login_is_an_error_of_credentials() -> None:
    assert isinstance(caught(Ecr(REGION, environment={"AWS_ACCESS_KEY_ID": "half"})), CredentialsError)


def test_no_region_is_an_error_that_says_what_to_set() -> None:
    assert "export REGION=" in caught(Ecr(environment=LOGIN)).next_step


def test_a_region_that_cannot_be_one_is_an_error() -> None:
    assert "eu-west-2" in caught(Ecr("eu west 2/", environment=LOGIN)).next_step


def test_a_profile_that_does_not_exist_is_an_error_of_credentials() -> None:
    error = caught(Ecr(REGION, environment={"AWS_PROFILE": "gone"}))
    assert isinstance(error, CredentialsError)
    assert "AWS_PROFILE" in error.next_step
