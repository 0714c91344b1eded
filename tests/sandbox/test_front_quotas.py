import pytest

from sandbox.front.quotas import RATES, Quotas


@pytest.mark.parametrize("operation", RATES)
def test_a_second_has_as_many_calls_as_the_quota(operation: str) -> None:
    quotas = Quotas(lambda: 0.0)
    taken = [quotas.take(operation) for _ in range(RATES[operation] + 5)]
    assert taken.count(True) == RATES[operation]


def test_a_quota_fills_up_again_with_time() -> None:
    clock = iter([0.0] + [0.0] * 11 + [0.5] * 6)
    quotas = Quotas(lambda: next(clock))
    assert [quotas.take("PutImage") for _ in range(11)].count(True) == 10
    assert [quotas.take("PutImage") for _ in range(6)].count(True) == 5


def test_one_call_does_not_use_up_anothers_quota() -> None:
    quotas = Quotas(lambda: 0.0)
    while quotas.take("PutImage"):
        pass
    assert quotas.take("InitiateLayerUpload")
