"""Errors of AWS and botocore as our errors, with a next step. botocore's exceptions are known by name. Pure.

An exception's message is shown only if it quotes nothing but names. Most of botocore's messages wrap those of another
library, which may quote a header that could not be sent, a proxy's URL, or an answer that could not be parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.errors import CredentialsError, RegistryError
from tasks.system.text import one_line, shown_url

_LOG_IN = "log in to AWS (aws configure, aws sso login), or set AWS_PROFILE to a profile that is logged in"
_CLOCK = "check AWS_SECRET_ACCESS_KEY and this machine's clock"
_REACH_AWS = "check REGION and AWS_ENDPOINT_URL, and that this machine can reach that endpoint"

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""AWS's codes for a valid login without the right."""

_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"})
_SERVER_FAULTS = frozenset({500, 502, 503, 504})

LOGIN_REFUSED = {
    "ExpiredToken": _LOG_IN,
    "ExpiredTokenException": _LOG_IN,
    "IncompleteSignature": _LOG_IN,
    "InvalidClientTokenId": _LOG_IN,
    "InvalidSignatureException": _CLOCK,
    "RequestExpired": _CLOCK,
    "SignatureDoesNotMatch": _CLOCK,
    "UnrecognizedClientException": _LOG_IN,
}
"""By AWS's error code for a refused login, the next step ("Common Errors" in the API references)."""

_NOT_SENT = {
    "SSLError": "set AWS_CA_BUNDLE to a file with the certificate authority, or: unset AWS_CA_BUNDLE",
    "ProxyConnectionError": "check HTTPS_PROXY; without a proxy: unset HTTPS_PROXY",
}
"""By the name of botocore's exception for a call that could not be sent, the next step."""


_QUOTES_NAMES_ONLY = {
    "CapacityNotAvailableError",
    "ConfigNotFound",
    "ConfigParseError",
    "InfiniteLoopConfigError",
    "InvalidConfigError",
    "InvalidRegionError",
    "InvalidRetryConfigurationError",
    "NoAuthTokenError",
    "NoCredentialsError",
    "NoRegionError",
    "ParamValidationError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "UnknownCredentialError",
    "UnknownEndpointError",
    "UnknownRegionError",
}
"""The exceptions whose messages quote only profiles, files, keys, Regions and our own arguments."""


_IN_OUR_WORDS = {
    "JSONDecodeError": "it is not JSON",
    "ProxyConnectionError": "the proxy does not answer",
    "ResponseParserError": "its answer cannot be read",
    "UnicodeDecodeError": "it is not text in UTF-8",
}


_PUSH_DENIED = re.compile(r"(HEAD|POST|PATCH|PUT) request to \S+/(manifests|blobs/uploads|blobs)/\S*: 403")
_PUSH_RIGHTS = {
    "HEAD blobs": "ecr:BatchCheckLayerAvailability",
    "HEAD manifests": "ecr:BatchGetImage",
    "POST blobs/uploads": "ecr:InitiateLayerUpload",
    "PATCH blobs/uploads": "ecr:UploadLayerPart",
    "PUT blobs/uploads": "ecr:UploadLayerPart and ecr:CompleteLayerUpload",
    "PUT manifests": "ecr:PutImage",
}
"""The rights that each request of a push needs ("IAM permissions for pushing an image", Amazon ECR user guide)."""


def rights_denied(said: str) -> str:
    """Return the rights that a push lacks, by BuildKit's output, which does not quote ECR's reason; empty if none."""
    found = _PUSH_DENIED.search(said)
    return _PUSH_RIGHTS.get(f"{found[1]} {found[2]}", "") if found else ""


