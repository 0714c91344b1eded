from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pytest

from tasks.errors import RegistryError, SettingsError
from tasks.refresh import Bases, Refreshed, parse
from tasks.registry.model import OCI_MANIFEST, sha256
from tests.registry.server import Answer, serving


@pytest.mark.parametrize(
    ("reference", "repository", "tag"),
    [
        ("ubuntu", "registry-1.docker.io/library/ubuntu", "latest"),
        ("ubuntu:24.04", "registry-1.docker.io/library/ubuntu", "24.04"),
        ("apache/spark:3.5", "registry-1.docker.io/apache/spark", "3.5"),
        ("docker.io/library/debian:12", "registry-1.docker.io/library/debian", "12"),
        ("docker.io/debian:12", "registry-1.docker.io/library/debian", "12"),
        ("127.0.0.1:5000/base", "127.0.0.1:5000/base", "latest"),
        ("localhost/base:1", "localhost/base", "1"),
        ("public.ecr.aws/lambda/java:21", "public.ecr.aws/lambda/java", "21"),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(reference: str, repository: str, tag: str) -> None:
    found, name = parse(reference)
    assert (str(found), name) == (repository, tag)


@pytest.mark.parametrize("reference", ["", "UPPER", "a b", "host.example/", "$BASE"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    with pytest.raises(SettingsError):
        parse(reference)


AWAY = "127.0.0.1:1/nobody:1"
SERVED = sha256(b"served")


@pytest.fixture
def registry() -> Iterator[str]:
    """A registry that has `base:1` and nothing else, and does not show `hidden:1`."""
    headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": str(SERVED), "Content-Length": "1"}
    known = {"/v2/base/manifests/1": Answer(200, headers), "/v2/hidden/manifests/1": Answer(403)}
    with serving(lambda asked: known.get(asked.target, Answer(404))) as server:
        yield str(server.registry)


def bases(held: Mapping[str, tuple[str, ...]], locked: Mapping[str, str] = MappingProxyType({})) -> Bases:
    return Bases(lambda _registry, _fresh: None, held.get, locked)


def test_what_a_registry_has_is_locked_whatever_the_engine_has(registry: str) -> None:
    name = f"{registry}/base:1"
    assert bases({name: ()}).refresh([name]).locked == {name: str(SERVED)}


@pytest.mark.parametrize("path", ["absent:1", "hidden:1"])
@pytest.mark.parametrize("digests", [(), ("x@sha256:0",)])
def test_what_only_the_engine_has_is_not_locked(registry: str, path: str, digests: tuple[str, ...]) -> None:
    name, other = f"{registry}/{path}", f"{registry}/base:1"
    found = bases({name: digests})
    assert found.refresh([name, other]) == Refreshed({other: str(SERVED)}, (name,))
    assert found.only_here([name, other]) == (name,)


def test_what_neither_has_is_an_error(registry: str) -> None:
    with pytest.raises(RegistryError, match="is not in its registry"):
        bases({}).refresh([f"{registry}/absent:1"])


def test_what_was_locked_before_is_an_error_where_its_registry_is_away() -> None:
    with pytest.raises(RegistryError, match=f"the base image {AWAY}"):
        bases({AWAY: ("x@sha256:0",)}, {AWAY: str(SERVED)}).refresh([AWAY])


def test_what_was_built_here_needs_no_registry_to_be_asked() -> None:
    assert bases({AWAY: ()}).only_here([AWAY]) == (AWAY,)
