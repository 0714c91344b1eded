"""Names of things in a registry, in go-containerregistry's terms and parsed strictly: no implied host, no implied tag.

The grammar is the distribution specification's (`pull.md`, "Pulling manifests") and the reference grammar of
github.com/distribution/reference; a registry may be stricter, as ECR is.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from tasks.errors import SettingsError
from tasks.system.text import quoted

_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
)
_IPV6_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_OURS = re.compile(r"building(?:-.*)?|inputs-.*|sha256-.*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ECR_HOST = re.compile(
    r"(?P<account>[0-9]{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(?:amazonaws\.(?:com|com\.cn|eu)|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|"
    r"on\.(?:aws|amazonwebservices\.(?:com\.cn|eu)|aws\.(?:hci\.)?ic\.gov|aws\.scloud|cloud-aws\.adc-e\.uk))"
)
"""The only hosts that get AWS's login unless REGISTRY is `ecr`. A test compares the suffixes with botocore's.

The names of dual-stack (`dkr-ecr…on.aws`) and FIPS hosts are those of github.com/awslabs/amazon-ecr-credential-helper.
"""

DOCKER_HUB = "registry-1.docker.io"
"""Where the API of `docker.io` is (github.com/distribution/reference, and Docker Hub's documentation)."""

DOCKER_HUB_LOGIN = "https://index.docker.io/v1/"
"""The key under which Docker's clients keep the login for Docker Hub."""

DOCKER_HUB_NAMES = frozenset({"docker.io", "index.docker.io"})
"""The hosts in names of images that stand for it."""

_REPOSITORY_LENGTH = 255
_HOST_LENGTH = 253 + len(":65535")
"""The longest DNS name (RFC 1035, 3.1, without the final dot), and a port."""


def is_loopback(host: str) -> bool:
    """Whether a host (without its port, an address without brackets) is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, order=True)
class Registry:
    """A registry's host, with its port if it has one: `123456789012.dkr.ecr.eu-west-2.amazonaws.com`."""

    host: str

    def __post_init__(self) -> None:
        if len(self.host) > _HOST_LENGTH or not (_HOST.fullmatch(self.host) or _IPV6_HOST.fullmatch(self.host)):
            raise SettingsError(
                f"{quoted(self.host)} is not a registry host",
                "give a host with an optional port and no scheme, as in DOCKER_REGISTRY=127.0.0.1:5000",
            )

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine; only this machine is asked by plain http."""
        name = self.host[1:].partition("]")[0] if self.host.startswith("[") else self.host.partition(":")[0]
        return is_loopback(name)

    @property
    def reached(self) -> Registry:
        """The registry that serves this registry's API: for `docker.io` another one, as in Docker's clients."""
        return Registry(DOCKER_HUB) if self.host in DOCKER_HUB_NAMES else self

    @property
    def login_names(self) -> tuple[str, ...]:
        """The names by which Docker's clients ask for its login."""
        return (self.host, DOCKER_HUB_LOGIN) if self.host == DOCKER_HUB else (self.host,)

    @property
    def ecr_account_and_region(self) -> tuple[str, str] | None:
        """Return the AWS account and Region of a private ECR host, or None for any other registry."""
        match = _ECR_HOST.fullmatch(self.host)
        return (match["account"], match["region"]) if match else None

    def __str__(self) -> str:
        return self.host


@dataclass(frozen=True, order=True)
class Repository:
    """A repository in a registry: `<registry>/<path>`."""

    registry: Registry
    path: str

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path) or len(self.path) > _REPOSITORY_LENGTH:
            raise SettingsError(
                f"{quoted(self.path)} is not a repository name",
                "use lower-case letters and digits, separated by '.', '_', '-' or '/', at most 255 of them",
            )

    @classmethod
    def parse(cls, text: str) -> Repository:
        """Parse `host[:port]/path`; SettingsError if a part is missing or malformed."""
        host, slash, path = text.partition("/")
        if not slash:
            raise SettingsError(f"{quoted(text)} is not a repository in a registry", "write it as <registry>/<path>")
        return cls(Registry(host), path)

    def tag(self, name: str) -> Tag:
        """Return the tag with this name."""
        return Tag(self, name)

    def digest(self, digest: Digest) -> str:
        """Return the reference by digest, `<repository>@sha256:…`."""
        return f"{self}@{digest}"

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


@dataclass(frozen=True, order=True)
class Tag:
    """A tag in a repository: `<repository>:<name>`."""

    repository: Repository
    name: str

    def __post_init__(self) -> None:
        check_tag(self.name)

    def __str__(self) -> str:
        return f"{self.repository}:{self.name}"


@dataclass(frozen=True, order=True)
class Digest:
    """The sha256 of a manifest's or blob's bytes, `sha256:<64 hexadecimal digits>`."""

    value: str

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.value):
            raise ValueError(f"{self.value!r} is not a sha256 digest")

    @property
    def short(self) -> str:
        """The first 12 hexadecimal digits, for people."""
        return self.value.removeprefix("sha256:")[:12]

    def __str__(self) -> str:
        return self.value


def check_tag(name: str) -> str:
    """Return `name` if it is a valid tag; else SettingsError."""
    if not _TAG.fullmatch(name):
        raise SettingsError(
            f"{quoted(name)} cannot be a tag",
            "use letters, digits, '.', '_' and '-', at most 128, not beginning with '.' or '-'",
        )
    return name


def split_host(text: str) -> tuple[str | None, str]:
    """Split `[registry/]path` as Docker does: the first part is a host if it has a dot or a port, or is localhost."""
    first, slash, rest = text.partition("/")
    return (first, rest) if slash and ("." in first or ":" in first or first == "localhost") else (None, text)


def check_version(name: str) -> str:
    """Return `name` if it can be the version tag; else SettingsError.

    `building` is pushed to before anything is proved, `inputs-…` says what an image is made of, and `sha256-…` lists
    what refers to a manifest (the distribution specification's "Referrers Tag Schema").
    """
    if _OURS.fullmatch(check_tag(name)):
        raise SettingsError(
            f"{quoted(name)} cannot be the version tag: it has another meaning in the registry",
            "use a tag that is not 'building' and does not begin with 'building-', 'inputs-' or 'sha256-'",
        )
    return name
