"""Each way in which botocore finds a login, with each of its faults: real botocore, real files, servers on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.registry.server import Answer, Asked, serving
from tests.registry.tls import certificate

CHECKOUT = Path(__file__).resolve().parents[2]
SECRET = "MARKEDsecret0123456789abcdefMARKED"
FUTURE = "2999-01-01T00:00:00Z"

# A process of its own, in a session without a terminal: botocore reads this process's variables, and HOME when it is
# imported.
ASKING = """
import json, os, sys, traceback
from tasks.system import secrets
from tasks.errors import RegistryError
from tasks.registry.ecr import Ecr
import botocore.session
for line in sys.stdin:
    os.environ.clear()
    os.environ.update(json.loads(line))
    secrets.forget()
    try:
        Ecr("eu-west-2", environment=dict(os.environ)).token()
        said = {"kind": "", "message": "", "next": ""}
    except RegistryError as error:
        said = {"kind": type(error).__name__, "message": error.message, "next": error.next_step}
    except Exception:
        said = {"kind": "traceback", "message": traceback.format_exc(), "next": ""}
    print(json.dumps(said), flush=True)
"""

CONFIG = """
[profile mfa]
role_arn = arn:aws:iam::123456789012:role/mfa
source_profile = static
mfa_serial = arn:aws:iam::123456789012:mfa/me

[profile role-denied]
role_arn = arn:aws:iam::123456789012:role/denied
source_profile = static

[profile role-expired]
role_arn = arn:aws:iam::123456789012:role/expired
source_profile = static

[profile role-garbage]
role_arn = arn:aws:iam::123456789012:role/garbage
source_profile = static

[profile role-echo]
role_arn = arn:aws:iam::123456789012:role/echo
source_profile = static

[profile role-good]
role_arn = arn:aws:iam::123456789012:role/good
source_profile = static

[profile role-loop]
role_arn = arn:aws:iam::123456789012:role/loop
source_profile = role-loop-2

[profile role-loop-2]
role_arn = arn:aws:iam::123456789012:role/loop
source_profile = role-loop

[profile role-alone]
role_arn = arn:aws:iam::123456789012:role/alone

[profile role-both]
role_arn = arn:aws:iam::123456789012:role/both
source_profile = static
credential_source = Environment

[profile role-nowhere]
role_arn = arn:aws:iam::123456789012:role/nowhere
credential_source = Nowhere

[profile role-gone]
role_arn = arn:aws:iam::123456789012:role/gone
source_profile = gone

[profile role-empty]
role_arn = arn:aws:iam::123456789012:role/empty
source_profile = empty

[profile empty]
output = json

[profile role-container]
role_arn = arn:aws:iam::123456789012:role/container
credential_source = EcsContainer

[profile role-environment]
role_arn = arn:aws:iam::123456789012:role/environment
credential_source = Environment

[profile role-process]
role_arn = arn:aws:iam::123456789012:role/process
source_profile = process-missing

[profile role-sso]
role_arn = arn:aws:iam::123456789012:role/sso
source_profile = sso-none

[profile process-missing]
credential_process = /nowhere/tool --token SECRET

[profile process-not-runnable]
credential_process = DIRECTORY/config

[profile process-fails]
credential_process = sh -c "echo SECRET >&2; exit 1"

[profile process-text]
credential_process = echo SECRET

[profile process-list]
credential_process = echo '["SECRET"]'

[profile process-bytes]
credential_process = printf '\\377SECRET'

[profile process-version]
credential_process = echo '{"Version": "SECRET"}'

[profile process-no-key]
credential_process = echo '{"Version": 1, "SecretAccessKey": "SECRET"}'

[profile process-date]
credential_process = echo '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "SECRET", "Expiration": "SECRET"}'

[profile process-past]
credential_process = cat DIRECTORY/past.json

[profile process-space]
credential_process = echo '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "SECRET\\n"}'

[profile process-quote]
credential_process = echo 'SECRET

[profile web]
role_arn = arn:aws:iam::123456789012:role/web
web_identity_token_file = DIRECTORY/absent

[profile sso-none]
sso_start_url = https://none.example/start
sso_region = eu-west-2
sso_account_id = 123456789012
sso_role_name = Role

