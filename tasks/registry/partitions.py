"""AWS's partitions: which DNS suffix the hosts of a Region have, and what its ARNs begin with.

botocore's data say both. The file is read by itself: importing botocore takes a hundred times as long.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Partition:
    """One partition.

    Attributes:
        name: as in an ARN: `aws`, `aws-cn`, `aws-us-gov`.
        dns_suffix: what its hosts end in: `amazonaws.com`.
    """

    name: str
    dns_suffix: str


def of_region(region: str) -> Partition:
    """Return the partition of a Region; of one that botocore does not know, `aws`, as botocore has it."""
    found = _partitions()
    for one in found:
        if region in one["regions"]:
            return _read(one)
    for one in found:
        if re.match(one["regionRegex"], region):
            return _read(one)
    return _read(next(one for one in found if one["id"] == "aws"))


def _read(one: Mapping[str, Any]) -> Partition:
    return Partition(one["id"], one["outputs"]["dnsSuffix"])


@functools.cache
def _partitions() -> tuple[Mapping[str, Any], ...]:
    spec = importlib.util.find_spec("botocore")
    assert spec is not None and spec.submodule_search_locations  # noqa: S101, PT018  # It is locked with us.
    place = Path(spec.submodule_search_locations[0]) / "data" / "partitions.json"
    return tuple(json.loads(place.read_text(encoding="utf-8"))["partitions"])
