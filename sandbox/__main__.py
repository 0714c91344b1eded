"""`python -m sandbox start|stop|remove|environment DIRECTORY`: a sandbox without doit, for scripts and by hand.

`environment` prints the variables that make docker, buildx and AWS's clients use it, for a shell's `eval`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from sandbox import engine, servers
from sandbox.layout import Sandbox, defaults
from tasks.errors import SleeperImagesError

_CATALOGUE = Path(__file__).resolve().parent.parent / "catalogue" / "sleeper.yaml"


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; return the exit code: 1 after an error, which is printed to standard error."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A Docker engine, a registry and an ECR API")
    parser.add_argument("verb", choices=["start", "stop", "remove", "environment"])
    parser.add_argument("directory", type=Path)
    given = parser.parse_args(arguments)
    try:
        sandbox = defaults(given.directory.resolve(), os.environ)
        _run(given.verb, sandbox)
    except SleeperImagesError as error:
        _tell(f"{error}\n")
        return 1
    return 0


def _run(verb: str, sandbox: Sandbox) -> None:
    match verb:
        case "start":
            servers.check()  # The catalogue needs some of these packages as well.
            from tasks.configuration import catalogue  # noqa: PLC0415  # Slow to import; only a start needs the images.

            servers.start(sandbox, catalogue.load(_CATALOGUE).images, lambda what: _tell(f"{what}\n"))
        case "stop":
            servers.stop(sandbox)
        case "remove":
            servers.remove(sandbox)
        case "environment":
            variables = {**engine.environment(sandbox), **sandbox.aws()}
            variables |= {name: value for name, (value, _) in sandbox.settings().items()}
            sys.stdout.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _tell(text: str) -> None:
    sys.stderr.write(text)


if __name__ == "__main__":
    sys.exit(main())
