"""A registry that is not ECR: the same program as the sandbox's, with nothing in front of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bcrypt

from sandbox import registry
from sandbox.engine import Engine
from sandbox.layout import PASSWORD, USER, Sandbox
from sandbox.loopback import status


@contextlib.contextmanager
def registry_of_its_own(sandbox: Sandbox, engine: Engine, folder: Path, *, login: bool) -> Iterator[Sandbox]:
    """Run a registry as a program or a container; yield the sandbox as it would be with that one as its registry.

    Args:
        sandbox: the rest of it.
        engine: where a container of it runs.
        folder: an empty directory.
        login: whether it asks for one; the sandbox's opens it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    box = replace(sandbox, directory=folder, registry_port=port)
    box.registry_disk.mkdir()
    passwords = folder / "passwords"
    passwords.write_bytes(USER.encode() + b":" + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(rounds=4)) + b"\n")
    program = shutil.which("docker-registry")
    configured = registry.configuration(
        address=box.docker_registry if program else "0.0.0.0:5000",
        disk=str(box.registry_disk),
        passwords=str(passwords) if login else "",
    )
    (folder / "registry.yml").write_text(json.dumps(configured))
    mount = f"type=bind,source={folder},target={folder}"
    container = ["docker", "run", "--rm", "--publish", f"{box.docker_registry}:5000", "--mount", mount]
    argv = [program, "serve"] if program else [*container, registry.IMAGE]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*argv, str(folder / "registry.yml")], env=engine.environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        while status(port, "/v2/") not in {200, 401}:
            assert server.poll() is None, (folder / "log").read_text()
        yield box
    finally:
        server.terminate()
        server.wait()
