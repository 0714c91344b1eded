"""What a secret is, and its removal from every text that is shown, logged or stored.

    a login is read ──▶ keep ─────────────────────┐
    the environment ──▶ keep_variables ───────────┤
    a message, an event, a log's line, a traceback ┴─▶ without_secrets ──▶ what people see

It looks for the values that this process has read, and for the shapes of secrets: the user info of a URL, an
Authorization header, a signed URL. Neither is enough: a library's error may quote a value without its name, and a
server or another program may quote a secret that this process has never read.
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
"""The text in the place of a secret."""

_SHORTEST = 8
"""A shorter value is not looked for, as it would be found inside ordinary words."""

_LONG = 24
"""A value of this length or more is also recognised by its beginning, as a text that quotes it may be cut off."""

_BEGINNING = 20
"""How many characters of a long value are enough to recognise it."""

_NAMES = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|ACCESS_?KEY|API_?KEY|PRIVATE_?KEY|(^|_)AUTH(_|$)|COOKIE",
    re.IGNORECASE,
)
_NOT_VALUES = re.compile(r"_(FILE|PATH|DIR|URI|URL|SOCK|HOST|STORE|EXPIRATION|PREFERENCE)$", re.IGNORECASE)
"""Names of variables that hold a secret, and those among them that only say where one is."""

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
"""The shapes of secrets whose values this process does not know: texts of which one occurs (to be fast), the pattern,
and its replacement."""

_ACCOUNT = re.compile(r"[0-9]{12}")
"""An AWS account ID, which LocalStack accepts as an access key, and which is part of the names of registries."""

_PATH = re.compile(r"(~|\.{0,2})/[\w./@~-]+")
"""A path, which has its beginning in common with many others."""

_known: dict[str, int] = {}
"""Each secret, and how many characters of its beginning are enough to recognise it."""

_Value = TypeVar("_Value")


def keep(*secrets: str) -> None:
    """Remember secrets, in every spelling that a text may have, for `without_secrets`."""
    for secret in secrets:
        for line in (secret, *secret.splitlines()):
            for spelled in _spellings(line.strip()):
                if len(spelled) >= _SHORTEST and not _ACCOUNT.fullmatch(spelled):
                    whole = len(spelled) < _LONG or _PATH.fullmatch(spelled)
                    _known[spelled] = len(spelled) if whole else _BEGINNING


def keep_variables(variables: Mapping[str, str]) -> None:
    """Remember the secrets in environment variables: those with such a name, and the user info of URLs."""
    for name, value in variables.items():
        if _NAMES.search(name) and not _NOT_VALUES.search(name):
            keep(value)
            keep(*re.findall(r'"(?:auth|password|identitytoken)"\s*:\s*"([^"]+)"', value))
        elif "@" in value and (found := _USER_INFO.match(value)):
            login = found[1] or found[2]
            password = login.partition(":")[2]
            keep(login, password, unquote(password), base64.b64encode(unquote(login).encode()).decode())


def forget() -> None:
    """Forget all secrets."""
    _known.clear()


def without_secrets(text: str) -> str:
    """Return the text with `***` in place of every known secret and of everything with the shape of one."""
    for secret, least in list(_known.items()):
        if secret[:least] in text:
            text = _cut(text, secret, least)
    lower = text.lower()
    for signs, shape, replacement in _SHAPES:
        if any(sign in lower for sign in signs):
            text = _compiled(shape).sub(replacement, text)
    return text


def safe(value: _Value) -> _Value:
    """Return a text, or a dataclass or tuple of texts, without secrets."""
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
    """Return a secret as it is, and as it is written in URLs, forms, JSON and Python."""
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
