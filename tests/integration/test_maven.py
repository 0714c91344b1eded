"""A real Maven build of a shaded jar: what a clean build changes without a change, and what a changed line does.

Offline, out of Debian's packages (apt-get install maven libmaven-shade-plugin-java libguava-java libcommons-lang3-java
openjdk-17-jdk-headless). Where they are missing these tests are skipped: the project itself needs no Maven.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import sample
from tasks.configuration import settings
from tasks.image.collect import Collected, Collector
from tasks.image.jar import content as jar_content
from tasks.image.jar.cache import Digests
from tasks.system import processes
from tests.integration.project import CHECKOUT, IMAGES

REPOSITORY = Path("/usr/share/maven-repo")
PLUGINS = ("resources", "compiler", "surefire", "jar", "shade")
LIBRARIES = ("com.google.guava:guava", "org.apache.commons:commons-lang3")
CLASSES = 150
VERSION = "0.36.0"
LAMBDA = next(image for image in IMAGES if image.name == "query-lambda")

pytestmark = pytest.mark.integration


def newest(group: str, artifact: str) -> str | None:
    """Return the newest version of an artifact whose jar Debian has, or None."""
    folder = REPOSITORY / group.replace(".", "/") / artifact
    found = [jar.parent.name for jar in folder.glob(f"[0-9]*/{artifact}-*.jar")]
    return max(found, key=lambda version: [int(number) for number in re.findall(r"[0-9]+", version)], default=None)


ARTIFACTS = [
    *(("org.apache.maven.plugins", f"maven-{name}-plugin") for name in PLUGINS),
    *((library.partition(":")[0], library.partition(":")[2]) for library in LIBRARIES),
]
MISSING = [artifact for group, artifact in ARTIFACTS if newest(group, artifact) is None]
MISSING += [program for program in ("mvn", "javac") if shutil.which(program) is None]
if MISSING:
    pytest.skip(f"no Maven build can run offline here; missing: {MISSING}", allow_module_level=True)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory on another file system, which lists the names of a directory in another order."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("this machine has one file system only")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose shaded jar has been built."""
    project = tmp_path_factory.mktemp("maven")
    package = project / "src" / "main" / "java" / "sample"
    package.mkdir(parents=True)
    for number in range(CLASSES):
        (package / f"Part{number}.java").write_text(f"package sample;\n\nclass Part{number} {{\n}}\n")
    (package / "Main.java").write_text(
        "package sample;\n\npublic class Main {\n    public static void main(String[] words) {\n"
        '        System.out.println("first");\n    }\n}\n'
    )
    (project / "pom.xml").write_text(pom())
    package_jar(project)
    return project


def pom() -> str:
    def artifact(tag: str, group: str, name: str, more: str = "") -> str:
        named = f"<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{newest(group, name)}</version>"
        return f"<{tag}>{named}{more}</{tag}>\n"

    shade = "<executions><execution><phase>package</phase><goals><goal>shade</goal></goals></execution></executions>"
    plugins = "".join(
        artifact("plugin", group, name, shade if "shade" in name else "")
        for group, name in ARTIFACTS
        if name.startswith("maven-")
    )
    libraries = "".join(
        artifact("dependency", group, name) for group, name in ARTIFACTS if not name.startswith("maven-")
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0">\n<modelVersion>4.0.0</modelVersion>\n'
        "<groupId>sample</groupId><artifactId>query</artifactId><version>1.0</version>\n"
        "<properties><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>"
        "<maven.compiler.source>11</maven.compiler.source><maven.compiler.target>11</maven.compiler.target>"
        "</properties>\n"
        f"<dependencies>\n{libraries}</dependencies>\n<build><plugins>\n{plugins}</plugins></build>\n</project>\n"
    )


def package_jar(project: Path) -> Path:
    """Run a clean Maven build and return the shaded jar."""
    shutil.rmtree(project / "target", ignore_errors=True)
    maven = ["mvn", "--quiet", "--offline", "--batch-mode", "-DskipTests", f"-Dmaven.repo.local={REPOSITORY}"]
    processes.check([*maven, "package"], directory=project, environment=dict(os.environ), next_step="")
    return project / "target" / "query-1.0.jar"


def built_again(project: Path, folder: Path) -> Path:
    """Copy a project's sources, not before the clock of zip files has gone on, and build them there."""
    before = (project / "target" / "query-1.0.jar").stat().st_mtime
    while int(time.time()) // 2 == int(before) // 2:
        pass
    copy = folder / "copy"
    copy.mkdir()
    # In another order than they were written in, as a checkout may write them.
    for source in sorted((path for path in project.rglob("*") if path.is_file()), reverse=True):
        if "target" not in source.parts:
            to = copy / source.relative_to(project)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, to)
    return package_jar(copy)


def fingerprint(jar_file: Path, folder: Path) -> str:
    """Return the fingerprint of the lambda's image with this jar."""
    scripts = folder / "scripts"
    sample.make(scripts, [LAMBDA], VERSION)
    shutil.copyfile(jar_file, scripts / "jars" / f"query-{VERSION}.jar")
    collector = Collector(settings.load({"SCRIPTS_DIR": str(scripts)}, {}, CHECKOUT), {}, Digests(None))
    collected = collector.collect([LAMBDA])[LAMBDA.name]
    assert isinstance(collected, Collected)
    return collected.inputs.fingerprint()


def test_a_clean_build_of_the_same_sources_has_other_bytes_and_the_same_digests(built: Path, tmp_path: Path) -> None:
    first, second = built / "target" / "query-1.0.jar", built_again(built, tmp_path)
    assert first.read_bytes() != second.read_bytes()
    assert jar_content.read(first).digest == jar_content.read(second).digest
    assert fingerprint(first, tmp_path / "a") == fingerprint(second, tmp_path / "b")


def test_so_has_one_on_another_file_system(built: Path, elsewhere: Path, tmp_path: Path) -> None:
    first, second = built / "target" / "query-1.0.jar", built_again(built, elsewhere)
    assert first.read_bytes() != second.read_bytes()
    assert jar_content.read(first).digest == jar_content.read(second).digest
    assert fingerprint(first, tmp_path / "a") == fingerprint(second, tmp_path / "b")


def test_the_jar_is_shaded_of_the_librarys_and_the_projects_own_classes(built: Path) -> None:
    names = zipfile.ZipFile(built / "target" / "query-1.0.jar").namelist()
    assert {"sample/Main.class", "com/google/common/base/Joiner.class", "org/apache/commons/lang3/Range.class"} <= set(
        names
    )


def test_one_changed_line_changes_one_class_and_the_fingerprint(built: Path, tmp_path: Path) -> None:
    main = built / "src" / "main" / "java" / "sample" / "Main.java"
    before = main.read_text()
    try:
        main.write_text(before.replace('"first"', '"other"'))
        changed = built_again(built, tmp_path)
    finally:
        main.write_text(before)
    old, new = jar_content.read(built / "target" / "query-1.0.jar").entries(), jar_content.read(changed).entries()
    assert {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} == {"sample/Main.class"}
    assert jar_content.read(changed).digest != jar_content.read(built / "target" / "query-1.0.jar").digest
    first = fingerprint(built / "target" / "query-1.0.jar", tmp_path / "a")
    assert fingerprint(changed, tmp_path / "b") != first
