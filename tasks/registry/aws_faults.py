"""What AWS and botocore say went wrong, as our errors with their next step; botocore's exceptions by name only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.errors import CredentialsError, RegistryError
from tasks.registry.message import clean, shown

_LOG_IN = "log in to AWS (aws configure, aws sso login), or set AWS_PROFILE to a profile that is"
_CLOCK = "check AWS_SECRET_ACCESS_KEY, and that this machine's clock is right"
_REACH_AWS = "see whether REGION is right, whether AWS_ENDPOINT_URL is meant, and whether the network reaches it"

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""AWS's codes for what a login is good for, but not allowed to do."""

NOT_OURS = "AnotherAccount"
"""Our code for a repository that is not created because the registry is another account's."""

_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"})
_SERVER_FAULTS = frozenset({500, 502, 503, 504})

_LOGIN_REFUSED = {
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

_LOGS_IN = {
    "AssumeRole": "allow sts:AssumeRole on that role to the login that assumes it (source_profile or "
    "credential_source of the AWS profile), and trust that login in the role's trust policy",
    "AssumeRoleWithWebIdentity": "see whether the trust policy of the role in AWS_ROLE_ARN trusts the identity "
    "provider, and the subject and audience of the token in AWS_WEB_IDENTITY_TOKEN_FILE",
    "GetRoleCredentials": "run aws sso login, and check sso_account_id and sso_role_name of the AWS profile",
}
"""By the operation with which botocore logs in, what to do where AWS refuses it."""

_LOGIN_UNUSABLE = {
    "NoCredentialsError": _LOG_IN,
    "PartialCredentialsError": _LOG_IN,
    "CredentialRetrievalError": _LOG_IN,
    "SSOError": _LOG_IN,
    "LoginError": _LOG_IN,
    "TokenRetrievalError": _LOG_IN,
    "NoAuthTokenError": _LOG_IN,
    "ProfileNotFound": "set AWS_PROFILE to one of those that `aws configure list-profiles` shows",
}
"""By the name of botocore's exception, what to do where it finds no login that could be used."""

_NOT_SENT = {
    "NoRegionError": "set REGION, AWS_REGION or AWS_DEFAULT_REGION",
    "InvalidRegionError": "set REGION to the name of a Region, such as eu-west-2",
    "SSLError": "name the certificate authority in AWS_CA_BUNDLE",
}
"""As above, where the call could not even be sent."""


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
    kind = CredentialsError if code in _LOGIN_REFUSED else RegistryError
    next_step = _LOGIN_REFUSED.get(code) or _next_step(code, operation, temporary=temporary)
    if operation in _LOGS_IN:
        # botocore logs in before it sends our own call.
        what, kind = f"{what}: no AWS login, {operation}", CredentialsError
        next_step = next_step if temporary or code in _LOGIN_REFUSED else _LOGS_IN[operation]
    return kind(
        f"{what}: AWS answered {code} ({words})",
        next_step,
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
    names = [kind.__name__ for kind in type(fault).__mro__]
    said = clean(str(fault))
    for name in names:
        if name in _LOGIN_UNUSABLE:
            return CredentialsError(f"{what}: there is no AWS login to use ({said})", _LOGIN_UNUSABLE[name], code=name)
        if name in _NOT_SENT:
            return RegistryError(f"{what}: {said}", _NOT_SENT[name], code=name)
    if "HTTPClientError" in names or "ConnectionError" in names:
        url = getattr(fault, "kwargs", {}).get("endpoint_url")
        where = f"{shown(str(url))} does not answer" if url else f"AWS does not answer ({said})"
        return RegistryError(f"{what}: {where}", _REACH_AWS, code=names[0], temporary=True)
    return RegistryError(f"{what}: {names[0]} ({said})", _REACH_AWS, code=names[0])


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
