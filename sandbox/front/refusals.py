"""What ECR refuses, with its status codes and texts. Pure.

Sources: the ECR API reference (exceptions), the user guide (service quotas, "Amazon ECR error messages"), and what
docker's clients print in public reports:

- name unknown: actions/starter-workflows#2647
- tag invalid: moby/buildkit#3776, aws/containers-roadmap#862
- more than 1,000 tags: medic/cht-core#11099, namespacelabs/foundation#649
- no basic auth credentials, with the challenge: regclient/regclient#136
- denied, without a right: aws-actions/amazon-ecr-login#232
- images that an index lacks: "manifest blob unknown: Images with digests […] required for pushing image …"

If no report has the status code or the text, those of the distribution specification are used: for missing layers,
and for a malformed login, of which only the status is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

TAGS_AN_IMAGE = 1_000
"""How many tags one image may have (service quota "Tags per image")."""

LARGEST_MANIFEST = 4 * 1024 * 1024
"""How many bytes a manifest may have (user guide, "Amazon ECR service quotas")."""


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error.

    Attributes:
        status: the HTTP status.
        code: the distribution specification's error code; without one the message is the body.
        message: ECR's text.
        headers: more of the answer.
    """

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The answer's body."""
        if not self.code:
            return f"{self.message}\n".encode()
        return json.dumps({"errors": [{"code": self.code, "message": self.message}]}).encode()

    @property
    def content_type(self) -> str:
        """The body's type."""
        return "application/json; charset=utf-8" if self.code else "text/plain; charset=utf-8"


class RefusedError(Exception):
    """A request is refused.

    Args:
        refusal: the answer.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(frozen=True)
class Registry:
    """The account and Region that refusals name."""

    account: str
    region: str

    def name_unknown(self, name: str) -> Refusal:
        """The repository does not exist."""
        text = f"The repository with name '{name}' does not exist in the registry with id '{self.account}'"
        return Refusal(404, "NAME_UNKNOWN", text)

    def too_many_tags(self, name: str, tag: str) -> Refusal:
        """The image has as many tags as it may have."""
        return Refusal(
            403,
            "DENIED",
            f"Adding tag '{tag}' to an image in the repository with name '{name}' in registry with id "
            f"'{self.account}' exceeds the maximum allowed number of tags per image which is '{TAGS_AN_IMAGE}'",
        )

    def missing(self, kind: str, name: str, digests: Iterable[str]) -> Refusal:
        """A manifest names layers or images that the repository does not have."""
        return Refusal(
            400,
            "MANIFEST_BLOB_UNKNOWN",
            f"{kind} with digests '[{', '.join(digests)}]' required for pushing image into repository with name "
            f"'{name}' in the registry with id '{self.account}' do not exist",
        )

    def denied(self, caller: str, action: str, name: str) -> Refusal:
        """The login is of another account, which the repository's policy does not allow."""
        return Refusal(
            403,
            "DENIED",
            f"User: arn:aws:iam::{caller}:root is not authorized to perform: ecr:{action} on resource: "
            f"arn:aws:ecr:{self.region}:{self.account}:repository/{name} because no resource-based policy allows "
            f"the ecr:{action} action",
        )


def tag_exists(name: str, tag: str) -> Refusal:
    """The tag exists and is immutable; ECR does not compare the digest."""
    text = f"The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the "
    return Refusal(400, "TAG_INVALID", f"{text}tag is immutable.")


def no_login(host: str) -> Refusal:
    """No login was sent."""
    challenge = f'Basic realm="https://{host}/",service="ecr.amazonaws.com"'
    return Refusal(401, "", "Not Authorized", {"Www-Authenticate": challenge})


BAD_LOGIN = Refusal(400, "DENIED", "Your Authorization Token is invalid.")
"""The password is not a token of ECR: docker login prints the status 400 without a text."""

TOO_FAST = Refusal(429, "TOOMANYREQUESTS", "Rate exceeded")
NO_MANIFEST = Refusal(404, "MANIFEST_UNKNOWN", "Requested image not found")
UNSUPPORTED = Refusal(405, "UNSUPPORTED", "The operation is unsupported.")
TOO_LARGE = Refusal(413, "MANIFEST_INVALID", "The image manifest is larger than 4 MiB")
BAD_DIGEST = Refusal(400, "DIGEST_INVALID", "The digest is not one of sha256")
