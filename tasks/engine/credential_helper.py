"""The login: credentials for docker and buildx that are in no argument, environment, log or file.

    buildx ─▶ docker-credential-sleeper-images ─▶ a socket in a private directory ─▶ this process, which holds the token

For a run, DOCKER_CONFIG is a private directory whose config.json names a credential helper of ours for the target's
host. The user's own configuration is read for everything else (contexts, plugins, proxies, other hosts' credentials)
and never written. Protocol: github.com/docker/docker-credential-helpers, README, "Development".
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

from tasks.engine.docker_config import known, read_config, user_config_directory
from tasks.engine.docker_login import NOT_FOUND
from tasks.errors import SleeperImagesError
from tasks.reference import Registry
from tasks.registry.credentials import Credential

HELPER = "sleeper-images"
"""The helper's name in config.json; its program is `docker-credential-sleeper-images`."""

_PREFIX = "sleeper-images-login-"

_PID = re.compile(r"[0-9]{1,9}")

_KEPT = ("currentContext", "proxies", "cliPluginsExtraDirs", "plugins", "features")
"""What docker's clients need of the user's config.json; our helper answers for its logins and its helpers."""

_LONGEST_PARENT = 50
"""The path of a socket may have 103 bytes on macOS and 107 on Linux; the directory's own name takes up to 45."""

Resolve = Callable[[str], Credential | None]
"""From a server's name, as docker asks for it, to its credential."""

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


class CredentialHelper:
    """Answers docker's credential helper while it is open.

    Args:
        host: the target registry's host, for which our credential is given.
        resolve: gives the credential for a server; runs in this process, once for each time that docker asks.
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
        """What to add to the environment of docker's commands."""
        threading.Thread(target=self._serve, name="credential helper", daemon=True).start()

    def close(self) -> None:
        """Stop answering and remove the directory."""
        with contextlib.suppress(OSError):  # A socket that nobody listens on cannot be shut down; it is closed below.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _write_config(self, user: Path, host: str) -> None:
        theirs = read_config(user / "config.json")
        config = {key: theirs[key] for key in _KEPT if key in theirs}
        # Their own helpers are asked in this process, which has what they need of the environment: AWS_PROFILE, say.
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
        # A line of its own for the interpreter would fail where its path is long or holds a space.
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
    """Remove the directories of runs that were killed; there is no secret in them."""
    for path in _parent().glob(f"{_PREFIX}*"):
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        # In a directory that everybody may write to, anything may have such a name, and be gone by now.
        with contextlib.suppress(OSError):
            ours = path.lstat().st_uid == os.getuid() and _PID.fullmatch(pid)
            if ours and not _alive(int(pid)):
                shutil.rmtree(path, ignore_errors=True)


def _parent() -> Path:
    """Return where private directories are made: TMPDIR, unless a socket's path in it would be too long."""
    usual = Path(tempfile.gettempdir())
    return usual if len(os.fsencode(usual)) <= _LONGEST_PARENT else Path("/tmp")  # noqa: S108  # mkdtemp makes it private.


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # Somebody else's.
    return True
