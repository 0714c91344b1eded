"""What the list looks like; what it holds is found by real runs, in integration/test_preflight.py."""

from __future__ import annotations

from tasks.errors import EngineError, MissingInputError, RegistryError
from tasks.preflight import Faults


def test_an_error_that_several_images_share_is_listed_once() -> None:
    faults = Faults()
    for name in ("a", "b"):
        faults.add(RegistryError("the registry does not answer", "start it"), name)
    assert str(faults) == "1. a, b: the registry does not answer\n   next: start it"


def test_more_images_than_fit_a_line_are_counted() -> None:
    faults = Faults()
    for number in range(20):
        faults.add(RegistryError("the registry does not answer"), str(number))
    assert str(faults) == "1. 20 images: the registry does not answer"


def test_what_has_one_remedy_stands_together() -> None:
    faults = Faults()
    faults.add(MissingInputError("the jar a.jar is not there", "run Maven"), "a")
    faults.add(EngineError("no engine answers\n    no such socket", "start Docker"))
    faults.add(MissingInputError("the jar b.jar is not there", "run Maven"), "b")
    assert str(faults).splitlines() == [
        "1. a: the jar a.jar is not there",
        "   b: the jar b.jar is not there",
        "   next: run Maven",
        "2. no engine answers",
        "       no such socket",
        "   next: start Docker",
    ]


def test_only_what_is_about_no_image_is_about_every_build() -> None:
    faults = Faults()
    faults.add(RegistryError("no"), "a")
    faults.add(EngineError("none"))
    assert [error.message for error in faults.general] == ["none"]
    found = faults.of("a")
    assert found is not None
    assert found.message == "no"
    assert faults.of("b") is None


def test_what_is_about_images_is_outlined_and_what_is_about_every_build_is_whole() -> None:
    faults = Faults()
    for name in ("a", "b"):
        faults.add(MissingInputError("docker/lambda is not there\n    it was", "run Maven"), name)
    faults.add(EngineError("no engine answers", "start Docker"))
    assert faults.outlined().splitlines() == [
        "a, b: docker/lambda is not there",
        "1. no engine answers",
        "   next: start Docker",
    ]
