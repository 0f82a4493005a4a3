from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest

from eso.api.meta import CONFIG_MAPS, SECRETS, ObjectMeta, Record, Resource
from eso.kube.informer import Informer
from eso.kube.inuse import InformersInUse
from eso.kube.rest import UnknownResource
from tests.fakes.apiserver import FakeApiServer, secret
from tests.fakes.clock import VirtualClock, until


class Kept(Record, frozen=True):
    metadata: ObjectMeta

    @property
    def resource_version(self) -> str:
        return self.metadata.resource_version


decode = msgspec.json.Decoder(Kept).decode


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


@asynccontextmanager
async def running(api: FakeApiServer):
    rest = api.rest()
    informers: InformersInUse[Kept] = InformersInUse(
        lambda resource: Informer(rest, resource, decode, lambda old, new: None, clock=VirtualClock())
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(informers.run())
        await asyncio.sleep(0)
        yield informers
        task.cancel()
    await rest.access.close()


async def test_two_users_share_one_watch_and_the_last_ends_it(api):
    api.put(SECRETS, secret("a", "s"))
    async with running(api) as informers:
        first, second = informers.use(SECRETS, "x"), informers.use(SECRETS, "y")
        assert first is second
        await until(lambda: api.watching == 1)
        assert first.keys() == [("a", "s")]
        informers.release(SECRETS, "x")
        informers.release(SECRETS, "x")
        assert informers.get(SECRETS) is first
        informers.release(SECRETS, "y")
        assert (informers.get(SECRETS), informers.resources()) == (None, [])
        await until(lambda: api.watching == 0)


async def test_a_user_who_asks_twice_counts_once(api):
    async with running(api) as informers:
        informers.use(SECRETS, "x")
        informers.use(SECRETS, "x")
        informers.release(SECRETS, "x")
        assert informers.resources() == []


async def test_use_again_after_the_end_starts_anew(api):
    async with running(api) as informers:
        first = informers.use(SECRETS, "x")
        informers.release(SECRETS, "x")
        second = informers.use(SECRETS, "x")
        assert second is not first
        await until(second.has_synced.is_set)


async def test_what_was_asked_for_before_the_start_runs_from_the_start(api):
    rest = api.rest()
    informers: InformersInUse[Kept] = InformersInUse(
        lambda resource: Informer(rest, resource, decode, lambda old, new: None)
    )
    informer = informers.use(SECRETS, "x")
    task = asyncio.ensure_future(informers.run())
    await until(informer.has_synced.is_set)
    task.cancel()
    await rest.access.close()


async def test_a_missing_crd_is_told_by_its_informer_and_disturbs_no_other(api):
    api.unserved.add("foos")
    async with running(api) as informers:
        missing = informers.use(Resource("x.io", "v1", "foos", "Foo"), "x")
        other = informers.use(CONFIG_MAPS, "x")
        await until(lambda: missing.error is not None and other.has_synced.is_set())
        assert isinstance(missing.error, UnknownResource)
        assert not missing.has_synced.is_set()
