"""The manifest of docs/providers/webhook.md, applied through the front door of stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from eso.errors import EsoError
from eso.providers.contract import Push, Remote, Source
from tests.fakes.backend import Fault
from tests.fakes.env import Whole
from tests.fakes.front import Front, manifests
from tests.fakes.webhook import TOKEN, FakeService

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "webhook.md"
LABELS = {"external-secrets.io/type": "webhook"}


def front(service: FakeService) -> Front:
    service.put("/v1/database", {"data": {"password": "secret"}})
    words = {"https://secrets.example.com": service.address, "SERVICE_TOKEN": TOKEN}
    return Front(Whole("webhook"), manifests(PAGE, **words))


async def test_the_manifest_of_the_page_is_served_with_one_request() -> None:
    async with FakeService() as service, (cluster := front(service)).running():
        assert await cluster.read() == b"secret"
        assert [(provider, call) for provider, call, _ in cluster.calls.seen] == [("Webhook", "HTTPRequest")]
        assert len(service.asked) == 1


async def test_every_request_goes_through_a_gate() -> None:
    async with FakeService() as service, (cluster := front(service)).running():
        await cluster.stores.push("team-a", cluster.store, Push(Remote("pushed"), "k"), Source({"k": b"1"}))
        assert await cluster.stores.exists("team-a", cluster.store, Remote("database"))
        await cluster.stores.delete("team-a", cluster.store, Remote("pushed"))
        assert len(cluster.calls.seen) == len(service.asked) == 3


async def test_a_401_costs_one_more_request() -> None:
    async with FakeService() as service, (cluster := front(service)).running():
        service.fail(Fault(401))
        assert await cluster.read() == b"secret"
        assert len(service.asked) == 2


async def test_a_label_that_comes_or_goes_counts_at_once() -> None:
    async with FakeService() as service, (cluster := front(service)).running():
        cluster.secret("service-login", token=TOKEN)
        with pytest.raises(EsoError, match="secret does not contain needed label"):
            await cluster.read()
        cluster.secret("service-login", LABELS, token=TOKEN)
        cluster.changed("service-login")
        assert await cluster.read() == b"secret"
        cluster.secret("service-login", {"external-secrets.io/type": "other"}, token=TOKEN)
        cluster.changed("service-login")
        with pytest.raises(EsoError, match="secret type is not 'webhook'"):
            await cluster.read()


async def test_a_secret_that_appears_counts_at_once() -> None:
    async with FakeService() as service, (cluster := front(service)).running():
        del cluster.rest.objects["secrets/team-a/service-login"]
        with pytest.raises(EsoError, match="failed to get clustersecretstore webhook secret service-login: "):
            await cluster.read()
        cluster.secret("service-login", LABELS, token=TOKEN)
        cluster.changed("service-login")
        assert await cluster.read() == b"secret"


async def test_references_whose_requests_are_the_same_share_one() -> None:
    async with FakeService() as service, (cluster := front(service)).running():
        async with asyncio.TaskGroup() as group:
            for property in ("a", "b", "c"):
                group.create_task(cluster.read("database", property))
        assert len(service.asked) == 1
