import json
import os
import re
import sys
from pathlib import Path

import pytest

from tasks.engine import buildx
from tasks.engine.buildx import Engine, Output
from tasks.engine.progress import Progress
from tasks.errors import BuildError
from tasks.image.fingerprint import Inputs
from tasks.reference import Digest, Repository

REPOSITORY = Repository.parse("127.0.0.1:5000/mine/ingest")
CONTAINER = Engine("sleeper", "docker-container")
OWN = Engine("default", "docker")
DIGEST = "sha256:" + "b" * 64


def inputs(**changes: object) -> Inputs:
    values: dict[str, object] = {
        "dockerfile": "d",
        "context": (),
        "build_args": (),
        "platforms": ("linux/amd64",),
        "attestations": False,
        "revision": "",
        "bases": (),
    }
    return Inputs(**(values | changes))  # type: ignore[arg-type]  # Each value is of its field's type.


def command(engine: Engine = CONTAINER, *, force: bool = False, pull: bool = False, **changes: object) -> list[str]:
    made_of = inputs(**changes)
    return buildx.command(
        engine,
        Path("/contexts/ingest-0123456789ab"),
        made_of,
        Output.push(REPOSITORY, made_of, engine),
        platforms=made_of.platforms,
        metadata=Path("/logs/ingest.json"),
        force=force,
        pull=pull,
    )


def test_a_builder_that_can_pushes_by_digest_and_under_no_tag() -> None:
    (output,) = [part for part in command() if part.startswith("--output=")]
    assert output == (
        "--output=type=image,name=127.0.0.1:5000/mine/ingest,push=true,push-by-digest=true,"
        "store=false,oci-mediatypes=true,compression=gzip,compression-level=1"
    )


def test_the_engines_own_builder_pushes_to_a_tag_that_nothing_reads() -> None:
    (output,) = [part for part in command(OWN) if part.startswith("--output=")]
    assert output == (
        "--output=type=image,name=127.0.0.1:5000/mine/ingest:building,push=,"
        "store=false,oci-mediatypes=true,compression=gzip,compression-level=1"
    )


@pytest.mark.parametrize("engine", [CONTAINER, OWN])
def test_buildx_is_given_no_tag_of_ours(engine: Engine) -> None:
    assert not [part for part in command(engine) if part in {"-t", "--tag"} or part.startswith("--tag=")]


def test_attestations_are_off_by_default() -> None:
    assert {"--provenance=false", "--sbom=false"} <= set(command())


def test_attestations_can_be_turned_on() -> None:
    assert {"--provenance=true", "--sbom=true"} <= set(command(attestations=True))


def test_all_platforms_are_built_at_once() -> None:
    assert "--platform=linux/amd64,linux/arm64" in command(platforms=("linux/amd64", "linux/arm64"))


def test_build_arguments_are_handed_over_whole() -> None:
    assert "--build-arg=NAME=a b,c=$(d)" in command(build_args=(("NAME", "a b,c=$(d)"),))


def test_a_locked_base_is_built_from_its_digest() -> None:
    argv = command(bases=(("debian:12", DIGEST), ("ubuntu", "")))
    assert [part for part in argv if part.startswith("--build-context")] == [
        f"--build-context=debian:12=docker-image://debian:12@{DIGEST}"
    ]


def test_a_forced_build_uses_no_cache() -> None:
    assert "--no-cache" in command(force=True)
    assert "--no-cache" not in command()


def test_a_build_looks_for_newer_bases_where_it_is_told_to() -> None:
    assert "--pull" in command(pull=True)
    assert "--pull" not in command(force=True)


def hosts(**changes: object) -> list[str]:
    return [part for part in command(**changes) if part.startswith("--add-host")]  # type: ignore[arg-type]


def test_what_buildkit_sees_adds_nothing_to_its_cache_keys() -> None:
    assert hosts(build_args=(("VERSION", "1"),), attestations=True, bases=(("debian:12", DIGEST),)) == []


