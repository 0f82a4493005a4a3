"""ServiceAccounts are followed while a store logs in with one, and an account that goes is news whenever it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from eso.api.meta import SERVICE_ACCOUNTS
from eso.reconcile.kit.accounts import AccountWatch
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.clock import VirtualClock, until

STORE = ("SecretStore", "team", "store")


class World:
    def __init__(self, api: FakeApiServer, namespace: str = "") -> None:
        self.api, self.clock = api, VirtualClock()
        self.rest = api.rest()
        self.watch = AccountWatch(self.rest, clock=self.clock, namespace=namespace)
        self.wanted = {("team", "app")}
        self.used: set[tuple[str, str]] = set()
        self.news: list[tuple[str, str, bool]] = []
        self.watch.connect(lambda *key: key in self.wanted, lambda: self.used, lambda *news: self.news.append(news))

    async def synced(self) -> None:
        await until(lambda: self.watch.informer is not None and self.watch.informer.has_synced.is_set())
        await until(lambda: self.api.watching == 1)

    def put(self, name: str = "app", **meta: object) -> None:
        self.api.put(SERVICE_ACCOUNTS, {"metadata": {"namespace": "team", "name": name, **meta}})


@asynccontextmanager
async def running(namespace: str = "") -> AsyncIterator[World]:
    async with FakeApiServer() as api:
        world = World(api, namespace)
        task = asyncio.create_task(world.watch.run())
        try:
            yield world
        finally:
            task.cancel()
            await asyncio.wait([task])
            await world.rest.access.close()


async def test_nothing_is_watched_before_a_store_uses_an_account_and_after_the_last_one_went() -> None:
    async with running() as world:
        world.put()
        world.watch.uses(STORE, False)
        assert world.api.requests == []
        world.watch.uses(STORE, True)
        await world.synced()
        world.watch.uses(STORE, True)
        world.watch.uses(STORE, False)
        await until(lambda: world.api.watching == 0)
        assert world.watch.informer is None
        assert world.news == []


async def test_only_metadata_is_asked_for_and_only_what_stores_refer_to_is_kept() -> None:
    async with running() as world:
        world.put()
        world.put("other")
        world.watch.uses(STORE, True)
        await world.synced()
        assert world.watch.informer is not None and world.watch.informer.keys() == [("team", "app")]
        assert all("PartialObjectMetadata" in one.headers["Accept"] for one in world.api.requests)


async def test_a_deletion_a_return_and_another_role_are_news() -> None:
    async with running() as world:
        world.put()
        world.watch.uses(STORE, True)
        await world.synced()
        world.put(labels={"a": "b"})
        world.put(annotations={"role": "x"})
        await until(lambda: world.news == [("team", "app", False)])
        world.api.remove(SERVICE_ACCOUNTS, "team", "app")
        await until(lambda: world.news[1:] == [("team", "app", True)])
        world.put()
        world.put("other")
        world.api.remove(SERVICE_ACCOUNTS, "team", "other")
        await until(lambda: world.news[2:] == [("team", "app", False)])
        world.api.remove(SERVICE_ACCOUNTS, "team", "app")
        await until(lambda: world.news[3:] == [("team", "app", True)])


async def test_an_account_that_a_store_refers_to_only_since_its_last_change_is_missed_all_the_same() -> None:
    async with running() as world:
        world.wanted.clear()
        world.put()
        world.watch.uses(STORE, True)
        await world.synced()
        world.wanted.add(("team", "app"))
        world.api.remove(SERVICE_ACCOUNTS, "team", "app")
        await until(lambda: world.news == [("team", "app", True)])


async def test_an_account_that_went_between_the_login_and_the_first_list_is_news() -> None:
    async with running() as world:
        world.put("other")
        world.wanted.add(("team", "other"))
        world.used = {("team", "app"), ("team", "other")}
        world.watch.uses(STORE, True)
        await until(lambda: world.news == [("team", "app", True)])


async def test_what_lies_outside_of_the_only_namespace_is_not_taken_for_gone() -> None:
    async with running("team") as world:
        world.used = {("team", "app"), ("elsewhere", "app")}
        world.watch.uses(STORE, True)
        await until(lambda: world.news == [("team", "app", True)])
        await world.synced()
        assert len(world.news) == 1


async def test_another_account_of_that_name_after_a_broken_watch_is_news() -> None:
    async with running() as world:
        world.put(uid="one")
        world.watch.uses(STORE, True)
        await world.synced()
        await world.api.stop()
        world.api.remove(SERVICE_ACCOUNTS, "team", "app")
        world.put(uid="two")
        world.api.compact()
        await world.api.start()
        await world.clock.advance(60.0)
        async with asyncio.timeout(60):
            while not world.news:
                await world.clock.advance(60.0)
        assert world.news == [("team", "app", True)]


@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_without_the_right_to_watch_nothing_is_news_and_nothing_ends(verb: str) -> None:
    async with running() as world:
        world.api.forbidden.add((verb, "serviceaccounts"))
        world.used = {("team", "app")}
        world.put()
        world.watch.uses(STORE, True)
        await until(lambda: world.watch.informer is not None and world.watch.informer.error is not None)
        assert world.news == []
