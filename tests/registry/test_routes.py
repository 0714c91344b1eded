from __future__ import annotations

import pytest

from tasks.reference import Registry
from tasks.registry.routes import trusted


@pytest.mark.parametrize(
    ("url", "registry", "expected"),
    [
        ("https://auth.example/token", "registry.example", True),
        ("http://auth.example/token", "registry.example", False),
        ("http://127.0.0.1:80/token", "registry.example", False),
        ("http://auth.example/token", "127.0.0.1:5000", False),
        ("http://127.0.0.1:80/token", "127.0.0.1:5000", True),
        ("http://localhost/token", "127.0.0.1:5000", True),
        ("http://[::1]:5000/token", "127.0.0.1:5000", True),
        ("https://user@auth.example/", "registry.example", False),
        ("https:///token", "registry.example", False),
        ("/token", "registry.example", False),
    ],
)
def test_we_go_only_where_nobody_can_listen_in(url: str, registry: str, expected: bool) -> None:
    assert trusted(url, Registry(registry)) is expected
