"""What AWS and botocore say went wrong, as our errors with their next step; botocore's exceptions by name only.

An exception's own text is shown only where it quotes names and nothing else: most of botocore's wrap another library's,
which may quote the header that could not be sent, the proxy's URL, or an answer that could not be parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.errors import CredentialsError, RegistryError
from tasks.registry.message import clean, shown

_LOG_IN = "log in to AWS (aws configure, aws sso login), or set AWS_PROFILE to a profile that is logged in"
_CLOCK = "check AWS_SECRET_ACCESS_KEY, and that this machine's clock is right"
_REACH_AWS = "check REGION and AWS_ENDPOINT_URL, and that this machine reaches that endpoint"

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""AWS's codes for what a login is good for, but not allowed to do."""

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
"""By AWS's error code, what to do about a login that it refused ("Common Errors" in the API references)."""

_NOT_SENT = {
    "SSLError": "name a file with the certificate authority in AWS_CA_BUNDLE, or: unset AWS_CA_BUNDLE",
    "ProxyConnectionError": "check HTTPS_PROXY; where there is no proxy: unset HTTPS_PROXY",
}
"""By the name of botocore's exception, what to do where a call could not be sent."""


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
"""The exceptions whose texts are made of names of profiles, files, keys and Regions, and of our own arguments."""


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
"""Which rights let a request of a push in ("IAM permissions for pushing an image" in the Amazon ECR user guide)."""


def rights_denied(said: str) -> str:
    """Return the rights that a push lacks by what BuildKit says, which does not repeat ECR's reason; else nothing."""
    found = _PUSH_DENIED.search(said)
    return _PUSH_RIGHTS.get(f"{found[1]} {found[2]}", "") if found else ""


def refused(what: str, operation: str, response: Mapping[str, Any]) -> RegistryError:
    """Return the error for a call that AWS answered with one.

    Args:
        what: the call and what it is about, for the text.
        operation: its name in the API, and so in a policy.
        response: what botocore's ClientError carries.
    """
    error = response.get("Error", {})
    code, words = clean(str(error.get("Code", ""))), clean(str(error.get("Message", "")))
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
    """Return the error for a call that was not answered, or not sent.

    Args:
        what: the call and what it is about, for the text.
        fault: botocore's exception.
    """
    unanswered = no_answer(what, fault)
    if unanswered is not None:
        return unanswered
    name = type(fault).__name__
    return RegistryError(f"{what}: {words(fault)}", _NOT_SENT.get(name, _REACH_AWS), code=name)


def no_answer(what: str, fault: Exception) -> RegistryError | None:
    """Return the error for a request that was sent and not answered; None for an exception of another kind."""
    names = [kind.__name__ for kind in type(fault).__mro__]
    if not {"HTTPClientError", "ConnectionError"}.intersection(names):
        return None
    url = getattr(fault, "kwargs", {}).get("endpoint_url")
    where = shown(str(url)) if url else "AWS"
    inner = getattr(fault, "kwargs", {}).get("error")
    if isinstance(inner, OSError) and inner.filename:
        # What botocore reads before it sends anything: certificates.
        return RegistryError(f"{what}: {words(inner)}", _NOT_SENT["SSLError"], code=names[0])
    if names[0] in _NOT_SENT:
        return RegistryError(f"{what}: {where}: {words(fault)}", _NOT_SENT[names[0]], code=names[0])
    how = "does not answer" if url else f"does not answer ({words(fault)})"
    return RegistryError(f"{what}: {where} {how}", _REACH_AWS, code=names[0], temporary=True)


UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What botocore lets through of its parsers, where an answer is of another shape than the API's."""


def unreadable(what: str, fault: Exception) -> RegistryError:
    """Return the error for an answer that botocore cannot read."""
    name = type(fault).__name__
    return RegistryError(f"{what}: the answer is not one of ECR's API ({name})", _REACH_AWS, code=name)


def words(fault: BaseException) -> str:
    """Return what may be shown of an exception that is not ours: nothing that it may quote of a request or answer."""
    name = type(fault).__name__
    if isinstance(fault, OSError) and fault.strerror:
        return clean(f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror)
    if name == "SSLError":
        found = re.search(r"certificate verify failed(: [a-z -]+)?|No such file or directory", str(fault))
        return f"no secure connection{f' ({found[0].rstrip()})' if found else ''}"
    return clean(str(fault)) if name in _QUOTES_NAMES_ONLY else _IN_OUR_WORDS.get(name, name)


def another_account(name: str, region: str | None, own: str, theirs: str) -> str:
    """Return the next step of a login that does not get into a repository of another account.

    Args:
        name: the repository's.
        region: the registry's Region, if it is known.
        own: the login's account.
        theirs: the registry's.
    """
    where = f" --region {region}" if region else ""
    return (
        f"with a login of account {theirs}, create it if it is missing (aws ecr create-repository --repository-name "
        f"{name}{where}) and let its policy allow account {own} to push (docs/aws-policy.md); or push with a login of "
        f"account {theirs} (AWS_PROFILE)"
    )


def _next_step(code: str, operation: str, *, temporary: bool) -> str:
    if temporary:
        return "AWS is busy or throttles this account; run again in a while"
    if code in DENIED:
        return f"allow ecr:{operation} to this AWS login, or use another (AWS_PROFILE)"
    match code:
        case "RepositoryNotFoundException":
            return "create the repository: run the task repository:<image>"
        case "LimitExceededException":
            return "delete repositories that nobody needs, or have AWS raise the account's quota of them"
        case "InvalidParameterException":
            return "check INSTANCE_ID and the image's name against ECR's rules for repository names"
        case _:
            return "see what AWS's API reference says of this error, and whether REGION and AWS_ENDPOINT_URL are right"
