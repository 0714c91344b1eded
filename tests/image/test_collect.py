"""What moves an image's fingerprint and what does not, on real files: the rules of docs/fingerprint.md."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.configuration import settings
from tasks.errors import ChangedWhileBuildingError, InputError, MissingInputError, UnreadableInputError
from tasks.image import staging
from tasks.image.collect import Collected, Collector
from tasks.image.jar.cache import Digests
from tasks.model import Image, Kind
from tasks.system import processes
from tests.zips import MANIFEST, Member, archive

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGE = Image("query-lambda", Kind.LAMBDA, "lambda", jar="query-<version>.jar")
BASE = "debian:12"

_folder = tempfile.TemporaryDirectory()
_numbers = itertools.count()


@dataclass(frozen=True)
class Tree:
    """A scripts directory: the files beside the lambdas' Dockerfile, whether each is executable, and the jar."""

    files: Mapping[str, tuple[bytes, bool]]
    jar: tuple[Member, ...]
    version: str = "1"
    streamed: bool = False
    links: Mapping[str, str] = field(default_factory=lambda: {"current": "lib"})
    empty: tuple[str, ...] = ("var/log",)
    dockerfile: str = f"FROM {BASE}\nCOPY . /\n"

    def write(self, *, private: bool = False) -> Path:
        """Write it to a new directory, by a umask of 022, or of 077 if it is `private`."""
        scripts = Path(_folder.name) / str(next(_numbers))
        folder = scripts / "docker" / "lambda"
        mode = 0o700 if private else 0o755
        content = {"docker/lambda/Dockerfile": (self.dockerfile.encode(), False)}
        content |= {f"docker/lambda/{name}": found for name, found in self.files.items()}
        content[f"jars/query-{self.version}.jar"] = archive(self.jar, streamed=self.streamed), False
        content["templates/version.txt"] = self.version.encode(), False
        for name, (data, executable) in content.items():
            path = scripts / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=mode)
            path.write_bytes(data)
            path.chmod(mode if executable else mode & 0o666)
        for name in self.empty:
            (folder / name).mkdir(parents=True, mode=mode)
        for name, target in self.links.items():
            (folder / name).symlink_to(target)
        return scripts


def collect(
    scripts: Path,
    image: Image = IMAGE,
    bases: Mapping[str, str] | None = None,
    catalogue: Collection[Image] = (),
    **given: str,
) -> Collected:
    found = settings.load({"scripts_dir": str(scripts), **given}, {}, scripts)
    result = Collector(found, bases or {}, Digests(None, workers=1), catalogue).collect([image])[image.name]
    if isinstance(result, InputError):
        raise result
    return result


def fingerprint(scripts: Path, image: Image = IMAGE, bases: Mapping[str, str] | None = None, **given: str) -> str:
    return collect(scripts, image, bases, (), **given).inputs.fingerprint()


FILES = st.fixed_dictionaries(
    {"run.sh": st.tuples(st.binary(max_size=8), st.booleans())},
    optional={name: st.tuples(st.binary(max_size=8), st.booleans()) for name in ("a", "lib/é", "lib/b", "d/e/f", ".x")},
)
ENTRIES = st.lists(
    st.builds(
        Member,
        name=st.sampled_from(["a.class", "b.class", "p/run.sh", "lib/in.properties"]),
        content=st.binary(max_size=30),
        mode=st.sampled_from([0o100644, 0o100755]),
    ),
    max_size=4,
)
TREES = st.builds(
    Tree,
    FILES,
    ENTRIES.map(lambda entries: (Member("META-INF/"), Member(MANIFEST, b"Manifest-Version: 1.0\n"), *entries)),
)


@given(TREES, st.data())
def test_a_change_of_a_file_moves_the_fingerprint(tree: Tree, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(tree.files)))
    content, executable = tree.files[name]
    others = {other: found for other, found in tree.files.items() if other != name}
    changed: Mapping[str, tuple[bytes, bool]] = data.draw(
        st.sampled_from(
            [
                {**others, name: (content + b"x", executable)},
                {**others, name: (content, not executable)},
                {**others, f"{name}2": (content, executable)},
                {**tree.files, f"{name}2": (content, executable)},
                others,
            ]
        )
    )
    assert fingerprint(tree.write()) != fingerprint(replace(tree, files=changed).write())


