from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tasks.commands.status import ImageStatus, Status, as_object, as_text
from tasks.model import Image, Kind
from tasks.reference import Repository
from tasks.registry.images import Deployed, Moment
from tasks.registry.model import sha256
from tests import golden

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PREFIX = "123456789012.dkr.ecr.eu-west-2.amazonaws.com/mine"
BOTH = ("linux/amd64", "linux/arm64")
NO_SCRIPTS = "the scripts directory /nowhere is not there\n  next: run Sleeper's Maven build, or set SCRIPTS_DIR"


def deployed(
    name: str, state: str = "current", reason: str = "", *, pushed: bool = True, days: int = 3, expiry: str = ""
) -> ImageStatus:
    """Return an image that is deployed."""
    digest = sha256(name.encode())
    held = Deployed(digest, ("linux/amd64",), 110_200_000, Moment(NOW - timedelta(days=days), pushed=pushed))
    image = Image(name, Kind.DEPLOYMENT, name)
    return ImageStatus(image, Repository.parse(f"{PREFIX}/{name}"), state, reason, digest, held, "", expiry)


def absent(name: str, state: str, reason: str) -> ImageStatus:
    """Return an image that is not deployed."""
    return replace(deployed(name, state, reason), digest=None, held=None)


def status(*images: ImageStatus, no_push_time: str = "", fault: str = "") -> Status:
    return Status(PREFIX, "0.36.0", images, no_push_time, fault)


EXPIRES = (
    "lifecycle rule 1 (any images, 90 days after the push) deletes this image at any time: it was pushed 400 days ago"
)

EVERY = status(
    deployed("ingest"),
    replace(deployed("ingest-batcher-job-creator-lambda"), held=Deployed(sha256(b"x"), BOTH, 999_949_999, None)),
    deployed(
        "query-lambda",
        "retag",
        "tag 0.36.0 points to 3f1c2a9b77aa, these inputs are 91aa00112233",
        days=400,
        expiry=EXPIRES,
    ),
    deployed("athena-lambda", "build", "these inputs are not in the registry"),
    absent("metrics-lambda", "build", "these inputs are not in the registry"),
    deployed("statestore-lambda", "blocked", NO_SCRIPTS),
    deployed("custom-resources-lambda", "blocked", NO_SCRIPTS),
    absent("bulk-export-planner", "unknown", "GET https://…/v2/: the connection was refused\n  next: run again"),
    replace(deployed("partition-splitter-lambda"), held=None, fault="GET …/blobs/sha256:…: 500\n  next: run again"),
)


def test_everything_that_status_can_say() -> None:
    golden.check("status.txt", as_text(EVERY, now=NOW, colour=False))


def test_it_fits_into_eighty_columns() -> None:
    assert max(map(len, as_text(EVERY, now=NOW, colour=False).splitlines())) <= 80


def test_colour_changes_nothing_but_the_colour() -> None:
    coloured = as_text(EVERY, now=NOW, colour=True)
    plain = as_text(EVERY, now=NOW, colour=False)
    assert coloured != plain
    assert "".join(
        part.partition("m")[2] if number else part for number, part in enumerate(coloured.split("\x1b["))
    ) == (plain)


def test_without_times_of_pushes_it_says_what_the_ages_are_instead() -> None:
    found = status(deployed("ingest", pushed=False), no_push_time="a plain registry does not say it")
    assert as_text(found, now=NOW, colour=False).endswith(
        "age: since the build; the push: a plain registry does not say it\n"
    )


def test_where_only_some_pushes_are_known_the_others_are_marked() -> None:
    found = status(deployed("ingest"), deployed("query-lambda", pushed=False), fault="denied")
    lines = as_text(found, now=NOW, colour=False).splitlines()
    assert next(line for line in lines if "query-lambda" in line).endswith(" 3d*")
    assert next(line for line in lines if "ingest" in line).endswith(" 3d")
    assert lines[-1] == "age: since the build where marked *, else since the push; the push: denied"


def test_nothing_selected_is_said() -> None:
    assert "0 images, 0 B: none selected" in as_text(status(), now=NOW, colour=False)


def test_programs_get_whole_digests_exact_sizes_and_times() -> None:
    found = as_object(status(deployed("ingest")))
    assert found == {
        "prefix": PREFIX,
        "version": "0.36.0",
        "pushed_fault": None,
        "lifecycle_fault": None,
        "images": [
            {
                "image": "ingest",
                "repository": f"{PREFIX}/ingest",
                "tag": "0.36.0",
                "digest": str(sha256(b"ingest")),
                "platforms": ["linux/amd64"],
                "size": 110_200_000,
                "pushed": "2029-12-29T00:00:00+00:00",
                "built": None,
                "state": "current",
                "reason": None,
                "fault": None,
                "expiry": None,
            }
        ],
    }


def test_programs_are_told_what_is_not_there_by_null() -> None:
    (found,) = as_object(status(absent("ingest", "build", "why")))["images"]
    assert {key for key, value in found.items() if value is None} == {
        "digest", "platforms", "size", "pushed", "built", "fault", "expiry"
    }  # fmt: skip


def test_neighbours_that_a_rule_deletes_for_one_reason_are_told_it_once() -> None:
    found = as_text(status(*(deployed(name, expiry=EXPIRES) for name in ("a", "b", "c"))), now=NOW, colour=False)
    assert found.count("lifecycle rule 1") == 1
    assert found.count("describes safe lifecycle rules") == 1


def test_lifecycle_rules_that_could_not_be_read_are_a_note() -> None:
    found = replace(status(deployed("ingest")), expiry_fault="AWS said no\n  next: allow it")
    assert as_text(found, now=NOW, colour=False).endswith(
        "lifecycle rules could not be read: AWS said no\n  next: allow it\n"
    )
    assert as_object(found)["lifecycle_fault"] == found.expiry_fault


def test_an_image_about_which_something_is_not_known_is_not_answered() -> None:
    assert [one.image.name for one in EVERY.images if not one.answered] == [
        "bulk-export-planner",
        "partition-splitter-lambda",
    ]
