"""Logins to registries: those of the user, read as Docker's commands read them, and that of a run, given to docker.

    config.json, docker-credential-* ─▶ docker_credential ─▶ Credential
    buildx ─▶ docker-credential-sleeper-images ─▶ a socket in a private directory ─▶ CredentialHelper, in this process

The credentials of a run are in no argument, environment variable, log or file. For a run, DOCKER_CONFIG is a private
directory whose config.json names a credential helper of ours for the target's host. The user's own configuration is
read for the rest (contexts, plugins, proxies, other hosts' logins), and never written.

A credential helper is a program: github.com/docker/docker-credential-helpers, README, "Development". The user's helpers
end when the run ends, and one that hangs is an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from tasks.engine.docker_config import (
    checked_config,
    helper_of,
    known,
    login_of,
    names_of,
    read_config,
    server_name,
    user_config_directory,
)
from tasks.errors import CommandError, CredentialsError, EngineError, SleeperImagesError
from tasks.reference import Registry
from tasks.registry.credentials import IDENTITY_TOKEN_USER, Credential, how_to_log_in
from tasks.system import processes
from tasks.system.text import one_line

HELPER_SECONDS = 60.0
"""How long a credential helper may take; it may have to ask the user for a password."""

NOT_FOUND = "credentials not found in native keychain"
"""What a helper prints that has no login for a server (docker-credential-helpers, credentials/error.go)."""

HELPER = "sleeper-images"
"""The name of our helper in config.json; its program is `docker-credential-sleeper-images`."""

_PREFIX = "sleeper-images-login-"

_PID = re.compile(r"[0-9]{1,9}")

_KEPT = ("currentContext", "proxies", "cliPluginsExtraDirs", "plugins", "features")
"""What docker needs of the user's config.json; our helper answers for the user's logins and helpers."""

_LONGEST_PARENT = 50
"""The path of a socket may have 103 bytes on macOS and 107 on Linux; our directory's name takes up to 45 of them."""

Resolve = Callable[[str], Credential | None]
"""Returns the credential for a server, by the name with which docker asks for it."""

_SCRIPT = """\
import socket, sys
if sys.argv[1:] != ["get"]:
    sys.exit("sleeper-images only reads credentials")
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({path!r})
    asked.sendall(sys.stdin.buffer.read(4096))
    asked.shutdown(socket.SHUT_WR)
    answer = b"".join(iter(lambda: asked.recv(65536), b""))
sys.stdout.buffer.write(answer[1:])
sys.exit(0 if answer[:1] == b"+" else 1)
"""


# The user's


def docker_credential(registry: Registry, fresh: bool = False) -> Credential | None:  # noqa: ARG001, FBT001, FBT002  # A Keychain.
    """Return the credential that Docker's own commands would use for a registry; None if they have none.

    `fresh` has no effect: the configuration and its helpers are asked each time.

    Returns:
        The user and password, or IDENTITY_TOKEN_USER and the token.

    Raises:
        CredentialsError: the configuration or a credential helper is faulty.
    """
    server = server_name(registry.host)
    try:
        config = checked_config(user_config_directory(os.environ) / "config.json")
        store = helper_of(config, server)
        for name in names_of(config, server):
            if store and (found := _ask(store, name)) is not None:
                return found
        user, password, token = login_of(config, server) or ("", "", "")
        return _credential(IDENTITY_TOKEN_USER, token) or _credential(user, password)
    except EngineError as error:
        raise CredentialsError(error.message, error.next_step) from None
    except CommandError as error:
        raise _unusable(registry, error.message) from None
    except UnicodeError:
        raise _unusable(registry, "a user or password that is not UTF-8") from None
    except ValueError as fault:
        raise _unusable(registry, one_line(str(fault))) from None


def _ask(store: str, server: str) -> Credential | None:
    """Return the credential that a credential helper has for a server.

    Raises:
        CommandError: the program is missing, hangs, fails, or prints something else than a credential.
    """
    program = f"docker-credential-{store}"
    done = processes.run([program, "get"], stdin=server, timeout=HELPER_SECONDS)
    if done.code != 0:
        if NOT_FOUND in done.output:
            return None
        raise CommandError(f"{program} failed with exit code {done.code}: {one_line(done.output or done.errors)}")
    try:
        answer = json.loads(done.output)
    except (RecursionError, ValueError):
        raise CommandError(f"{program} did not print JSON") from None
    user, secret = (answer.get(key) for key in ("Username", "Secret")) if isinstance(answer, dict) else (None, None)
    if not isinstance(user, str) or not isinstance(secret, str):
        raise CommandError(f"{program} printed no user and password")
    return _credential(user, secret)


