from __future__ import annotations

from tasks.explanation import explain
from tests.test_plan import INGEST, VERSION, Checkout, checkout

__all__ = ["checkout"]


def test_an_image_is_told_with_its_inputs_and_the_registrys_tags(checkout: Checkout) -> None:
    tag = checkout.push()
    with checkout.session() as session:
        found = explain(session, INGEST)
    assert found.planned.state == "current"
    assert found.inputs is not None
    assert found.planned.fingerprint == found.inputs.fingerprint()
    assert set(found.tags) == {tag, VERSION}
    assert found.where is not None
    assert found.where.endswith("/mine")


def test_what_cannot_be_read_has_no_inputs(checkout: Checkout) -> None:
    (checkout.folder / "Dockerfile").unlink()
    with checkout.session() as session:
        found = explain(session, INGEST)
    assert (found.planned.state, found.inputs) == ("blocked", None)
