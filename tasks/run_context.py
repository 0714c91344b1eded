"""What the tasks of one run share, as one frozen value.

    settings, catalogue, selected images, places on this machine ─┐
    target (the registry), docker (commands, builder) ────────────┼▶ RunContext ─▶ every task
    bases, decisions, records, repositories ──────────────────────┘
    channel: what is only known while the run goes on

The parts are built here, each from the parts that it needs, and none of them knows the context. A part that costs time
or can fail is cheap to build and does its work when it is first asked; `doit list` pays for none of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.layout import Sandbox
from tasks.configuration import selection
from tasks.engine import builders, buildx, images, retry
from tasks.engine.credentials import CredentialHelper, docker_credential
from tasks.engine.docker_config import helped, read_config, server_name, user_config_directory
from tasks.errors import SleeperImagesError
from tasks.image.collect import Collector, files
from tasks.image.jar.cache import Digests
from tasks.model import Builder, Catalogue, Image
from tasks.reference import Registry
from tasks.refresh import Bases, or_users_own
from tasks.registry.credentials import Credential
from tasks.registry.target import Target
from tasks.repositories import Repositories
from tasks.system.parallel import locked_property
from tasks.system.state import State

if TYPE_CHECKING:
    from tasks.configuration.settings import Settings
    from tasks.decisions import Decisions
    from tasks.engine.progress import Listener, Progress
    from tasks.records import Records


@dataclass(frozen=True)
class Asked:
    """What the command line asks of a run.

    Attributes:
        pushes: the images to push.
        loads: the images to build into the local engine, which needs the builder in any case.
        builder: whether the builder itself is named, and must be ready even if nothing is built.
        preflight: whether to find problems is all that is asked.
    """

    pushes: tuple[Image, ...] = ()
    loads: tuple[Image, ...] = ()
    builder: bool = False
    preflight: bool = False


class Channel:
    """What the parts of a run tell each other while it goes on. Threads may share it.

    command ──▶ asked, once, before the first task ─▶ tasks
    builds ───▶ progress ─▶ the reporter, as long as it listens
    reporter ─▶ exit code, at the end ─▶ command
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._exit_code = 0
        self._listener: Callable[[str, Progress], None] | None = None

    @property
    def asked(self) -> Asked:
        """What the run is about."""
        return self._asked

    def ask(self, asked: Asked) -> None:
        """Say what the run is about, before the first task."""
        self._asked = asked

    @property
    def exit_code(self) -> int:
        """What the run ends with."""
        return self._exit_code

    def end(self, exit_code: int) -> None:
        """Say what the run ends with."""
        self._exit_code = exit_code

    def listen(self, listener: Callable[[str, Progress], None] | None) -> None:
        """Have a listener called with a task's name and its progress, from the workers; None ends that."""
        self._listener = listener

    def tell(self, task: str, progress: Progress) -> None:
        """Tell how far a task is."""
        listener = self._listener
        if listener is not None:
            listener(task, progress)

    def listener(self, task: str) -> Listener:
        """Return what a build of this task calls with its progress."""
        return lambda progress: self.tell(task, progress)


class Docker:
    """How a run calls docker: with which environment, login and builder. Threads may share it.

    `sandbox` is the sandbox whose engine is used; None for the user's own engine.
    """

    def __init__(
        self, builder: Builder, environment: Mapping[str, str], sandbox: Sandbox | None, state: State, target: Target
    ) -> None:
        self.builder = builder
        self._environment = environment
        self._sandbox = sandbox
        self._state = state
        self._target = target
        self._closing = contextlib.ExitStack()

    def environment(self, *, logged_in: bool = False) -> dict[str, str]:
        """Return the environment of docker's commands; `logged_in` they can push."""
        ours = dict(self._environment)
        if self._sandbox is not None:
            from sandbox import engine as sandbox_engine  # noqa: PLC0415  # Only a run against the sandbox needs it.

            ours |= sandbox_engine.environment(self._sandbox)
        return buildx.environment(ours, self.login.environment if logged_in else {})

    @locked_property
    def login(self) -> CredentialHelper:
        """The credential helper that docker's commands ask, until the run ends."""
        helper = CredentialHelper(str(self._target.registry), self._credential, self.environment())
        self._closing.callback(helper.close)
        return helper

    def _credential(self, server: str) -> Credential | None:
        """Return the login to a server as docker's clients name it: a host, or Docker Hub's URL."""
        host = server.partition("://")[2].partition("/")[0] or server
        # A helper that the user chose for the host knows best, as ecr-login does.
        chosen = server_name(host) in helped(read_config(user_config_directory(self._environment) / "config.json"))
        return docker_credential(Registry(host)) if chosen else self._target.credential(Registry(host))

    @locked_property
    def engine(self) -> buildx.Engine:
        """The builder, ready.

        Raises:
            EngineError: it cannot be made ready.
        """
        return builders.ready(self.builder, self.environment(), self._state.builder, self._closing)

    @locked_property
    def alive(self) -> retry.Alive:
        """Runs builds for as long as the builder answers."""
        return retry.Alive(lambda: retry.gone(self.engine, self.environment()))

    @locked_property
    def images(self) -> Mapping[str, str]:
        """The ID of each image that the engine had when this run first asked, by name; empty without an answer."""
        try:
            return images.named(self.environment())
        except SleeperImagesError:
            return {}  # The builder meets the same fault and reports it.

    def close(self) -> None:
        """Give back the login and the builder's lock."""
        self._closing.close()


