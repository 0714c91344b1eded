import io
import shutil
import zipfile
from pathlib import Path

import pytest

from sandbox import sample
from tasks.configuration import catalogue
from tasks.system import processes

VERSION = "1.2.3"
IMAGES = catalogue.load(Path(__file__).resolve().parents[2] / "catalogue" / "sleeper.yaml").images


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_every_image_has_what_it_is_built_from(tmp_path: Path) -> None:
    sample.make(tmp_path, IMAGES, VERSION)

    for image in IMAGES:
        assert (tmp_path / "docker" / image.directory / "Dockerfile").read_text().startswith("FROM scratch\n")
        jar = image.jar_name(VERSION)
        assert jar is None or zipfile.is_zipfile(tmp_path / "jars" / jar)


def test_the_version_is_what_was_asked_for(tmp_path: Path) -> None:
    sample.make(tmp_path, IMAGES, VERSION)

    assert (tmp_path / "templates" / "version.txt").read_text() == "1.2.3\n"


def test_it_is_the_same_on_every_machine(tmp_path: Path) -> None:
    sample.make(tmp_path / "here", IMAGES, VERSION)
    sample.make(tmp_path / "there", IMAGES, VERSION)

    assert files(tmp_path / "here") == files(tmp_path / "there")


def test_no_two_jars_are_the_same(tmp_path: Path) -> None:
    sample.make(tmp_path, IMAGES, VERSION)

    jars = [path.read_bytes() for path in tmp_path.rglob("*.jar")]

    assert len(set(jars)) == len(jars) == len(IMAGES)


def test_what_was_edited_is_kept(tmp_path: Path) -> None:
    sample.make(tmp_path, IMAGES, VERSION)
    edited = tmp_path / "docker" / "lambda" / "Dockerfile"
    edited.write_text("FROM scratch\nLABEL edited=yes\nCOPY lambda.jar /\n")
    before = files(tmp_path)

    sample.make(tmp_path, IMAGES, VERSION)

    assert files(tmp_path) == before


def test_what_is_missing_is_made_again(tmp_path: Path) -> None:
    sample.make(tmp_path, IMAGES, VERSION)
    before = files(tmp_path)
    (tmp_path / "docker" / "ingest" / "ingest.jar").unlink()

    sample.make(tmp_path, IMAGES, VERSION)

    assert files(tmp_path) == before


def test_a_jar_holds_classes_of_its_own_package() -> None:
    with zipfile.ZipFile(io.BytesIO(sample.sample_jar("query-lambda"))) as jar:
        assert jar.testzip() is None
        assert jar.namelist()[:2] == ["META-INF/MANIFEST.MF", "sample/querylambda/Class0.class"]


@pytest.mark.skipif(shutil.which("javap") is None, reason="no JDK here")
def test_java_reads_the_classes(tmp_path: Path) -> None:
    path = tmp_path / "Sample.class"
    path.write_bytes(sample.class_file("sample/Sample", "hello"))

    done = processes.run(["javap", "-verbose", str(path)])

    assert done.code == 0
    assert "public class sample.Sample" in done.output
