"""The manifest of docs/providers/fake.md, applied through the front door of stores."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.env import Whole
from tests.fakes.front import Front, manifests

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "fake.md"


async def test_the_manifest_of_the_page_is_served_without_a_request() -> None:
    async with Front(Whole("fake"), manifests(PAGE)).running() as front:
        assert await front.read() == b"me"
        assert await front.read("database", "port") == b"5432"
        assert await front.stores.validate(front.store)
        assert not front.calls.seen
