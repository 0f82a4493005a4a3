"""Who runs when something else moved: stores, credentials, template sources, namespaces, gates; and what a bug
costs.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.meta import CONFIG_MAPS, NAMESPACES, SECRETS, SERVICE_ACCOUNTS, Resource
from eso.api.secretstore import SECRET_STORES
from eso.kube.catalogue import Phase, Watched
from eso.providers.contract import Consumer, CredentialReader, Plan, StoreView, Unavailable
from eso.reconcile.kit.watched import WATCHED_NAMESPACES
from tests.fakes.apiserver import FakeApiServer
from tests.harness.scripted import Scripted, ScriptedClient
from tests.unit.app.operating import START, Operating, condition, operating, put_external_secret, put_store

SUSPEND = "extensions.external-secrets.io/suspend"


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


class LoggingIn(Scripted):
    """Stores log in with the Secret `credential`; the value that is read is the credential that was used."""

    def plan(self, store: StoreView) -> Plan:
        selector = {"name": "credential", "key": "token", **store.provider_spec}
        where = ("Secret", "" if store.provider_spec.get("referent") else store.namespace or "system", "credential")
        consumer = Consumer.CREDENTIALS if store.provider_spec.get("referent") else Consumer.NONE
        login = {"selector": selector}
        return replace(super().plan(store), references=(where,), login=login, consumer=consumer)

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> ScriptedClient:
        if credentials.namespace:  # the validation of a ClusterSecretStore has no consumer
            self.value = await credentials.secret({"name": "credential", "key": "token"})
        return await super().open(store, plan, credentials)


def credential(api: FakeApiServer, token: str, namespace: str = "team") -> None:
    data = {"token": base64.b64encode(token.encode()).decode()}
    api.put(SECRETS, {"metadata": {"name": "credential", "namespace": namespace}, "data": data})


def value(one: Operating, name: str = "secret", namespace: str = "team", key: str = "x") -> str:
    found = one.secret(name, namespace)
    return base64.b64decode(found["data"][key]).decode() if found else ""


# --- news


async def test_a_new_credential_is_a_new_login_and_a_new_read(api: FakeApiServer):
    credential(api, "old")
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    script = LoggingIn()
    async with operating(api, providers={"fake": script}) as one:
        await one.until(lambda: value(one) == "old")
        await one.idle()
        validated = script.count("validate")
        await one.clock.advance(5.0)
        credential(api, "new")
        await one.until(lambda: value(one) == "new")
        await one.until(lambda: script.count("validate") > validated)  # the store is looked at anew


async def test_a_credential_in_one_namespace_wakes_the_objects_of_that_namespace(api: FakeApiServer):
    """The ClusterSecretStore logs in with what it finds in the namespace of the object that uses it."""
    put_store(api, "shared", "", provider={"fake": {"referent": True}})
    for namespace in ("team", "other"):
        credential(api, f"old {namespace}", namespace)
        put_external_secret(api, "secret", namespace, store="shared", kind="ClusterSecretStore")
    script = LoggingIn()
    async with operating(api, providers={"fake": script}) as one:
        await one.until(lambda: one.ready() == "True" and one.ready("secret", "other") == "True")
        await one.idle()
        await one.clock.advance(5.0)
        before, validated = one.passes(), one.passes("clustersecretstore")
        credential(api, "new", "team")
        await one.until(lambda: one.passes() > before)
        await one.idle()
        assert (one.passes(), one.passes("clustersecretstore")) == (before + 1, validated)


async def test_another_secret_is_no_news(api: FakeApiServer):
    credential(api, "old")
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    async with operating(api, providers={"fake": LoggingIn()}) as one:
        await one.until(lambda: one.ready() == "True")
        await one.idle()
        before = one.passes(), one.passes("secretstore")
        api.put(SECRETS, {"metadata": {"name": "unrelated", "namespace": "team"}, "data": {}})
        credential(api, "theirs", "another")
        await one.until(lambda: one.knows(SECRETS, "unrelated") and one.knows(SECRETS, "credential", "another"))
        await one.idle()
        assert (one.passes(), one.passes("secretstore")) == before


async def test_a_template_source_that_changes_is_rendered_anew(api: FakeApiServer):
    put_store(api)
    api.put(CONFIG_MAPS, {"metadata": {"name": "source", "namespace": "team"}, "data": {"y": "old {{ .x }}"}})
    sources = [{"configMap": {"name": "source", "items": [{"key": "y"}]}}]
    put_external_secret(api, target={"template": {"templateFrom": sources}})
    async with operating(api) as one:
        await one.until(lambda: value(one, key="y") == "old value")
        await one.clock.advance(5.0)
        api.edit(CONFIG_MAPS, "team", "source", {"data": {"y": "new {{ .x }}"}})
        await one.until(lambda: value(one, key="y") == "new value")


async def test_series_of_stores_carry_the_labels_of_the_store_where_they_are_wanted(api: FakeApiServer):
    put_store(api)
    api.edit(SECRET_STORES, "team", "store", {"metadata": {"labels": {"app.kubernetes.io/part-of": "shop"}}})
    async with operating(api, "--enable-extended-metric-labels=true") as one:
        await one.until(lambda: one.passes("secretstore") > 0)
        await one.idle()
        lines = [line for line in one.metrics().splitlines() if line.startswith("secretstore_status_condition{")]
    assert lines and all('app_kubernetes_io_part_of="shop"' in line for line in lines)


async def test_a_config_map_that_nothing_refers_to_is_not_kept(api: FakeApiServer):
    api.put(CONFIG_MAPS, {"metadata": {"name": "unrelated", "namespace": "team"}, "data": {}})
    async with operating(api) as one:
        await one.running()
        assert not one.knows(CONFIG_MAPS, "unrelated")


async def test_labels_of_a_namespace_decide_at_once(api: FakeApiServer):
    api.put(NAMESPACES, {"metadata": {"name": "team"}})
    admitted = [{"namespaceSelector": {"matchLabels": {"secrets": "yes"}}}]
    put_store(api, "shared", "", conditions=admitted)
    put_external_secret(api, store="shared", kind="ClusterSecretStore")
    async with operating(api) as one:
        await one.until(lambda: one.ready() == "False")
        api.edit(NAMESPACES, "", "team", {"metadata": {"labels": {"secrets": "yes"}}})
        await one.until(lambda: one.ready() == "True")


async def test_an_edited_store_is_validated_and_read_again(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    async with operating(api) as one:
        await one.until(lambda: value(one) == "value")
        await one.clock.advance(5.0)
        put_store(api, provider={"fake": {"data": [{"key": "key", "value": "other"}]}}, ready=True)
        await one.until(lambda: value(one) == "other")


@pytest.mark.parametrize("source", [SECRETS, CONFIG_MAPS], ids=lambda resource: str(resource.plural))
async def test_the_first_list_is_no_news(api: FakeApiServer, source: Resource):
    """A restart finds targets and template sources as it left them, and reads nothing before it is due."""
    put_store(api)
    text = "y" if source is CONFIG_MAPS else "eQ=="
    api.put(source, {"metadata": {"name": "source", "namespace": "team"}, "data": {"y": text}})
    member = "configMap" if source is CONFIG_MAPS else "secret"
    put_external_secret(
        api, target={"template": {"templateFrom": [{member: {"name": "source", "items": [{"key": "y"}]}}]}}
    )
    async with operating(api) as first:
        await first.until(lambda: first.ready() == "True")
        await first.idle()
        writes = len(first.written(SECRETS))
    script = Scripted()
    async with operating(api, providers={"fake": script}, start=START + timedelta(minutes=1)) as again:
        await again.until(lambda: again.passes() >= 1)
        await again.idle()
        assert script.count() == 0
        assert len(again.written(SECRETS)) == writes
        assert "externalsecrets_drift_detected_total{" not in again.metrics()


async def test_a_target_that_somebody_changed_is_put_right(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    async with operating(api) as one:
        await one.until(lambda: value(one) == "value")
        await one.idle()
        api.edit(SECRETS, "team", "secret", {"data": {"x": "b3RoZXI="}})
        await one.until(lambda: value(one) == "value")
        await one.until(lambda: "externalsecrets_drift_detected_total{" in one.metrics())


# --- gates


async def test_a_gate_lets_out_so_many_keys_of_all_rooms_together(api: FakeApiServer):
    off = ("--enable-push-secret-reconciler=false", "--enable-cluster-push-secret-reconciler=false")
    async with operating(api, *off) as one:
        await one.running()
        asked: list[tuple[str, int]] = []
        for room, found in zip(one.operator.rooms[:3], (2, 1, 5), strict=True):

            def release(gate: str, count: int, name: str = room.name, found: int = found) -> int:
                asked.append((name, count))
                return min(found, count)

            room.queue.release = release  # type: ignore[method-assign]  # keys that are parked take an outage to make
        assert one.operator._release("a gate", 4) == 4
        assert asked[:3] == [("secretstore", 4), ("clustersecretstore", 2), ("externalsecret", 1)]


async def test_a_room_that_cannot_release_leaves_the_keys_of_the_others_free(api: FakeApiServer):
    async with operating(api) as one:
        await one.running()

        def broken(gate: str, count: int) -> int:
            raise KeyError(gate)

        one.operator.rooms[0].queue.release = broken  # type: ignore[method-assign]  # a bug
        one.operator.rooms[-1].queue.release = lambda gate, count: 1  # type: ignore[method-assign]  # as above
        assert one.operator._release("a gate", 4) == 1
        assert [fields["error"] for text, fields in one.lines("error")] == ["KeyError"]


async def test_keys_that_wait_for_a_backend_come_back_with_it(api: FakeApiServer):
    put_store(api)
    for n in range(20):
        put_external_secret(api, f"secret-{n}", key=f"key-{n}")
    script = Scripted()
    script.outage = Unavailable("no connection")
    async with operating(api, providers={"fake": script}) as one:
        queue = one.operator.room("externalsecret").queue
        await one.until(lambda: bool(queue.snapshot().parked))
        script.outage = None
        for _ in range(60):
            await one.clock.advance(2.0)
            await one.idle()
        await one.until(lambda: all(one.ready(f"secret-{n}") == "True" for n in range(20)))


# --- a provider that is broken


class Broken(Scripted):
    """Raises KeyError wherever it is asked, at first in the spec."""

    def __init__(self, *, spec: bool) -> None:
        super().__init__()
        self.spec = spec

    def plan(self, store: StoreView) -> Plan:
        if self.spec:
            raise KeyError("region")
        return super().plan(store)

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> ScriptedClient:
        raise KeyError("session")


@pytest.mark.parametrize("spec", [True, False], ids=["its spec raises", "its connector raises"])
async def test_a_provider_that_raises_everywhere_costs_its_own_stores_only(api: FakeApiServer, spec: bool):
    put_store(api)
    put_store(api, "odd", provider={"odd": {}}, ready=True)
    told = {"conditions": [{"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "x"}]}
    put_external_secret(api, "odd", store="odd", status=told)
    put_external_secret(api, "new", store="odd")
    names = [f"secret-{n}" for n in range(200)]
    for name in names:
        put_external_secret(api, name)
    async with operating(api, providers={"odd": Broken(spec=spec)}) as one:
        await one.until(lambda: len(one.written(EXTERNAL_SECRETS, "status")) >= 200)
        await one.until(lambda: all(one.ready(name) == "True" for name in names))
        odd = condition(api.get(SECRET_STORES, "team", "odd"), "Ready")
        assert (odd["status"], odd["reason"]) == ("False", "InvalidProviderConfig")
        assert one.ready("odd") == "False" and one.secret("odd") is None
        await one.clock.advance(600.0)
        await one.idle()
        put_external_secret(api, "later")
        await one.until(lambda: one.ready("later") == "True")


async def test_a_provider_whose_package_is_missing_is_a_condition_of_its_stores(api: FakeApiServer):
    put_store(api)
    put_store(api, "odd", provider={"odd": {}})
    put_external_secret(api)
    async with operating(api, missing=("odd",)) as one:
        await one.until(lambda: one.ready() == "True")
        await one.until(lambda: condition(api.get(SECRET_STORES, "team", "odd"), "Ready") != {})
        odd = condition(api.get(SECRET_STORES, "team", "odd"), "Ready")
        assert (odd["status"], odd["message"]) == ("False", "unable to create client")
        await one.until(lambda: any("cannot be loaded" in event["message"] for event in one.events()))


# --- a store that is paused


def told(api: FakeApiServer) -> tuple[str, str]:
    ready = condition(api.get(SECRET_STORES, "team", "store"), "Ready")
    return ready.get("status", ""), ready.get("reason", "")


async def test_a_paused_store_is_not_asked_and_resumes_by_itself(api: FakeApiServer):
    put_store(api, annotations={SUSPEND: "2026-05-01T13:00:00Z"})
    put_external_secret(api)
    script = Scripted()
    async with operating(api, providers={"fake": script}) as one:
        await one.until(lambda: one.ready() == "False" and told(api) == ("Unknown", "Suspended"))
        assert script.calls == []
        await one.until(lambda: any("is suspended until 2026-05-01T13:00:00Z" in e["message"] for e in one.events()))
        await one.clock.advance(3601.0)
        await one.until(lambda: one.ready() == "True")
        assert told(api) == ("True", "Valid")
        assert len(one.written(EXTERNAL_SECRETS, "status")) == 2  # told of the pause, and of its end


async def test_objects_of_a_paused_store_keep_their_condition(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    script = Scripted()
    async with operating(api, providers={"fake": script}) as one:
        await one.until(lambda: one.ready() == "True")
        await one.idle()
        calls = len(script.calls)
        api.edit(SECRET_STORES, "team", "store", {"metadata": {"annotations": {SUSPEND: "true"}}})
        await one.until(lambda: told(api) == ("True", "Suspended"))
        await one.clock.advance(4000.0)
        await one.until(lambda: bool(one.operator.room("externalsecret").queue.snapshot().parked))
        assert one.ready() == "True" and len(script.calls) == calls
        script.value = b"newer"
        api.edit(SECRET_STORES, "team", "store", {"metadata": {"annotations": {SUSPEND: None}}})
        await one.until(lambda: value(one) == "newer")
        await one.until(lambda: told(api) == ("True", "Valid"))
        assert 'externalsecret_sync_calls_error{name="secret",namespace="team"} 0' in one.metrics()


# --- informers that several rooms use


async def test_two_rooms_listen_to_one_informer(api: FakeApiServer):
    """As the next kinds will: a listener and an index of another room, on the informer that is there."""
    one = Operating(api)
    catalogue, heard = one.operator.catalogue, list[str]()
    namespaces = catalogue.informer(WATCHED_NAMESPACES)
    namespaces.listen(lambda old, new: heard.append(new.name if new else old.name))
    namespaces.index("stage", lambda record: [record.labels.get("stage", "")])
    api.put(NAMESPACES, {"metadata": {"name": "team", "labels": {"stage": "test"}}})
    try:
        await one.until(lambda: heard == ["team"])
        assert [record.name for record in namespaces.by("stage", "test")] == ["team"]
        assert len([r for r in api.requests if r.path == "/api/v1/namespaces" and not r.watch]) == 1
        await one.running()
        assert one.operator.stores.rules.namespace_labels("team") == {"stage": "test"}
    finally:
        await one.end()


async def test_one_resource_is_not_kept_in_two_ways(api: FakeApiServer):
    async with operating(api) as one:
        with pytest.raises(ValueError, match="namespaces are watched in another way already"):
            one.operator.catalogue.informer(Watched(NAMESPACES, lambda raw: raw, Phase.STORES))  # type: ignore[arg-type]  # no record


class LoggingInAs(Scripted):
    """Stores log in with the ServiceAccount `app` of their namespace."""

    def plan(self, store: StoreView) -> Plan:
        references = (("ServiceAccount", "", "app"),)
        return replace(super().plan(store), references=references)


async def test_an_account_that_goes_ends_the_login_of_the_store_that_uses_it(api: FakeApiServer):
    account = {"metadata": {"name": "app", "namespace": "team"}}
    api.put(SERVICE_ACCOUNTS, account)
    put_store(api)
    put_external_secret(api)
    script = LoggingInAs()
    async with operating(api, providers={"fake": script}) as one:
        await one.until(lambda: one.ready() == "True")
        await one.until(lambda: one.knows_account("app"))
        await one.idle()
        logins, passes = len(script.opened), one.passes()
        api.put(SERVICE_ACCOUNTS, {"metadata": account["metadata"] | {"labels": {"a": "b"}}})
        api.remove(SERVICE_ACCOUNTS, "team", "app")
        await one.until(lambda: script.closed == 1)
        await one.until(lambda: len(script.opened) > logins and one.passes() > passes)


async def test_accounts_are_not_watched_where_no_store_logs_in_with_one(api: FakeApiServer):
    api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "app", "namespace": "team"}})
    put_store(api)
    put_external_secret(api)
    async with operating(api) as one:
        await one.until(lambda: one.ready() == "True")
        await one.idle()
        assert api.sent("GET", "serviceaccounts") == []


async def test_a_store_works_where_accounts_may_not_be_listed(api: FakeApiServer):
    """The role of an older version allows `get` only: a login then lives to its next renewal."""
    api.forbidden |= {("list", "serviceaccounts"), ("watch", "serviceaccounts")}
    api.put(SERVICE_ACCOUNTS, {"metadata": {"name": "app", "namespace": "team"}})
    put_store(api)
    put_external_secret(api)
    async with operating(api, providers={"fake": LoggingInAs()}) as one:
        await one.until(lambda: one.ready() == "True")
        await one.until(lambda: api.sent("GET", "/serviceaccounts$") != [])
        await one.idle()
        assert one.task.done() is False


async def test_namespaces_of_one_tenant_share_everywhere(api: FakeApiServer) -> None:
    for name, labels in (("a-1", {"owner": "a"}), ("a-2", {"owner": "a"}), ("b", {"owner": "b"}), ("c", {})):
        api.put(NAMESPACES, {"metadata": {"name": name, "labels": labels}})
    async with operating(api, "--tenant-label=owner") as one:
        await one.running()
        operator = one.operator
        await one.until(lambda: operator.tenant("a-1") != "a-1")
        owners = [operator.tenant(name) for name in ("a-1", "a-2", "b", "c", "", "unknown")]
        assert owners == ["tenant a", "tenant a", "tenant b", "c", "", "unknown"]
        for slots in (operator.rest._turns, operator.stores.reads.offload._slots, operator.gates._family("x").slots):
            assert slots is not None and slots.owner("a-1") == "tenant a"
        assert operator.memory.open("a-2").owner == "tenant a"
        assert operator.compute._group("a-2") == "tenant a"
        assert all(room.queue._lanes._group("a-1") == "tenant a" for room in operator.rooms)


async def test_without_the_label_each_namespace_stands_alone(api: FakeApiServer) -> None:
    api.put(NAMESPACES, {"metadata": {"name": "a-1", "labels": {"owner": "a"}}})
    async with operating(api) as one:
        await one.running()
        assert one.operator.tenant("a-1") == "a-1"


async def test_large_objects_of_one_namespace_do_not_fill_the_memory_and_keep_nobody_from_theirs(api: FakeApiServer):
    """More of them than a namespace may have are told by an Event; their Secrets stay as they are."""
    large = {"template": {"data": {"a": "x" * 200_000 + "\U0001f600"}}}  # wide text takes four bytes a character
    for namespace in ("team", "other"):
        put_store(api, namespace=namespace, ready=True)
    for name in ("a", "b", "c"):
        put_external_secret(api, name, target=large)
    put_external_secret(api, "small")
    put_external_secret(api, "large", "other", target=large)
    async with operating(api, "--memory-budget=4Mi") as one:
        await one.until(lambda: one.ready("small") == one.ready("large", "other") == "True")
        await one.until(lambda: any("take more memory than those of one" in e["message"] for e in one.events()))
        await one.idle()
        synced = [name for name in ("a", "b", "c") if one.ready(name) == "True"]
        (refused,) = {"a", "b", "c"} - set(synced)
        assert one.secret(refused) is None

        api.remove(EXTERNAL_SECRETS, "team", synced[0])
        await one.until(lambda: not one.knows(EXTERNAL_SECRETS, synced[0]))
        put_external_secret(api, refused, target=large, refreshInterval="2h")
        await one.until(lambda: one.ready(refused) == "True")
