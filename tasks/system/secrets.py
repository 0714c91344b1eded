"""The one place that takes secrets out of text, before it is shown, logged or stored.

    a login is read ──▶ keep ─────────────────────┐
    the environment ──▶ keep_variables ───────────┤
    a message, an event, a log's line, a traceback ┴─▶ without_secrets ──▶ what people see

It looks for two things, because neither is enough: the values that this process has read, and whatever has the shape
of a secret, such as the user info of a URL, an Authorization header or a signed URL. An error of a library, a server or
another program may quote either.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import TypeVar
from urllib.parse import quote, quote_plus, unquote

MARK = "***"
"""What stands in the place of a secret."""

_SHORTEST = 8
"""A shorter value is not looked for: it would be found inside ordinary words."""

_LONG = 24
"""From this length on a value is also known by its beginning, because a text that quotes it may cut it off."""

_BEGINNING = 20
"""How much of a long value has to be there."""

_NAMES = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|ACCESS_?KEY|API_?KEY|PRIVATE_?KEY|(^|_)AUTH(_|$)|COOKIE",
    re.IGNORECASE,
)
_NOT_VALUES = re.compile(r"_(FILE|PATH|DIR|URI|URL|SOCK|HOST|STORE|EXPIRATION|PREFERENCE)$", re.IGNORECASE)
"""Variables whose names say that they hold a secret, and those of them that only say where one is."""

_USER_INFO = re.compile(r"(?:[a-z][a-z0-9+.-]*://([^\s]+)|([^\s/@:]+:[^\s]+))@(?!sha\d+:)", re.IGNORECASE)

_WORDS = (
    r"x-amz-(?:signature|credential|security-token)|signature|sig|password|passwd|pwd|(?:[a-z]+_?)?secret|"
    r"(?:[a-z_]*_)?(?:token|secret_access_key|password|secret)|secret_?access_?key|(?:session|identity|access|refresh|id)token|"
    r"webidentitytoken|auth|assertion"
)
_HEADERS = (
    r"(?:proxy-)?authorization|x-amz-security-token|x-aws-ec2-metadata-token|x-amz-sso_bearer_token|(?:set-)?cookie"
)

_SHAPES = (
    # A user name and password in a URL (RFC 3986, 3.2.1).
    (("@",), r"\b([a-z][a-z0-9+.-]{0,20}://)[^\s/?#\"'<>]*@(?!sha\d+:)", rf"\1{MARK}@"),
    # A header, to the end of its line or of the quotes around it.
    (("authorization", "x-a", "cookie"), rf"\b({_HEADERS})(['\"]?\s*:\s*['\"]?)[^\r\n'\"]+", rf"\1\2{MARK}"),
    # The value of an Authorization header. "Basic authentication" is prose: a value has a digit, or ends in "=".
    (("bearer", "basic"), r"\b(bearer|basic)\s+(?=[^\s\"',;]*[0-9=])[\w.~+/=-]{8,}", rf"\1 {MARK}"),
    # A parameter of a URL, a form or a command, a variable, a line of an AWS configuration.
    (("=",), rf"(?<![a-z0-9_])({_WORDS})(\s?=\s?['\"]?)[^\s&'\"<>,;)]+", rf"\1\2{MARK}"),
    # A member of a JSON object, also of one that is quoted in a JSON string.
    (('"', "'"), rf"(\\?[\"'](?:{_WORDS})\\?[\"']\s*:\s*\\?[\"'])[^\"'\\]+", rf"\1{MARK}"),
    # An element of XML, in which STS answers.
    (("</",), rf"(<({_WORDS})>)[^<]+(?=</)", rf"\1{MARK}"),
)
"""What a secret looks like whose value is not known here, as it came from a server or from another program: what a text
has to hold for the pattern to be worth looking for, the pattern, and what takes its place."""

_ACCOUNT = re.compile(r"[0-9]{12}")
"""An AWS account, which LocalStack takes for an access key; names of registries hold it."""

_PATH = re.compile(r"(~|\.{0,2})/[\w./@~-]+")
"""A path: many others begin as it does."""

_known: dict[str, int] = {}
"""Each secret, and how much of its beginning gives it away."""

_Value = TypeVar("_Value")


def keep(*secrets: str) -> None:
    """Remember secrets, so that no text shows them; in each of the spellings that a text may have them in."""
    for secret in secrets:
        for line in (secret, *secret.splitlines()):
            for spelled in _spellings(line.strip()):
                if len(spelled) >= _SHORTEST and not _ACCOUNT.fullmatch(spelled):
                    whole = len(spelled) < _LONG or _PATH.fullmatch(spelled)
                    _known[spelled] = len(spelled) if whole else _BEGINNING


def keep_variables(variables: Mapping[str, str]) -> None:
    """Remember what environment variables hold of secrets: as their names say it, or as the user info of a URL."""
    for name, value in variables.items():
        if _NAMES.search(name) and not _NOT_VALUES.search(name):
            keep(value)
            keep(*re.findall(r'"(?:auth|password|identitytoken)"\s*:\s*"([^"]+)"', value))
        elif "@" in value and (found := _USER_INFO.match(value)):
            login = found[1] or found[2]
            password = login.partition(":")[2]
            keep(login, password, unquote(password), base64.b64encode(unquote(login).encode()).decode())


def forget() -> None:
    """Forget what was kept."""
    _known.clear()


def without_secrets(text: str) -> str:
    """Return a text in which `***` stands for every secret that is known or looks like one."""
    for secret, least in list(_known.items()):
        if secret[:least] in text:
            text = _cut(text, secret, least)
    lower = text.lower()
    for signs, shape, replacement in _SHAPES:
        if any(sign in lower for sign in signs):
            text = _compiled(shape).sub(replacement, text)
    return text


def safe(value: _Value) -> _Value:
    """Return a value of a dataclass, or a tuple of such, all of whose texts are without secrets."""
    found: object = value
    if isinstance(value, str):
        found = without_secrets(value)
    elif isinstance(value, tuple):
        found = tuple(safe(item) for item in value)
    elif is_dataclass(value) and not isinstance(value, type):
        found = replace(value, **{field.name: safe(getattr(value, field.name)) for field in fields(value)})
    return found  # type: ignore[return-value]  # Of the same type as it came.


@cache
def _compiled(shape: str) -> re.Pattern[str]:
    return re.compile(shape, re.IGNORECASE)


def _spellings(secret: str) -> set[str]:
    """Return a secret as it is, and as URLs, forms, JSON and Python write it."""
    escaped = json.dumps(secret)[1:-1]
    written = {escaped, escaped.replace("/", "\\/"), repr(secret)[1:-1]}
    return {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)} | written


def _cut(text: str, secret: str, least: int) -> str:
    beginning = secret[:least]
    start = text.find(beginning)
    while start >= 0:
        shown = least
        while shown < len(secret) and text[start + shown : start + shown + 1] == secret[shown]:
            shown += 1
        text = text[:start] + MARK + text[start + shown :]
        start = text.find(beginning, start + len(MARK))
    return text