@dataclass(frozen=True, eq=False)
class RunContext:
    """What one run shares.

    Attributes:
        settings: every setting, and where it comes from.
        catalogue: the images and the builder.
        selected: the images that STACKS, LAMBDA_DEPLOY_TYPE and IMAGES choose.
        sandbox: the sandbox of this checkout, whether it is the target or not.
        environment: the user's variables, or those of the sandbox if it is the target.
        state: the places on this machine.
        target: the registry that images go to.
        docker: how docker is called.
        bases: where base images are, and what they are locked to.
        digests: of the jars, kept between runs.
        repositories: the repositories in the registry.
        channel: what is only known while the run goes on.
    """

    settings: Settings
    catalogue: Catalogue
    selected: tuple[Image, ...]
    sandbox: Sandbox
    environment: Mapping[str, str]
    state: State
    target: Target
    docker: Docker
    bases: Bases
    digests: Digests
    repositories: Repositories
    channel: Channel

    @classmethod
    def of(
        cls, settings: Settings, catalogue: Catalogue, sandbox: Sandbox, environment: Mapping[str, str]
    ) -> RunContext:
        """Build the parts of a run; asks and starts nothing.

        Raises:
            SelectionError: a setting names an image or a stack that does not exist.
        """
        selected = selection.select(catalogue, settings)
        state = State(settings.state_dir)
        target = Target(settings, environment, docker_credential)
        used = sandbox if settings.sandbox else None
        docker = Docker(settings.builder_for(catalogue.builder), environment, used, state, target)
        bases = Bases(
            or_users_own(target.credential, docker_credential),
            lambda name: images.held(name, docker.environment()),
            catalogue.bases,
        )
        return cls(
            settings=settings,
            catalogue=catalogue,
            selected=selected,
            sandbox=sandbox,
            environment=environment,
            state=state,
            target=target,
            docker=docker,
            bases=bases,
            digests=Digests(state.digests),
            repositories=Repositories(target),
            channel=Channel(Asked(pushes=selected)),
        )

    def ask(
        self, pushes: Iterable[Image], loads: Iterable[Image] = (), *, builder: bool = False, preflight: bool = False
    ) -> None:
        """Say what the run is about, before the first task; `Asked` describes the arguments."""
        self.channel.ask(Asked(tuple(pushes), tuple(loads), builder=builder, preflight=preflight))

    def close(self) -> None:
        """Give back what the run holds: the login, the builder's lock."""
        self.docker.close()

    @property
    def asked(self) -> Asked:
        """What the run is about: what the command line asks, else to push the selected images."""
        return self.channel.asked

    @property
    def version(self) -> str:
        """The version tag; SettingsError if nothing says it."""
        return self.settings.require_version()

    @locked_property
    def decisions(self) -> Decisions:
        """What has to be done about each image; the first question is answered for every image that is asked for."""
        from tasks.decisions import Decisions  # noqa: PLC0415  # It asks the registry, which `doit list` does not.

        collector = Collector(self.settings, self.bases.locked, self.digests, self.catalogue.images)
        return Decisions(collector, self.target, self.settings, (*self.asked.pushes, *self.asked.loads))

    @locked_property
    def records(self) -> Records:
        """What the images in the registry were made of."""
        from tasks.records import Records  # noqa: PLC0415  # Only a run or a plan that builds an image needs it.

        return Records(self.target, self.digests)

    @locked_property
    def file_dependencies(self) -> Mapping[str, list[str]]:
        """The files of each image, by its name; its tasks share one reading of the directories."""
        return {image.name: files(image, self.settings) for image in self.catalogue.images}

    @property
    def sandbox_first(self) -> list[str]:
        """The tasks that come before everything else."""
        return ["sandbox"] if self.settings.sandbox else []

    @property
    def before(self) -> list[str]:
        """The tasks that come before everything that builds or pushes."""
        return [*self.sandbox_first, "preflight"]
