"""A login to AWS that cannot be used, as one error: where it was to come from, what is wrong, and what to do. Pure.

botocore looks for a login in a chain of providers, whose names (CredentialProvider.METHOD in its credentials.py) are
used here. An error names the provider that failed; if a role is assumed with the login of another profile, that of the
other profile. Of what a provider raises, only names from the configuration are shown: the rest may quote a token or an
answer.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.errors import CredentialsError, RegistryError
from tasks.registry.aws_faults import DENIED, LOGIN_REFUSED, no_answer, refused, words
from tasks.system.text import one_line, quoted

CONFIG, GIVEN, ENV = "config", "given", "env"
ROLE, WEB_IDENTITY, SSO, LOGIN = "assume-role", "assume-role-with-web-identity", "sso", "login"
PROCESS, CONTAINER, INSTANCE = "custom-process", "container-role", "iam-role"

_FULL, _RELATIVE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
_TOKEN, _TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
_WEB_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"
_INSTANCE_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_NUMBERS = ("AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "AWS_MAX_ATTEMPTS")


class NoTerminalError(Exception):
    """The code of an MFA device is needed, and the run has no terminal to ask for it."""


@dataclass(frozen=True)
class Login:
    """Where a login was looked for.

    Attributes:
        method: the provider that was asked last; CONFIG if none was, GIVEN for keys that we read from variables.
        profile: the profile.
        config_file: AWS's configuration file.
        credentials_file: AWS's shared credentials file.
        profiles: every profile's keys and values, as far as they can be read.
        environment: the variables.
        source_of: the profile whose source_profile this one is; or empty.
    """

    method: str
    profile: str
    config_file: str
    credentials_file: str
    profiles: Mapping[str, Mapping[str, Any]] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    source_of: str = ""

    def value(self, key: str) -> str:
        """Return the profile's value of a key, or an empty text."""
        return one_line(str(self.profiles.get(self.profile, {}).get(key, "")))

    def variable(self, name: str) -> str:
        """Return a variable's value, or an empty text."""
        return one_line(self.environment.get(name, ""))

    @property
    def chosen(self) -> str:
        """The profile, and what selected it."""
        by = next((name for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE") if self.environment.get(name)), "")
        by = f"source_profile of {quoted(self.source_of)}" if self.source_of else by
        return f"the AWS profile {quoted(self.profile)}" + (f" ({by})" if by else "")

    @property
    def option(self) -> str:
        """The profile as an option of `aws`, with a space before it."""
        return "" if self.profile == "default" else f" --profile {shlex.quote(self.profile)}"

    def words(self) -> dict[str, str]:
        """Return the values for the placeholders of `_TABLE`."""
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
            # botocore reads the relative one first.
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
        "correct the profile in that file; to see what AWS's tools read: aws configure list{option}",
    ),
    WEB_IDENTITY: (
        "{web}",
        "check that the token exists (ls -l {web_file}), and that the trust policy of AWS_ROLE_ARN allows its issuer",
    ),
    PROCESS: (
        "credential_process of {config}",
        "correct the command; to see what it returns, secrets included: {by_hand}",
    ),
    SSO: ("IAM Identity Center (SSO) for {config}", "run: aws sso login{option}"),
    LOGIN: ("`aws login` for {config}", "run: aws login{option}"),
    "shared-credentials-file": ("{shared}", "run: aws configure{option}"),
    "config-file": ("{config}", "run: aws configure{option}"),
    "ec2-credentials-file": ("AWS_CREDENTIAL_FILE={ec2_file}", "correct that file, or: unset AWS_CREDENTIAL_FILE"),
    "boto-config": ("BOTO_CONFIG={boto}", "correct that file, or: export BOTO_CONFIG=/dev/null"),
    CONTAINER: (
        "the container ({container})",
        f"check {{container}}, {_TOKEN} and {_TOKEN_FILE}; outside a container: unset {{container}}",
    ),
    INSTANCE: (
        "the instance metadata service of EC2",
        "check AWS_EC2_METADATA_SERVICE_ENDPOINT; outside EC2: export AWS_EC2_METADATA_DISABLED=true",
    ),
    CONFIG: ("{config}", "correct that file; to see what AWS's tools read: aws configure list{option}"),
}
"""By provider: where it finds a login, and what to do if that cannot be used."""

METHODS = frozenset(_TABLE)

_KNOWN_PARTS = re.compile(
    r"Unsupported version|Missing required key in response: '\w+'|Received non 200 response \d+|"
    r"did not contain: [\w, ]+|No credentials found in credential_source|still expired|Unable to parse JSON"
)
"""Parts of botocore's messages that say more than the exception's name. The rest of a message may quote an answer."""

_IN_OUR_WORDS = {
    "AttributeError": "the output is not a JSON object",
    "TypeError": "the output is not a JSON object",
    "JSONDecodeError": "the output is not JSON",
    "ParserError": "its expiry is not a date",
    "NoTerminalError": "its mfa_serial needs a code, and this run has no terminal to ask for it",
    "MissingDependencyException": "botocore cannot read such logins without the package awscrt",
}


