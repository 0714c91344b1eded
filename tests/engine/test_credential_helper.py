import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.engine.credentials import HELPER, NOT_FOUND, CredentialHelper, remove_abandoned
from tasks.errors import CredentialsError
from tasks.registry.credentials import Credential

SECRET = "correct-horse-battery-staple"
HOST = "123456789012.dkr.ecr.eu-west-2.amazonaws.com"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for temporary files with a path short enough for sockets, as TMPDIR mostly has."""
    assert tmp_path.exists()  # pytest makes its own below the real one, which must come first.
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        monkeypatch.setattr("tempfile.tempdir", directory)
        yield Path(directory)


def test_a_long_path_to_temporary_files_is_no_obstacle(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    helper = opened(home)
    assert json.loads(ask(helper, HOST).stdout)["Secret"] == SECRET
    helper.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / ".docker").mkdir(parents=True)
    return tmp_path / "home"


def resolve(server: str) -> Credential | None:
    if server == "broken":
        raise CredentialsError("the token could not be had", "log in to AWS")
    return Credential("AWS", SECRET) if server == HOST else None


@pytest.fixture
def helper(home: Path) -> Iterator[CredentialHelper]:
    made = opened(home)
    yield made
    made.close()


def opened(home: Path) -> CredentialHelper:
    return CredentialHelper(HOST, resolve, {"HOME": str(home), "PATH": os.environ["PATH"]})


def config(helper: CredentialHelper) -> dict[str, object]:
    return dict(json.loads((Path(helper.environment["DOCKER_CONFIG"]) / "config.json").read_text()))


def ask(helper: CredentialHelper, server: str, verb: str = "get") -> subprocess.CompletedProcess[str]:
    """Ask as docker does: by the program's name on PATH, the server on standard input."""
    return subprocess.run(
        ["sh", "-c", f"exec docker-credential-{HELPER} {verb}"],
        input=server,
        env=helper.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_docker_is_given_the_credential_of_the_host(helper: CredentialHelper) -> None:
    done = ask(helper, HOST)
    assert json.loads(done.stdout) == {"ServerURL": HOST, "Username": "AWS", "Secret": SECRET}
    assert done.returncode == 0


def test_docker_hubs_login_is_asked_for_by_dockers_own_name_for_it(home: Path) -> None:
    helper = CredentialHelper("registry-1.docker.io", resolve, {"HOME": str(home), "PATH": os.environ["PATH"]})
    config = json.loads((Path(helper.environment["DOCKER_CONFIG"]) / "config.json").read_text())
    helper.close()
    assert config["credHelpers"] == {"registry-1.docker.io": HELPER, "https://index.docker.io/v1/": HELPER}


def test_docker_is_told_where_there_is_none_in_the_words_that_it_knows(helper: CredentialHelper) -> None:
    done = ask(helper, "example.com")
    assert (done.stdout, done.returncode) == (NOT_FOUND, 1)


def test_a_fault_reaches_docker_as_its_text(helper: CredentialHelper) -> None:
    done = ask(helper, "broken")
    assert "the token could not be had" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("verb", ["store", "erase", "list"])
def test_nothing_can_be_stored_or_listed(helper: CredentialHelper, verb: str) -> None:
    assert ask(helper, HOST, verb).returncode != 0


def test_the_secret_is_in_no_file(helper: CredentialHelper) -> None:
    ask(helper, HOST)
    files = [path for path in Path(helper.environment["DOCKER_CONFIG"]).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_the_secret_is_in_no_environment(helper: CredentialHelper) -> None:
    assert not [value for value in helper.environment.values() if SECRET in value]


def test_only_the_user_can_enter_the_directory(helper: CredentialHelper) -> None:
    assert stat.S_IMODE(Path(helper.environment["DOCKER_CONFIG"]).stat().st_mode) == 0o700


def test_the_directory_is_gone_afterwards(home: Path) -> None:
    made = opened(home)
    made.close()
    assert not Path(made.environment["DOCKER_CONFIG"]).exists()


def test_the_users_builders_contexts_and_plugins_stay_theirs(home: Path) -> None:
    for name in ("contexts", "cli-plugins"):
        (home / ".docker" / name).mkdir()
    (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": "mine", "proxies": {"default": {}}}))
    helper = opened(home)
    directory = Path(helper.environment["DOCKER_CONFIG"])
    assert (directory / "contexts").resolve() == home / ".docker" / "contexts"
    assert (directory / "cli-plugins").resolve() == home / ".docker" / "cli-plugins"
    assert helper.environment["BUILDX_CONFIG"] == str(home / ".docker" / "buildx")
    assert config(helper) == {"currentContext": "mine", "proxies": {"default": {}}, "credHelpers": {HOST: HELPER}}
    helper.close()


def test_passwords_of_other_registries_are_asked_for_and_not_copied(home: Path) -> None:
    (home / ".docker" / "config.json").write_text(json.dumps({"auths": {"ghcr.io": {"auth": "c2VjcmV0"}}}))
    helper = opened(home)
    assert config(helper) == {"credHelpers": {"ghcr.io": HELPER, HOST: HELPER}}
    helper.close()


def test_what_the_users_helpers_answer_for_is_asked_of_us(home: Path) -> None:
    """buildx, which would start them, has little of the user's environment."""
    theirs = {"credHelpers": {HOST: "ecr-login", "ghcr.io": "pass"}, "credsStore": "desktop"}
    (home / ".docker" / "config.json").write_text(json.dumps(theirs))
    helper = opened(home)
    assert config(helper) == {"credHelpers": {HOST: HELPER, "ghcr.io": HELPER}, "credsStore": HELPER}
    helper.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        '{"auths": null, "credHelpers": null, "credsStore": null}',
        '{"auths": 1, "credHelpers": "x"}',
        '{"a": ' + "[" * 100_000,
    ],
)
def test_a_damaged_configuration_is_none(home: Path, text: str) -> None:
    (home / ".docker" / "config.json").write_text(text)
    helper = opened(home)
    assert config(helper) == {"credHelpers": {HOST: HELPER}}
    helper.close()


def test_the_users_configuration_is_not_written(home: Path) -> None:
    path = home / ".docker" / "config.json"
    path.write_text("{}")
    before = path.stat().st_mtime_ns
    helper = opened(home)
    ask(helper, HOST)
    helper.close()
    assert (path.read_text(), path.stat().st_mtime_ns) == ("{}", before)


@pytest.mark.parametrize("number", ["4000000", "9" * 30, "0", "x", ""])
@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("/nowhere")])
def test_what_others_leave_there_is_no_obstacle(
    temporary: Path, home: Path, number: str, make: Callable[[Path], None]
) -> None:
    make(temporary / f"sleeper-images-login-{number}-abc")
    helper = opened(home)
    assert json.loads(ask(helper, HOST).stdout)["Secret"] == SECRET
    helper.close()


def test_what_a_killed_run_left_is_removed_by_the_next(temporary: Path, home: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    left = temporary / f"sleeper-images-login-{ended.stdout.strip()}-abc"
    left.mkdir()
    running = opened(home)
    remove_abandoned()
    assert not left.exists()
    assert Path(running.environment["DOCKER_CONFIG"]).exists()
    running.close()
