from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import layout, sample
from tasks.commands import digests as digests_file
from tasks.commands.digests import DigestsFile, Entry
from tasks.configuration import catalogue, settings, sleeper_files
from tasks.errors import SettingsError
from tasks.image.fingerprint import inputs_tag
from tasks.reference import Digest, Registry, Repository
from tasks.registry.model import OCI_INDEX, OCI_MANIFEST, sha256
from tasks.registry.target import Target
from tasks.run_context import RunContext
from tests.integration.project import CHECKOUT
from tests.registry.server import Answer, Asked, Server, serving

CATALOGUE = catalogue.load(CHECKOUT / "catalogue" / "sleeper.yaml")
HELD = sha256(b"held")
OTHER = sha256(b"other")
FINGERPRINT = "ab" * 32
VERSION = "1.2.3"

_DIGESTS = st.binary(max_size=4).map(sha256)
_NAMES = st.from_regex(r"[a-z]{1,5}(-[a-z]{1,5})?", fullmatch=True)
_ENTRIES = st.builds(
    Entry,
    _NAMES.map(lambda name: Repository(Registry("127.0.0.1:5000"), f"mine/{name}")),
    st.from_regex(r"[a-z0-9][a-z0-9.-]{0,9}", fullmatch=True),
    _DIGESTS,
    st.sampled_from([("linux/amd64",), ("linux/amd64", "linux/arm64")]),
    st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}"),
)


def context(root: Path, registry: Registry, images: str = "ingest,query-lambda", **more: str) -> RunContext:
    """Return a run that pushes to a plain registry."""
    variables = {"docker_registry": str(registry), "registry": "oci", "instance_id": "mine", "images": images}
    variables |= {"state_dir": str(root / "state"), "scripts_dir": str(root / "scripts"), **more}
    found = settings.load(variables, {}, root)
    return RunContext.of(found, CATALOGUE, layout.defaults(root / "sandbox", {}), {})


@contextmanager
def holding(say: Callable[[str, str], Digest | int | None]) -> Iterator[Server]:
    """Serve a registry in which each tag of each image is on what `say` returns, or answered with that status."""

    def answer(asked: Asked) -> Answer:
        if asked.target == "/v2/":
            return Answer()
        name, _, tag = asked.target.split("/")[-3:]
        held = say(name, tag)
        if not isinstance(held, Digest):
            return Answer(held or 404)
        kind = OCI_INDEX if CATALOGUE.image(name).multiplatform else OCI_MANIFEST
        return Answer(200, {"Content-Type": kind, "Docker-Content-Digest": str(held), "Content-Length": "4"})

    with serving(answer) as server:
        yield server


def written(server: Server, *names: str, digest: Digest = HELD) -> DigestsFile:
    """Return a file about these images."""
    prefix = f"{server.registry}/mine"
    return DigestsFile(
        prefix,
        {
            name: Entry(Repository.parse(f"{prefix}/{name}"), VERSION, digest, ("linux/amd64",), FINGERPRINT)
            for name in names
        },
    )


# The file


@given(st.dictionaries(_NAMES, _ENTRIES, max_size=4))
def test_what_is_written_is_read_back(images: dict[str, Entry]) -> None:
    found = DigestsFile("127.0.0.1:5000/mine", images)
    assert digests_file.parse(found.text()) == found


@given(st.dictionaries(_NAMES, _ENTRIES, max_size=4), st.randoms())
def test_the_text_does_not_depend_on_the_order(images: dict[str, Entry], random: object) -> None:
    items = list(images.items())
    random.shuffle(items)  # type: ignore[attr-defined]  # hypothesis gives a random.Random.
    assert DigestsFile("p", dict(items)).text() == DigestsFile("p", images).text()


