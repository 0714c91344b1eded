"""The process: listens where clients expect the registry and the API, until it is ended."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import FrameType

from sandbox.front import api, registry
from sandbox.front.disk import Disk
from sandbox.front.exchange import Exchange
from sandbox.front.images import Images
from sandbox.front.refusals import Registry
from sandbox.front.repositories import Repositories
from sandbox.front.rules import Ecr

_POLL_SECONDS = 0.5


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:  # Its signature.
        """Say what went wrong, unless it is a client that left."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # As it was handed over.


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="sandbox.front")
    for name, what in (
        ("--registry-port", "where clients expect the registry; empty if the registry itself listens there"),
        ("--api-port", "where clients expect the API"),
        ("--registry", "where the registry behind listens: host:port, or unix:// and a path"),
        ("--login", "the Authorization header for it, or empty"),
        ("--disk", "the registry's root directory"),
        ("--api", "where moto listens: host:port, or unix:// and a path"),
        ("--journal", "the file of the calls that changed something"),
        ("--account", "the registry's account"),
        ("--region", "and Region"),
        ("--key", "an access key of the account"),
    ):
        parser.add_argument(name, required=True, help=what)
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    repositories = Repositories(given.api, Path(given.journal), given.key, given.region)
    ecr = Ecr(Registry(given.account, given.region), repositories, Disk(Path(given.disk)), given.registry, given.login)
    images = Images(ecr)
    registry_handler = type("RegistryHandler", (registry.Handler,), {"ecr": ecr})
    attributes = {"ecr": ecr, "images": images, "key": given.key, "behind": given.api}
    handlers: list[tuple[int, type[Exchange]]] = [(int(given.api_port), type("ApiHandler", (api.Handler,), attributes))]
    if int(given.registry_port):
        handlers.append((int(given.registry_port), registry_handler))
    repositories.replay()
    listeners = [_Listener(("127.0.0.1", port), handler) for port, handler in handlers]
    threads = [
        threading.Thread(target=listener.serve_forever, args=(_POLL_SECONDS,), daemon=True) for listener in listeners
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # A signal handler's signature.
    raise SystemExit(0)


if __name__ == "__main__":
    main()
