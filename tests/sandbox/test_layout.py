from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.layout import ACCOUNT, PASSWORD, defaults
from tasks.errors import SettingsError
from tasks.reference import Registry

# What dockerd and containerd bind below the runtime directory, longest first; 103 is macOS's limit, Linux has 107.
SOCKETS = ("exec/libnetwork/0123456789ab.sock", "containerd.sock.ttrpc", "docker.sock")
PATHS = st.lists(st.text("abc-é", min_size=1, max_size=40), min_size=1, max_size=8).map(
    lambda parts: Path("/", *parts, ".sandbox")
)


@given(PATHS)
def test_every_socket_has_a_path_that_can_be_bound(directory: Path) -> None:
    runtime = defaults(directory).runtime

    assert max(len(bytes(runtime / name)) for name in SOCKETS) <= 103


@given(PATHS)
def test_the_ports_differ_and_are_below_those_of_clients(directory: Path) -> None:
    sandbox = defaults(directory)

    assert sandbox.registry_port != sandbox.api_port
    assert min(sandbox.registry_port, sandbox.api_port) >= 20_000
    assert max(sandbox.registry_port, sandbox.api_port) < 30_000


@given(PATHS)
def test_everything_follows_from_the_directory(directory: Path) -> None:
    assert defaults(directory) == defaults(directory, {"HOME": "/elsewhere"})


@given(PATHS)
def test_linux_takes_the_name_of_the_network_interface(directory: Path) -> None:
    assert len(defaults(directory).bridge) <= 15


def test_two_checkouts_have_ports_of_their_own() -> None:
    assert defaults(Path("/a/.sandbox")).docker_registry != defaults(Path("/b/.sandbox")).docker_registry


def test_a_variable_chooses_a_port() -> None:
    sandbox = defaults(Path("/a"), {"SANDBOX_REGISTRY_PORT": "5000", "SANDBOX_API_PORT": "5001"})

    assert (sandbox.docker_registry, sandbox.endpoint_url) == ("127.0.0.1:5000", "http://127.0.0.1:5001")


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "1e3", "٣", " 80"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="SANDBOX_API_PORT"):
        defaults(Path("/a"), {"SANDBOX_API_PORT": text})


def test_one_port_for_both_servers_is_refused() -> None:
    with pytest.raises(SettingsError, match="both have port 5000"):
        defaults(Path("/a"), {"SANDBOX_REGISTRY_PORT": "5000", "SANDBOX_API_PORT": "5000"})


def test_the_registry_is_one_that_plain_http_is_spoken_to() -> None:
    assert Registry(defaults(Path("/a")).docker_registry).loopback


def test_nothing_of_the_users_aws_gets_through() -> None:
    mine = {"AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "secret", "AWS_ENDPOINT_URL_ECR": "https://real"}

    environment = defaults(Path("/a")).environment({**mine, "PATH": "/bin"})

    assert not set(mine) & set(environment)
    assert not {"production", "secret", "https://real"} & set(environment.values())
    assert environment["PATH"] == "/bin"


def test_every_setting_says_that_it_is_the_sandboxs() -> None:
    settings = defaults(Path("/a")).settings()

    assert {origin for _, origin in settings.values()} == {"the sandbox"}
    assert settings["ACCOUNT"][0] == ACCOUNT
    assert PASSWORD not in str(settings)