[profile sso-past]
sso_start_url = https://past.example/start
sso_region = eu-west-2
sso_account_id = 123456789012
sso_role_name = Role

[profile sso-broken]
sso_start_url = https://broken.example/start
sso_region = eu-west-2
sso_account_id = 123456789012
sso_role_name = Role

[profile sso-odd]
sso_start_url = https://odd.example/start
sso_region = eu-west-2
sso_account_id = 123456789012
sso_role_name = Role

[profile sso-date]
sso_start_url = https://date.example/start
sso_region = eu-west-2
sso_account_id = 123456789012
sso_role_name = Role

[profile sso-forbidden]
sso_start_url = https://good.example/start
sso_region = eu-west-2
sso_account_id = 123456789012
sso_role_name = Forbidden

[profile sso-unauthorized]
sso_start_url = https://good.example/start
sso_region = eu-west-2
sso_account_id = 123456789012
sso_role_name = Unauthorized

[profile sso-half]
sso_account_id = 123456789012

[profile session-gone]
sso_session = gone
sso_account_id = 123456789012
sso_role_name = Role

[profile session-none]
sso_session = none
sso_account_id = 123456789012
sso_role_name = Role

[profile session-past]
sso_session = past
sso_account_id = 123456789012
sso_role_name = Role

[profile session-forbidden]
sso_session = good
sso_account_id = 123456789012
sso_role_name = Forbidden

[sso-session none]
sso_start_url = https://none.example/start
sso_region = eu-west-2

[sso-session past]
sso_start_url = https://past.example/start
sso_region = eu-west-2

[sso-session good]
sso_start_url = https://good.example/start
sso_region = eu-west-2

[profile signed-in]
login_session = arn:aws:iam::123456789012:user/me

[profile half-config]
aws_access_key_id = SECRET

[profile odd-endpoint]
endpoint_url = http://me:SECRET@[::1
aws_access_key_id = A
aws_secret_access_key = SECRET
"""

CREDENTIALS = """
[static]
aws_access_key_id = AKIASTATIC
aws_secret_access_key = SECRET

[half]
aws_access_key_id = SECRET

