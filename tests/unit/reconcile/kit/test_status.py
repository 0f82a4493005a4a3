from __future__ import annotations

import msgspec
import pytest

from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.meta import ObjectMeta
from eso.kube.rest import ApiError
from eso.reconcile.kit.status import write_status
from tests.fakes.apiserver import FakeApiServer, Status


def meta_of(api: FakeApiServer) -> ObjectMeta:
    return api.meta(EXTERNAL_SECRETS, "ns", "one")


async def test_the_whole_status_is_replaced_and_the_stored_object_returned():
    async with FakeApiServer() as api:
        api.put(EXTERNAL_SECRETS, {"metadata": {"name": "one", "namespace": "ns"}, "spec": {}, "status": {"old": 1}})
        rest, meta = api.rest(), ObjectMeta(name="one", namespace="ns", uid=meta_of(api).uid)
        raw = await write_status(rest, EXTERNAL_SECRETS, meta, {"new": 2})
        assert raw is not None and msgspec.json.decode(raw)["status"] == {"new": 2}
        await rest.access.close()


async def test_a_successor_of_the_same_name_keeps_its_own_status():
    async with FakeApiServer() as api:
        rest = api.rest()
        assert await write_status(rest, EXTERNAL_SECRETS, ObjectMeta(name="one", namespace="ns", uid="u"), {}) is None
        api.put(EXTERNAL_SECRETS, {"metadata": {"name": "one", "namespace": "ns"}, "spec": {}, "status": {"old": 1}})
        meta = ObjectMeta(name="one", namespace="ns", uid="of the one before")
        assert await write_status(rest, EXTERNAL_SECRETS, meta, {"new": 2}) is None
        live = api.get(EXTERNAL_SECRETS, "ns", "one")
        assert live is not None and live["status"] == {"old": 1}
        await rest.access.close()


async def test_other_refusals_are_raised():
    async with FakeApiServer() as api:
        api.put(EXTERNAL_SECRETS, {"metadata": {"name": "one", "namespace": "ns"}, "spec": {}})
        rest, meta = api.rest(), ObjectMeta(name="one", namespace="ns", uid=meta_of(api).uid)
        api.fail(Status(403, "Forbidden"), method="PATCH")
        with pytest.raises(ApiError):
            await write_status(rest, EXTERNAL_SECRETS, meta, {"new": 2})
        await rest.access.close()
