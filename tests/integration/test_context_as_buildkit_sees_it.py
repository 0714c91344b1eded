"""What a listing says and what BuildKit's `COPY . /` puts in an image, compared on a real engine."""

from __future__ import annotations

import json
import secrets
import shutil
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandbox.engine import Engine
from tasks.errors import CommandError, UnreadableInputError
from tasks.image import context, staging
from tasks.system import processes

pytestmark = pytest.mark.integration


Seen = dict[str, tuple[str, bool, str | None, bytes | None]]

FILES = (
    *("a", "b", "ab", "abc", "^a", "!a", "#a", "a b", "[a]", "a]", "a-b", "x.y", "é", "a|b", "a{2}"),
    *("x/a", "x/b", "x/y/a", "x/y/b.txt", "x/y/z/a", "foo/bar", "foo/baz/a", "foo.txt", "empty/", "x/empty/"),
)


def build(engine: Engine, directory: Path, work: Path) -> Seen:
    """Build a directory and return what is in the image; CommandError where BuildKit refuses."""
    archive = work / "image.tar"
    processes.check(
        [
            "docker",
            "buildx",
            "build",
            "--builder=default",
            "--quiet",
            f"--output=type=tar,dest={archive}",
            directory.name,
        ],
        next_step="see above",
        environment=engine.environment,
        directory=directory.parent,
        timeout=60,
    )
    return seen(archive)


def seen(archive: Path) -> Seen:
    """Return what is in an image."""
    kinds = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.REGTYPE: "file"}
    with tarfile.open(archive) as image:
        return {
            member.name.rstrip("/"): (
                kinds[member.type],
                member.isreg() and bool(member.mode & 0o111),
                member.linkname if member.issym() else None,
                content.read() if member.isreg() and (content := image.extractfile(member)) else None,
            )
            for member in image
        }


def listed(directory: Path, extra: Mapping[str, Path] | None = None) -> Seen:
    return {
        entry.path: (
            entry.kind,
            entry.executable,
            entry.target,
            entry.source.read_bytes() if entry.source else None,
        )
        for entry in context.listing(directory, extra or {})
    }


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("contexts") / "build"
    for name in FILES:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_text(name)
    (directory / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (directory / "run.sh").write_text("true")
    (directory / "run.sh").chmod(0o654)
    for name, target in (
        ("inside", "x/y"),
        ("outside", "../.."),
        ("absolute", "/etc/passwd"),
        ("broken", "x//nowhere/"),
    ):
        (directory / name).symlink_to(target)
    return directory


PATTERNS = [
    *(
        b"",
        b"\n\n",
        b"a",
        b"/a",
        b"//a",
        b"./a/",
        b"x/",
        b"x/.",
        b"x/..",
        b"../a",
        b".",
        b"/",
        b" a \t",
        b"a\r\nb\r",
    ),
    *(b"#a\n #a", b"\xef\xbb\xbfa", b"\xef\xbb\xbf#a", b"\xc2\xa0a\xe3\x80\x80", b"\xc3\xa9", b"/ a", b"\x0ba"),
    *(b"*", b"**", b"**/", b"*/*", b"*/a", b"**/a", b"**a", b"x/**", b"x**", b"x/**/a", b"**/*.txt", b"f?o.txt"),
    *(
        b"*\n!a",
        b"*\n! a",
        b"*\n!/a",
        b"*\n/!a",
        b"*\n!x",
        b"*\n!x/y",
        b"*\n!**/a",
        b"x\n!x/y/*",
        b"x\n!x/y\nx/y/a",
    ),
    *(
        b"!!a",
        b"a\n!!a",
        b"!a\na",
        b"inside\nbroken",
        b"inside/*",
        b"Dockerfile",
        b".dockerignore",
        b"empty",
        b"x/e*",
    ),
    *(
        b"[ab]",
        b"[a-c]*",
        b"[^a]",
        b"[!a]",
        b"\\[a\\]",
        b"a]",
        b"\\#a",
        b"^a",
        b"^a*",
        b"*^a",
        b"**^a",
        b"a|b",
        b"a{2}",
    ),
    *(b"*\n!x/empty", b"x/*\n!x/empty", b"*\n!*/y/z", b"**\n!foo", b"*.{txt,y}", b"x/y/../b", b"a b", b"*b*"),
]


@pytest.fixture(scope="module")
def copied(engine: Engine, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bytes, tuple[Path, Path]]:
    """A copy of the tree for each of the patterns, and its image; one command builds all of them."""
    work = tmp_path_factory.mktemp("copied")
    made = {content: (work / f"tree-{number}", work / f"{number}.tar") for number, content in enumerate(PATTERNS)}
    targets = {}
    for content, (directory, archive) in made.items():
        shutil.copytree(tree, directory, symlinks=True)
        (directory / ".dockerignore").write_bytes(content)
        targets[directory.name] = {"context": directory.name, "output": [f"type=tar,dest={archive.name}"]}
    processes.check(
        ["docker", "buildx", "bake", "--builder=default", "--progress=quiet", "--file=-", *targets],
        next_step="see above",
        environment=engine.environment,
        directory=work,
        stdin=json.dumps({"target": targets}),
        timeout=120,
    )
    return made


@pytest.mark.parametrize("content", PATTERNS)
def test_copy_puts_in_the_image_what_the_listing_gives(copied: dict[bytes, tuple[Path, Path]], content: bytes) -> None:
    directory, archive = copied[content]
    assert seen(archive) == listed(directory)


PIECES = (
    *(
        "a",
        "b",
        "x",
        "y",
        "z",
        "foo",
        "bar",
        "txt",
        "empty",
        ".",
        "..",
        "/",
        "x/",
        "/y",
        "é",
        " ",
        "^",
        "-",
        "{",
        "$",
        "+",
    ),
    *("*", "?", "**", "**/", "*/", "[ab]", "[^a]", "[a-y]", "\\*", "("),
)

PATTERN = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "", "!", "!", "/", "! "]),
        st.lists(
            st.sampled_from(PIECES),
            min_size=1,
            max_size=5,
        ).map("".join),
    ),
)


