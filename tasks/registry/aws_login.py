"""An AWS login that cannot be used, as one error: which profile, variable or file it was to come from. Pure.

botocore looks for a login in a chain of providers, and each has faults of its own. A fault is told by the provider that
met it; where a role is assumed with the login of another profile, by that profile's. `aws_providers` has the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tasks.errors import CredentialsError, RegistryError
from tasks.registry.aws_faults import DENIED, LOGIN_REFUSED, no_answer, refused, words
from tasks.registry.aws_providers import (
    CONTAINER,
    ENV,
    GIVEN,
    INSTANCE,
    LOGIN,
    PROCESS,
    ROLE,
    SSO,
    WEB_IDENTITY,
    Login,
    NoTerminalError,
    next_step,
    odd_variable,
    place,
    reason,
)

_KINDS = {
    "web_identity_token_file": WEB_IDENTITY,
    "credential_process": PROCESS,
    "sso_account_id": SSO,
    "sso_role_name": SSO,
    "login_session": LOGIN,
    "aws_access_key_id": "shared-credentials-file",
}
"""By a key of a profile, the provider that it asks for."""

_SOURCES = {"ecscontainer": CONTAINER, "ec2instancemetadata": INSTANCE, "environment": ENV}
"""By the value of credential_source, the same."""

_SIGNS_IN = {"GetRoleCredentials": SSO, "CreateToken": SSO, "AssumeRoleWithWebIdentity": WEB_IDENTITY}
"""The operations with which a provider logs in, beside AssumeRole."""

_OF_THE_ROLE = {"InvalidConfigError", "InfiniteLoopConfigError", "PartialCredentialsError", "ResponseParserError"}
"""The exceptions that are about a role and not about the login that assumes it, or say by themselves which it is."""

_VARIABLES = {"access_key": "AWS_ACCESS_KEY_ID", "secret_key": "AWS_SECRET_ACCESS_KEY", "token": "AWS_SESSION_TOKEN"}


def unusable(login: Login, fault: Exception) -> RegistryError:
    """Return the error for a login that was found and cannot be used.

    Args:
        login: where it was looked for.
        fault: what its provider raised.
    """
    login = _culprit(login, fault)
    what = f"no AWS login from {place(login)}"
    if isinstance(getattr(fault, "response", None), dict):
        return _refused(login, what, fault)
    # A container's address is one that somebody set: that it does not answer is no fault of AWS's.
    unanswered = None if login.method == CONTAINER else no_answer(what, fault)
    return unanswered or CredentialsError(
        f"{what}: {reason(login, fault)}", next_step(login, fault), code=type(fault).__name__
    )


def missing(login: Login) -> CredentialsError:
    """Return the error for no login at all."""
    return CredentialsError(
        f"no AWS login was found: AWS_ACCESS_KEY_ID is not set, {login.chosen} has none "
        f"({login.credentials_file}, {login.config_file}), and no container or instance gives one",
        f"log in to AWS: aws configure{login.option}, or for IAM Identity Center: aws configure sso{login.option}; or "
        "name a profile that has a login: export AWS_PROFILE=<profile>",
        code="NoCredentialsError",
    )


def misconfigured(login: Login, fault: Exception) -> RegistryError:
    """Return the error for a client that cannot be made of what is configured."""
    name = type(fault).__name__
    if name in {"NoRegionError", "InvalidRegionError"}:
        return RegistryError(
            f"no usable AWS Region: {words(fault)}",
            "name the Region: export REGION=eu-west-2",
            code=name,
        )
    return RegistryError(
        f"what is configured for {login.chosen} in {login.config_file} cannot be used: {words(fault)}",
        f"check its endpoint_url, ca_bundle and the like, and the variables AWS_*: aws configure list{login.option}",
        code=name,
    )


def unsendable(values: Mapping[str, str | None]) -> str:
    """Return which of a login's values holds what no header can, such as a line break; empty for none."""
    return next((name for name, text in values.items() if text and not re.fullmatch(r"[\x21-\x7e]+", text)), "")


def not_sendable(login: Login, name: str) -> CredentialsError:
    """Return the error for a value that cannot be sent, by the name that `unsendable` returned."""
    variable = _VARIABLES[name]
    if login.method in {GIVEN, ENV}:
        what, todo = variable, f"""run: export {variable}="$(printf %s "${variable}" | tr -d '[:space:]')\""""
    else:
        what, todo = f"the {variable.lower()} from {place(login)}", next_step(login, ValueError())
    return CredentialsError(
        f"{what} holds a space, a line break or another character that AWS's keys and tokens do not have",
        todo,
        code="InvalidLogin",
    )


def _refused(login: Login, what: str, fault: Exception) -> RegistryError:
    """Return the error for a login that AWS was asked for, and refused."""
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
    """Return the login that a fault is about: of a role, perhaps the source of the login that assumes it."""
    operation = str(getattr(fault, "operation_name", ""))
    if type(fault).__name__.startswith("InvalidIMDS"):  # It is raised before any provider is asked.
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
    """Return where the login comes from that assumes a role; None where the configuration does not say it."""
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
