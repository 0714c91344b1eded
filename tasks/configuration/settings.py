"""Settings: from the command line, the environment and instance.properties to one frozen, typed record.

`load` is pure but for the files that it is told to read: an instance.properties, and version.txt. What AWS or a
registry would have to be asked for stays None, and the tasks that need it ask.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tasks.configuration import destination, version_file
from tasks.configuration.sources import Found, Sources, command_line
from tasks.configuration.variables import VARIABLES, Variable
from tasks.errors import SettingsError
from tasks.model import Builder
from tasks.reference import Registry, split_host
from tasks.registry import kinds
from tasks.system.text import quoted

_SANDBOX = "to try it without any of this: ./doitw sandbox push_all"


@dataclass(frozen=True)
class Settings:
    """What one run works with; each field is the variable of its name, None where nothing gives it a value.

    Attributes:
        scripts_dir: Sleeper's scripts directory; it need not be there.
        instance_id: the instance, by default the path before `/<image>` in a repository's name.
        account: the AWS account.
        region: the AWS Region.
        docker_registry: the registry's host.
        repo_prefix: `[registry/]path`, in place of `<docker_registry>/<instance_id>`.
        registry: `auto`, `ecr` or `oci`; `registry_kind` decides.
        aws_endpoint_url: where AWS's services are, if not where boto3 looks by itself.
        aws_endpoint_url_ecr: the same for ECR alone.
        version: the tag, and the version in jar names.
        instance_properties: the instance.properties file that was read.
        stacks: the optional stacks of the instance; None for every image.
        lambda_deploy_type: `container` or `jar`.
        platform: what a single-platform image is built for; `native` is already this machine's own.
        images: names and globs; None for every image.
        catalogue: the catalogue's file.
        builder: the buildx builder's name.
        builder_driver: its driver.
        builder_options: its driver's options, names and values.
        builder_config: its buildkitd configuration.
        parallel: how many images are built at once.
        puts_per_second: how many manifests are put a second, or None.
        state_dir: where state, contexts and logs are.
        sandbox_dir: where a sandbox is.
        target: `sandbox`, or None.
        force: whether images are built whatever the registry holds.
        wait: seconds to wait for another run of this checkout.
        base: `refresh`, or None.
        origins: where each value comes from, by the variable's name.
    """

    scripts_dir: Path
    instance_id: str | None
    account: str | None
    region: str | None
    docker_registry: str | None
    repo_prefix: str | None
    registry: str
    aws_endpoint_url: str | None
    aws_endpoint_url_ecr: str | None
    version: str | None
    instance_properties: Path | None
    stacks: tuple[str, ...] | None
    lambda_deploy_type: str
    platform: str
    images: tuple[str, ...] | None
    catalogue: Path
    builder: str | None
    builder_driver: str | None
    builder_options: tuple[tuple[str, str], ...] | None
    builder_config: Path | None
    parallel: int
    puts_per_second: int | None
    state_dir: Path
    sandbox_dir: Path
    target: str | None
    force: bool
    wait: float
    base: str | None
    origins: Mapping[str, str] = field(compare=False)

    @property
    def sandbox(self) -> bool:
        """Whether the sandbox is the target."""
        return self.target == "sandbox"

    @property
    def registry_host(self) -> Registry | None:
        """The registry: REPO_PREFIX's, else DOCKER_REGISTRY; None for the one that ECR names."""
        host = (split_host(self.repo_prefix)[0] if self.repo_prefix else None) or self.docker_registry
        return Registry(host).reached if host else None

    @property
    def repository_prefix(self) -> str | None:
        """What stands before `/<image>` in a repository's name, without the registry."""
        return split_host(self.repo_prefix)[1] if self.repo_prefix else self.instance_id

    @property
    def ecr_endpoint(self) -> str | None:
        """Where ECR's API is, if not where boto3 looks by itself."""
        return self.aws_endpoint_url_ecr or self.aws_endpoint_url

    @property
    def registry_kind(self) -> str:
        """The name of a row in `tasks.registry.kinds`: REGISTRY, or what fits the destination where that is `auto`."""
        if self.registry != "auto":
            return self.registry
        return kinds.of_target(self.registry_host, self.ecr_endpoint).name

    def require_scripts_dir(self) -> Path:
        """Return SCRIPTS_DIR; SettingsError where it is not the scripts directory of a Sleeper that was built.

        Also where STATE_DIR is in one of its build directories: each run would then change what it builds.
        """
        if not (self.scripts_dir / "docker").is_dir():
            raise self._no_scripts()
        if self.state_dir.is_relative_to(self.scripts_dir / "docker"):
            raise SettingsError(
                f"STATE_DIR is {self.state_dir} ({self.origins['STATE_DIR']}), which images are built from",
                f"set it to a directory that is not below {self.scripts_dir / 'docker'}",
            )
        return self.scripts_dir

    def _no_scripts(self) -> SettingsError:
        directory, origin = self.scripts_dir, self.origins["SCRIPTS_DIR"]
        within = directory / "scripts"
        if (within / "docker").is_dir():
            return SettingsError(
                f"SCRIPTS_DIR is {directory} ({origin}), which has Sleeper's scripts in the directory below it",
                f"set SCRIPTS_DIR to {within}",
            )
        if directory.is_dir():
            return SettingsError(
                f"SCRIPTS_DIR is {directory} ({origin}), which is not Sleeper's scripts directory: "
                f"{directory / 'docker'} is not there",
                "run Sleeper's Maven build, or set SCRIPTS_DIR to the scripts of a Sleeper that was built",
            )
        return SettingsError(
            f"the scripts directory {directory} is not there (SCRIPTS_DIR: {origin})",
            "run Sleeper's Maven build, or set SCRIPTS_DIR to the scripts of a Sleeper that was built",
        )

    def require_version(self) -> str:
        """Return the version; SettingsError where neither VERSION nor version.txt gives one that can be a tag."""
        version = self.version or version_file.read(self.scripts_dir)
        if version is None:
            raise SettingsError(
                f"the version is not known: {self.scripts_dir / version_file.PLACE} is not there",
                "run Sleeper's Maven build, or set SCRIPTS_DIR or VERSION",
            )
        return version

    def require_repository_prefix(self) -> str:
        """Return what stands before `/<image>`; SettingsError where neither INSTANCE_ID nor REPO_PREFIX is set."""
        if self.repository_prefix is None:
            raise SettingsError(
                "INSTANCE_ID is not set, and it names the repositories that images go to",
                "set INSTANCE_ID, or INSTANCE_PROPERTIES to the instance.properties of the instance",
            )
        return self.repository_prefix

    def require_registry(self) -> None:
        """Return where the registry is set, or AWS can tell it; else SettingsError."""
        if self.registry_host is None and not kinds.KINDS[self.registry_kind].names_host:
            raise SettingsError(
                f"DOCKER_REGISTRY is not set, and REGISTRY is {self.registry_kind} ({self.origins['REGISTRY']})",
                "set DOCKER_REGISTRY to the registry's host",
            )

    def require_destination(self, *, inputs: bool = True) -> None:
        """Return where all is there that a push needs to be told; else SettingsError with everything that is not.

        Args:
            inputs: whether SCRIPTS_DIR is needed, too.
        """
        faults = _faults(self.require_repository_prefix, self.require_registry)
        misplaced = _faults(self.require_scripts_dir) if inputs else []
        faults += misplaced
        if (
            not misplaced or not self.scripts_dir.is_dir()
        ):  # In a wrong directory version.txt is missing for that reason.
            faults += _faults(self.require_version)
        if len(faults) == 1:
            raise SettingsError(faults[0].message, f"{faults[0].next_step}\n  {_SANDBOX}")
        if faults:
            steps = [*(fault.next_step for fault in faults), _SANDBOX]
            raise SettingsError(
                "these settings are missing or wrong:\n" + "\n".join(f"  - {fault.message}" for fault in faults),
                "\n        ".join(steps) + "\n  `doit settings` shows every value and where it comes from",
            )

    def builder_for(self, described: Builder) -> Builder:
        """Return the catalogue's builder with what the BUILDER variables say otherwise.

        Options are added to the catalogue's, in place of those of the same name. Another driver knows nothing of the
        catalogue's options, endpoint, nodes and configuration, so it starts without them. Where BUILDER alone is set,
        a builder of that name is used as it is, whatever the catalogue describes.
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
        """Return `environment` for an AWS client, with the endpoints that the settings say."""
        endpoints = {"AWS_ENDPOINT_URL": self.aws_endpoint_url, "AWS_ENDPOINT_URL_ECR": self.aws_endpoint_url_ecr}
        return {**environment, **{name: url for name, url in endpoints.items() if url}}


def load(
    variables: Mapping[str, str],
    environment: Mapping[str, str],
    directory: Path,
    *,
    initial_directory: Path | None = None,
    defaults: Mapping[str, tuple[str, str]] | None = None,
    known_extra: Collection[str] = (),
) -> Settings:
    """Find every setting's value: `tasks/configuration/sources.py` says in which order.

    Args:
        variables: what doit's command line sets (`name=value`), in either case.
        environment: the environment.
        directory: the project's, where the defaults of paths are.
        initial_directory: where the caller is, which relative paths start from; `directory` where None.
        defaults: what the sandbox supplies where it is the target, each with where that comes from. With
            `target=sandbox` they win over everything but the command line, and nothing else that says where images go
            is taken from the environment.
        known_extra: variables of the command line that others read.

    Raises:
        SettingsError: variables that are unknown, malformed or contradict each other, all of them at once; or a
            properties file that cannot be read.
    """
    given = command_line(variables, known_extra)
    sources = Sources(given, environment, directory, initial_directory or directory, defaults or {})
    found = {variable.name: sources.find(variable) for variable in VARIABLES}
    values, faults = _read_all(found)
    if not faults:
        faults = destination.contradictions(values, found, sources)
    if faults:
        raise SettingsError("\n".join(faults), "correct it; docs/settings.md describes every variable")
    origins = {variable.name: found[variable.name].origin for variable in VARIABLES}
    for name, value, origin in destination.from_registry_host(values, found):
        values[name.lower()], origins[name] = value, origin
    if values["version"] is None:
        _from_version_file(values, origins)
    return Settings(**values, origins=origins)


def _faults(*checks: Callable[[], object]) -> list[SettingsError]:
    faults = []
    for check in checks:
        try:
            check()
        except SettingsError as fault:
            faults.append(fault)
    return faults


def _read_all(found: Mapping[str, Found]) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    faults = []
    for variable in VARIABLES:
        place = found[variable.name]
        values[variable.field] = None
        if place.text is None:
            continue
        try:
            values[variable.field] = _value(variable, place)
        except ValueError as fault:
            faults.append(f"{variable.name}={quoted(place.text)} ({place.origin}) {fault}")
    return values, faults


def _value(variable: Variable, place: Found) -> Any:
    text = place.text or ""
    if not text.isprintable():
        raise ValueError("holds a line break, a control or an invisible character")
    return variable.read(text.strip(), place.directory)


def _from_version_file(values: dict[str, Any], origins: dict[str, str]) -> None:
    path = values["scripts_dir"] / version_file.PLACE
    try:
        values["version"] = version_file.read(values["scripts_dir"])
    except SettingsError as fault:
        # Only what needs a version may fail for it: require_version reads the file again, and says this.
        origins["VERSION"] = fault.message.replace("\n", " ")
    else:
        origins["VERSION"] = str(path) if values["version"] else f"not set; {path} is not there"
