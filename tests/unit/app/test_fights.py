"""Writers that undo each other's work: a webhook that rewrites what we write, two objects on one Secret, a template
that is its own target. None of them makes a loop."""

from __future__ import annotations

import asyncio
import base64

import pytest

from eso.api.meta import SECRETS
from tests.fakes.apiserver import FakeApiServer, Json
from tests.unit.app.operating import Operating, operating, put_external_secret, put_store

SLOT = 3600.0


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def slots(one: Operating, count: int) -> int:
    """How many writes of Secrets so many refresh intervals bring."""
    before = len(one.written(SECRETS))
    for _ in range(count * 12):
        await one.clock.advance(SLOT / 12)
        await one.idle()
    return len(one.written(SECRETS)) - before


async def ready(one: Operating, *names: str) -> None:
    """A pass that labels a Secret of somebody else comes back a second later."""
    async with asyncio.timeout(60):
        while not all(one.ready(name) == "True" for name in names):
            await one.clock.advance(1.0)
            await one.idle()
    for _ in range(30):  # what follows by itself, within the same slot
        await one.clock.advance(1.0)
        await one.idle()


@pytest.mark.parametrize("what", ["a value", "the type of an annotation", "our own label"])
async def test_a_webhook_that_rewrites_what_we_write_costs_one_write_per_slot(api: FakeApiServer, what: str):
    def rewrite(body: Json) -> None:
        if body.get("metadata", {}).get("name") != "secret" or "data" not in body:
            return
        match what:
            case "a value":
                body["data"]["x"] = encoded("of the webhook")
            case "the type of an annotation":
                annotations = body["metadata"].setdefault("annotations", {})
                annotations["reconcile.external-secrets.io/data-hash"] = "of the webhook"
            case _:
                body["metadata"].get("labels", {}).pop("reconcile.external-secrets.io/managed", None)

    api.mutate = rewrite
    put_store(api)
    put_external_secret(api)
    async with operating(api) as one:
        await ready(one, "secret")
        assert len(one.written(SECRETS)) <= 4, "three corrections are free"
        assert await slots(one, 4) <= 4 * 2, "a write and the label that is put on before it"
        passes = one.passes()
        await slots(one, 2)
        assert one.passes() - passes <= 6


async def test_a_webhook_that_adds_what_is_not_ours_costs_nothing(api: FakeApiServer):
    def add(body: Json) -> None:
        if body.get("metadata", {}).get("name") == "secret":
            body["metadata"].setdefault("annotations", {})["webhook.example/seen"] = "yes"

    api.mutate = add
    put_store(api)
    put_external_secret(api)
    async with operating(api) as one:
        await one.until(lambda: one.ready() == "True")
        await one.idle()
        assert await slots(one, 3) == 0


async def test_two_objects_that_fight_for_one_key_write_once_per_slot_each(api: FakeApiServer):
    api.put(SECRETS, {"metadata": {"name": "shared", "namespace": "team"}, "data": {}})
    values = [{"key": "one", "value": "1"}, {"key": "two", "value": "2"}]
    put_store(api, provider={"fake": {"data": values}})
    for name in ("one", "two"):
        put_external_secret(api, name, key=name, target={"name": "shared", "creationPolicy": "Merge"})
    async with operating(api) as one:
        await ready(one, "one", "two")
        assert len(one.written(SECRETS)) <= 4, "a label and a write of each"
        assert await slots(one, 4) <= 4 * 2, "each object writes once per slot"


async def test_a_template_whose_source_is_its_own_target_runs_once_more_at_most(api: FakeApiServer):
    data = {"tpl": encoded('note: "{{ .x }}"')}
    api.put(SECRETS, {"metadata": {"name": "selfie", "namespace": "team"}, "data": data})
    put_store(api)
    source = {"secret": {"name": "selfie", "items": [{"key": "tpl"}]}, "target": "Annotations"}
    template = {"templateFrom": [source], "data": {"dice": "{{ .x | bcrypt }}"}}
    put_external_secret(api, target={"name": "selfie", "creationPolicy": "Merge", "template": template})
    async with operating(api) as one:
        await ready(one, "secret")
        assert len(one.written(SECRETS)) <= 3
        assert await slots(one, 3) <= 3