@given(TREES, st.data())
def test_a_change_of_a_jars_entry_moves_the_fingerprint(tree: Tree, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(tree.jar) - 1))
    entry = tree.jar[at]
    changed = data.draw(
        st.sampled_from(
            [
                (entry.packed(content=entry.content + b"x"),),
                (entry.packed(name=f"{entry.name}2"),),
                (entry.packed(mode=entry.mode ^ 0o100),),
                (entry, entry),
                (),
            ]
        )
    )
    jar = (*tree.jar[:at], *changed, *tree.jar[at + 1 :])
    assert fingerprint(tree.write()) != fingerprint(replace(tree, jar=jar).write())


@given(TREES, st.binary(max_size=9), st.binary(max_size=9))
def test_the_order_of_entries_of_one_name_moves_the_fingerprint(tree: Tree, one: bytes, other: bytes) -> None:
    pair = Member("same", one), Member("same", other)
    orders = (fingerprint(replace(tree, jar=(*tree.jar, *order)).write()) for order in (pair, pair[::-1]))
    assert (one == other) == (len(set(orders)) == 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"links": {"current": "d"}},
        {"links": {}},
        {"empty": ()},
        {"empty": ("var/log", "var/run")},
        {"dockerfile": f"FROM {BASE}\nCOPY . /\n\n"},
    ],
    ids=["a link's text", "a link", "an empty directory gone", "another empty directory", "the Dockerfile"],
)
def test_a_change_of_anything_else_in_the_context_moves_the_fingerprint(changed: dict[str, object]) -> None:
    tree = Tree({"run.sh": (b"", True)}, (Member("a.class"),))
    assert fingerprint(tree.write()) != fingerprint(replace(tree, **changed).write())  # type: ignore[arg-type]


@given(TREES, st.data())
def test_how_and_where_the_same_files_were_made_does_not_move_it(tree: Tree, data: st.DataObject) -> None:
    """Times, compression, zip layout, the order of entries and of directories, the umask, the path, the version."""
    names = data.draw(st.permutations(sorted({entry.name for entry in tree.jar[2:]})))
    streamed = data.draw(st.booleans())
    repacked = [
        entry.packed(
            time=(data.draw(st.integers(1980, 2107)), 1, 2, 3, 4, 6),
            level=data.draw(st.integers(0, 9)),
            method=zipfile.ZIP_DEFLATED if streamed else data.draw(st.sampled_from([zipfile.ZIP_DEFLATED, 0])),
        )
        for entry in sorted(tree.jar[2:], key=lambda entry: names.index(entry.name))
    ]
    files = data.draw(st.permutations(sorted(tree.files.items())))
    again = replace(
        tree,
        files=dict(files),
        jar=(*tree.jar[:2], *repacked),
        streamed=streamed,
        version=data.draw(st.sampled_from("12")),
    )
    scripts = again.write(private=data.draw(st.booleans()))
    for path in scripts.rglob("*"):
        os.utime(path, (data.draw(st.integers(1, 2**31)),) * 2, follow_symlinks=False)
    assert fingerprint(tree.write()) == fingerprint(scripts)


TREE = Tree({"run.sh": (b"#!/bin/sh\n", True), "lib/é": (b"e", False), "lib/z": (b"z", False)}, (Member("é.class"),))


@pytest.mark.parametrize(
    "given",
    [
        {"instance_id": "other", "docker_registry": "registry.example.com", "registry": "oci"},
        {"account": "123456789012", "region": "eu-west-2", "instance_id": "mine"},
        {"builder": "other", "parallel": "1"},
    ],
    ids=["registry", "account", "builder"],
)
def test_where_an_image_goes_and_what_builds_it_does_not_move_it(given: dict[str, str]) -> None:
    scripts = TREE.write()
    assert fingerprint(scripts) == fingerprint(scripts, IMAGE, {}, **given)


