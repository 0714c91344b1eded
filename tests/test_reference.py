import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine import buildx
from tasks.errors import SettingsError
from tasks.image.fingerprint import inputs_tag
from tasks.reference import Digest, Registry, Repository, Tag, check_tag, check_version, split_host
from tasks.registry.record import referrers_tag

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost", "[::1]:5000", "localhost:80"])
def test_loopback_hosts_are_loopback(host: str) -> None:
    assert Registry(host).loopback


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1:5000", "localhost.example.com", "127.0.0.1.example.com"])
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not Registry(host).loopback


@pytest.mark.parametrize(
    "host", ["", "https://example.com", "example.com/x", "-x", "a b", "a\n", "user@host", "$(id)", "host:port"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="not a registry host"):
        Registry(host)


def test_an_ecr_host_says_its_account_and_region() -> None:
    registry = Registry("123456789012.dkr.ecr.eu-west-2.amazonaws.com")
    assert registry.ecr_account_and_region == ("123456789012", "eu-west-2")


@pytest.mark.parametrize(
    "host",
    ["12345678901.dkr.ecr.eu-west-2.amazonaws.com", "123456789012.dkr.ecr.eu-west-2.amazonaws.com.evil.com", "ghcr.io"],
)
def test_another_host_is_not_taken_for_ecr(host: str) -> None:
    assert Registry(host).ecr_account_and_region is None


@pytest.mark.parametrize("path", ["", "UPPER", "a//b", "/a", "a/", "a b", "../a", "a:tag", "-a", "a" * 256, "a\nb"])
def test_what_is_no_repository_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match="not a repository name"):
        Repository(Registry("localhost"), path)


def test_a_repository_without_a_registry_is_refused() -> None:
    with pytest.raises(SettingsError, match="is not a repository in a registry"):
        Repository.parse("ubuntu")


@given(
    st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){0,2}(:[0-9]{2,4})?", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,5}([._-][a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,5}){0,2}", fullmatch=True),
)
def test_a_repository_parses_back_from_its_text(host: str, path: str) -> None:
    repository = Repository(Registry(host), path)
    assert Repository.parse(str(repository)) == repository


@given(st.text(max_size=140))
def test_every_tag_that_is_taken_is_within_the_grammar(name: str) -> None:
    try:
        taken = check_tag(name)
    except SettingsError:
        return
    assert taken.isascii()
    assert 1 <= len(taken) <= 128
    assert not set(taken) & set(" /:@\n$\"'")


@pytest.mark.parametrize(
    "name",
    [
        buildx.BUILDING,
        f"{buildx.BUILDING}-0123456789abcdef",
        inputs_tag("0" * 64),
        referrers_tag(Digest(DIGEST)),
    ],
)
def test_a_tag_that_means_something_else_is_no_version(name: str) -> None:
    with pytest.raises(SettingsError, match="has another meaning"):
        check_version(name)


@pytest.mark.parametrize("name", ["0.36.0-SNAPSHOT", "latest", "buildings", "inputs", "sha256"])
def test_any_other_tag_may_be_a_version(name: str) -> None:
    assert check_version(name) == name


def test_a_tag_reads_as_repository_and_name() -> None:
    assert str(Tag(Repository.parse("localhost/a/b"), "0.36.0-SNAPSHOT")) == "localhost/a/b:0.36.0-SNAPSHOT"


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "A" * 64, "md5:" + "a" * 32, DIGEST + "\n", "a" * 64])
def test_what_is_no_sha256_digest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a sha256 digest"):
        Digest(text)


def test_a_digest_is_shortened_for_people() -> None:
    assert Digest(DIGEST).short == "a" * 12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ubuntu:24.04", (None, "ubuntu:24.04")),
        ("apache/spark", (None, "apache/spark")),
        ("registry.example.com/mine", ("registry.example.com", "mine")),
        ("localhost/mine", ("localhost", "mine")),
        ("host:5000/a/b", ("host:5000", "a/b")),
    ],
)
def test_what_stands_first_is_a_host_where_docker_takes_it_for_one(text: str, expected: tuple[str | None, str]) -> None:
    assert split_host(text) == expected
