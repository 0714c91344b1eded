import importlib
from pathlib import Path

import pytest

from tasks.image.difference import is_archive
from tasks.image.fingerprint import Item
from tasks.image.jar import formats


@pytest.mark.parametrize("form", formats.FORMATS, ids=lambda form: form.name)
def test_every_format_has_a_reader(form: formats.Format) -> None:
    assert callable(importlib.import_module(form.module).read)


@pytest.mark.parametrize("form", formats.FORMATS, ids=lambda form: form.name)
def test_a_content_digest_of_every_format_is_recognized_as_one(form: formats.Format) -> None:
    digest = f"{form.prefix}:{'0' * 64}"
    assert is_archive(Item("lib/one", "file", executable=False, content=digest))
    assert not is_archive(Item("lib/one", "symlink", executable=False, content=digest))


@pytest.mark.parametrize(
    ("name", "form"),
    [("query.jar", formats.JAR), (".jar", None), ("query.jar.txt", None), ("query.JAR", None), ("jar", None)],
)
def test_the_end_of_a_name_decides_the_format(name: str, form: formats.Format | None) -> None:
    assert formats.format_of(Path("/scripts/jars") / name) is form
