from __future__ import annotations

import dataclasses
import re
import textwrap
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.configuration import bases, catalogue, yaml_nodes
from tasks.errors import CatalogueError
from tasks.model import Builder, BuilderNode, Catalogue, Image, Kind

SLEEPER = Path(__file__).parents[2] / "catalogue" / "sleeper.yaml"


def loaded(tmp_path: Path, content: str | bytes) -> Catalogue:
    path = tmp_path / "images.yaml"
    path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    return catalogue.load(path)


def faults(tmp_path: Path, content: str | bytes) -> list[str]:
    """The lines of the error, without the file."""
    with pytest.raises(CatalogueError) as caught:
        loaded(tmp_path, content)
    assert caught.value.next_step
    return [line.removeprefix(f"{tmp_path}/images.yaml:") for line in caught.value.message.splitlines()]


def entry_faults(
    tmp_path: Path, *, deployment: str = "{name: a}", a_lambda: str = "{name: b, jar: b-<version>.jar}"
) -> list[str]:
    """The faults of a catalogue whose entries stand on line 4 and 5."""
    return faults(
        tmp_path,
        f"schema: 1\nplatforms: [linux/amd64, linux/arm64]\nstacks: [IngestStack, QueryStack]\n"
        f"deployments: [{deployment}]\nlambdas: [{a_lambda}]\n",
    )


def test_sleepers_deployments_are_built_from_the_directories_of_their_names() -> None:
    found = [image for image in catalogue.load(SLEEPER).images if image.kind is Kind.DEPLOYMENT]
    assert [image.name for image in found] == [image.directory for image in found]


def test_sleepers_lambdas_share_a_directory_and_are_for_one_platform() -> None:
    found = [image for image in catalogue.load(SLEEPER).images if image.kind is Kind.LAMBDA]
    assert {("lambda", ())} == {(image.directory, image.platforms) for image in found}


def test_sleepers_lambdas_need_these_stacks() -> None:
    found = catalogue.load(SLEEPER)
    assert found.image("query-lambda").stacks == ("QueryStack", "WebSocketQueryStack", "KeepLambdaWarmStack")
    assert found.image("bulk-import-starter-lambda").stacks == (
        "EmrBulkImportStack",
        "EmrServerlessBulkImportStack",
        "PersistentEmrBulkImportStack",
        "EksBulkImportStack",
    )
    assert found.image("custom-resources-lambda").stacks == found.image("statestore-lambda").stacks == ()


def test_sleepers_builder_is_named_sleeper_and_builds_for_both_platforms() -> None:
    both = ("linux/amd64", "linux/arm64")
    assert Builder("sleeper", "docker-container", platforms=both) == catalogue.load(SLEEPER).builder


def test_every_key_of_an_entry_is_read(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        """\
        schema: 1
        stacks: [IngestStack]
        platforms: [linux/amd64, linux/arm64]
        deployments:
          - name: ingest
            directory: custom/ingest
            stacks: [IngestStack]
            multiplatform: true
            attestations: true
            build_args: {JAVA: 17, FLAVOUR: 1.10}
            revision: 3
        lambdas:
          - {name: query, jar: q-<version>.jar, directory: other, always_docker: true}
        """,
    )
    assert found.images == (
        Image(
            "ingest",
            Kind.DEPLOYMENT,
            "custom/ingest",
            stacks=("IngestStack",),
            platforms=("linux/amd64", "linux/arm64"),
            build_args=(("FLAVOUR", "1.10"), ("JAVA", "17")),
            attestations=True,
            revision="3",
        ),
        Image("query", Kind.LAMBDA, "other", jar="q-<version>.jar", always_docker=True),
    )


def test_a_key_has_a_field_of_the_same_name_in_the_model() -> None:
    rows = {Image: catalogue.IMAGE_KEYS, Builder: catalogue.BUILDER_KEYS, BuilderNode: catalogue.NODE_KEYS}
    for described, keys in rows.items():
        fields = {field.name for field in dataclasses.fields(described)}
        assert {key.name for key in keys} - fields <= {"multiplatform"}


def test_every_key_of_the_builder_is_read(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        """\
        schema: 1
        stacks: []
        builder:
          name: farm
          driver: remote
          options: {cacert: /ca.pem}
          platforms: [linux/amd64, linux/arm64]
          config: buildkitd.toml
          nodes:
            - {endpoint: "tcp://amd:1234", platforms: linux/amd64}
            - {endpoint: "tcp://arm:1234", name: arm, options: {default-load: true}}
        deployments: [{name: a}]
        """,
    )
    assert found.builder == Builder(
        "farm",
        "remote",
        (("cacert", "/ca.pem"),),
        ("linux/amd64", "linux/arm64"),
        config=tmp_path / "buildkitd.toml",
        nodes=(
            BuilderNode("tcp://amd:1234", ("linux/amd64",)),
            BuilderNode("tcp://arm:1234", (), (("default-load", "true"),), "arm"),
        ),
    )