SCRIPT = """\
import sys
from pathlib import Path
from tests.image import test_collect
print(test_collect.fingerprint(Path(sys.argv[1])))
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8", "TZ": "Asia/Kolkata", "PYTHONHASHSEED": "1"},
        {"LC_ALL": "C.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "2"},
    ],
    ids=["ASCII", "one seed", "another seed"],
)
def test_another_process_comes_to_the_same(environment: dict[str, str]) -> None:
    """In another locale, another time zone, and with sets in another order."""
    scripts = TREE.write()
    done = processes.run([sys.executable, "-c", SCRIPT, str(scripts)], directory=CHECKOUT, environment=environment)
    assert done.output.split()[-1] == fingerprint(scripts), done.output


def test_another_path_and_another_directory_of_work_come_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = TREE.write()
    shutil.copytree(scripts, tmp_path / "a place" / "scripts", symlinks=True)
    (tmp_path / "link").symlink_to("a place")
    monkeypatch.chdir(tmp_path)
    paths = (scripts, tmp_path / "a place" / "scripts", tmp_path / "link" / "scripts", Path("a place/../link/scripts"))
    assert len({fingerprint(path.absolute()) for path in paths}) == 1


def test_a_link_to_the_jar_is_as_good_as_the_jar(tmp_path: Path) -> None:
    scripts = TREE.write()
    before = fingerprint(scripts)
    jar = scripts / "jars" / "query-1.jar"
    jar.rename(tmp_path / "elsewhere")
    jar.symlink_to(tmp_path / "elsewhere")
    assert before == fingerprint(scripts)


@pytest.mark.parametrize(
    "image",
    [
        replace(IMAGE, revision="2"),
        replace(IMAGE, build_args=(("KEY", "value"),)),
        replace(IMAGE, attestations=True),
        replace(IMAGE, platforms=("linux/arm64",)),
    ],
    ids=["revision", "build argument", "attestations", "platforms"],
)
def test_what_the_catalogue_says_of_an_image_moves_it(image: Image) -> None:
    scripts = TREE.write()
    assert fingerprint(scripts) != fingerprint(scripts, image)


def test_the_platform_moves_it() -> None:
    scripts = TREE.write()
    assert fingerprint(scripts) != fingerprint(scripts, platform="linux/arm64")


def test_a_locked_base_moves_it_and_one_that_is_not_named_does_not() -> None:
    scripts = TREE.write()
    digests = [f"sha256:{digit * 64}" for digit in "01"]
    locked = {fingerprint(scripts, bases={BASE: digest}) for digest in digests}
    assert len(locked | {fingerprint(scripts)}) == 3
    assert fingerprint(scripts) == fingerprint(scripts, bases={"debian:13": digests[0]})


def test_a_locked_base_that_would_take_the_place_of_a_stage_is_refused() -> None:
    scripts = replace(TREE, dockerfile="FROM debian AS debian\nCOPY . /\n").write()
    with pytest.raises(UnreadableInputError, match=r"query-lambda: .*Dockerfile: the base image debian is locked"):
        fingerprint(scripts, bases={"debian": f"sha256:{'0' * 64}"})
    assert collect(scripts).inputs.unpinned == ("debian",)


@pytest.mark.parametrize("base", ["ingest", "registry.example:5000/mine/ingest:1.2"])
def test_a_base_that_we_would_move_ourselves_is_refused_unless_it_is_locked(base: str) -> None:
    scripts = replace(TREE, dockerfile=f"FROM {base}\n").write()
    with pytest.raises(UnreadableInputError, match=rf"query-lambda: .*Dockerfile: FROM {base}: .* also built by"):
        collect(scripts, catalogue=[replace(IMAGE, name="ingest")])
    locked = collect(scripts, bases={base: f"sha256:{'0' * 64}"}, catalogue=[replace(IMAGE, name="ingest")])
    assert locked.inputs.bases == ((base, f"sha256:{'0' * 64}"),)


@pytest.mark.parametrize("base", [f"example/ingest@sha256:{'0' * 64}", "ingest/java:21", "my-ingest"])
def test_a_base_that_no_push_of_ours_moves_is_none_of_the_catalogue(base: str) -> None:
    scripts = replace(TREE, dockerfile=f"FROM {base}\n").write()
    assert collect(scripts, catalogue=[replace(IMAGE, name="ingest")]).inputs.bases == ((base, ""),)


def test_an_error_about_a_missing_jar_names_the_image() -> None:
    with pytest.raises(MissingInputError, match=r"query-lambda: the jar .*query-2\.jar does not exist"):
        collect(TREE.write(), version="2")


def test_a_file_is_staged_only_in_the_state_that_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of releases that a link leads to by turns: the digest of one must not go with the content of another."""
    one, other = TREE.write(), replace(TREE, files={**TREE.files, "run.sh": (b"other", True)}).write()
    scripts = tmp_path / "scripts"
    scripts.symlink_to(one)
    original = Digests.of

    def elsewhere(digests: Digests, paths: Sequence[Path]) -> object:
        lead(scripts, other)
        found = original(digests, paths)
        lead(scripts, one)
        return found

    monkeypatch.setattr(Digests, "of", elsewhere)
    sources = collect(scripts).sources
    with pytest.raises(ChangedWhileBuildingError, match="changed while it was staged"):
        staging.stage(sources.entries, sources.dockerfile, tmp_path / "staged", sources.states)