def test_the_file_is_as_documented() -> None:
    entry = Entry(
        Repository.parse("127.0.0.1:5000/mine/ingest"), VERSION, HELD, ("linux/amd64", "linux/arm64"), FINGERPRINT
    )
    assert json.loads(DigestsFile("127.0.0.1:5000/mine", {"ingest": entry}).text()) == {
        "schema": 1,
        "prefix": "127.0.0.1:5000/mine",
        "images": {
            "ingest": {
                "repository": "127.0.0.1:5000/mine/ingest",
                "tag": VERSION,
                "digest": str(HELD),
                "platforms": ["linux/amd64", "linux/arm64"],
                "fingerprint": FINGERPRINT,
            }
        },
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"schema": 2, "prefix": "p", "images": {}}',
        '{"schema": 1, "prefix": 7, "images": {}}',
        '{"schema": 1, "prefix": "p", "images": []}',
        '{"schema": 1, "prefix": "p", "images": {"x": {}}}',
        '{"schema": 1, "prefix": "p", "images": {"x": 7}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_file_of_ours_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(SettingsError) as info:
        digests_file.parse(text)
    assert "doit digests --output" in info.value.next_step


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("repository", "no-registry"),
        ("repository", None),
        ("tag", "../../up"),
        ("digest", "sha256:short"),
        ("platforms", [7]),
        ("platforms", None),
        ("fingerprint", "x"),
    ],
)
def test_a_value_that_cannot_be_is_refused(key: str, value: object) -> None:
    with serving(lambda _: Answer()) as server:
        content = written(server, "ingest").as_object()
    content["images"]["ingest"][key] = value
    with pytest.raises(SettingsError):
        digests_file.parse(json.dumps(content))


@pytest.mark.parametrize("path", ["mine", "team/mine"])
def test_the_property_is_the_path_alone_as_sleeper_puts_the_host_before_it(path: str) -> None:
    for host in ("123456789012.dkr.ecr.eu-west-2.amazonaws.com", "127.0.0.1:5000"):
        found = sleeper_files.parse_properties(DigestsFile(f"{host}/{path}", {}).property_line)
        assert found["sleeper.ecr.repository.prefix"].value == path


@pytest.mark.parametrize("value", ["mine", "123456789012.dkr.ecr.eu-west-2.amazonaws.com/mine"])
def test_the_property_is_read_with_and_without_a_host(tmp_path: Path, value: str) -> None:
    text = f"sleeper.account=123456789012\nsleeper.region=eu-west-2\nsleeper.ecr.repository.prefix={value}\n"
    (tmp_path / "instance.properties").write_text(text)
    found = settings.load({"instance_properties": "instance.properties"}, {}, tmp_path)
    destination = Target(found, {}, lambda _registry, _fresh: None)
    assert destination.prefix == "123456789012.dkr.ecr.eu-west-2.amazonaws.com/mine"


# Against the registry


def test_a_registry_that_holds_what_the_file_says_agrees(tmp_path: Path) -> None:
    with holding(lambda _name, _tag: HELD) as server:
        found = digests_file.differences(context(tmp_path, server.registry), written(server, "ingest", "query-lambda"))
    assert found == ({}, {})


def test_both_tags_of_each_image_are_asked_for_once(tmp_path: Path) -> None:
    with holding(lambda _name, _tag: HELD) as server:
        digests_file.differences(context(tmp_path, server.registry), written(server, "ingest", "query-lambda"))
    asked = sorted(one.target for one in server.asked if one.target != "/v2/")
    expected = [
        f"/v2/mine/{name}/manifests/{tag}"
        for name in ("ingest", "query-lambda")
        for tag in (VERSION, inputs_tag(FINGERPRINT))
    ]
    assert asked == sorted(expected)


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        (lambda _, tag: OTHER if tag == VERSION else HELD, f"tag 1.2.3 is on {OTHER.short}, in the file {HELD.short}"),
        (lambda _, tag: None if tag == VERSION else HELD, "tag 1.2.3 does not exist"),
        (lambda _, tag: HELD if tag == VERSION else None, "tag inputs-abababababab does not exist"),
        (lambda _, tag: HELD if tag == VERSION else OTHER, f"tag inputs-abababababab is on {OTHER.short}"),
    ],
)
def test_what_the_registry_holds_otherwise_is_named(
    tmp_path: Path, say: Callable[[str, str], Digest | None], expected: str
) -> None:
    with holding(say) as server:
        differing, unanswered = digests_file.differences(
            context(tmp_path, server.registry, images="ingest"), written(server, "ingest")
        )
    assert differing["ingest"].startswith(expected)
    assert unanswered == {}


def test_what_is_not_answered_is_no_difference(tmp_path: Path) -> None:
    with holding(lambda _name, _tag: 403) as server:
        found = digests_file.differences(context(tmp_path, server.registry, images="ingest"), written(server, "ingest"))
    assert (found[0], list(found[1])) == ({}, ["ingest"])


