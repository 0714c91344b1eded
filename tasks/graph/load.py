"""The context of this process, made of doit's command line, the environment and the files that they name."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import doit
from doit import doit_cmd
from doit.exceptions import InvalidDodoFile

from sandbox import layout
from tasks.configuration import catalogue, settings
from tasks.errors import ConfigurationError, SettingsError
from tasks.run_context import RunContext
from tasks.system.secrets import keep_variables
from tasks.system.terminal import Guarded

PROJECT = Path(__file__).resolve().parents[2]
"""The checkout, where default paths start."""

_loaded: list[RunContext] = []


def load() -> RunContext:
    """Make this process's context from doit's command line.

    Raises:
        InvalidDodoFile: a fault in a setting, the catalogue or the selection; doit prints the text without a traceback
            (doit 0.37, doit_cmd.py:232-241).
    """
    # doit and Python's threads write tracebacks there; what a library raised may quote a secret.
    if not isinstance(sys.stderr, Guarded):
        sys.stderr = Guarded(sys.stderr)
    try:
        # get_var returns a variable by name and cannot list them.
        context = compose(doit_cmd._CMDLINE_VARS or {})  # noqa: SLF001
    except ConfigurationError as error:
        raise InvalidDodoFile(str(error)) from None
    _loaded[:] = [context]
    return context


def current() -> RunContext:
    """Return the context that dodo.py loaded."""
    return _loaded[0]


def close() -> None:
    """Give back what the context holds, if there is one."""
    for context in _loaded:
        context.close()


def compose(variables: Mapping[str, str]) -> RunContext:
    """Make a context from doit's variables, the environment and the catalogue.

    Where the sandbox is the target, its settings are known before it runs, and the environment is one without the
    user's AWS.

    Args:
        variables: the settings on doit's command line.

    Raises:
        ConfigurationError: a fault in a setting, the catalogue or the selection.
    """
    keep_variables({**os.environ, **variables})
    initial = initial_directory()
    ports = (layout.REGISTRY_PORT_VARIABLE, layout.API_PORT_VARIABLE)
    found = settings.load(variables, os.environ, PROJECT, initial_directory=initial, known_extra=ports)
    given = {name: text for name in ports if (text := _given(variables, name) or os.environ.get(name))}
    sandbox = layout.defaults(found.sandbox_dir, given)
    environment = dict(os.environ)
    if found.sandbox:
        environment = sandbox.environment(os.environ)
        supplied = sandbox.settings(driver=_given(variables, "BUILDER_DRIVER"))
        found = settings.load(
            variables, environment, PROJECT, initial_directory=initial, known_extra=ports, defaults=supplied
        )
    _check_state_dir(found)
    return RunContext.of(found, catalogue.load(found.catalogue), sandbox, environment)


def _given(variables: Mapping[str, str], name: str) -> str:
    """Return a variable of doit's command line, whose name may be in either case; empty if it is not there."""
    return variables.get(name) or variables.get(name.lower()) or ""


def _check_state_dir(found: settings.Settings) -> None:
    """Raise SettingsError if STATE_DIR, or a path above it, exists and is not a directory."""
    for path in (found.state_dir, *found.state_dir.parents):
        try:
            kind = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return  # The first write to it meets the same fault and reports it.
        if not stat.S_ISDIR(kind):
            below = "" if path == found.state_dir else f" below {path},"
            raise SettingsError(
                f"STATE_DIR is {found.state_dir} ({found.origins['STATE_DIR']}),{below} which is not a directory",
                "set STATE_DIR to a directory; it is created if it does not exist",
            )
        return


def initial_directory() -> Path:
    """Return the directory that the user called us in, where relative paths start."""
    # doitw runs doit in the checkout and says where it was called.
    return Path(os.environ.get("DOITW_CWD") or doit.get_initial_workdir() or Path.cwd())