def refused(what: str, operation: str, response: Mapping[str, Any]) -> RegistryError:
    """Return the error for a call, `what`, that AWS answered with an error.

    `operation` is its name in the API and in policies, `response` that of botocore's ClientError.
    """
    error = response.get("Error", {})
    code, words = one_line(str(error.get("Code", ""))), one_line(str(error.get("Message", "")))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    temporary = code in _THROTTLED or status in _SERVER_FAULTS
    kind = CredentialsError if code in LOGIN_REFUSED else RegistryError
    return kind(
        f"{what}: AWS answered {code} ({words})",
        LOGIN_REFUSED.get(code) or _next_step(code, operation, temporary=temporary),
        status=status,
        code=code,
        temporary=temporary,
    )


def failed(what: str, fault: Exception) -> RegistryError:
    """Return the error for a call, `what`, that was not sent or not answered; `fault` is botocore's."""
    unanswered = no_answer(what, fault)
    if unanswered is not None:
        return unanswered
    name = type(fault).__name__
    return RegistryError(f"{what}: {words(fault)}", _NOT_SENT.get(name, _REACH_AWS), code=name)


def no_answer(what: str, fault: Exception) -> RegistryError | None:
    """Return the error for a request that got no answer; None if the exception is about something else."""
    names = [kind.__name__ for kind in type(fault).__mro__]
    if not {"HTTPClientError", "ConnectionError"}.intersection(names):
        return None
    url = getattr(fault, "kwargs", {}).get("endpoint_url")
    where = shown_url(str(url)) if url else "AWS"
    inner = getattr(fault, "kwargs", {}).get("error")
    if isinstance(inner, OSError) and inner.filename:
        # Certificates, which botocore reads before it sends anything.
        return RegistryError(f"{what}: {words(inner)}", _NOT_SENT["SSLError"], code=names[0])
    if names[0] in _NOT_SENT:
        return RegistryError(f"{what}: {where}: {words(fault)}", _NOT_SENT[names[0]], code=names[0])
    how = "does not answer" if url else f"does not answer ({words(fault)})"
    return RegistryError(f"{what}: {where} {how}", _REACH_AWS, code=names[0], temporary=True)


UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What botocore's parsers raise for an answer that does not have the API's shape."""


def unreadable(what: str, fault: Exception) -> RegistryError:
    """Return the error for an answer that botocore cannot parse."""
    name = type(fault).__name__
    return RegistryError(f"{what}: the answer is not that of ECR's API ({name})", _REACH_AWS, code=name)


def words(fault: BaseException) -> str:
    """Return what may be shown of an exception that is not ours: nothing that it may quote of a request or answer."""
    name = type(fault).__name__
    if isinstance(fault, OSError) and fault.strerror:
        return one_line(f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror)
    if name == "SSLError":
        found = re.search(r"certificate verify failed(: [a-z -]+)?|No such file or directory", str(fault))
        return f"no secure connection{f' ({found[0].rstrip()})' if found else ''}"
    return one_line(str(fault)) if name in _QUOTES_NAMES_ONLY else _IN_OUR_WORDS.get(name, name)


def another_account(name: str, region: str | None, own: str, theirs: str) -> str:
    """Return the next step if a login of account `own` is refused in a repository of account `theirs`."""
    where = f" --region {region}" if region else ""
    return (
        f"with a login of account {theirs}, create it if it is missing (aws ecr create-repository --repository-name "
        f"{name}{where}) and let its policy allow account {own} to push (docs/aws-policy.md); or push with a login of "
        f"account {theirs} (AWS_PROFILE)"
    )


def _next_step(code: str, operation: str, *, temporary: bool) -> str:
    if temporary:
        return "AWS is busy or throttles this account; wait a minute, then run again"
    if code in DENIED:
        return f"allow ecr:{operation} for this AWS login, or use another one (AWS_PROFILE)"
    match code:
        case "RepositoryNotFoundException":
            return "create the repository: run the task repository:<image>"
        case "LimitExceededException":
            return "delete unused repositories, or ask AWS to raise the account's quota of repositories"
        case "InvalidParameterException":
            return "check INSTANCE_ID and the image's name: ECR does not accept this repository name"
        case _:
            return "see this error in AWS's API reference, and check REGION and AWS_ENDPOINT_URL"
