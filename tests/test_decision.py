import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.decision import Build, Current, Decision, Retag, Unknown, decide
from tasks.errors import RegistryError
from tasks.reference import Digest
from tasks.registry.model import OCI_INDEX, OCI_MANIFEST, Answer, Descriptor

ONE, OTHER = Digest("sha256:" + "1" * 64), Digest("sha256:" + "2" * 64)
HERE = Descriptor(OCI_MANIFEST, ONE, 10)
ELSEWHERE = Descriptor(OCI_MANIFEST, OTHER, 10)
WRONG_KIND = Descriptor(OCI_INDEX, ONE, 10)
NO_ANSWER = RegistryError("no answer")

ANSWERS = st.sampled_from([HERE, ELSEWHERE, WRONG_KIND, None, NO_ANSWER])


def decided(inputs: Answer, version: Answer, *, force: bool = False) -> Decision:
    return decide(inputs, version, version_tag="1.0", fits=lambda found: not found.is_index, force=force)


def test_both_tags_on_one_digest_is_current() -> None:
    assert decided(HERE, HERE) == Current(ONE)


def test_inputs_that_are_not_there_have_to_be_built() -> None:
    assert decided(None, HERE) == Build("these inputs are not in the registry")


def test_a_missing_version_tag_is_put_without_a_build() -> None:
    assert decided(HERE, None) == Retag(ONE, "not yet tagged 1.0")


def test_a_version_tag_elsewhere_is_moved_without_a_build() -> None:
    assert decided(HERE, ELSEWHERE) == Retag(ONE, f"tag 1.0 points to {'2' * 12}, these inputs are {'1' * 12}")


def test_an_image_of_the_wrong_kind_is_built_again() -> None:
    decision = decided(WRONG_KIND, WRONG_KIND)
    assert isinstance(decision, Build)
    assert "wrong kind" in decision.reason


@pytest.mark.parametrize(("inputs", "version"), [(NO_ANSWER, HERE), (HERE, NO_ANSWER), (None, NO_ANSWER)])
def test_without_an_answer_nothing_is_known(inputs: Answer, version: Answer) -> None:
    assert decided(inputs, version) == Unknown(NO_ANSWER)


def test_force_builds_what_is_current() -> None:
    assert decided(HERE, HERE, force=True) == Build("forced")


@given(ANSWERS, ANSWERS)
def test_nothing_is_current_unless_both_tags_are_on_one_manifest_of_the_right_kind(
    inputs: Answer, version: Answer
) -> None:
    if isinstance(decided(inputs, version), Current):
        assert isinstance(inputs, Descriptor)
        assert isinstance(version, Descriptor)
        assert inputs.digest == version.digest
        assert not inputs.is_index


@given(ANSWERS, ANSWERS)
def test_nothing_is_retagged_to_anything_but_the_image_of_the_inputs(inputs: Answer, version: Answer) -> None:
    decision = decided(inputs, version)
    if isinstance(decision, Retag):
        assert isinstance(inputs, Descriptor)
        assert decision.digest == inputs.digest