[space]
aws_access_key_id = A
aws_secret_access_key = SECRET with a space
"""


@dataclass(frozen=True)
class Case:
    """A login that cannot be used: the variables, and what the error has to name and to advise."""

    name: str
    variables: Mapping[str, str]
    named: tuple[str, ...]
    advised: str


def profile(name: str, *named: str, advised: str = "", **variables: str) -> Case:
    return Case(name, {"AWS_PROFILE": name, **variables}, (f"'{name}'", "AWS_PROFILE", *named), advised)


FULL, RELATIVE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
WEB = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/web"}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAKEYS", "AWS_SECRET_ACCESS_KEY": SECRET}
IMDS = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "1"}


def container(name: str, *named: str, **variables: str) -> Case:
    return Case(f"container {name}", variables, ("AWS_CONTAINER_CREDENTIALS_", *named), "unset AWS_CONTAINER_")


CASES = [
    Case("no login", {}, ("no AWS login", "AWS_ACCESS_KEY_ID", "'default'"), "aws configure"),
    Case("half a key", {"AWS_ACCESS_KEY_ID": SECRET}, ("AWS_SECRET_ACCESS_KEY is not set",), "unset AWS_ACCESS_KEY_ID"),
    Case("the other half", {"AWS_SECRET_ACCESS_KEY": SECRET}, ("AWS_ACCESS_KEY_ID is not set",), "unset AWS_"),
    Case("a line after a token", {**KEYS, "AWS_SESSION_TOKEN": f"{SECRET}\n"}, ("AWS_SESSION_TOKEN cont",), "tr -d"),
    Case("a line after a key", {**KEYS, "AWS_SECRET_ACCESS_KEY": f"{SECRET}\n"}, ("AWS_SECRET_ACCESS_KEY",), "tr -d"),
    Case("a tab in an id", {**KEYS, "AWS_ACCESS_KEY_ID": f"{SECRET}\tx"}, ("AWS_ACCESS_KEY_ID contains",), "tr -d"),
    profile("gone", advised="aws configure list-profiles"),
    Case("default gone", {"AWS_DEFAULT_PROFILE": "gone"}, ("gone", "AWS_DEFAULT_PROFILE"), "list-profiles"),
    profile("half", "aws_secret_access_key is missing", "credentials", advised="aws configure --profile half"),
    profile("space", "credentials", advised="aws configure --profile space"),
    profile("half-config", "aws_secret_access_key", "config", advised="aws configure --profile half-config"),
    profile("odd-endpoint", "config", advised="aws configure list --profile odd-endpoint", AWS_ENDPOINT_URL_ECR=""),
    profile("mfa", "mfa_serial", "no terminal", advised="aws configure export-credentials --profile mfa --format env"),
    profile("role-denied", "role/denied", "AccessDenied", advised="sts:AssumeRole"),
    profile("role-expired", "role/expired", "ExpiredToken", advised="aws configure --profile static"),
    profile("role-garbage", "role/garbage", advised="aws configure list --profile role-garbage"),
    profile("role-echo", "role/echo", "SignatureDoesNotMatch", advised="aws configure --profile static"),
    profile("role-loop", "role-loop-2", advised="aws configure list --profile role-loop"),
    profile("role-alone", "source_profile or credential_source is missing", advised="aws configure list"),
    profile("role-both", "both source_profile and credential_source", advised="aws configure list"),
    profile("role-nowhere", "Nowhere", advised="aws configure list"),
    profile("role-gone", 'source_profile "gone"', advised="aws configure list"),
    profile("role-empty", '"empty" must have credentials', advised="aws configure list"),
    Case(
        "role-environment",
        {"AWS_PROFILE": "role-environment"},
        ("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "neither is set"),
        "export both",
    ),
    Case(
        "role-container",
        {"AWS_PROFILE": "role-container", FULL: f"http://container.example/{SECRET}"},
        (FULL, "loopback"),
        "unset",
    ),
    Case(
        "role-process",
        {"AWS_PROFILE": "role-process"},
        ("'process-missing' (source_profile of 'role-process')", "/nowhere/tool", "No such file"),
        "aws configure export-credentials --profile process-missing",
    ),
    Case("role-sso", {"AWS_PROFILE": "role-sso"}, ("'sso-none'", "'role-sso'"), "aws sso login --profile sso-none"),
    Case(
        "a role at nobody",
        {"AWS_PROFILE": "role-good", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"},
        ("'role-good'", "http://127.0.0.1:1"),
        "AWS_ENDPOINT_URL",
    ),
    *(
        profile(f"process-{name}", "credential_process", *named, advised=f"export-credentials --profile process-{name}")
        for name, *named in (
            ("missing", "/nowhere/tool", "No such file"),
            ("not-runnable", "Permission denied"),
            ("fails", "'sh' failed"),
            ("text", "not JSON"),
            ("list", "not a JSON object"),
            ("bytes", "not text in UTF-8"),
            ("version", "Unsupported version"),
            ("no-key", "AccessKeyId"),
            ("date", "not a date"),
            ("past", "still expired"),
            ("space", "aws_secret_access_key"),
            ("quote", "not a command"),
        )
    ),
    Case(
        "web absent",
        {**WEB, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token"},
        ("AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere/token", "No such file"),
        "ls -l /nowhere/token",
    ),
    Case(
        "web directory",
        {**WEB, "AWS_WEB_IDENTITY_TOKEN_FILE": "DIRECTORY"},
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "Is a directory"),
        "ls -l",
    ),
    Case(
        "web bytes",
        {**WEB, "AWS_WEB_IDENTITY_TOKEN_FILE": "DIRECTORY/bytes"},
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "UTF-8"),
        "ls -l",
    ),
    Case(
        "web without a role",
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "DIRECTORY/token"},
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
        "AWS_ROLE_ARN",
    ),
    Case(
        "web refused",
        {**WEB, "AWS_WEB_IDENTITY_TOKEN_FILE": "DIRECTORY/token"},
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "InvalidIdentityToken"),
        "ls -l",
    ),
    profile("web", "web_identity_token_file", "No such file", advised="/absent"),
    *(
        profile(f"sso-{name}", *named, advised=f"aws sso login --profile sso-{name}")
        for name, *named in (
            ("none", "SSO"),
            ("past", "expired"),
            ("broken", "SSO"),
            ("odd", "SSO"),
            ("date", "SSO"),
            ("forbidden", "ForbiddenException"),
            ("unauthorized", "SSO"),
            ("half", "sso_role_name, sso_start_url, sso_region"),
        )
    ),
    profile("session-gone", "gone", advised="aws sso login --profile session-gone"),
    profile("session-none", "SSO", advised="aws sso login --profile session-none"),
    profile("session-past", "SSO", advised="aws sso login --profile session-past"),
    profile("session-forbidden", "ForbiddenException", advised="aws sso login --profile session-forbidden"),
    profile("signed-in", "aws login", advised="aws configure export-credentials --profile signed-in"),
    container("elsewhere", FULL, "loopback", **{FULL: f"http://container.example/{SECRET}"}),
    container("odd", FULL, "not a URL", **{FULL: f"http://me:{SECRET}@[::1"}),
    container("without a scheme", FULL, "loopback", **{FULL: SECRET}),
    container("empty", FULL, **{FULL: ""}),
    container(
        "token file absent",
        "/nowhere/token",
        "No such file",
        **{FULL: "URL/container/good", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere/token"},
    ),
    container(
        "token file with a line",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=",
        "line break",
        **{FULL: "URL/container/good", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "DIRECTORY/line"},
    ),
    container(
        "token with a line",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN contains",
        **{FULL: "URL/container/good", "AWS_CONTAINER_AUTHORIZATION_TOKEN": f"{SECRET}\n"},
    ),
    container(
        "token beyond Latin-1",
        **{FULL: "URL/container/good", "AWS_CONTAINER_AUTHORIZATION_TOKEN": f"{SECRET}→"},
    ),
    container(
        "refusing",
        "Received non 200 response 403",
        **{FULL: "URL/container/refused", "AWS_CONTAINER_AUTHORIZATION_TOKEN": SECRET},
    ),
    container("talking", "Unable to parse JSON", **{FULL: "URL/container/text"}),
    container("listing", "not a JSON object", **{FULL: "URL/container/list"}),
    container("silent", "AccessKeyId", **{FULL: "URL/container/empty"}),
    container("dated", "not a date", **{FULL: "URL/container/date"}),
    container("nobody", "does not answer", **{FULL: "http://127.0.0.1:1/"}),
    Case("ec2 file absent", {"AWS_CREDENTIAL_FILE": "/nowhere/file"}, ("AWS_CREDENTIAL_FILE=/nowhere/file",), "unset"),
    Case(
        "ec2 file of half", {"AWS_CREDENTIAL_FILE": "DIRECTORY/half"}, ("AWS_CREDENTIAL_FILE", "AWSSecretKey"), "unset"
    ),
    Case("ec2 file of bytes", {"AWS_CREDENTIAL_FILE": "DIRECTORY/bytes"}, ("AWS_CREDENTIAL_FILE", "UTF-8"), "unset"),
    Case("boto unreadable", {"BOTO_CONFIG": "DIRECTORY/bytes"}, ("BOTO_CONFIG=",), "BOTO_CONFIG=/dev/null"),
    Case("boto of half", {"BOTO_CONFIG": "DIRECTORY/boto"}, ("BOTO_CONFIG=", "secret_access_key"), "BOTO_CONFIG="),
    Case("config unreadable", {"AWS_CONFIG_FILE": "DIRECTORY/line"}, ("DIRECTORY/line",), "aws configure list"),
    Case("config of bytes", {"AWS_CONFIG_FILE": "DIRECTORY/bytes"}, ("DIRECTORY/bytes",), "aws configure list"),
    Case(
        "credentials unreadable",
        {"AWS_SHARED_CREDENTIALS_FILE": "DIRECTORY/line"},
        ("DIRECTORY/line",),
        "aws configure",
    ),
    Case("instance odd", {**IMDS, "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://me:{SECRET}@[::1"}, (), "AWS_EC2"),
    Case(
        "instance in a mode",
        {**IMDS, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv5"},
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",),
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    ),
    Case(
        "instance of text",
        {**IMDS, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "URL/instance/"},
        ("no AWS login",),
        "aws configure",
    ),
    Case(
        "instance in time", {**IMDS, "AWS_METADATA_SERVICE_TIMEOUT": "soon"}, ("AWS_METADATA_SERVICE_TIMEOUT",), "AWS_"
    ),
    profile("role-good", "AWS_MAX_ATTEMPTS is not a number", advised="unset AWS_MAX_", AWS_MAX_ATTEMPTS="many"),
    Case(
        "certificates absent",
        {**KEYS, "AWS_CA_BUNDLE": "/nowhere/ca.pem", "AWS_ENDPOINT_URL_ECR": "SECURE/"},
        ("https://", "No such file"),
        "AWS_CA_BUNDLE",
    ),
    Case(
        "certificates of another",
        {**KEYS, "AWS_ENDPOINT_URL_ECR": "SECURE/"},
        ("certificate verify failed",),
        "AWS_CA_BUNDLE",
    ),
    Case("an answer that is no JSON", KEYS, ("ecr:GetAuthorizationToken", "no token"), "AWS_ENDPOINT"),
    *(
        Case(
            f"an answer of {what}",
            {**KEYS, "AWS_ENDPOINT_URL_ECR": f"URL/{what}"},
            ("ecr:", "not that of"),
            "AWS_ENDPOINT",
        )
        for what in ("bytes", "lists", "dates")
    ),
    Case(
        "a proxy of another kind",
        {**KEYS, "HTTPS_PROXY": f"socks5h://me:{SECRET}@127.0.0.1:1", "AWS_ENDPOINT_URL_ECR": ""},
        ("HTTPS_PROXY", "socks5h"),
        "unset HTTPS_PROXY",
    ),
]


def tokens(directory: Path) -> None:
    """Write what `aws sso login` caches."""
    cache = directory / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    good = {"accessToken": SECRET, "expiresAt": FUTURE}
    for name, content in {
        "https://past.example/start": json.dumps({**good, "expiresAt": "2001-01-01T00:00:00Z"}),
        "https://broken.example/start": f"{SECRET} is not JSON",
        "https://odd.example/start": json.dumps([SECRET]),
        "https://date.example/start": json.dumps({**good, "expiresAt": SECRET}),
        "https://good.example/start": json.dumps(good),
        "past": json.dumps(
            {
                "accessToken": SECRET,
                "expiresAt": "2001-01-01T00:00:00Z",
                "refreshToken": SECRET,
                "clientId": "me",
                "clientSecret": SECRET,
                "registrationExpiresAt": FUTURE,
            }
        ),
        "good": json.dumps(good),
    }.items():
        (cache / f"{hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()}.json").write_text(content)


def xml_fault(code: str, message: str) -> Answer:
    text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Answer(403, {"Content-Type": "text/xml"}, text.encode())


def sts(asked: Asked) -> Answer:
    if not asked.headers.get("content-type", "").startswith("application/x-www-form"):
        return Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, f'{{"authorizationData": {SECRET}'.encode())
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    heard = f"{form.get('WebIdentityToken', '')} {asked.headers.get('authorization', '')} {SECRET}"
    match form["RoleArn"].rpartition("/")[2]:
        case "denied":
            return xml_fault("AccessDenied", f"not authorized to perform: sts:AssumeRole; heard {heard}")
        case "expired":
            return xml_fault("ExpiredToken", "The security token included in the request is expired")
        case "echo":
            return xml_fault("SignatureDoesNotMatch", f"The Canonical String was x-amz-security-token:{SECRET}")
        case "web":
            return xml_fault("InvalidIdentityToken", f"No OpenIDConnect provider for {heard}")
    return Answer(200, {"Content-Type": "text/xml"}, f"<SecretAccessKey>{SECRET}</Secret".encode())


def portal(asked: Asked) -> Answer:
    """Answer as the portal of IAM Identity Center does: GetRoleCredentials."""
    code = "Unauthorized" if "Unauthorized" in asked.target else "Forbidden"
    heard = asked.headers.get("x-amz-sso_bearer_token", "")
    headers = {"x-amzn-errortype": f"{code}Exception", "Content-Type": "application/json"}
    return Answer(401 if code == "Unauthorized" else 403, headers, json.dumps({"message": f"No {heard}"}).encode())


GOOD = {"AccessKeyId": "A", "SecretAccessKey": SECRET, "Token": SECRET, "Expiration": FUTURE}
BODIES = {
    "/bytes": b"\xff" + SECRET.encode(),
    "/lists": json.dumps([SECRET]).encode(),
    "/dates": json.dumps({"authorizationData": [{"authorizationToken": SECRET, "expiresAt": SECRET}]}).encode(),
    "/container/list": json.dumps([SECRET]).encode(),
    "/container/empty": b"{}",
    "/container/date": json.dumps({**GOOD, "Expiration": SECRET}).encode(),
    "/container/good": json.dumps(GOOD).encode(),
}
"""What an agent of a container says, and what is no answer of ECR's API."""


