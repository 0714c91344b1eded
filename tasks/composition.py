"""What a run begins with, out of doit's command line, the environment and the files that they name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import doit

from sandbox import layout
from sandbox.layout import Sandbox
from tasks.configuration import catalogue, settings
from tasks.configuration.settings import Settings
from tasks.model import Catalogue

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout, where the defaults of paths are."""


def compose(variables: Mapping[str, str]) -> tuple[Settings, Catalogue, Sandbox, dict[str, str]]:
    """Return the settings, the catalogue, this checkout's sandbox, and the environment of what a run starts.

    Where the sandbox is the target, its settings are found before it runs, and the environment is one without the
    user's AWS.

    Args:
        variables: what doit's command line sets.

    Raises:
        ConfigurationError: a setting or the catalogue is at fault.
    """
    initial = initial_directory()
    ports = (layout.REGISTRY_PORT_VARIABLE, layout.API_PORT_VARIABLE)
    found = settings.load(variables, os.environ, PROJECT, initial_directory=initial, known_extra=ports)
    given = {
        name: text
        for name in ports
        if (text := variables.get(name) or variables.get(name.lower()) or os.environ.get(name))
    }
    sandbox = layout.defaults(found.sandbox_dir, given)
    environment = dict(os.environ)
    if found.sandbox:
        environment = sandbox.environment(os.environ)
        found = settings.load(
            variables, environment, PROJECT, initial_directory=initial, known_extra=ports, defaults=sandbox.settings()
        )
    return found, catalogue.load(found.catalogue), sandbox, environment


def initial_directory() -> Path:
    """Return where relative paths that people give start: where they called us."""
    # doitw runs doit in the checkout and says where it was called from.
    return Path(os.environ.get("DOITW_CWD") or doit.get_initial_workdir() or Path.cwd())