def _credential(user: str, secret: str) -> Credential | None:
    """Return a credential, or None for half of one; raise ValueError for text that cannot be encoded."""
    f"{user}{secret}".encode()
    return Credential(user, secret) if user and secret else None


def _unusable(registry: Registry, reason: str) -> CredentialsError:
    return CredentialsError(
        f"Docker's configuration has no usable login for {registry} ({reason})",
        f"fix config.json in DOCKER_CONFIG or ~/.docker, or the helper that it names; {how_to_log_in(registry)}",
    )


# A run's


class CredentialHelper:
    """Gives credentials to docker until it is closed.

    Args:
        host: the target registry's host.
        resolve: returns the credential for a server; called in this process each time that docker asks.
        environment: the user's environment, for DOCKER_CONFIG, HOME and PATH.
    """

    def __init__(self, host: str, resolve: Resolve, environment: Mapping[str, str]) -> None:
        self._resolve = resolve
        remove_abandoned()
        self._directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_parent()))
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.bind(str(self._directory / "socket"))
            self._socket.listen(16)
        except BaseException:
            self.close()
            raise
        user = user_config_directory(environment)
        self._write_config(user, host)
        self._write_helper()
        self.environment = {
            "DOCKER_CONFIG": str(self._directory),
            "BUILDX_CONFIG": environment.get("BUILDX_CONFIG") or str(user / "buildx"),
            "PATH": f"{self._directory}{os.pathsep}{environment.get('PATH', os.defpath)}",
        }
        """Variables to add to the environment of docker's commands."""
        threading.Thread(target=self._serve, name="credential helper", daemon=True).start()

    def close(self) -> None:
        """Stop answering and remove the directory."""
        with contextlib.suppress(OSError):  # Not every system can shut down a listening socket; it is closed below.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _write_config(self, user: Path, host: str) -> None:
        theirs = read_config(user / "config.json")
        config = {key: theirs[key] for key in _KEPT if key in theirs}
        # The user's helpers run in this process's environment, which has what they need, such as AWS_PROFILE.
        config["credHelpers"] = dict.fromkeys(sorted({*known(theirs), *Registry(host).login_names}), HELPER)
        if theirs.get("credsStore"):
            config["credsStore"] = HELPER
        (self._directory / "config.json").write_text(json.dumps(config))
        for name in ("contexts", "cli-plugins"):
            if (user / name).is_dir():
                (self._directory / name).symlink_to((user / name).resolve())

    def _write_helper(self) -> None:
        script = self._directory / "helper.py"
        script.write_text(_SCRIPT.format(path=str(self._directory / "socket")))
        program = self._directory / f"docker-credential-{HELPER}"
        # The interpreter in the first line would fail if its path is long or has a space.
        program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -IS '{script}' \"$@\"\n")
        program.chmod(0o700)

    def _serve(self) -> None:
        while True:
            try:
                asked, _ = self._socket.accept()
            except OSError:
                return  # Closed.
            threading.Thread(target=self._answer, args=(asked,), daemon=True).start()

    def _answer(self, asked: socket.socket) -> None:
        with asked, contextlib.suppress(OSError):  # Docker may be killed while it asks.
            asked.settimeout(10)
            server = b"".join(iter(lambda: asked.recv(4096), b"")).decode(errors="replace").strip()
            asked.sendall(self._answer_text(server).encode())

    def _answer_text(self, server: str) -> str:
        try:
            credential = self._resolve(server)
        except SleeperImagesError as error:
            return f"-{error}"
        if credential is None:
            return f"-{NOT_FOUND}"
        return "+" + json.dumps({"ServerURL": server, "Username": credential.username, "Secret": credential.password})


def remove_abandoned() -> None:
    """Remove the directories of runs that were killed; they hold no secret."""
    for path in _parent().glob(f"{_PREFIX}*"):
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        # In a directory that is writable for all, any file may have such a name, and be gone by now.
        with contextlib.suppress(OSError):
            ours = path.lstat().st_uid == os.getuid() and _PID.fullmatch(pid)
            if ours and not _alive(int(pid)):
                shutil.rmtree(path, ignore_errors=True)


def _parent() -> Path:
    """Return the parent of private directories: TMPDIR, unless the path of a socket in it would be too long."""
    usual = Path(tempfile.gettempdir())
    return usual if len(os.fsencode(usual)) <= _LONGEST_PARENT else Path("/tmp")  # noqa: S108  # mkdtemp makes it private.


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # A process of somebody else.
    return True