def test_a_dockerfile_that_changes_while_it_is_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = TREE.write()
    original = Digests.of

    def overtaken(digests: Digests, paths: Sequence[Path]) -> object:
        found = original(digests, paths)
        (scripts / "docker" / "lambda" / "Dockerfile").write_text("FROM other\n")
        return found

    monkeypatch.setattr(Digests, "of", overtaken)
    with pytest.raises(ChangedWhileBuildingError, match=r"query-lambda: .*Dockerfile changed"):
        collect(scripts)


def lead(link: Path, target: Path) -> None:
    link.with_name("next").symlink_to(target)
    link.with_name("next").rename(link)


def with_dockerfile(content: bytes) -> Path:
    scripts = TREE.write()
    (scripts / "docker" / "lambda" / "Dockerfile").write_bytes(content)
    return scripts


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_dockerfile_in_another_unicode_encoding_is_to_be_saved_as_utf_8(encoding: str) -> None:
    scripts = with_dockerfile("FROM scratch\nCOPY . /\n".encode(encoding))
    with pytest.raises(UnreadableInputError, match=r"query-lambda: .*/Dockerfile is in UTF-.*\n  next: save"):
        collect(scripts)


@pytest.mark.parametrize("line", ["LABEL a=caf\xe9", "RUN a \\\n caf\xe9", "RUN <<E\n# caf\xe9\nE"])
def test_an_error_about_an_instruction_in_latin_1_names_the_line(line: str) -> None:
    scripts = with_dockerfile(f"FROM scratch\n{line}\n".encode("latin-1"))
    with pytest.raises(UnreadableInputError, match=r"/Dockerfile: line 2: the text is not UTF-8.*\n  next: save"):
        collect(scripts)


def test_a_comment_of_a_dockerfile_may_be_in_any_encoding() -> None:
    assert collect(with_dockerfile("# caf\xe9\nFROM debian\n".encode("latin-1"))).inputs.unpinned == ("debian",)


def test_a_dockerfile_may_begin_with_a_byte_order_mark() -> None:
    assert collect(with_dockerfile("\ufeffFROM debian\n".encode())).inputs.unpinned == ("debian",)


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


NO_JARS = {
    "empty": (b"", "empty"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a Git LFS pointer"),
    "page": (b"\n<!DOCTYPE html><html></html>", "an HTML page"),
    "tar": (tarred(), "a tar archive"),
    "zip": (archive([]), "a zip archive without entries"),
    "gzip": (gzip.compress(b"x"), "compressed by gzip"),
    "class": (bytes.fromhex("cafebabe00000041"), "a Java class"),
    "text": (b"words", "not a zip archive"),
}


@pytest.mark.parametrize("kind", NO_JARS)
def test_a_lambdas_jar_that_is_not_a_jar_is_refused_as_what_it_is(kind: str) -> None:
    content, what = NO_JARS[kind]
    scripts = TREE.write()
    (scripts / "jars" / "query-1.jar").write_bytes(content)
    with pytest.raises(UnreadableInputError, match=rf"query-lambda: .*query-1\.jar is not a jar: it is {what}"):
        collect(scripts)


def test_a_jar_in_a_context_that_is_not_a_jar_is_refused_unless_it_is_ignored() -> None:
    scripts = TREE.write()
    folder = scripts / "docker" / "lambda"
    (folder / "lib.jar").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UnreadableInputError, match=r"Git LFS pointer.*\n  next: git -C .* lfs pull; .*\.dockerignore"):
        collect(scripts)
    (folder / ".dockerignore").write_text("lib.jar")
    assert collect(scripts)