@pytest.mark.parametrize(
    ("deployment", "fault"),
    [
        ("{name: a, stak: x}", "4: unknown key 'stak' in a deployment; did you mean 'stacks'?"),
        ("{directory: a}", "4: missing key 'name' in a deployment"),
        ("{name: a, jar: a-<version>.jar}", "4: the key 'jar' is not allowed in a deployment"),
        ("ingest", "4: a deployment must be a mapping, not text"),
        ("{name: 12}", "4: name: must be text, not the number 12; put it in quotes"),
        ("{name: no}", "4: name: must be text, not the boolean no; put it in quotes"),
        ("{name: }", "4: name: must be text, not null"),
        ("{name: [a]}", "4: name: must be text, not a list"),
        (
            '{name: "a\\nb"}',
            "4: name: 'a\\nb' must not contain a line break, a control character or an invisible character",
        ),
        (
            '{name: "a\\u200bb"}',
            "4: name: 'a\\u200bb' must not contain a line break, a control character or an invisible character",
        ),
        ('{name: "a "}', "4: name: 'a ' must not begin or end with a space"),
        ("{name: a, name: c}", "4: duplicate key 'name' in a deployment, first on line 4"),
        ("{name: a, [x]: c}", "4: a key of a deployment must be text, not a list"),
        ("{name: a}, {name: a}", "4: duplicate image 'a', first on line 4"),
        ("{name: b}", "5: duplicate image 'b', first on line 4"),
        ("{name: a, directory: ../a}", "4: directory: '../a' must stay below SCRIPTS_DIR/docker, without '..'"),
        (
            "{name: a, stacks: IngstStack}",
            "4: stacks: 'IngstStack' is not in the catalogue's list of stacks; did you mean 'IngestStack'?",
        ),
        ("{name: a, stacks: [QueryStack, QueryStack]}", "4: stacks: duplicate 'QueryStack'"),
        ("{name: a, multiplatform: 'true'}", "4: multiplatform: must be true or false, not 'true'"),
        ("{name: a, multiplatform: yes}", "4: multiplatform: must be true or false, not 'yes'"),
        ("{name: a, build_args: {1X: y}}", "4: build_args: '1X' must be a variable name: letters, digits and '_'"),
        ("{name: a, build_args: {X: [y]}}", "4: build_args 'X': must be text, not a list"),
        ("{name: &x a}", "4: anchors and aliases are not supported; write the value out"),
        ("{name: !!str a}", "4: the tag 'tag:yaml.org,2002:str' is not supported"),
    ],
)
def test_a_fault_of_a_deployment_is_one_line(tmp_path: Path, deployment: str, fault: str) -> None:
    assert entry_faults(tmp_path, deployment=deployment) == [fault]


