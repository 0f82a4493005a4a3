"""Addresses of gRPC servers as authors of stores, and other servers, write them."""

from __future__ import annotations

import pytest

from eso.net.http import Pools
from eso.providers.kit.address import target_of


@pytest.mark.parametrize("text", ["[..]:443", "[:.]", "[1.2.3.4]:5", "[:::::]", "[fe80::1.]"])
def test_brackets_without_an_address_of_ipv6_are_no_target(text: str) -> None:
    assert target_of(text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [("[::1]", "[::1]:443"), ("[::ffff:1.2.3.4]:5", "[::ffff:1.2.3.4]:5"), ("a.test:1", "a.test:1"), ("a", "a:443")],
)
def test_a_target_leads_to_a_channel(text: str, found: str) -> None:
    assert target_of(text) == found
    assert Pools().channel(f"http://{found}").authority == found
