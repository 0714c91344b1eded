import pytest

from tasks.configuration import settings
from tasks.reference import Registry
from tasks.registry import backend, kinds
from tests.registry.test_target import PROJECT


@pytest.mark.parametrize("name", kinds.KINDS)
def test_every_kind_has_a_backend_that_can_be_loaded(name: str) -> None:
    found = backend.load(kinds.KINDS[name], settings.load({}, {}, PROJECT), {}, lambda _registry, _fresh: None)
    methods = {one for one in vars(backend.Backend) if not one.startswith("_")} | set(backend.Backend.__annotations__)
    assert {one for one in methods if not hasattr(found, one)} == set()


@pytest.mark.parametrize("name", ["auto", *kinds.KINDS])
def test_every_kind_is_a_value_of_the_setting(name: str) -> None:
    assert settings.load({"registry": name}, {}, PROJECT).registry == name


def test_the_last_kind_takes_every_registry() -> None:
    assert kinds.of_host(Registry("registry.example")) is kinds.PLAIN
    assert kinds.of_target(Registry("registry.example"), None) is kinds.PLAIN
