from __future__ import annotations

import pytest

from eso.api.meta import SECRETS
from eso.kube.finalizers import add_finalizer, remove_finalizer
from eso.kube.rest import Conflict, NotFound
from tests.fakes.apiserver import FakeApiServer, secret


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


@pytest.fixture
async def rest(api):
    rest = api.rest()
    yield rest
    await rest.access.close()


def finalizers(api: FakeApiServer) -> list[str]:
    return api.get(SECRETS, "a", "s")["metadata"].get("finalizers", [])


async def test_others_finalizers_stay(api, rest):
    api.put(SECRETS, secret("a", "s", finalizers=["theirs"]))
    await add_finalizer(rest, SECRETS, api.meta(SECRETS, "a", "s"), "ours")
    assert finalizers(api) == ["theirs", "ours"]
    await remove_finalizer(rest, SECRETS, api.meta(SECRETS, "a", "s"), "ours")
    assert finalizers(api) == ["theirs"]


async def test_nothing_is_sent_when_nothing_changes(api, rest):
    api.put(SECRETS, secret("a", "s", finalizers=["ours"]))
    await add_finalizer(rest, SECRETS, api.meta(SECRETS, "a", "s"), "ours")
    await remove_finalizer(rest, SECRETS, api.meta(SECRETS, "a", "s"), "another")
    assert api.writes == []


@pytest.mark.parametrize("change", [add_finalizer, remove_finalizer])
async def test_a_stale_list_conflicts_instead_of_undoing_what_others_wrote(api, rest, change):
    api.put(SECRETS, secret("a", "s", finalizers=["ours"]))
    stale = api.meta(SECRETS, "a", "s")
    api.edit(SECRETS, "a", "s", {"metadata": {"finalizers": ["ours", "theirs"]}})
    with pytest.raises(Conflict):
        await change(rest, SECRETS, stale, "ours" if change is remove_finalizer else "more")
    assert finalizers(api) == ["ours", "theirs"]


async def test_removing_the_last_one_lets_a_deleted_object_go(api, rest):
    api.put(SECRETS, secret("a", "s", finalizers=["ours"]))
    await rest.delete(SECRETS, "a", "s")
    assert api.get(SECRETS, "a", "s")["metadata"]["deletionTimestamp"]
    await remove_finalizer(rest, SECRETS, api.meta(SECRETS, "a", "s"), "ours")
    assert api.get(SECRETS, "a", "s") is None


async def test_an_object_that_is_gone_needs_no_removal_and_takes_no_addition(api, rest):
    api.put(SECRETS, secret("a", "s", finalizers=["ours"]))
    meta = api.meta(SECRETS, "a", "s")
    api.remove(SECRETS, "a", "s")
    await remove_finalizer(rest, SECRETS, meta, "ours")
    with pytest.raises(NotFound):
        await add_finalizer(rest, SECRETS, meta, "more")
