"""What one run shares: the settings, the catalogue, one client to the registry, one decision an image.

Everything that costs time or can fail is made when it is first needed, so that `doit list` pays for none of it.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable
from pathlib import Path

from tasks import buildx, catalogue, engine, selection, settings, target
from tasks.digests import Digests
from tasks.inputs import Gatherer
from tasks.model import Builder, Catalogue, Image
from tasks.once import once
from tasks.reference import Registry, Repository

TYPE_CHECKING = False
if TYPE_CHECKING:  # Slow to import; each is imported where it is used.
    from tasks.credential_helper import CredentialHelper
    from tasks.decisions import Decisions
    from tasks.registry.auth import Credential
    from tasks.registry.ecr import Ecr
    from tasks.registry.oci import Client
    from tasks.settings import Settings


class Session:
    """The state of one run.

    Args:
        settings: where every setting came from and what it is.
        catalogue: the images and the builder.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self._asked: tuple[tuple[Image, ...], tuple[Image, ...]] | None = None
        self._closing = contextlib.ExitStack()

    # What is chosen

    @once
    def selected(self) -> tuple[Image, ...]:
        """The images that STACKS, LAMBDA_DEPLOY_TYPE and IMAGES choose."""
        return selection.select(self.catalogue, self.settings)

    @property
    def builder(self) -> Builder:
        """The builder that the catalogue describes, with what the settings say otherwise."""
        return self.settings.builder_for(self.catalogue.builder)

    # Where things are on this machine

    @property
    def contexts(self) -> Path:
        """The directory of the staged contexts."""
        return self.settings.state_dir / "contexts"

    def context(self, image: Image) -> Path:
        """Return the image's staged context; BuildKit tells contexts apart by the last part of their path."""
        fingerprint = self.decisions.gathered(image).inputs.fingerprint()
        return self.contexts / f"{image.name}-{fingerprint[:12]}"

    @property
    def logs(self) -> Path:
        """The directory of the logs."""
        return self.settings.state_dir / "logs"

    def log(self, verb: str, image: Image) -> Path:
        """Return the log of a verb's command for the image."""
        return self.logs / f"{verb}-{image.name}.log"

    def metadata(self, verb: str, image: Image) -> Path:
        """Return the file that buildx names its result in."""
        return self.logs / f"{verb}-{image.name}.json"

    @property
    def builder_memory(self) -> Path:
        """The file that remembers that the builder cannot boot here."""
        return self.settings.state_dir / "builder.json"

    # The registry

    @once
    def ecr(self) -> Ecr:
        """AWS's side of the registry."""
        from tasks.registry.ecr import Ecr  # noqa: PLC0415  # boto3 costs more than all the rest.

        return Ecr(self.settings.region, environment=self.settings.aws_environment)

    @once
    def target(self) -> target.Target:
        """Where images go; SettingsError where nothing says so."""
        return target.resolve(self.settings, self._account)

    def _account(self) -> target.Account:
        return self.ecr.token()

    def credential(self, registry: Registry, fresh: bool = False) -> Credential | None:  # noqa: FBT001, FBT002  # A Keychain.
        """Return what we log in to a registry with: ECR's token, or the user's own Docker credentials."""
        from tasks.registry.auth import docker_credential  # noqa: PLC0415  # Only what asks the registry pays for it.

        if self.target.ecr and registry == self.target.registry:
            return self.ecr.token(fresh=fresh).credential
        return docker_credential(registry)

    @once
    def client(self) -> Client:
        """The one client to the target registry."""
        from tasks.registry.oci import Client  # noqa: PLC0415  # As above.

        return Client(self.target.registry, self.credential)

    @property
    def version(self) -> str:
        """The version tag; SettingsError where nothing says it."""
        return self.settings.require_version()

    def repository(self, image: Image) -> Repository:
        """Return the image's repository."""
        return self.target.repository(image)

    def immutable(self, repositories: Iterable[Repository]) -> set[Repository]:
        """Return those of `repositories` whose version tag cannot be moved; only ECR has such."""
        if not self.target.ecr:
            return set()
        return self.ecr.immutable(repositories, self.version)

    # What has to be done

    @once
    def decisions(self) -> Decisions:
        """One decision an image."""
        from tasks.decisions import Decisions  # noqa: PLC0415  # As above.

        gatherer = Gatherer(self.settings, self.catalogue.bases, Digests(self.settings.state_dir / "digests"))
        decisions = Decisions(gatherer, self, force=self.settings.force)
        decisions.expect((*self.pushes, *self.loads))
        return decisions

    def ask(self, pushes: Iterable[Image], loads: Iterable[Image]) -> None:
        """Say which images this run pushes, and which it loads into the engine."""
        self._asked = tuple(pushes), tuple(loads)

    @property
    def pushes(self) -> tuple[Image, ...]:
        """The images that this run is to push: those whose tasks were asked for, else the selected ones."""
        return self.selected if self._asked is None else self._asked[0]

    @property
    def loads(self) -> tuple[Image, ...]:
        """The images that this run loads into the engine, which needs the builder whatever the registry holds."""
        return () if self._asked is None else self._asked[1]

    @property
    def before(self) -> list[str]:
        """The tasks that come before everything that builds or pushes."""
        return ["sandbox"] if self.settings.sandbox else []

    # The engine

    @once
    def login(self) -> CredentialHelper:
        """The credential helper that docker's commands ask."""
        from tasks.credential_helper import CredentialHelper  # noqa: PLC0415  # As above.

        with self._lock:
            login = CredentialHelper(
                str(self.target.registry), lambda server: self.credential(Registry(server)), os.environ
            )
            self._closing.callback(login.close)
            return login

    def docker_environment(self, *, logged_in: bool) -> dict[str, str]:
        """Return the environment of docker's commands; with the login's, it can push."""
        return buildx.environment(
            os.environ | dict(self.settings.docker_environment), self.login.environment if logged_in else {}
        )

    @once
    def engine(self) -> buildx.Engine:
        """The builder, ready; made so on first use, once."""
        environment = self.docker_environment(logged_in=False)
        return engine.ready(self.builder, environment, self.builder_memory, self._closing)

    def close(self) -> None:
        """Give back what the run held: the login, the builder's lock."""
        self._closing.close()


@functools.cache
def current() -> Session:
    """Return this process's session, from the command line, the environment and the catalogue.

    Raises:
        ConfigurationError: a setting or the catalogue is at fault.
    """
    from doit.doit_cmd import _CMDLINE_VARS  # noqa: PLC0415

    found = settings.load(_CMDLINE_VARS or {}, os.environ, Path(__file__).parent.parent)
    return Session(found, catalogue.load(found.catalogue))