def place(login: Login) -> str:
    """Return where the login should come from."""
    return _TABLE[login.method][0].format_map(login.words())


def next_step(login: Login, fault: Exception) -> str:
    """Return what to do about a login that cannot be used."""
    match type(fault).__name__:
        case "NoTerminalError" | "RefreshWithMFAUnsupportedError":
            text = 'log in at a terminal: eval "$({by_hand} --format env)", then run again there'
        case "MissingDependencyException":
            text = 'run: eval "$({by_hand} --format env)", then run again'
        case "ProfileNotFound":
            text = "select an existing one, export AWS_PROFILE=<profile>; to list them: aws configure list-profiles"
        case "SSOTokenLoadError" | "UnauthorizedSSOTokenError":
            text = _TABLE[SSO][1]
        case _:
            odd = odd_variable(login, fault)
            text = f"correct it, or: unset {odd}" if odd else _TABLE[login.method][1]
    return text.format_map(login.words())


def reason(login: Login, fault: Exception) -> str:
    """Return why a login cannot be used, quoting names only."""
    own = _REASONS.get(login.method)
    said = own(login, fault) if own else ""
    if said:
        return said
    if isinstance(fault, KeyError):
        return f"the output has no {one_line(str(fault.args[0]))}"
    known = _KNOWN_PARTS.search(str(fault))
    if type(fault).__name__ == "PartialCredentialsError":
        return f"{one_line(str(getattr(fault, 'kwargs', {}).get('cred_var')))} is missing"
    return one_line(known[0]) if known else _IN_OUR_WORDS.get(type(fault).__name__) or words(fault)


def _of_keys(login: Login, fault: Exception) -> str:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    unset = [name for name in names if not login.environment.get(name)]
    if unset:
        return f"{unset[0]} is not set" if len(unset) == 1 else "neither is set"
    return "AWS_CREDENTIAL_EXPIRATION is not a date" if isinstance(fault, ValueError) else ""


def _of_process(login: Login, fault: Exception) -> str:
    try:
        # The arguments may hold a secret.
        program = quoted(shlex.split(login.value("credential_process"))[0])
    except (ValueError, IndexError):
        return "it is not a command"
    if isinstance(fault, OSError) and fault.strerror:
        return f"{program} cannot be run: {fault.strerror}"
    if type(fault).__name__ == "CredentialRetrievalError" and not _KNOWN_PARTS.search(str(fault)):
        return f"{program} failed; its output is not shown, because it may hold a secret"
    return ""


def _of_cached_token(login: Login, fault: Exception) -> str:
    if isinstance(fault, KeyError | AttributeError | TypeError | ValueError):
        return f"the cached token in ~/.aws/{login.method} cannot be used"
    return ""


def _of_container(login: Login, fault: Exception) -> str:
    text = str(fault)
    if "legal header value" in text:
        file = login.variable(_TOKEN_FILE)
        return f"{f'{_TOKEN_FILE}={file}' if file else _TOKEN} contains a line break"
    if "Unsupported host" in text:
        return "plain http is allowed only for loopback, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23]"
    if "Received error when attempting" in text:
        return "it does not answer"
    if type(fault).__name__ == "HTTPClientError":
        return f"the request cannot be sent; check that {_TOKEN} contains only ASCII characters"
    return "it is not a URL" if type(fault) is ValueError else ""


def odd_variable(login: Login, fault: Exception) -> str:
    """Return the variable that botocore cannot parse, whatever the provider; empty if the fault is another."""
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
    SSO: _of_cached_token,
    LOGIN: _of_cached_token,
    CONTAINER: _of_container,
    INSTANCE: _of_instance,
}


# Which login a fault is about, and the errors

_KINDS = {
    "web_identity_token_file": WEB_IDENTITY,
    "credential_process": PROCESS,
    "sso_account_id": SSO,
    "sso_role_name": SSO,
    "login_session": LOGIN,
    "aws_access_key_id": "shared-credentials-file",
}
"""By a key of a profile, the provider that reads it."""

_SOURCES = {"ecscontainer": CONTAINER, "ec2instancemetadata": INSTANCE, "environment": ENV}
"""By the value of credential_source, the same."""

_SIGNS_IN = {"GetRoleCredentials": SSO, "CreateToken": SSO, "AssumeRoleWithWebIdentity": WEB_IDENTITY}
"""The operations with which a provider logs in, besides AssumeRole."""

_OF_THE_ROLE = {"InvalidConfigError", "InfiniteLoopConfigError", "PartialCredentialsError", "ResponseParserError"}
"""The exceptions about a role itself, or that say which login they are about; others are about the role's source."""

_VARIABLES = {"access_key": "AWS_ACCESS_KEY_ID", "secret_key": "AWS_SECRET_ACCESS_KEY", "token": "AWS_SESSION_TOKEN"}


