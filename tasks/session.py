"""What one run shares: the settings, the catalogue, one client to the registry, one decision an image.

Everything that costs time or can fail is made when it is first needed, so that `doit list` pays for none of it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.layout import Sandbox
from tasks.configuration import catalogue, selection
from tasks.engine import builders, buildx
from tasks.engine.docker_config import helped, read_config, server_name, user_config_directory
from tasks.image.gather import Gatherer, files
from tasks.image.jar.digests import Digests
from tasks.model import Builder, Catalogue, Image
from tasks.reference import Registry, Repository, Tag
from tasks.registry.target import Target
from tasks.system.parallel import locked_property
from tasks.system.state import State

if TYPE_CHECKING:  # Slow to import; each is imported where it is used.
    from tasks.configuration.settings import Settings
    from tasks.decisions import Decisions
    from tasks.engine.credentials import CredentialHelper
    from tasks.engine.progress import Listener, Progress
    from tasks.engine.retry import Alive
    from tasks.records import Records
    from tasks.refresh import Bases, Refreshed
    from tasks.registry.client import Client
    from tasks.registry.credentials import Credential


class Session:
    """The state of one run.

    Args:
        settings: where every setting came from and what it is.
        catalogue: the images and the builder.
        sandbox: the one of this checkout, whether it is the target or not.
        environment: the user's, or what stands for it where the sandbox is the target.
    """

    def __init__(
        self, settings: Settings, catalogue: Catalogue, sandbox: Sandbox, environment: Mapping[str, str]
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.sandbox = sandbox
        self.environment = environment
        self.state = State(settings.state_dir)
        """Where things are on this machine."""
        self.created: dict[str, bool] = {}
        """By image whose repository is known to be there, whether it was created in this run."""
        self._asked: tuple[tuple[Image, ...], tuple[Image, ...]] | None = None
        self.boots = False
        """Whether the builder is to be ready even if nothing is built."""
        self.examines = False
        """Whether to find what stands in the way is all that this run is asked for."""
        self._closing = contextlib.ExitStack()
        self.exit_code = 0
        """What the run ends with, once the reporter knows."""
        self.watcher: Callable[[str, Progress], None] | None = None
        """Is told how far builds are, by the name of the task; called from workers."""
        self._files: dict[str, list[str]] = {}

    # What is chosen

    @locked_property
    def selected(self) -> tuple[Image, ...]:
        """The images that STACKS, LAMBDA_DEPLOY_TYPE and IMAGES choose."""
        return selection.select(self.catalogue, self.settings)

    @property
    def builder(self) -> Builder:
        """The builder that the catalogue describes, with what the settings say otherwise."""
        return self.settings.builder_for(self.catalogue.builder)

    # Where things are on this machine

    def files(self, image: Image) -> list[str]:
        """Return the image's file dependencies; the tasks that list them share one reading of the directory."""
        if image.name not in self._files:
            self._files[image.name] = files(image, self.settings)
        return self._files[image.name]

    def listener(self, verb: str, image: Image) -> Listener:
        """Return what a build tells how far it is."""

        def tell(progress: Progress) -> None:
            watcher = self.watcher
            if watcher is not None:
                watcher(f"{verb}:{image.name}", progress)

        return tell

    # The registry

    @locked_property
    def target(self) -> Target:
        """The registry that images go to."""
        return Target(self.settings, self.environment, _docker_login)

    # Each of these is one of the target's; callers may use it there.

    @property
    def client(self) -> Client:
        """The one client to the target registry."""
        return self.target.client

    @property
    def version(self) -> str:
        """The version tag; SettingsError where nothing says it."""
        return self.settings.require_version()

    def repository(self, image: Image) -> Repository:
        """Return the image's repository."""
        return self.target.repository(image)

    def log_in(self) -> None:
        """Fetch the login to the target registry if that takes a request."""
        self.target.log_in()

    def immutable(self, tags: Iterable[Tag]) -> set[Tag]:
        """Return those of `tags` that are known to be immutable, once they exist."""
        return self.target.immutable(tags)

    @locked_property
    def keeps_building(self) -> set[Repository]:
        """The repositories in which the tag that builds are pushed to cannot be moved, or perhaps cannot."""
        tags = [self.repository(image).tag(buildx.BUILDING) for image in self.pushes]
        return {tag.repository for tag in self.target.perhaps_immutable(tags)}

    @locked_property
    def bases(self) -> Bases:
        """Where base images are."""
        from tasks.engine import images  # noqa: PLC0415  # Only what builds or locks needs it.
        from tasks.refresh import Bases, or_users_own  # noqa: PLC0415  # As above.

        held = functools.partial(images.held, environment=self.docker_environment(logged_in=False))
        return Bases(or_users_own(self.target.credential), held, self.catalogue.bases)

    def refresh_bases(self) -> Refreshed:
        """Lock the selected images' base images to the digests that they have now; return what became of them.

        Raises:
            SleeperImagesError: a Dockerfile cannot be read, or a registry did not say a digest.
        """
        found = self.bases.refresh(self._gatherer.bases(self.selected))
        kept = {} if self.selected == self.catalogue.images else self.catalogue.bases
        bases = {**kept, **found.locked}
        catalogue.write_lock(self.catalogue.path, bases)
        self.catalogue = replace(self.catalogue, bases=bases)
        del self._gatherer  # It knew the former digests.
        return found

    # What has to be done

    @locked_property
    def _gatherer(self) -> Gatherer:
        pushed = [image.name for image in self.catalogue.images]
        return Gatherer(self.settings, self.catalogue.bases, self._digests, pushed)

    @locked_property
    def _digests(self) -> Digests:
        return Digests(self.state.digests)

    @locked_property
    def decisions(self) -> Decisions:
        """One decision an image."""
        from tasks.decisions import Decisions  # noqa: PLC0415  # As above.

        decisions = Decisions(self._gatherer, self, force=self.settings.force)
        decisions.expect((*self.pushes, *self.loads))
        return decisions

    @locked_property
    def records(self) -> Records:
        """What images in the registry were made of."""
        from tasks.image.jar.listing import Listings  # noqa: PLC0415  # As above.
        from tasks.records import Records  # noqa: PLC0415  # As above.

        return Records(lambda: self.client, Listings(self.state.listings, self._digests.entries))

    def ask(
        self, pushes: Iterable[Image], loads: Iterable[Image], *, boots: bool = False, examines: bool = False
    ) -> None:
        """Say which images this run pushes and loads, whether the builder was named, and whether it only examines."""
        self._asked = tuple(pushes), tuple(loads)
        self.boots, self.examines = boots, examines

    @property
    def pushes(self) -> tuple[Image, ...]:
        """The images that this run is to push: those whose tasks were asked for, else the selected ones."""
        return self.selected if self._asked is None else self._asked[0]

    @property
    def loads(self) -> tuple[Image, ...]:
        """The images that this run loads into the engine, which needs the builder whatever the registry holds."""
        return () if self._asked is None else self._asked[1]

    @property
    def sandbox_first(self) -> list[str]:
        """The tasks that come before everything else."""
        return ["sandbox"] if self.settings.sandbox else []

    @property
    def before(self) -> list[str]:
        """The tasks that come before everything that builds or pushes."""
        return [*self.sandbox_first, "preflight"]

    # The engine

    @locked_property
    def login(self) -> CredentialHelper:
        """The credential helper that docker's commands ask."""
        from tasks.engine.credentials import CredentialHelper  # noqa: PLC0415  # As above.

        helper = CredentialHelper(str(self.target.registry), self._answer, self.docker_environment(logged_in=False))
        self._closing.callback(helper.close)
        return helper

    def _answer(self, server: str) -> Credential | None:
        """Return the credential for a server as docker's clients name it: a host, or Docker Hub's URL."""
        from tasks.engine.credentials import docker_credential  # noqa: PLC0415  # As above.

        host = server.partition("://")[2].partition("/")[0] or server
        # A helper that the user chose for the host knows best, as ecr-login does.
        chosen = server_name(host) in helped(read_config(user_config_directory(self.environment) / "config.json"))
        return docker_credential(Registry(host)) if chosen else self.target.credential(Registry(host))

    def docker_environment(self, *, logged_in: bool) -> dict[str, str]:
        """Return the environment of docker's commands; with the login's, it can push."""
        ours = dict(self.environment)
        if self.settings.sandbox:
            from sandbox import engine as sandbox_engine  # noqa: PLC0415  # Only a run against the sandbox needs it.

            ours |= sandbox_engine.environment(self.sandbox)
        return buildx.environment(ours, self.login.environment if logged_in else {})

    @locked_property
    def engine(self) -> buildx.Engine:
        """The builder, ready; made so on first use, once."""
        environment = self.docker_environment(logged_in=False)
        return builders.ready(self.builder, environment, self.state.builder, self._closing)

    @locked_property
    def alive(self) -> Alive:
        """Runs builds for as long as the builder answers."""
        from tasks.engine.retry import Alive, gone  # noqa: PLC0415  # As above.

        return Alive(lambda: gone(self.engine, self.docker_environment(logged_in=False)))

    def close(self) -> None:
        """Give back what the run held: the login, the builder's lock."""
        self._closing.close()


def _docker_login(registry: Registry, _fresh: bool) -> Credential | None:  # noqa: FBT001  # A Keychain.
    """Return the user's own Docker login, which is never from memory."""
    from tasks.engine.credentials import docker_credential  # noqa: PLC0415  # Only what asks the registry pays.

    return docker_credential(registry)