@pytest.mark.parametrize(
    ("a_lambda", "fault"),
    [
        ("{name: b}", "5: missing key 'jar' in a lambda"),
        ("{name: b, jar: b.jar}", "5: jar: 'b.jar' must contain <version> once, in place of Sleeper's version"),
        (
            "{name: b, jar: x/b-<version>.jar}",
            "5: jar: 'x/b-<version>.jar' must be a file name without a path; jars are in SCRIPTS_DIR/jars",
        ),
        (
            "{name: b, jar: b-<version>.jar, multiplatform: true}",
            "5: the key 'multiplatform' is not allowed in a lambda: AWS Lambda does not support image indexes",
        ),
        (
            "{name: b, jar: b-<version>.jar, attestations: false}",
            "5: the key 'attestations' is not allowed in a lambda: AWS Lambda does not support image indexes",
        ),
        (
            "{name: b, jar: b-<version>.jar, always_dokcer: true}",
            "5: unknown key 'always_dokcer' in a lambda; did you mean 'always_docker'?",
        ),
        (
            "{name: B, jar: b-<version>.jar}",
            (
                "5: name: 'B' must be lower-case letters and digits, "
                "with single '.', '_' or '-' between them, as ECR requires"
            ),
        ),
    ],
)
def test_a_fault_of_a_lambda_is_one_line(tmp_path: Path, a_lambda: str, fault: str) -> None:
    assert entry_faults(tmp_path, a_lambda=a_lambda) == [fault]


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        ("stacks: []", "1: missing key 'schema' in the catalogue"),
        ("schema: 2\nstacks: []", "1: schema: must be 1, the only supported version, not '2'"),
        ("schema: 1\nstacks: [a b]", "2: stacks: 'a b' must be letters and digits, starting with a letter"),
        (
            "schema: 1\nstacks: [IngestStack, ingeststack]",
            "2: stacks: 'IngestStack' and 'ingeststack' differ only in case, which is ignored",
        ),
        ("schema: 1\nstacks: IngestStack", "2: stacks: must be a list, not text"),
        (
            "schema: 1\nstacks: []\nbulider: {name: x}",
            "3: unknown key 'bulider' in the catalogue; did you mean 'builder'?",
        ),
        (
            "schema: 1\nstacks: []\nplatforms: [amd64]",
            "3: platforms: 'amd64' must be a platform, os/architecture[/variant]; did you mean 'linux/amd64'?",
        ),
        ("schema: 1\nstacks: []\nbuilder: {driver: docker}", "3: missing key 'name' in the builder"),
        (
            "schema: 1\nstacks: []\nbuilder: {name: -x}",
            "3: name: '-x' must be letters, digits, '.', '_' and '-', starting with a letter",
        ),
        (
            "schema: 1\nstacks: []\nbuilder: {name: x, driver: dokcer}",
            "3: driver: 'dokcer' must be one of docker-container, kubernetes, remote, docker; did you mean 'docker'?",
        ),
        (
            "schema: 1\nstacks: []\nbuilder: {name: x, endpoint: -e}",
            "3: endpoint: '-e' must be a Docker context or an address",
        ),
        (
            "schema: 1\nstacks: []\nbuilder: {name: x, endpoint: e, nodes: [{endpoint: e}]}",
            "3: the builder has both 'endpoint' and 'nodes'; move the endpoint to a node",
        ),
        (
            "schema: 1\nstacks: []\nbuilder: {name: x, driver: kubernetes, nodes: [{endpoint: e}]}",
            "3: endpoint: not allowed with the driver kubernetes; KUBECONFIG says which cluster",
        ),
        (
            "schema: 1\nstacks: []\nbuilder: {name: x, driver: kubernetes, endpoint: e}",
            "3: endpoint: not allowed with the driver kubernetes; KUBECONFIG says which cluster",
        ),
        ("schema: 1\nstacks: []\nbuilder: {name: x, nodes: [{name: m}]}", "3: missing key 'endpoint' in a node"),
        (
            "schema: 1\nstacks: []\nplatforms: [linux/amd64, linux/arm64]\nbuilder: {name: x, platforms: linux/amd64}",
            "4: platforms: must include the catalogue's platforms; linux/arm64 is missing",
        ),
    ],
)
def test_a_fault_outside_the_tables_is_one_line(tmp_path: Path, head: str, fault: str) -> None:
    assert faults(tmp_path, f"{head}\ndeployments: [{{name: a}}]\n") == [fault]


def test_a_multi_platform_image_needs_the_catalogues_platforms(tmp_path: Path) -> None:
    content = "schema: 1\nstacks: []\ndeployments:\n  - name: a\n    multiplatform: true\n"
    assert faults(tmp_path, content) == ["5: multiplatform: needs the key 'platforms' in the catalogue"]


def test_all_faults_of_a_file_are_named_at_once_in_its_order(tmp_path: Path) -> None:
    content = "schema: 1\nstacks: []\ndeployments:\n  - {name: A}\n  - {nam: b}\n  - {name: c, multiplatform: 1}\n"
    assert [line.partition(":")[0] for line in faults(tmp_path, content)] == ["4", "5", "5", "6"]


@pytest.mark.parametrize(
    ("content", "others"), [("{}\n", []), ("imagse: []\n", ["1: unknown key 'imagse' in the catalogue"])]
)
def test_a_catalogue_without_any_known_key_lacks_all_required_ones(
    tmp_path: Path, content: str, others: list[str]
) -> None:
    assert faults(tmp_path, content) == [
        "1: missing key 'deployments' or 'lambdas' in the catalogue",
        "1: missing key 'schema' in the catalogue",
        "1: missing key 'stacks' in the catalogue",
        *others,
    ]


def test_more_faults_than_a_screen_holds_are_counted(tmp_path: Path) -> None:
    found = faults(tmp_path, "schema: 1\nstacks: []\ndeployments:\n" + "  - {name: A}\n" * 40)
    assert (len(found), found[-1]) == (26, "and 15 more")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "1: the catalogue must be a mapping, not null"),
        ("schema: 1\nstacks: []\n", "1: missing key 'deployments' or 'lambdas' in the catalogue"),
        ("schema: 1\n---\nschema: 1\n", "2: only one document is supported"),
        ("schema: 1\nstacks: [\n", "3: did not find expected node content"),
        (b"schema: 1\n# \xff\n", "2: not UTF-8"),
        ("schema: 1\n".encode("utf-16-le"), "1: not UTF-8"),
        ("schema: 1\n".encode("utf-16"), "1: not UTF-8"),
        ("schema: 1\n# \x07\n", "2: control characters are not allowed"),
        ("[" * 5000, "1: nested more than 16 levels deep"),
        ("a: &a [x]\nb: [*a, *a]\n", "1: anchors and aliases are not supported; write the value out"),
        ("#" * (2 * 1024 * 1024 + 1), "1: larger than 2048 KiB"),
    ],
)
def test_what_is_no_catalogue_is_refused_with_its_line(tmp_path: Path, content: str | bytes, fault: str) -> None:
    assert faults(tmp_path, content) == [fault]


