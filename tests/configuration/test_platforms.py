from __future__ import annotations

import platform

import pytest

from tasks.configuration import platforms


@pytest.mark.parametrize("text", [*platforms.COMMON, "linux/arm/v6", "windows/amd64", "linux/loong64", "wasi/wasm"])
def test_a_platform_as_it_stands_in_a_manifest_is_taken(text: str) -> None:
    assert platforms.fault(text) is None


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "-linux/amd64", "linux/amd64 ", "linux/amd64/8"])
def test_what_has_not_the_form_of_a_platform_is_refused(text: str) -> None:
    assert "is no platform" in (platforms.fault(text) or "")


@pytest.mark.parametrize(
    ("text", "written"),
    [("linux/aarch64", "linux/arm64"), ("linux/x86_64", "linux/amd64"), ("linux/arm64/v8", "linux/arm64")],
)
def test_another_spelling_is_refused_with_the_one_that_an_image_has(text: str, written: str) -> None:
    assert f"is written '{written}' in an image" == platforms.fault(text)


@pytest.mark.parametrize("text", ["Linux/AMD64", "linux/amd65", "linus/amd64", "linux/amd46"])
def test_a_mistyped_platform_is_recognised(text: str) -> None:
    assert "did you mean 'linux/amd64'?" in (platforms.fault(text) or "")


def test_a_machine_that_nobody_makes_is_refused() -> None:
    assert (platforms.fault("linux/pdp11") or "").startswith("is no platform that there is")


def test_this_machines_platform_is_one_that_is_taken() -> None:
    assert platforms.fault(platforms.native()) is None


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the answer is known for this machine only")
def test_an_x86_machine_is_amd64() -> None:
    assert platforms.native() == "linux/amd64"
