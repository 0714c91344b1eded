"""The ways in which botocore finds an AWS login: where each looks, what its faults mean, and what to do. Pure.

Source: botocore's credentials.py, whose providers have the names used here (CredentialProvider.METHOD). Of what they
raise, only words of our own and names out of the configuration are shown: the rest may quote a token or an answer.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.registry.aws_faults import words
from tasks.registry.message import clean
from tasks.system.text import quoted

CONFIG, GIVEN, ENV = "config", "given", "env"
ROLE, WEB_IDENTITY, SSO, LOGIN = "assume-role", "assume-role-with-web-identity", "sso", "login"
PROCESS, CONTAINER, INSTANCE = "custom-process", "container-role", "iam-role"

_FULL, _RELATIVE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
_TOKEN, _TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
_WEB_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"
_INSTANCE_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_NUMBERS = ("AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "AWS_MAX_ATTEMPTS")


class NoTerminalError(Exception):
    """The code of an MFA device is asked for, and there is nobody to ask."""


@dataclass(frozen=True)
class Login:
    """Where a login was looked for.

    Attributes:
        method: the provider that was asked last; CONFIG before any was, GIVEN for keys that we read from variables.
        profile: the profile that it is about.
        config_file: AWS's configuration.
        credentials_file: AWS's file of shared credentials.
        profiles: every profile's keys and values, as far as they can be read.
        environment: the variables.
        source_of: the profile that names this one as its source, or empty.
    """

    method: str
    profile: str
    config_file: str
    credentials_file: str
    profiles: Mapping[str, Mapping[str, Any]] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    source_of: str = ""

    def value(self, key: str) -> str:
        """Return what the profile has for a key, or nothing."""
        return clean(str(self.profiles.get(self.profile, {}).get(key, "")))

    def variable(self, name: str) -> str:
        """Return a variable's value, or nothing."""
        return clean(self.environment.get(name, ""))

    @property
    def chosen(self) -> str:
        """The profile, and what chose it."""
        by = next((name for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE") if self.environment.get(name)), "")
        by = f"source_profile of {quoted(self.source_of)}" if self.source_of else by
        return f"the AWS profile {quoted(self.profile)}" + (f" ({by})" if by else "")

    @property
    def option(self) -> str:
        """The profile as an option of AWS's commands, with a space before it."""
        return "" if self.profile == "default" else f" --profile {shlex.quote(self.profile)}"

    def words(self) -> dict[str, str]:
        """Return what the texts of the table need."""
        file = self.variable(_WEB_FILE)
        return {
            "profile": self.chosen,
            "config": f"{self.chosen} in {self.config_file}",
            "shared": f"{self.chosen} in {self.credentials_file}",
            "option": self.option,
            "by_hand": f"aws configure export-credentials{self.option}",
            "role": self.value("role_arn") or "without an ARN",
            "web": f"{_WEB_FILE}={file}" if file else f"web_identity_token_file of {self.chosen} in {self.config_file}",
            "web_file": shlex.quote(file or self.value("web_identity_token_file")),
            # botocore looks at the relative one first.
            "container": _RELATIVE if _RELATIVE in self.environment else _FULL,
            "ec2_file": self.variable("AWS_CREDENTIAL_FILE"),
            "boto": self.variable("BOTO_CONFIG") or "~/.boto or /etc/boto.cfg",
        }


_KEYS = (
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "export both, or use another login: unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN",
)
_TABLE = {
    GIVEN: _KEYS,
    ENV: _KEYS,
    ROLE: (
        "{config} (role {role})",
        "correct the profile in that file; this shows what AWS's tools read: aws configure list{option}",
    ),
    WEB_IDENTITY: (
        "{web}",
        "check that the token exists (ls -l {web_file}), and that the trust policy of AWS_ROLE_ARN allows its issuer",
    ),
    PROCESS: (
        "credential_process of {config}",
        "correct the command; this shows what it returns, secrets included: {by_hand}",
    ),
    SSO: ("IAM Identity Center (SSO) for {config}", "run: aws sso login{option}"),
    LOGIN: ("`aws login` for {config}", "run: aws login{option}"),
    "shared-credentials-file": ("{shared}", "run: aws configure{option}"),
    "config-file": ("{config}", "run: aws configure{option}"),
    "ec2-credentials-file": ("AWS_CREDENTIAL_FILE={ec2_file}", "correct that file, or: unset AWS_CREDENTIAL_FILE"),
    "boto-config": ("BOTO_CONFIG={boto}", "correct that file, or: export BOTO_CONFIG=/dev/null"),
    CONTAINER: (
        "the container ({container})",
        f"check {{container}}, {_TOKEN} and {_TOKEN_FILE}; where this is no container: unset {{container}}",
    ),
    INSTANCE: (
        "the instance metadata service of EC2",
        "check AWS_EC2_METADATA_SERVICE_ENDPOINT; where this is no instance: export AWS_EC2_METADATA_DISABLED=true",
    ),
    CONFIG: ("{config}", "correct that file; this shows what AWS's tools read: aws configure list{option}"),
}
"""By provider: where the login was to come from, and what to do."""

METHODS = frozenset(_TABLE)

_KNOWN_PARTS = re.compile(
    r"Unsupported version|Missing required key in response: '\w+'|Received non 200 response \d+|"
    r"did not contain: [\w, ]+|No credentials found in credential_source|still expired|Unable to parse JSON"
)
"""Parts of botocore's texts that say more than the exception's name; what stands around them may quote an answer."""

_IN_OUR_WORDS = {
    "AttributeError": "what it gave is not a JSON object",
    "TypeError": "what it gave is not a JSON object",
    "JSONDecodeError": "what it gave is not JSON",
    "ParserError": "its expiry is not a date",
    "NoTerminalError": "its mfa_serial asks for a code, and there is no terminal to ask at",
    "MissingDependencyException": "botocore cannot read such logins without the package awscrt",
}


def place(login: Login) -> str:
    """Return where a login was to come from."""
    return _TABLE[login.method][0].format_map(login.words())


def next_step(login: Login, fault: Exception) -> str:
    """Return what to do about a login that cannot be used."""
    match type(fault).__name__:
        case "NoTerminalError" | "RefreshWithMFAUnsupportedError":
            text = 'log in at a terminal: eval "$({by_hand} --format env)", then run again there'
        case "MissingDependencyException":
            text = 'run: eval "$({by_hand} --format env)", then run again'
        case "ProfileNotFound":
            text = "name one that is there, export AWS_PROFILE=<profile>; this lists them: aws configure list-profiles"
        case "SSOTokenLoadError" | "UnauthorizedSSOTokenError":
            text = _TABLE[SSO][1]
        case _:
            odd = odd_variable(login, fault)
            text = f"correct it, or: unset {odd}" if odd else _TABLE[login.method][1]
    return text.format_map(login.words())


def reason(login: Login, fault: Exception) -> str:
    """Return why a login cannot be used, in words that quote nothing but names."""
    own = _REASONS.get(login.method)
    said = own(login, fault) if own else ""
    if said:
        return said
    if isinstance(fault, KeyError):
        return f"what it gave has no {clean(str(fault.args[0]))}"
    known = _KNOWN_PARTS.search(str(fault))
    if type(fault).__name__ == "PartialCredentialsError":
        return f"{clean(str(getattr(fault, 'kwargs', {}).get('cred_var')))} is missing"
    return clean(known[0]) if known else _IN_OUR_WORDS.get(type(fault).__name__) or words(fault)


def _of_keys(login: Login, fault: Exception) -> str:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    unset = [name for name in names if not login.environment.get(name)]
    if unset:
        return f"{unset[0]} is not set" if len(unset) == 1 else "neither is set"
    return "AWS_CREDENTIAL_EXPIRATION is not a date" if isinstance(fault, ValueError) else ""


def _of_process(login: Login, fault: Exception) -> str:
    try:
        # Its arguments may hold a secret.
        program = quoted(shlex.split(login.value("credential_process"))[0])
    except (ValueError, IndexError):
        return "it is not a command"
    if isinstance(fault, OSError) and fault.strerror:
        return f"{program} cannot be run: {fault.strerror}"
    if type(fault).__name__ == "CredentialRetrievalError" and not _KNOWN_PARTS.search(str(fault)):
        return f"{program} failed; what it said is not shown, as it may hold a secret"
    return ""


def _of_sso(_: Login, fault: Exception) -> str:
    if isinstance(fault, KeyError | AttributeError | TypeError | ValueError):
        return "the token that is cached below ~/.aws/sso cannot be used"
    return ""


def _of_login(_: Login, fault: Exception) -> str:
    if isinstance(fault, KeyError | AttributeError | TypeError | ValueError):
        return "the token that is cached below ~/.aws/login cannot be used"
    return ""


def _of_container(login: Login, fault: Exception) -> str:
    text = str(fault)
    if "legal header value" in text:
        file = login.variable(_TOKEN_FILE)
        return f"{f'{_TOKEN_FILE}={file}' if file else _TOKEN} holds a line break"
    if "Unsupported host" in text:
        return "plain http is allowed only for loopback, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23]"
    if "Received error when attempting" in text:
        return "it does not answer"
    if type(fault).__name__ == "HTTPClientError":
        return f"it cannot be asked; see whether {_TOKEN} holds anything but ASCII"
    return "it is not a URL" if type(fault) is ValueError else ""


def odd_variable(login: Login, fault: Exception) -> str:
    """Return the variable that botocore cannot read, whichever provider it asks; empty where it is something else."""
    if type(fault) is not ValueError:
        return ""
    odd = [name for name in _NUMBERS if login.variable(name) and not login.variable(name).isdecimal()]
    if login.method == CONFIG and login.variable(_INSTANCE_ENDPOINT):
        odd.append(_INSTANCE_ENDPOINT)
    return odd[0] if odd else ""


def _of_configuration(login: Login, fault: Exception) -> str:
    odd = odd_variable(login, fault)
    return f"{odd} is not a {'URL' if odd == _INSTANCE_ENDPOINT else 'number'}" if odd else ""


def _of_instance(_: Login, fault: Exception) -> str:
    match type(fault).__name__:
        case "InvalidIMDSEndpointError":
            return "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL"
        case "InvalidIMDSEndpointModeError":
            return "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE must be ipv4 or ipv6"
    return ""


_REASONS = {
    CONFIG: _of_configuration,
    ROLE: _of_configuration,
    GIVEN: _of_keys,
    ENV: _of_keys,
    PROCESS: _of_process,
    SSO: _of_sso,
    LOGIN: _of_login,
    CONTAINER: _of_container,
    INSTANCE: _of_instance,
}