def unusable(login: Login, fault: Exception) -> RegistryError:
    """Return the error for a login that was found and cannot be used; `fault` is what its provider raised."""
    login = _culprit(login, fault)
    what = f"no AWS login from {place(login)}"
    if isinstance(getattr(fault, "response", None), dict):
        return _refused(login, what, fault)
    # Somebody set the container's address, so a missing answer is a fault of the setting and not of AWS.
    unanswered = None if login.method == CONTAINER else no_answer(what, fault)
    return unanswered or CredentialsError(
        f"{what}: {reason(login, fault)}", next_step(login, fault), code=type(fault).__name__
    )


def missing(login: Login) -> CredentialsError:
    """Return the error for no login at all."""
    return CredentialsError(
        f"no AWS login found: AWS_ACCESS_KEY_ID is not set, {login.chosen} has no login "
        f"({login.credentials_file}, {login.config_file}), and neither a container nor an EC2 instance provides one",
        f"log in to AWS: aws configure{login.option}, or for IAM Identity Center: aws configure sso{login.option}; or "
        "select a profile that has a login: export AWS_PROFILE=<profile>",
        code="NoCredentialsError",
    )


def misconfigured(login: Login, fault: Exception) -> RegistryError:
    """Return the error for a configuration from which no client can be made."""
    name = type(fault).__name__
    if name in {"NoRegionError", "InvalidRegionError"}:
        return RegistryError(
            f"no usable AWS Region: {words(fault)}",
            "set the Region: export REGION=eu-west-2",
            code=name,
        )
    return RegistryError(
        f"the configuration of {login.chosen} in {login.config_file} cannot be used: {words(fault)}",
        f"check its endpoint_url, ca_bundle and other keys, and the variables AWS_*: aws configure list{login.option}",
        code=name,
    )


def unsendable(values: Mapping[str, str | None]) -> str:
    """Return the name of the value that cannot be in a header, because of a line break for example; empty if none."""
    return next((name for name, text in values.items() if text and not re.fullmatch(r"[\x21-\x7e]+", text)), "")


def not_sendable(login: Login, name: str) -> CredentialsError:
    """Return the error for a value that cannot be sent, by the name that `unsendable` returned."""
    variable = _VARIABLES[name]
    if login.method in {GIVEN, ENV}:
        what, todo = variable, f"""run: export {variable}="$(printf %s "${variable}" | tr -d '[:space:]')\""""
    else:
        what, todo = f"the {variable.lower()} from {place(login)}", next_step(login, ValueError())
    return CredentialsError(
        f"{what} contains a space, a line break or another character that AWS's keys and tokens never contain",
        todo,
        code="InvalidLogin",
    )


def _refused(login: Login, what: str, fault: Exception) -> RegistryError:
    """Return the error for a login that AWS refused to give."""
    operation = str(getattr(fault, "operation_name", ""))
    error = refused(f"{what}: {operation}", operation, getattr(fault, "response", {}))
    todo = error.next_step
    if error.temporary:
        pass
    elif operation in _SIGNS_IN:
        todo = next_step(login, fault)
    elif error.code in DENIED:
        todo = (
            "allow sts:AssumeRole on that role to the login that assumes it (source_profile or credential_source), and "
            f"trust that login in the role's trust policy; then try: aws sts get-caller-identity{login.option}"
        )
    elif error.code in LOGIN_REFUSED:
        source = _source(login)
        todo = todo if source is None else next_step(source, fault)
    return CredentialsError(error.message, todo, status=error.status, code=error.code, temporary=error.temporary)


def _culprit(login: Login, fault: Exception) -> Login:
    """Return the login that a fault is about: for a role, that may be the source of the login that assumes it."""
    operation = str(getattr(fault, "operation_name", ""))
    if type(fault).__name__.startswith("InvalidIMDS"):  # Raised before any provider is asked.
        return replace(login, method=INSTANCE)
    if login.method != ROLE or operation == "AssumeRole":
        return login
    if isinstance(fault, NoTerminalError) or type(fault).__name__ in _OF_THE_ROLE or odd_variable(login, fault):
        return login
    source = _source(login)
    if operation in _SIGNS_IN:
        return replace(source or login, method=_SIGNS_IN[operation])
    return source or login


def _source(login: Login) -> Login | None:
    """Return the login that assumes a role; None if the configuration does not name it."""
    names = [login.profile, *_source_profiles(login)]
    found = replace(login, profile=names[-1], source_of=names[-2] if len(names) > 1 else "")
    method = _SOURCES.get(found.value("credential_source").lower())
    if method is None and found.source_of:
        method = next((method for key, method in _KINDS.items() if found.value(key)), None)
    return None if method is None else replace(found, method=method)


def _source_profiles(login: Login) -> Iterator[str]:
    seen, name = {login.profile}, login.value("source_profile")
    while name and name not in seen and name in login.profiles:
        yield name
        seen.add(name)
        name = str(login.profiles[name].get("source_profile", ""))