def test_an_image_that_is_selected_and_not_in_the_file_differs(tmp_path: Path) -> None:
    with holding(lambda _name, _tag: HELD) as server:
        differing, _ = digests_file.differences(context(tmp_path, server.registry), written(server, "ingest"))
    assert differing == {"query-lambda": "it is selected but not in the file"}


def test_a_file_cannot_send_a_login_to_another_registry(tmp_path: Path) -> None:
    with holding(lambda _name, _tag: HELD) as ours, holding(lambda _name, _tag: HELD) as other:
        differing, _ = digests_file.differences(
            context(tmp_path, ours.registry, images="ingest"), written(other, "ingest")
        )
    assert differing == {"ingest": f"it is in {other.registry}/mine, not in {ours.registry}/mine"}
    assert other.asked == []


# After a run


def recorded(root: Path) -> dict[str, str]:
    path = root / "state" / "digests.json"
    return {name: entry["digest"] for name, entry in json.loads(path.read_text())["images"].items()}


def look(root: Path, server: Server, images: str, **more: str) -> str:
    """Decide about images as a run does, and record it."""
    run = context(root, server.registry, images=images, version=VERSION, **more)
    for image in run.selected:
        run.decisions.of(image)
    return digests_file.record(run)


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    sample.make(tmp_path / "scripts", CATALOGUE.images, VERSION)
    return tmp_path


def test_a_run_records_what_is_current(scripts: Path) -> None:
    with holding(lambda _name, _tag: HELD) as server:
        assert look(scripts, server, "ingest,query-lambda") == ""
    assert recorded(scripts) == {"ingest": str(HELD), "query-lambda": str(HELD)}


def test_what_a_run_records_agrees_with_the_registry(scripts: Path) -> None:
    with holding(lambda _name, _tag: HELD) as server:
        look(scripts, server, "ingest,query-lambda")
        text = (scripts / "state" / "digests.json").read_text()
        assert digests_file.differences(context(scripts, server.registry), digests_file.parse(text)) == ({}, {})


def test_a_run_that_looked_at_nothing_records_nothing(scripts: Path) -> None:
    with holding(lambda _name, _tag: HELD) as server:
        assert digests_file.record(context(scripts, server.registry, version=VERSION)) == ""
    assert not (scripts / "state" / "digests.json").exists()


def test_a_run_of_one_image_leaves_the_others_as_they_were(scripts: Path) -> None:
    held = [HELD]
    with holding(lambda _name, _tag: held[0]) as server:
        look(scripts, server, "ingest,query-lambda")
        held[0] = OTHER
        look(scripts, server, "ingest")
    assert recorded(scripts) == {"ingest": str(OTHER), "query-lambda": str(HELD)}


def test_an_image_that_is_not_current_any_more_goes(scripts: Path) -> None:
    there = {"ingest", "query-lambda"}
    with holding(lambda name, _tag: HELD if name in there else None) as server:
        look(scripts, server, "ingest,query-lambda")
        there.remove("ingest")
        look(scripts, server, "ingest,query-lambda")
    assert recorded(scripts) == {"query-lambda": str(HELD)}


def test_another_instance_or_version_begins_anew(scripts: Path) -> None:
    with holding(lambda _name, _tag: HELD) as server:
        look(scripts, server, "ingest")
        look(scripts, server, "statestore-committer", instance_id="yours")
        assert list(recorded(scripts)) == ["statestore-committer"]
        run = context(scripts, server.registry, images="ingest", instance_id="yours", version="9")
        run.decisions.of(run.selected[0])
        digests_file.record(run)
    assert list(recorded(scripts)) == ["ingest"]


def test_a_damaged_file_is_written_anew(scripts: Path) -> None:
    (scripts / "state").mkdir()
    (scripts / "state" / "digests.json").write_bytes(b"\xff{")
    with holding(lambda _name, _tag: HELD) as server:
        look(scripts, server, "ingest")
    assert recorded(scripts) == {"ingest": str(HELD)}


def test_a_file_that_cannot_be_written_is_told_and_ends_nothing(scripts: Path) -> None:
    (scripts / "state" / "digests.json").mkdir(parents=True)
    with holding(lambda _name, _tag: HELD) as server:
        assert "cannot be written: Is a directory" in look(scripts, server, "ingest")
