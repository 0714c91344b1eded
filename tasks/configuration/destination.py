"""Where images go: what one setting says about another, and which two contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.configuration.sources import Found, Rank, Sources
from tasks.reference import Registry, split_host


def contradictions(values: Mapping[str, Any], found: Mapping[str, Found], sources: Sources) -> list[str]:
    """Return a message for each two settings that name different destinations.

    To choose one of the two could push to the wrong account.

    `values` has the value of every setting by its field, `found` the text and source of every setting by its name.
    """
    pairs = [
        *_two_registries(values),
        *_two_endpoints(values, found),
        *_two_prefixes(values, found, sources),
        *(
            (name, other)
            for name, value, other in _of_host(values)
            if found[name].chosen and values[name.lower()] != value
        ),
    ]
    return [
        f"{one}={values[one.lower()]} ({found[one].origin}) contradicts "
        f"{other}={values[other.lower()]} ({found[other].origin})"
        for one, other in pairs
    ]


def from_registry_host(values: Mapping[str, Any], found: Mapping[str, Found]) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and origin of the settings that an ECR host gives; it wins over AWS_REGION."""
    for name, value, other in _of_host(values):
        if not found[name].chosen:
            yield name, value, f"the host in {other}"


def _of_host(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    host = split_host(values["repo_prefix"])[0] if values["repo_prefix"] else None
    text = host or values["docker_registry"]
    facts = Registry(text).ecr_account_and_region if text else None
    for name, value in zip(("ACCOUNT", "REGION"), facts or (), strict=False):
        yield name, value, "REPO_PREFIX" if host else "DOCKER_REGISTRY"


def _two_registries(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    host = split_host(values["repo_prefix"])[0] if values["repo_prefix"] else None
    registry = values["docker_registry"]
    if host and registry and Registry(registry).reached != Registry(host).reached:
        yield "DOCKER_REGISTRY", "REPO_PREFIX"


def _two_endpoints(values: Mapping[str, Any], found: Mapping[str, Found]) -> Iterator[tuple[str, str]]:
    """ECR's endpoint may differ from AWS's, unless AWS's was set over it by a better source."""
    general, own = found["AWS_ENDPOINT_URL"], found["AWS_ENDPOINT_URL_ECR"]
    urls = values["aws_endpoint_url"], values["aws_endpoint_url_ecr"]
    if all(urls) and general.rank < own.rank and urls[0] != urls[1]:
        yield "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"


def _two_prefixes(values: Mapping[str, Any], found: Mapping[str, Found], sources: Sources) -> Iterator[tuple[str, str]]:
    """A prefix may differ from the instance's name if one source sets both."""
    instance, prefix = found["INSTANCE_ID"], found["REPO_PREFIX"]
    if prefix.text is None or instance.text is None or Rank.SANDBOX in {instance.rank, prefix.rank}:
        return
    together = (
        instance.rank == prefix.rank
        or instance.text == sources.at("INSTANCE_ID", prefix.rank)
        or prefix.text == sources.at("REPO_PREFIX", instance.rank)
    )
    if not together and instance.text != split_host(values["repo_prefix"])[1]:
        yield "INSTANCE_ID", "REPO_PREFIX"
