"""How many cases a target gets, and what a case may do: end in time, with a value or with one of our errors."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tasks.errors import SleeperImagesError

CASES = int(os.environ.get("FUZZ_CASES", "150"))
"""Cases a target; FUZZ_CASES is the variable for a long run."""

DEADLINE = timedelta(seconds=5)
"""What counts as a hang: a thousand times what a case takes, since other things run on the machine as well."""

fuzz = settings(
    max_examples=CASES,
    deadline=DEADLINE,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def survives(call: Callable[[], object], *errors: type[BaseException]) -> None:
    """Call; a fault of ours, or one of `errors`, is an answer too, if it can be told: to anyone, in few words."""
    try:
        call()
    except SleeperImagesError as error:
        text = str(error)
        assert text
        assert "\x1b" not in text
        text.encode()
        assert len(text) < 20_000  # A screen or two, even of a file with many faults.
    except errors:
        pass


def mutated(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes that begin as a sample and have been through some accidents."""
    return st.builds(_mutate, st.sampled_from(samples), st.lists(_ACCIDENTS, max_size=8))


_ACCIDENTS = st.tuples(
    st.sampled_from(["flip", "cut", "insert", "repeat", "number", "swap"]),
    st.integers(0, 2**31),
    st.binary(min_size=1, max_size=8)
    | st.sampled_from(
        [b"\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\n", b"[" * 50, b"{" * 50, b'"', b"\\", b"\xed\xa0\x80"]
    ),
)


def _mutate(sample: bytes, accidents: list[tuple[str, int, bytes]]) -> bytes:
    content = bytearray(sample)
    for kind, number, data in accidents:
        at = number % (len(content) + 1)
        match kind:
            case "flip" if content:
                content[at % len(content)] ^= 1 << number % 8
            case "cut":
                del content[at : at + number % 64]
            case "insert":
                content[at:at] = data
            case "repeat":
                content[at:at] = content[at : at + number % 512] * (1 + number % 5)
            case "number":
                content[at : at + len(data)] = data
            case "swap":
                content = content[at:] + content[:at]
    return bytes(content)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 2**63])
    | st.floats()
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def replaced(document: Any, seed: int, value: Any) -> Any:
    """Return `document` with one of its parts, chosen by `seed`, being another value."""
    chooser = random.Random(seed)  # noqa: S311  # Variety, not secrecy.
    if chooser.random() < 0.2 or not isinstance(document, dict | list) or not document:  # Any part.
        return value
    if isinstance(document, list):
        at = chooser.randrange(len(document))
        return [replaced(one, seed // 3, value) if number == at else one for number, one in enumerate(document)]
    key = chooser.choice(sorted(document))
    if chooser.random() < 0.2:  # Gone altogether.
        return {name: one for name, one in document.items() if name != key}
    return {name: replaced(one, seed // 3, value) if name == key else one for name, one in document.items()}