@pytest.mark.parametrize("changes", [{"revision": "2"}, {"build_args": (("https_proxy", "http://a:1"),)}])
def test_what_buildkit_does_not_see_adds_one_host_to_its_cache_keys(changes: dict[str, object]) -> None:
    (host,) = hosts(**changes)
    assert re.fullmatch(r"--add-host=cache-key-[0-9a-f]{12}\.invalid:127\.0\.0\.1", host)
    assert hosts(**changes) == [host]
    assert hosts(revision="3") != [host]


def test_an_uncached_build_is_the_same_command_with_one_more_option() -> None:
    argv = command()
    assert buildx.uncached(argv) == [*argv[:-1], "--no-cache", argv[-1]]


def test_a_forced_build_is_uncached_as_it_is() -> None:
    assert buildx.uncached(command(force=True)) == command(force=True)


def test_the_context_comes_last() -> None:
    assert command()[-1] == "/contexts/ingest-0123456789ab"


@pytest.mark.parametrize(
    "name",
    ["SOURCE_DATE_EPOCH", "BUILDX_BUILDER", "DOCKER_DEFAULT_PLATFORM", "BUILDKIT_PROGRESS", "AWS_SECRET_ACCESS_KEY"],
)
def test_what_could_change_a_build_or_is_secret_does_not_reach_buildx(name: str) -> None:
    assert buildx.environment({name: "x", "HOME": "/root"}, {}) == {"HOME": "/root", "BUILDX_GIT_INFO": "false"}


def test_what_we_add_wins_over_what_the_user_has() -> None:
    assert buildx.environment({"DOCKER_CONFIG": "theirs"}, {"DOCKER_CONFIG": "ours"})["DOCKER_CONFIG"] == "ours"


def build(tmp_path: Path, code: str) -> Digest:
    return buildx.build(
        [sys.executable, "-c", code, str(tmp_path / "m" / "metadata.json")],
        image="ingest",
        environment=os.environ,
        metadata=tmp_path / "m" / "metadata.json",
        log=tmp_path / "log",
    )


def test_the_digest_comes_from_the_metadata_file(tmp_path: Path) -> None:
    metadata = json.dumps({"containerimage.digest": DIGEST})
    assert build(tmp_path, f"import sys; open(sys.argv[1], 'w').write({metadata!r})") == Digest(DIGEST)


def test_a_failed_build_shows_its_end_and_its_log(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as fault:
        build(tmp_path, "import sys; print('step 3 failed'); sys.exit(2)")
    text = str(fault.value)
    assert "the build of ingest failed with exit code 2" in text
    assert "  step 3 failed" in text
    assert str(tmp_path / "log") in text
    assert sys.executable in (tmp_path / "log").read_text().splitlines()[0]


@pytest.mark.parametrize("metadata", ["{}", "not json", '{"containerimage.digest": "sha256:short"}'])
def test_a_build_that_names_no_digest_is_a_failure(tmp_path: Path, metadata: str) -> None:
    with pytest.raises(BuildError, match="wrote no digest"):
        build(tmp_path, f"import sys; open(sys.argv[1], 'w').write({metadata!r})")


def test_the_digest_of_an_earlier_build_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "metadata.json").write_text(json.dumps({"containerimage.digest": DIGEST}))
    with pytest.raises(BuildError, match="wrote no digest"):
        build(tmp_path, "pass")


JSON_PROGRESS = """
import json, os, sys
print(json.dumps({"vertexes": [{"digest": "a", "name": os.environ["BUILDKIT_PROGRESS"], "started": "2026-01-01"}]}))
open(sys.argv[1], "w").write(json.dumps({"containerimage.digest": sys.argv[2]}))
"""


def test_progress_comes_from_the_json_that_buildx_is_asked_for(tmp_path: Path) -> None:
    told: list[Progress] = []
    metadata = tmp_path / "metadata.json"
    built = buildx.build(
        [sys.executable, "-c", JSON_PROGRESS, str(metadata), DIGEST],
        image="ingest",
        environment=os.environ,
        metadata=metadata,
        log=tmp_path / "log",
        listener=told.append,
    )
    assert built == Digest(DIGEST)
    assert "rawjson" in {one.step for one in told}


def test_the_command_that_is_shown_is_one_that_people_can_use() -> None:
    assert not [part for part in command() if part.startswith("--progress")]
