"""How people called this program, so that a next step names what they can type again."""

from __future__ import annotations

import os
import re

# Texts in the code say `./doitw plan` or `doit plan`; both stand for whatever was typed.
_SPELLED = re.compile(r"(?<![\w./-])\./doitw(?![\w/.-])|(?<=`)doit(?= [a-z\"])")


def program() -> str:
    """Return what was typed: `./doitw` or another path to it, else `doit`."""
    return os.environ.get("DOITW_CALLED") or "doit"


def spelled(text: str) -> str:
    """Return a text that names this program as it was called."""
    return _SPELLED.sub(lambda _: program(), text) if "doit" in text else text