@pytest.mark.parametrize("examples", [20, pytest.param(300, marks=pytest.mark.nightly)])
def test_copy_and_the_listing_agree_on_patterns_that_nobody_thought_of(
    engine: Engine, tree: Path, tmp_path: Path, examples: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(st.lists(PATTERN, min_size=1, max_size=4).map("\n".join))
    @example("*\n!x/**/a\nx/y")
    @example("**/y\n!x/y/z\n**/a")
    def agree(content: str) -> None:
        (tree / ".dockerignore").write_text(content)
        try:
            expected = listed(tree)
        except UnreadableInputError:
            # Refused by BuildKit too, or by us for a meaning that nobody has in mind; nothing is built either way.
            return
        assert build(engine, tree, tmp_path) == expected

    agree()


@pytest.mark.parametrize("content", [b"!", b"!/", b"[", b"[]a]", b"[a-]", b"[b-a]", b"a\\", b"a\tb", b"x" * 65536])
def test_what_buildkit_refuses_is_refused(engine: Engine, tree: Path, tmp_path: Path, content: bytes) -> None:
    (tree / ".dockerignore").write_bytes(content)

    with pytest.raises(CommandError):
        build(engine, tree, tmp_path)
    with pytest.raises(UnreadableInputError):
        context.listing(tree)


def test_a_file_that_buildkit_finds_and_does_not_read_is_refused(engine: Engine, tmp_path: Path) -> None:
    """In a context of a new name, since BuildKit keeps what it has once read of one."""
    directory = made(tmp_path / f"build-{secrets.token_hex(4)}", {"Dockerfile": COPY, "d/e/a": "a", "f/a": "a"}, {})
    (directory / ".dockerignore").write_text("*\n!**/a\nd")

    built = build(engine, directory, tmp_path)
    assert (built["d/e/a"][-1], built["f/a"][-1]) == (b"", b"a")
    with pytest.raises(UnreadableInputError, match="would be empty in the image"):
        context.listing(directory)


def made(directory: Path, files: Mapping[str, str], links: Mapping[str, str]) -> Path:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    for name, target in links.items():
        (directory / name).symlink_to(target)
    return directory


COPY = "FROM scratch\nCOPY . /\n"

IGNORING = [
    ({"Dockerfile": COPY, "Dockerfile.dockerignore": "b", ".dockerignore": "a"}, {}),
    ({"Dockerfile": COPY, "Dockerfile.dockerignore": "", ".dockerignore": "a"}, {}),
    ({"Dockerfile": COPY, "Dockerfile.dockerignore": "Dockerfile*\nb", ".dockerignore": "a"}, {}),
    ({"Dockerfile": COPY, "Dockerfile.dockerignore": "*\n!a", ".dockerignore": "a"}, {}),
    ({"Dockerfile": COPY, "Dockerfile.dockerignore/x": "b", ".dockerignore": "a"}, {}),
    ({"Dockerfile": COPY, ".dockerignore/x": "a"}, {}),
    ({"Dockerfile": COPY, "patterns": "a"}, {".dockerignore": "patterns"}),
    ({"Dockerfile": COPY, "patterns": "a\nDockerfile"}, {"Dockerfile.dockerignore": "patterns"}),
    ({"dockerfile": COPY, "dockerfile.dockerignore": "a", "Dockerfile.dockerignore": "b"}, {}),
    ({"dockerfile": COPY, ".dockerignore": ".dockerignore\ndockerfile\nb"}, {}),
    ({"Dockerfile": COPY, ".dockerignore": "*\n!.dockerignore\n!lambda.jar"}, {}),
    ({"common": COPY, ".dockerignore": "a"}, {"Dockerfile": "common"}),
]


@pytest.mark.parametrize(("files", "links"), IGNORING)
def test_the_same_ignore_file_counts(
    engine: Engine, tmp_path: Path, files: Mapping[str, str], links: Mapping[str, str]
) -> None:
    directory = made(tmp_path / "build", {"a": "a", "b": "b", **files}, links)

    assert build(engine, directory, tmp_path) == listed(directory)


@pytest.mark.parametrize(("files", "links"), IGNORING)
def test_a_staged_context_builds_what_its_listing_says(
    engine: Engine, tmp_path: Path, files: Mapping[str, str], links: Mapping[str, str]
) -> None:
    directory = made(tmp_path / "build", {"a": "a", "b": "b", **files}, links)
    (tmp_path / "query.jar").write_text("jar")
    entries = context.listing(directory, {"lambda.jar": tmp_path / "query.jar"})
    staging.stage(entries, context.dockerfile(directory), tmp_path / "staged")

    assert build(engine, tmp_path / "staged", tmp_path) == listed(directory, {"lambda.jar": tmp_path / "query.jar"})


def test_a_staged_context_gives_an_image_that_does_not_depend_on_modes(
    engine: Engine, tree: Path, tmp_path: Path
) -> None:
    (tree / ".dockerignore").write_bytes(b"a")
    staging.stage(context.listing(tree), tree / "Dockerfile", tmp_path / "staged")

    assert build(engine, tmp_path / "staged", tmp_path) == listed(tree)
    with tarfile.open(tmp_path / "image.tar") as image:
        modes = {stat.S_IMODE(member.mode) for member in image if not member.issym()}
    assert modes == {0o644, 0o755}


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_buildkit_follows_no_link_out_of_the_context(engine: Engine, tmp_path: Path, name: str) -> None:
    """The reason for refusing such links, rather than reading what they lead to."""
    files = {"a": "a", "b": "b"} if name == "Dockerfile" else {"a": "a", "Dockerfile": COPY}
    directory = made(tmp_path / "build", files, {name: "../elsewhere"})
    (tmp_path / "elsewhere").write_text(COPY if name == "Dockerfile" else "a")

    if name == "Dockerfile":
        with pytest.raises(CommandError, match="failed to read dockerfile"):
            build(engine, directory, tmp_path)
    else:
        assert "a" in build(engine, directory, tmp_path)
