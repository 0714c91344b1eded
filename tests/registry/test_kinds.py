import pytest

from tasks.configuration import settings
from tasks.reference import Registry
from tasks.registry import backend, kinds
from tasks.registry.plain import Plain
from tests.registry.test_target import PROJECT


@pytest.mark.parametrize("name", kinds.KINDS)
def test_every_kind_has_a_backend_that_can_be_loaded(name: str) -> None:
    found = backend.load(kinds.KINDS[name], settings.load({}, {}, PROJECT), {}, lambda _registry, _fresh: None)
    assert backend.Backend in type(found).__mro__


@pytest.mark.parametrize("name", ["host", "log_in", "credential"])
def test_a_backend_without_an_answer_that_has_no_default_cannot_be_made(name: str) -> None:
    answers = {one: vars(Plain)[one] for one in ("host", "log_in", "credential") if one != name}
    with pytest.raises(TypeError, match=name):
        type("Incomplete", (backend.Backend,), answers)()


@pytest.mark.parametrize("name", ["auto", *kinds.KINDS])
def test_every_kind_is_a_value_of_the_setting(name: str) -> None:
    assert settings.load({"registry": name}, {}, PROJECT).registry == name


def test_the_last_kind_takes_every_registry() -> None:
    assert kinds.of_host(Registry("registry.example")) is kinds.PLAIN
    assert kinds.of_target(Registry("registry.example"), None) is kinds.PLAIN