def answer(asked: Asked) -> Answer:
    """Answer as each of those that botocore asks for a login, and as ECR, which it is for."""
    path = asked.target.partition("?")[0]
    if path.startswith("/federation/"):
        return portal(asked)
    if path == "/token":
        body = json.dumps({"error": "invalid_grant", "error_description": asked.body.decode()}).encode()
        return Answer(400, {"x-amzn-errortype": "InvalidGrantException", "Content-Type": "application/json"}, body)
    if path == "/container/refused":
        return Answer(403, body=f"you said {asked.headers.get('authorization')}".encode())
    if path == "/":
        return sts(asked)
    return Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, BODIES.get(path, SECRET.encode()))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What is said of each login that cannot be used."""
    home = tmp_path_factory.mktemp("home")
    for name, text in (("config", CONFIG), ("credentials", CREDENTIALS)):
        (home / name).write_text(text.replace("SECRET", SECRET).replace("DIRECTORY", str(home)))
    (home / "token").write_text(f"{SECRET}.web")
    (home / "line").write_text(f"{SECRET}\n")
    (home / "half").write_text(f"AWSAccessKeyId={SECRET}\n")
    (home / "bytes").write_bytes(b"\xff\xfe" + SECRET.encode())
    (home / "boto").write_text(f"[Credentials]\naws_access_key_id = {SECRET}\n")
    past = {"AccessKeyId": "A", "SecretAccessKey": SECRET, "SessionToken": SECRET, "Expiration": "2001-01-01T00:00:00Z"}
    (home / "past.json").write_text(json.dumps({"Version": 1, **past}))
    tokens(home)
    _, context = certificate(home, "127.0.0.1")
    with serving(answer) as server, serving(answer, context) as secure:
        common = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "AWS_CONFIG_FILE": str(home / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "BOTO_CONFIG": "/dev/null",
            **{f"AWS_ENDPOINT_URL_{name}": server.url for name in ("STS", "SSO", "SSO_OIDC", "ECR")},
        }

        def filled(text: str) -> str:
            for name, url in (("URL", server.url), ("SECURE", secure.url.replace("http:", "https:"))):
                text = f"{url}{text.removeprefix(name)}" if text.startswith(f"{name}/") else text
            return text.replace("DIRECTORY", str(home))

        lines = [
            json.dumps({**common, **{name: filled(text) for name, text in case.variables.items()}}) for case in CASES
        ]
        done = subprocess.run(
            [sys.executable, "-c", ASKING],
            input="\n".join(lines) + "\n",
            cwd=CHECKOUT,
            env=common,
            start_new_session=True,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
    assert done.stderr == ""
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return {case.name: {**one, "home": str(home)} for case, one in zip(CASES, answers, strict=True)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_login_that_cannot_be_used_is_one_clear_error(said: dict[str, dict[str, Any]], case: Case) -> None:
    told = said[case.name]
    message = told["message"].replace(told["home"], "DIRECTORY")
    assert told["kind"] in {"CredentialsError", "RegistryError"}, message
    assert not [word for word in case.named if word not in message], message
    assert case.advised in told["next"], told["next"]
    assert "MARKED" not in message + told["next"]
    assert "\n" not in message
