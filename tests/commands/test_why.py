from __future__ import annotations

import json
from dataclasses import replace

from tasks.commands.why import Explanation, as_object, as_text, explain
from tasks.errors import RegistryError
from tasks.image.difference import Change, EntryChange
from tasks.image.fingerprint import Inputs, Item, inputs_tag
from tasks.records import Comparison
from tasks.registry.model import OCI_MANIFEST, Descriptor
from tests import golden
from tests.commands.test_plan import INGEST, VERSION, Checkout, checkout
from tests.commands.test_plan_text import BUILD, CURRENT, DIGEST, WHERE

__all__ = ["checkout"]

MADE = Inputs(
    "sha256:" + "d" * 64,
    (
        Item("Dockerfile", "file", executable=False, content="sha256:" + "d" * 64),
        Item("bin", "directory", executable=False, content=""),
        Item("bin/java", "symlink", executable=False, content="/usr/bin/java"),
        Item("entrypoint.sh", "file", executable=True, content="sha256:" + "e" * 64),
        Item("lambda.jar", "file", executable=False, content="jar-1:" + "2" * 64),
    ),
    (("MIRROR", "eu"),),
    ("linux/amd64",),
    attestations=False,
    revision="2",
    bases=(("debian:12", ""), ("eclipse-temurin:17-jre", "sha256:" + "f" * 64)),
)

CHANGES = (
    Change("revision", "", "1", "2"),
    Change("context", "entrypoint.sh", "sha256:" + "e" * 64, "sha256:" + "e" * 64 + " executable"),
    Change(
        "context",
        "lambda.jar",
        "jar-1:" + "1" * 64,
        "jar-1:" + "2" * 64,
        entries=(
            EntryChange("sleeper/query/Foo.class", "0" * 12, "1" * 12),
            EntryChange("sleeper/query/New.class", None, "1" * 12),
            EntryChange("sleeper/query/\x1b[2JOld.class", "0" * 12, None),
        ),
    ),
    Change("base", "eclipse-temurin:17-jre", "sha256:" + "9" * 64, "sha256:" + "f" * 64),
)
TAGS = {inputs_tag("b" * 64): None, "0.36.0": Descriptor(OCI_MANIFEST, DIGEST, 665)}
WHOLE = Explanation(replace(BUILD, comparison=Comparison(DIGEST, CHANGES)), MADE, TAGS, WHERE, "0.36.0")


def text(found: Explanation) -> str:
    return as_text(found)


def test_all_there_is_to_say_in_plain_text() -> None:
    golden.check("why.txt", text(WHOLE))


def test_its_sentences_are_folded_and_its_digests_are_whole() -> None:
    first, second, *others = as_text(WHOLE, 60).splitlines()
    assert (first, second) == (
        "query-lambda: build: query-0.36.0.jar: 1 entry changed:",
        "    sleeper/query/Foo.class",
    )
    assert f"  tag          0.36.0: {DIGEST}" in others


def test_all_there_is_to_say_for_programs() -> None:
    golden.check("why.json", json.dumps(as_object(WHOLE), indent=2) + "\n")


def test_what_is_current_has_no_difference() -> None:
    found = text(Explanation(CURRENT, MADE, {"0.36.0": Descriptor(OCI_MANIFEST, DIGEST, 1)}, WHERE, "0.36.0"))
    assert found.startswith("ingest: current\n")
    assert "differs" not in found


def test_what_cannot_be_told_says_why() -> None:
    omitted = Comparison(DIGEST, None, "the registry has no record of what 3f1c2a9b77aa was made of")
    found = text(replace(WHOLE, planned=replace(BUILD, comparison=omitted)))
    assert found.endswith("differences unknown: the registry has no record of what 3f1c2a9b77aa was made of\n")


def test_inputs_that_are_gone_from_nothing_but_their_tag_are_equal() -> None:
    found = text(replace(WHOLE, planned=replace(BUILD, comparison=Comparison(DIGEST, ()))))
    assert found.endswith("the same inputs as what 0.36.0 is on (3f1c2a9b77aa)\n")


def test_a_tag_that_was_not_answered_for_is_told_with_its_fault() -> None:
    found = text(replace(WHOLE, tags={"0.36.0": RegistryError("no answer in time")}))
    assert "tag          0.36.0: no answer in time" in found


def test_an_image_whose_inputs_cannot_be_read_is_told_as_far_as_it_is_known() -> None:
    found = text(
        Explanation(replace(CURRENT, fingerprint=None, state="blocked", reason="no jar"), None, {}, None, None)
    )
    assert found == "ingest: blocked: no jar\n  fingerprint  -\n"


def test_nothing_that_moves_a_cursor_is_printed() -> None:
    assert "\x1b" not in text(WHOLE)


# What it asks


def test_an_image_is_told_with_its_inputs_and_the_registrys_tags(checkout: Checkout) -> None:
    tag = checkout.push()
    with checkout.context() as context:
        found = explain(context, INGEST)
    assert found.planned.state == "current"
    assert found.inputs is not None
    assert found.planned.fingerprint == found.inputs.fingerprint()
    assert set(found.tags) == {tag, VERSION}
    assert found.where is not None
    assert found.where.endswith("/mine")


def test_what_cannot_be_read_has_no_inputs(checkout: Checkout) -> None:
    (checkout.folder / "Dockerfile").unlink()
    with checkout.context() as context:
        found = explain(context, INGEST)
    assert (found.planned.state, found.inputs) == ("blocked", None)