def test_a_catalogue_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"the catalogue .*absent\.yaml cannot be read: No such file") as caught:
        catalogue.load(tmp_path / "absent.yaml")
    assert "CATALOGUE" in caught.value.next_step


def test_locked_bases_are_read_from_beside_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text("schema: 1\nstacks: []\ndeployments: [{name: a}]\n")
    digests = {"ubuntu:24.04": f"sha256:{'1' * 64}"}
    bases.write(catalogue.lock_path(path), digests)
    assert (tmp_path / "images.yaml.lock").is_file()
    assert digests == catalogue.load(path).bases


def test_a_fault_in_the_lock_is_a_fault_of_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text("schema: 1\nstacks: []\ndeployments: [{name: a}]\n")
    catalogue.lock_path(path).write_text("ubuntu\n")
    with pytest.raises(CatalogueError, match=r"images\.yaml\.lock:1: 'ubuntu' must be <reference>"):
        catalogue.load(path)


def outcome(tmp_path: Path, content: bytes) -> str:
    try:
        return f"{len(loaded(tmp_path, content).images)} images"
    except CatalogueError as fault:
        return fault.message


EXPECTED = re.compile(r"\d+ images|(?:.*images\.yaml:\d+: .+|and \d+ more)(?:\n.*)*")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates() | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["schema", "stacks", "platforms", "builder", "deployments", "lambdas", "name", "jar", "nodes", "options", "driver"]
)
CATALOGUES = st.recursive(
    VALUES | st.sampled_from([1, "a", "IngestStack", "linux/amd64", "x-<version>.jar"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


@given(st.binary(max_size=200))
@example(b"%YAML " + b"9" * 5000 + b".1\n--- a\n")
@example(b'"\\UFFFFFFFF"')
@example(b"\xef\xbb\xbfschema: 1")
@example(b"? [a]\n: b\n")
@example(b"<<: {a: b}")
def test_any_bytes_are_a_catalogue_or_an_error_with_a_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    assert EXPECTED.fullmatch(outcome(tmp_path_factory.mktemp("catalogue"), content))


@given(CATALOGUES)
def test_any_yaml_is_a_catalogue_or_an_error_with_a_line(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    content = yaml.safe_dump(value, allow_unicode=True).encode(errors="replace")
    assert EXPECTED.fullmatch(outcome(tmp_path_factory.mktemp("catalogue"), content))


def test_the_parser_in_python_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = catalogue.load(SLEEPER)
    monkeypatch.setattr(yaml_nodes, "_LOADER", yaml.SafeLoader)
    assert expected == catalogue.load(SLEEPER)


@pytest.mark.parametrize(
    "content", [b"%YAML " + b"9" * 5000 + b".1\n--- a\n", b'"\\UFFFFFFFF"', b"a: \x07", b"[" * 3000]
)
def test_the_parser_in_python_refuses_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(yaml_nodes, "_LOADER", yaml.SafeLoader)
    assert EXPECTED.fullmatch(outcome(tmp_path, content))


def test_the_documents_examples_of_entries_are_read(tmp_path: Path) -> None:
    documented = (SLEEPER.parent.parent / "docs" / "catalogue.md").read_text()
    deployment, a_lambda, again, builder = re.findall(r"```yaml\n(.*?)```", documented, re.DOTALL)
    found = loaded(
        tmp_path,
        f"schema: 1\nstacks: [BulkExportStack, IngestStack]\nplatforms: [linux/amd64, linux/arm64]\n{builder}"
        f"deployments:\n{deployment}{again}lambdas:\n{a_lambda}",
    )
    assert [image.name for image in found.images] == ["table-exporter", "ingest", "table-exporter-lambda"]
    assert len(found.builder.nodes) == 2


def test_the_documents_examples_of_builders_are_read(tmp_path: Path) -> None:
    documented = (SLEEPER.parent.parent / "docs" / "how-to.md").read_text()
    builders = re.findall(r"```yaml\n(builder:.*?)```", documented, re.DOTALL)
    head = "schema: 1\nstacks: []\nplatforms: [linux/amd64, linux/arm64]\ndeployments: [{name: a}]\n"
    found = [loaded(tmp_path, f"{head}{builder}").builder for builder in builders]
    assert [(builder.driver, len(builder.nodes)) for builder in found] == [("kubernetes", 2), ("remote", 2)]
