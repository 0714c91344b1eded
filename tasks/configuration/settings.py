"""Settings: a row for each, and their values in one frozen, typed record.

`load` reads no other files than an instance.properties and version.txt. A value that only AWS or a registry knows stays
None; the tasks that need it ask.
"""

# ruff: noqa: RUF009  # `setting` returns a field, as dataclasses.field does.

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ParamSpec

from tasks.configuration import destination, values
from tasks.configuration.sleeper_files import VERSION_FILE, read_version
from tasks.configuration.sources import Found, Group, Setting, Sources, command_line
from tasks.errors import SettingsError
from tasks.model import Builder
from tasks.reference import Registry, split_host
from tasks.registry import kinds
from tasks.system.text import quoted

_SANDBOX = "to try it without any of this: ./doitw sandbox push_all"

_CATALOGUES = "the catalogue's"


def _parallel() -> str:
    """Return two for each processor: a build waits for the engine and the network as much as it computes.

    Measured on two processors with twenty small images and an empty cache: 7.3 s with two at once, 4.1 s with four,
    4.4 s with eight. More than eight would only meet the registry's limits.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return str(min(8, 2 * processors))


Row = ParamSpec("Row")


def _as_field(describe: Callable[Row, Setting]) -> Callable[Row, Any]:
    return lambda *given, **more: field(metadata={"setting": describe(*given, **more)})


setting = _as_field(Setting)
"""Returns the field of a setting; the arguments are those of `Setting`."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one run works with: a field for each setting, None if it has no value. A field's row describes it.

    Attributes:
        origins: where each value comes from, by the setting's name.
    """

    instance_id: str | None = setting(
        Group.DESTINATION,
        values.text(values.repository_prefix),
        "the instance; repositories are `<INSTANCE_ID>/<image>`",
        properties=("sleeper.id",),
    )
    account: str | None = setting(
        Group.DESTINATION,
        values.text(values.account),
        "the AWS account of the registry, 12 digits; "
        "[another one than the login's](aws-policy.md#another-accounts-registry) works",
        unset="the account of the ECR host, or of the ECR token",
        properties=("sleeper.account",),
    )
    region: str | None = setting(
        Group.DESTINATION,
        values.text(values.region),
        "the AWS Region; an ECR host in `DOCKER_REGISTRY` or `REPO_PREFIX` has its own",
        unset="the AWS profile, when a task asks",
        properties=("sleeper.region",),
        environment=("AWS_REGION", "AWS_DEFAULT_REGION"),
    )
    docker_registry: str | None = setting(
        Group.DESTINATION,
        values.read_registry,
        "the registry: host, or host and port; `docker.io` is reached at `registry-1.docker.io`, as Docker does",
        unset="ECR's host of ACCOUNT and REGION",
    )
    repo_prefix: str | None = setting(
        Group.DESTINATION,
        values.read_prefix,
        "what comes before `/<image>` in a repository's name; with or without a registry",
        unset="DOCKER_REGISTRY/INSTANCE_ID",
        properties=("sleeper.ecr.repository.prefix", "sleeper.artefacts.deployment"),
    )
    registry: str = setting(
        Group.DESTINATION,
        values.choice("auto", *kinds.KINDS),
        f"the kind of registry: {kinds.NAMES}, or `auto`: ECR if the host is ECR's, or if an AWS endpoint is set and "
        "the registry is on this machine or on the endpoint's host",
        "auto",
    )
    aws_endpoint_url: str | None = setting(
        Group.DESTINATION,
        values.read_url,
        "the URL of AWS's APIs; https, except for this machine",
        unset="AWS's own",
    )
    aws_endpoint_url_ecr: str | None = setting(
        Group.DESTINATION, values.read_url, "the URL of ECR's API", unset="AWS_ENDPOINT_URL"
    )
    instance_properties: Path | None = setting(
        Group.DESTINATION, values.read_file, "a Sleeper instance.properties file, see [below](#from-instanceproperties)"
    )
    scripts_dir: Path = setting(
        Group.CONTENT,
        values.read_path,
        "Sleeper's scripts directory, as its Maven build leaves it. It is only read",
        "scripts",
    )
    version: str | None = setting(
        Group.CONTENT,
        values.read_version,
        "the version tag, and the version in the jars' names. It must not be `building`, or begin with `building-`, "
        "`inputs-` or `sha256-`: those tags have a meaning of their own",
        unset=f"the first line of SCRIPTS_DIR/{VERSION_FILE}",
    )
    stacks: tuple[str, ...] | None = setting(
        Group.CONTENT,
        values.read_stacks,
        "only the images that these optional stacks need, and those that are always deployed; comma-separated, in any "
        "case; `none` for an instance without optional stacks",
        unset="every image",
        properties=("sleeper.optional.stacks",),
        empty=values.NO_STACKS,
    )
    lambda_deploy_type: str = setting(
        Group.CONTENT,
        values.choice("container", "jar"),
        "`container`: all lambdas; `jar`: only the lambdas that are always deployed from images",
        "container",
        properties=("sleeper.lambda.deploy.type",),
    )
    images: tuple[str, ...] | None = setting(
        Group.CONTENT,
        values.items(values.image_glob),
        "only these images: names and globs, comma-separated (`IMAGES='bulk-*,ingest'`)",
        unset="every image",
    )
    platform: str = setting(
        Group.CONTENT,
        values.read_platform,
        "the platform of a single-platform image, such as `linux/arm64`; `native` for this machine's own",
        "linux/amd64",
    )
    catalogue: Path = setting(
        Group.CONTENT, values.read_path, "the [catalogue](catalogue.md) of images", "catalogue/sleeper.yaml"
    )
    builder: str | None = setting(
        Group.BUILD,
        values.text(values.builder),
        "the name of the buildx builder. Without the three settings below, a builder of that name is "
        "[used as it is](catalogue.md#whose-builder-it-is), whatever the catalogue describes",
        unset=_CATALOGUES,
    )
    builder_driver: str | None = setting(
        Group.BUILD,
        values.choice(*values.DRIVERS),
        "`docker-container`, `kubernetes`, `remote` or `docker`. With another driver than the catalogue's, the "
        "catalogue's options, endpoint, nodes and configuration do not apply",
        unset=_CATALOGUES,
    )
    builder_options: tuple[tuple[str, str], ...] | None = setting(
        Group.BUILD,
        values.read_options,
        "driver options, `name=value`, comma-separated; added to the catalogue's. A value with a comma belongs in the "
        "catalogue",
        unset=_CATALOGUES,
    )
    builder_config: Path | None = setting(
        Group.BUILD, values.read_file, "a buildkitd configuration file", unset=_CATALOGUES
    )
    parallel: int = setting(
        Group.BUILD,
        values.read_count,
        "how many images are built at once, at most 64",
        _parallel(),
        unset="two for each processor, at most 8",
    )
    puts_per_second: int | None = setting(
        Group.BUILD,
        values.read_count,
        "how many manifests are put a second, at most 64, including those of builds. Raise it if AWS raised your "
        "quota of PutImage",
        unset="8 for ECR, which allows 10 for an account and Region; unlimited for a plain registry",
    )
    state_dir: Path = setting(
        Group.BUILD,
        values.read_path,
        "where this checkout keeps state, build contexts and logs; safe to delete",
        ".sleeper-images",
    )
    target: str | None = setting(
        Group.RUN,
        values.choice("sandbox"),
        "`sandbox`: the sandbox on this machine; the same as naming the task `sandbox`",
        unset="the registry of the other settings",
    )
    force: bool = setting(
        Group.RUN, values.read_flag, "`true` also builds and pushes images that are up to date", "false"
    )
    wait: float = setting(
        Group.RUN,
        values.read_seconds,
        "how many seconds to wait for another run in this checkout; `0` fails at once and names the other run",
        "0",
    )
    base: str | None = setting(
        Group.RUN,
        values.choice("refresh"),
        "`refresh` locks each base image to its current digest",
        unset="bases as they are locked",
    )
    sandbox_dir: Path = setting(Group.SANDBOX, values.read_path, "where the sandbox keeps its files", ".sandbox")
    origins: Mapping[str, str] = field(compare=False)

    @property
    def sandbox(self) -> bool:
        """Whether the sandbox is the target."""
        return self.target == "sandbox"

    @property
    def registry_host(self) -> Registry | None:
        """The registry in REPO_PREFIX, or DOCKER_REGISTRY; None for the account's own, which AWS gives."""
        host = (split_host(self.repo_prefix)[0] if self.repo_prefix else None) or self.docker_registry
        return Registry(host).reached if host else None

    @property
    def repository_prefix(self) -> str | None:
        """The part of a repository's name before `/<image>`, without the registry."""
        return split_host(self.repo_prefix)[1] if self.repo_prefix else self.instance_id

    @property
    def ecr_endpoint(self) -> str | None:
        """The URL of ECR's API; None for the one that boto3 finds by itself."""
        return self.aws_endpoint_url_ecr or self.aws_endpoint_url

    @property
    def registry_kind(self) -> str:
        """The name of a row in `tasks.registry.kinds`: REGISTRY, or the destination's kind if REGISTRY is `auto`."""
        if self.registry != "auto":
            return self.registry
        return kinds.of_target(self.registry_host, self.ecr_endpoint).name

    def require_scripts_dir(self) -> Path:
        """Return SCRIPTS_DIR.

        Raises:
            SettingsError: it is not the scripts directory of a built Sleeper; or STATE_DIR is in one of its build
                directories, so that each run would change what it builds.
        """
        docker = self.scripts_dir / "docker"
        if not docker.is_dir():
            raise self._no_scripts()
        if self.state_dir.is_relative_to(docker):
            raise SettingsError(
                f"STATE_DIR={self.state_dir} ({self.origins['STATE_DIR']}): images are built from this directory",
                f"set STATE_DIR to a directory outside {docker}",
            )
        return self.scripts_dir

    def _no_scripts(self) -> SettingsError:
        where = f"SCRIPTS_DIR={self.scripts_dir} ({self.origins['SCRIPTS_DIR']})"
        below = self.scripts_dir / "scripts"
        if (below / "docker").is_dir():
            return SettingsError(f"{where}: Sleeper's scripts are one directory below", f"set SCRIPTS_DIR={below}")
        reason = f"{self.scripts_dir / 'docker'} does not exist" if self.scripts_dir.is_dir() else "no such directory"
        return SettingsError(
            f"{where}: {reason}", "run Sleeper's Maven build, or set SCRIPTS_DIR to the scripts of a built Sleeper"
        )

    def require_version(self) -> str:
        """Return the version; SettingsError if neither VERSION nor version.txt gives one that can be a tag."""
        version = self.version or read_version(self.scripts_dir)
        if version is None:
            raise SettingsError(
                f"VERSION is not set, and {self.scripts_dir / VERSION_FILE} does not exist",
                "run Sleeper's Maven build, or set SCRIPTS_DIR or VERSION",
            )
        return version

    def require_repository_prefix(self) -> str:
        """Return the part before `/<image>`; SettingsError if neither INSTANCE_ID nor REPO_PREFIX is set."""
        if self.repository_prefix is None:
            raise SettingsError(
                "INSTANCE_ID is not set; it names the repositories",
                "set INSTANCE_ID, or INSTANCE_PROPERTIES to the instance's instance.properties",
            )
        return self.repository_prefix

    def require_registry(self) -> None:
        """Raise SettingsError if the registry is not set, and AWS cannot give it."""
        if self.registry_host is None and not kinds.KINDS[self.registry_kind].names_host:
            raise SettingsError(
                f"DOCKER_REGISTRY is not set; REGISTRY={self.registry_kind} ({self.origins['REGISTRY']}) needs it",
                "set DOCKER_REGISTRY to the registry's host",
            )

    def require_destination(self, *, inputs: bool = True) -> None:
        """Raise one SettingsError with everything that a push needs and does not have.

        Without `inputs`, SCRIPTS_DIR is not needed.
        """
        faults = _faults(self.require_repository_prefix, self.require_registry)
        misplaced = _faults(self.require_scripts_dir) if inputs else []
        faults += misplaced
        # In a wrong directory, version.txt is missing for that reason.
        if not misplaced or not self.scripts_dir.is_dir():
            faults += _faults(self.require_version)
        if len(faults) == 1:
            raise SettingsError(faults[0].message, f"{faults[0].next_step}\n  {_SANDBOX}")
        if faults:
            steps = [*(fault.next_step for fault in faults), _SANDBOX]
            raise SettingsError(
                "missing or invalid settings:\n" + "\n".join(f"  - {fault.message}" for fault in faults),
                "\n        ".join(steps) + "\n  `doit settings` shows every value and where it comes from",
            )

    def builder_for(self, described: Builder) -> Builder:
        """Return the catalogue's builder, changed by the BUILDER settings.

        Options are added to the catalogue's and replace those of the same name. The catalogue's options, endpoint,
        nodes and configuration do not apply to another driver. If only BUILDER is set, a builder of that name is used
        as it is, whatever the catalogue describes.
        """
        described_here = (self.builder_driver, self.builder_options, self.builder_config)
        if self.builder_driver is not None and self.builder_driver != described.driver:
            described = Builder(described.name, self.builder_driver, platforms=described.platforms)
        return replace(
            described,
            name=self.builder or described.name,
            options=tuple(sorted({**dict(described.options), **dict(self.builder_options or ())}.items())),
            config=self.builder_config or described.config,
            as_is=self.builder is not None and all(value is None for value in described_here),
        )

    def aws_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return `environment` for an AWS client, with the endpoints from the settings."""
        endpoints = {"AWS_ENDPOINT_URL": self.aws_endpoint_url, "AWS_ENDPOINT_URL_ECR": self.aws_endpoint_url_ecr}
        return {**environment, **{name: url for name, url in endpoints.items() if url}}


SETTINGS: Mapping[str, Setting] = {
    row.name.upper(): replace(row.metadata["setting"], name=row.name.upper())
    for row in fields(Settings)
    if "setting" in row.metadata
}
"""Every setting by name, in the order of the rows."""


def load(
    variables: Mapping[str, str],
    environment: Mapping[str, str],
    directory: Path,
    *,
    initial_directory: Path | None = None,
    defaults: Mapping[str, tuple[str, str]] | None = None,
    known_extra: Collection[str] = (),
) -> Settings:
    """Return every setting's value, from the sources of `tasks/configuration/sources.py`.

    Args:
        variables: doit's command line (`name=value`), names in either case.
        environment: the environment.
        directory: the project's directory, where the defaults of paths start.
        initial_directory: the caller's directory, where other relative paths start; `directory` if None.
        defaults: text and origin by name from the sandbox if it is the target. They win over everything but the command
            line, and the environment does not say where images go.
        known_extra: variables of the command line that others read.

    Raises:
        SettingsError: variables that are unknown, invalid or contradict each other, all at once; or a properties file
            that cannot be read.
    """
    given = command_line(variables, SETTINGS, known_extra)
    sources = Sources(SETTINGS, given, environment, directory, initial_directory or directory, defaults or {})
    found = {name: sources.find(name) for name in SETTINGS}
    read, faults = _read_all(found)
    if not faults:
        faults = destination.contradictions(read, found, sources)
    if faults:
        raise SettingsError("\n".join(faults), "correct it; docs/settings.md describes the settings")
    origins = {name: place.origin for name, place in found.items()}
    for name, value, origin in destination.from_registry_host(read, found):
        read[name.lower()], origins[name] = value, origin
    if read["version"] is None:
        _from_version_file(read, origins)
    return Settings(**read, origins=origins)


def _faults(*checks: Callable[[], object]) -> list[SettingsError]:
    faults = []
    for check in checks:
        try:
            check()
        except SettingsError as fault:
            faults.append(fault)
    return faults


def _read_all(found: Mapping[str, Found]) -> tuple[dict[str, Any], list[str]]:
    read: dict[str, Any] = {}
    faults = []
    for name, place in found.items():
        setting = SETTINGS[name]
        try:
            read[setting.field] = None if place.text is None else _value(setting, place.text, place.directory)
        except ValueError as fault:
            faults.append(f"{name}={quoted(place.text or '')} ({place.origin}): {fault}")
    return read, faults


def _value(setting: Setting, text: str, directory: Path) -> Any:
    if not text.isprintable():
        raise ValueError(values.UNPRINTABLE)
    return setting.read(text.strip(), directory)


def _from_version_file(read: dict[str, Any], origins: dict[str, str]) -> None:
    path = read["scripts_dir"] / VERSION_FILE
    try:
        read["version"] = read_version(read["scripts_dir"])
    except SettingsError as fault:
        # Only a task that needs the version may fail: require_version reads the file again and raises this.
        origins["VERSION"] = fault.message.replace("\n", " ")
    else:
        origins["VERSION"] = str(path) if read["version"] else f"not set; {path} does not exist"
