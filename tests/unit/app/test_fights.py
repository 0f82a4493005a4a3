"""Writers that undo each other's work: a webhook that rewrites what we write, two objects on one Secret, a template
that is its own target, a program that answers each write. None of them makes a loop."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from eso.api.clusterexternalsecret import CLUSTER_EXTERNAL_SECRETS
from eso.api.clusterpushsecret import CLUSTER_PUSH_SECRETS
from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.generators import GENERATOR_STATES
from eso.api.meta import CONFIG_MAPS, NAMESPACES, SECRETS, Resource
from eso.api.pushsecret import PUSH_SECRETS
from eso.reconcile.clusterexternalsecret.reconcile import NAMESPACE_FINALIZER
from eso.reconcile.externalsecret.generic import GenericTargets
from tests.fakes.apiserver import FakeApiServer, Json
from tests.unit.app.operating import START, Operating, operating, put_external_secret, put_store

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
        await settled(one)
    return len(one.written(SECRETS)) - before


async def watched_slots(one: Operating, count: int) -> int:
    """The same where somebody answers each write: the clock stands still while something runs, since an answer that
    comes late is none."""
    before, left = len(one.written(SECRETS)), count * SLOT
    while left > 0:
        step = min(left, max(one.clock.next, 0.1))
        await one.clock.advance(step)
        await settled(one)
        left -= step
    return len(one.written(SECRETS)) - before


async def ready(one: Operating, *names: str) -> None:
    """A pass that labels a Secret of somebody else comes back a second later."""
    async with asyncio.timeout(60):
        while not all(one.ready(name) == "True" for name in names):
            await one.clock.advance(1.0)
            await one.idle()
    for _ in range(30):  # what follows by itself, within the same slot
        await one.clock.advance(1.0)
        await settled(one)


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


class Answering:
    """Another program: `act` answers each write of one object at once, at most 100 times."""

    def __init__(self, api: FakeApiServer, resource: Resource, name: str, act: Callable[[Json], Any]) -> None:
        self.answers, self._busy, store = 0, False, api._store

        def stored(collection: str, key: tuple[str, str], old: Json | None, new: Json | None) -> Json:
            done = store(collection, key, old, new)
            mine = collection == resource.path() and key[1] == name and new is not None
            if mine and not self._busy and self.answers < 100:
                asyncio.get_running_loop().call_soon(self._answer, new, act)
            return done

        api._store = stored  # type: ignore[method-assign]

    def _answer(self, new: Json, act: Callable[[Json], Any]) -> None:
        self._busy = True
        try:
            self.answers += 1
            act(new)
        finally:
            self._busy = False


async def minutes(one: Operating, count: int = 1) -> None:
    """A second at a time, each when everything that was written before has been seen."""
    for _ in range(count * 60):
        await one.clock.advance(1.0)
        await settled(one)


async def settled(one: Operating) -> None:
    """Nothing runs, and the informers know what the API server has."""
    informers = {informer.resource: informer for informer in one.operator.catalogue.informers}

    def seen(resource: Resource) -> bool:
        found = {
            (meta.get("namespace", ""), meta["name"]): meta for meta in (e["metadata"] for e in one.api.all(resource))
        }
        known = {key: informers[resource].get(key) for key in found}
        return all(has is not None and version(has) == found[key]["resourceVersion"] for key, has in known.items())

    while True:
        await one.idle()
        if all(seen(each) for each in (SECRETS, CONFIG_MAPS, EXTERNAL_SECRETS) if each in informers):
            return
        await asyncio.sleep(0.001)


def version(record: Any) -> str:
    return str(getattr(record, "resource_version", "") or record.metadata.resource_version)


HALF = timedelta(seconds=0.5)  # a success is kept in whole seconds: what follows it in the same second is newer


def contested(one: Operating) -> list[str]:
    return [event["message"] for event in one.events() if event["reason"] == "TargetContested"]


def put_dice(api: FakeApiServer, name: str, source: Json, **target: Any) -> None:
    """An object whose template takes its text from `source` and gives another value each time."""
    template = {"templateFrom": [source | {"target": "Annotations"}], "data": {"dice": "{{ randAlphaNum 8 }}"}}
    put_external_secret(api, name, target={"name": name, "creationPolicy": "Merge", "template": template, **target})


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
async def test_a_manifest_that_is_its_own_template_source_runs_once_more_at_most(
    api: FakeApiServer, monkeypatch: pytest.MonkeyPatch, kind: str
):
    resource, text = (CONFIG_MAPS, "note: x") if kind == "ConfigMap" else (SECRETS, encoded("note: x"))
    serve(monkeypatch, resource)
    api.put(resource, {"metadata": {"name": "own", "namespace": "team"}, "data": {"tpl": text}})
    put_store(api)
    source = {kind[0].lower() + kind[1:]: {"name": "own", "items": [{"key": "tpl"}]}}
    put_dice(api, "own", source, manifest={"apiVersion": "v1", "kind": kind})
    async with operating(api, "--unsafe-allow-generic-targets", start=START + HALF) as one:
        await ready(one, "own")
        assert len(one.written(resource)) <= 3
        before = len(one.written(resource))
        await slots(one, 3)
        assert len(one.written(resource)) - before <= 3


def serve(monkeypatch: pytest.MonkeyPatch, resource: Resource) -> None:
    """The kind of a manifest, which the fake API server does not list."""

    async def found(self: GenericTargets, api_version: str, kind: str) -> Resource:
        self._resources[api_version, kind] = resource
        return resource

    monkeypatch.setattr(GenericTargets, "resource", found)


async def test_a_ring_of_three_targets_and_sources_writes_once_per_slot_each(api: FakeApiServer):
    put_store(api)
    for name, source in ("ab", "bc", "ca"):
        api.put(SECRETS, {"metadata": {"name": name, "namespace": "team"}, "data": {"tpl": encoded("note: x")}})
        put_dice(api, name, {"secret": {"name": source, "items": [{"key": "tpl"}]}})
    async with operating(api, start=START + HALF) as one:
        await ready(one, "a", "b", "c")
        assert len(one.written(SECRETS)) <= 3 * 5, "a label, a write and three corrections of each"
        assert await slots(one, 3) <= 3 * 3 * 2, "a slot may fall into the wait for another object"


async def test_a_program_that_changes_the_template_in_answer_to_the_target_is_followed_ever_more_slowly(
    api: FakeApiServer,
):
    api.put(CONFIG_MAPS, {"metadata": {"name": "text", "namespace": "team"}, "data": {"tpl": "note: x"}})
    put_store(api)
    source = {"configMap": {"name": "text", "items": [{"key": "tpl", "templateAs": "KeysAndValues"}]}}
    put_external_secret(api, target={"template": {"templateFrom": [source]}})

    def change(_: Json) -> None:
        api.edit(CONFIG_MAPS, "team", "text", {"data": {"tpl": f"note: x{program.answers}"}})

    program = Answering(api, SECRETS, "secret", change)
    async with operating(api, start=START + HALF) as one:
        await minutes(one)
        assert len(one.written(SECRETS)) <= 10
        assert await watched_slots(one, 4) <= 4 * 2 + 10
        await one.until(lambda: contested(one))
        assert len(contested(one)) == 1
        # the program stops, and its last change is followed
        program.answers = 100
        await slots(one, 2)
        text = (api.get(CONFIG_MAPS, "team", "text") or {})["data"]["tpl"]
        assert "note: " + base64.b64decode((one.secret() or {})["data"]["note"]).decode() == text


async def test_changes_that_differ_are_corrected_ten_times_and_then_ever_more_slowly(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    async with operating(api) as one:
        await ready(one, "secret")
        for number in range(60):
            api.edit(SECRETS, "team", "secret", {"data": {"x": encoded(f"theirs {number}")}})
            for _ in range(5):
                await one.clock.advance(1.0)
                await settled(one)
            corrected = (one.secret() or {})["data"]["x"] == encoded("value")
            assert corrected or number >= 10, "a person who tries out edits is corrected each time"
        assert len(one.written(SECRETS)) <= 1 + 10 + 6
        await one.until(lambda: contested(one))
        assert len(contested(one)) == 1
        # the other writer stops
        await slots(one, 1)
        assert (one.secret() or {})["data"]["x"] == encoded("value")


async def test_a_program_that_takes_the_finalizer_off_gets_three_answers_and_one_per_slot(api: FakeApiServer):
    put_store(api)
    put_external_secret(api, target={"deletionPolicy": "Delete"})

    def take_off(new: Json) -> None:
        if new["metadata"].get("finalizers"):
            api.edit(EXTERNAL_SECRETS, "team", "secret", {"metadata": {"finalizers": None}})

    Answering(api, EXTERNAL_SECRETS, "secret", take_off)

    def put_on() -> int:
        return len([one for one in api.writes if one.path.endswith("/externalsecrets/secret")])

    async with operating(api) as one:
        await ready(one, "secret")
        assert put_on() == 3
        await one.until(lambda: "FinalizerRemoved" in [event["reason"] for event in one.events()])
        assert [event["reason"] for event in one.events()].count("FinalizerRemoved") == 1
        await slots(one, 3)
        assert put_on() <= 3 + 3
        assert one.ready() == "True" and one.secret() is not None


PARENTS = {
    "ClusterExternalSecret": (
        CLUSTER_EXTERNAL_SECRETS,
        EXTERNAL_SECRETS,
        {
            "externalSecretSpec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"name": "store"},
                "data": [{"secretKey": "x", "remoteRef": {"key": "key"}}],
            }
        },
    ),
    "ClusterPushSecret": (
        CLUSTER_PUSH_SECRETS,
        PUSH_SECRETS,
        {
            "pushSecretSpec": {
                "refreshInterval": "1h",
                "secretStoreRefs": [{"name": "store"}],
                "selector": {"secret": {"name": "source"}},
            }
        },
    ),
}


@pytest.mark.parametrize("kind", PARENTS)
@pytest.mark.parametrize("how", ["changes", "deletes"])
async def test_a_program_that_changes_or_deletes_the_child_of_a_cluster_object_is_answered_ever_more_slowly(
    api: FakeApiServer, kind: str, how: str
):
    parents, children, spec = PARENTS[kind]
    api.put(NAMESPACES, {"metadata": {"name": "team", "labels": {"a": "b"}}})
    put_store(api)

    def undo(new: Json) -> None:
        if how == "deletes":
            api.remove(children, "team", "parent")
        elif new["spec"]["refreshInterval"] == "1h":
            api.edit(children, "team", "parent", {"spec": {"refreshInterval": "2h"}})

    def written(one: Operating) -> int:
        return len([each for each in one.written(children) if not each.path.endswith("/status")])

    program = Answering(api, children, "parent", undo)
    api.put(
        parents, {"metadata": {"name": "parent"}, "spec": spec | {"namespaceSelectors": [{"matchLabels": {"a": "b"}}]}}
    )
    async with operating(api) as one:
        await minutes(one)
        assert 3 <= written(one) <= 8
        await slots(one, 2)
        failed = (api.get(parents, "", "parent") or {})["status"]["failedNamespaces"]
        assert "again and again" in failed[0]["reason"]
        assert written(one) <= 20
        # the program stops: the child comes back as it should be
        program.answers = 100
        await slots(one, 2)
        assert (api.get(children, "team", "parent") or {})["spec"]["refreshInterval"] == "1h"
        assert "failedNamespaces" not in (api.get(parents, "", "parent") or {})["status"]


async def test_an_edit_of_the_parent_is_carried_out_at_once_whatever_was_undone_before(api: FakeApiServer):
    parents, children, spec = PARENTS["ClusterExternalSecret"]
    api.put(NAMESPACES, {"metadata": {"name": "team", "labels": {"a": "b"}}})
    put_store(api)
    program = Answering(api, children, "parent", lambda new: api.remove(children, "team", "parent"))
    api.put(
        parents, {"metadata": {"name": "parent"}, "spec": spec | {"namespaceSelectors": [{"matchLabels": {"a": "b"}}]}}
    )
    async with operating(api) as one:
        await minutes(one, 2)
        program.answers = 100
        api.edit(parents, "", "parent", {"spec": {"refreshTime": "2h"}})
        await one.until(lambda: api.get(children, "team", "parent") is not None)


async def test_another_operator_that_keeps_a_finalizer_on_a_namespace_is_answered_ever_more_slowly(api: FakeApiServer):
    api.put(NAMESPACES, {"metadata": {"name": "team", "labels": {"a": "b"}}})
    parents, _, spec = PARENTS["ClusterExternalSecret"]
    api.put(
        parents, {"metadata": {"name": "parent"}, "spec": spec | {"namespaceSelectors": [{"matchLabels": {"a": "b"}}]}}
    )

    def put_on(new: Json) -> None:
        if not new["metadata"].get("finalizers"):
            api.edit(NAMESPACES, "", "team", {"metadata": {"finalizers": [f"{NAMESPACE_FINALIZER}parent"]}})

    program = Answering(api, NAMESPACES, "team", put_on)
    api.edit(NAMESPACES, "", "team", {"metadata": {"labels": {"z": "z"}}})
    async with operating(api) as one:
        await minutes(one)
        assert 3 <= program.answers <= 8  # a write that met a conflict changed nothing


async def test_a_program_that_takes_the_finalizer_off_a_generator_state_is_answered_ever_more_slowly(
    api: FakeApiServer,
):
    resource = {"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "Fake", "spec": {}}
    body = {"metadata": {"name": "state", "namespace": "team"}, "spec": {"resource": resource, "state": {}}}
    api.put(GENERATOR_STATES, body)

    def take_off(new: Json) -> None:
        if new["metadata"].get("finalizers"):
            api.edit(GENERATOR_STATES, "team", "state", {"metadata": {"finalizers": None}})

    program = Answering(api, GENERATOR_STATES, "state", take_off)
    async with operating(api) as one:
        await minutes(one)
        assert 3 <= program.answers <= 8  # a write that met a conflict changed nothing
