"""P. SecretStore and ClusterSecretStore: every case for both kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec
import pytest

from e2e.harness.cluster import Json
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES, SecretStore, decode_secret_store
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreView, Validation, ValidationFailed
from eso.reconcile.secretstore.reconcile import ReconcileStore
from eso.runtime.outcome import After, Outcome, Retry, Wake
from tests.conformance.conftest import API_VERSION, Case
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.clock import START
from tests.harness.inprocess import InProcess
from tests.harness.pushable import Pushable
from tests.harness.scripted import Scripted, ScriptedClient

KINDS = pytest.mark.parametrize("kind", ["SecretStore", "ClusterSecretStore"])
PLURALS = {"SecretStore": "secretstores", "ClusterSecretStore": "clustersecretstores"}


class Store:
    """One store of a case, of either kind."""

    def __init__(self, case: Case, kind: str) -> None:
        self.case, self.kind, self.plural = case, kind, PLURALS[kind]
        self.namespace = case.namespace if kind == "SecretStore" else ""
        self.name = f"store-{case.namespace}"[:63].rstrip("-")

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def operator(self) -> InProcess:
        assert self.case.operator is not None
        return self.case.operator

    def make(self, *, annotations: Json | None = None, **spec: Any) -> Json:
        meta = {"name": self.name, "annotations": annotations or {}}
        body = {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": meta,
            "spec": {"provider": {"fake": {"data": []}}} | spec,
        }
        return self.case.api.create(self.plural, self.namespace, body)

    def delete(self) -> None:
        self.case.api.delete(self.plural, self.namespace, self.name)

    def get(self) -> Json:
        found = self.case.api.get(self.plural, self.namespace, self.name)
        assert found is not None, f"there is no {self.kind} {self.name}"
        return found

    def told(self) -> list[Json]:
        """Its Events."""
        return list(self.case.cluster.events(self.namespace or "default", self.name))

    def becomes(self, status: str, reason: str, message: str) -> Json:
        """Waits for the one condition and its Event; returns the store."""

        def seen() -> Json:
            store = self.get()
            (ready,) = store.get("status", {}).get("conditions", [])
            assert (ready["type"], ready["status"], ready["reason"], ready["message"]) == (
                "Ready",
                status,
                reason,
                message,
            ), ready
            return store

        def event() -> bool:
            assert any(e["reason"] == reason for e in self.told()), "no Event"
            return True

        def first() -> Json:
            assert self.get().get("status", {}).get("conditions"), "no condition"
            return seen()

        store: Json = self.case.eventually(first, what=f"{self.kind} becomes {reason}")
        self.case.eventually(event, what=f"Event {reason}")
        return store

    def event(self, reason: str) -> tuple[str, str, str]:
        """(type, message, component) of the one Event with that reason."""
        (found,) = [e for e in self.told() if e["reason"] == reason]
        return found["type"], found["message"], found["source"]["component"]

    def failures(self) -> int:
        """How often in a row its pass failed."""
        return int(self.operator.ask(lambda operator: operator.room(self.kind.lower()).queue.failures(self.key)))


@pytest.fixture
def store(case: Case, kind: str) -> Iterator[Store]:
    made = Store(case, kind)
    yield made
    made.delete()


# C-244
@KINDS
def test_c_244_a_valid_store(store: Store):
    with store.case.running():
        store.make(refreshInterval=1)
        found = store.becomes("True", "Valid", "store validated")
        component = "secret-store" if store.kind == "SecretStore" else "cluster-secret-store"
        assert store.event("Valid") == ("Normal", "store validated", component)
        assert found["status"]["capabilities"] == "ReadWrite"
        validations = store.case.provider.count("validate")
        store.case.eventually(
            lambda: store.case.provider.count("validate") >= validations + 2, what="validated again at its interval"
        )


# C-245
@KINDS
def test_c_245_a_client_that_cannot_be_built(store: Store):
    store.case.provider.build_error = InvalidConfig("cannot be built")
    with store.case.running():
        store.make()
        found = store.becomes("False", "InvalidProviderConfig", "unable to create client")
        assert store.event("InvalidProviderConfig")[:2] == ("Warning", "cannot be built")
        assert "capabilities" not in found["status"]
        store.case.eventually(lambda: store.failures() >= 2, what="backs off")
        store.case.provider.build_error = None
        store.becomes("True", "Valid", "store validated")
        assert store.failures() == 0


# C-246
@KINDS
def test_c_246_a_validation_that_fails(store: Store):
    store.case.provider.validate_error = ValidationFailed("no login", Validation.ERROR)
    with store.case.running():
        store.make()
        store.becomes("False", "InvalidProviderConfig", "unable to validate store")
        assert store.event("InvalidProviderConfig")[:2] == ("Warning", "no login")
        store.case.eventually(lambda: store.failures() >= 2, what="backs off")


# C-247
@KINDS
def test_c_247_a_validation_that_finds_nothing_out(store: Store):
    store.case.provider.validate_error = ValidationFailed("cannot tell", Validation.UNKNOWN)
    with store.case.running():
        store.make(refreshInterval=1)
        found = store.becomes("True", "ValidationUnknown", "could not determine validation status")
        assert store.event("ValidationUnknown")[:2] == ("Warning", "cannot tell")
        assert "capabilities" not in found["status"]
        validations = store.case.provider.count("validate")
        store.case.eventually(
            lambda: store.case.provider.count("validate") >= validations + 2, what="validated again at its interval"
        )
        assert store.failures() == 0


# C-248
@KINDS
def test_c_248_unknown_without_an_error_is_valid(store: Store):
    store.case.provider.validation = Validation.UNKNOWN
    with store.case.running():
        store.make()
        assert store.becomes("True", "Valid", "store validated")["status"]["capabilities"] == "ReadWrite"


# C-249
@KINDS
def test_c_249_a_store_of_another_class(store: Store):
    with store.case.running():
        store.make(controller="something-else")
        store.case.holds(lambda: "conditions" not in store.get().get("status", {}), 2)
        assert store.told() == []
        assert store.case.provider.count("validate") == 0


class Answers:
    """Every store is valid; the metrics and Events go nowhere."""

    async def validate(self, store: SecretStore) -> tuple[Validation, str]:
        return Validation.READY, "ReadWrite"

    def maintained(self, store: SecretStore) -> bool:
        return True

    def ambient(self, store: SecretStore) -> bool:
        return False

    def passed(self, key: Any, seconds: float) -> None: ...
    def ready(self, key: Any, status: str) -> None: ...
    def gone(self, key: Any) -> None: ...


async def outcome(kind: str, **spec: Any) -> tuple[Outcome, int]:
    """What comes of one pass with a default interval of 300 s, and how many writes it made."""
    resource = SECRET_STORES if kind == "SecretStore" else CLUSTER_SECRET_STORES
    async with FakeApiServer() as api:
        namespace = "ns" if resource.namespaced else ""
        meta = {"name": "s"} | ({"namespace": namespace} if namespace else {})
        body = api.put(resource, {"metadata": meta, "spec": {"provider": {"fake": {}}} | spec})
        store = decode_secret_store(msgspec.json.encode(body))
        assert isinstance(store, SecretStore)
        rest, answers = api.rest(), Answers()
        passes = ReconcileStore(
            resource,
            lambda key: store,
            answers,
            rest,
            controller_class="default",
            requeue_seconds=300.0,
            emit=lambda store, event: None,
            meter=answers,
            monotonic=lambda: 0.0,
            log=None,
        )
        found = await passes.reconcile((namespace, "s"), Wake(), START)
        await rest.access.close()
        return found, len(api.writes)


@KINDS
@pytest.mark.parametrize(
    ("interval", "seconds"),
    [
        pytest.param(None, 300.0, id="C-250 absent"),
        pytest.param(0, 300.0, id="C-250 zero"),
        pytest.param(300, 300.0, id="C-250 seconds"),
        pytest.param("1h", 3600.0, id="C-250 an hour"),
        pytest.param("90s", 90.0, id="C-250 ninety seconds"),
    ],
)
async def test_c_250_the_interval(kind: str, interval: int | str | None, seconds: float):
    assert await outcome(kind, **({} if interval is None else {"refreshInterval": interval})) == (After(seconds), 1)


BAD = [
    pytest.param("nonsense", id="C-251 no duration"),
    pytest.param("10", id="C-251 no unit"),
    pytest.param(-5, id="C-251 negative seconds"),
]


@KINDS
@pytest.mark.parametrize("interval", [*BAD, pytest.param("-5m", id="C-251 a negative duration")])
async def test_c_251_a_bad_interval_is_an_error_without_a_condition(kind: str, interval: int | str):
    found, writes = await outcome(kind, refreshInterval=interval)
    assert isinstance(found, Retry) and str(found.error).startswith("invalid refreshInterval: invalid refreshInterval ")
    assert writes == 0


@KINDS
def test_c_251_a_bad_interval_backs_off(store: Store):
    with store.case.running():
        store.make(refreshInterval="nonsense")
        store.case.eventually(lambda: store.failures() >= 2)
        assert "conditions" not in store.get().get("status", {})


# C-252
@KINDS
def test_c_252_a_second_validation_writes_nothing(store: Store):
    with store.case.running():
        store.make(refreshInterval=1)
        before = store.becomes("True", "Valid", "store validated")
        validations = store.case.provider.count("validate")
        store.case.eventually(lambda: store.case.provider.count("validate") >= validations + 2)
        assert store.get() == before


class Meanwhile(Scripted):
    """The first of `meanwhile` is called while the next validation is in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], None]] = []

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> ScriptedClient:
        await super().open(store, plan, credentials)
        return MeanwhileClient(self, store)


class MeanwhileClient(ScriptedClient):
    script: Meanwhile

    def bind(self, store: StoreView) -> ScriptedClient:
        return MeanwhileClient(self.script, store)

    async def validate(self) -> Validation:
        if self.script.meanwhile:
            self.script.meanwhile.pop(0)()
        return await super().validate()


# C-253
@KINDS
def test_c_253_a_store_that_is_deleted_during_validation(store: Store):
    store.case.provider = provider = Meanwhile()
    provider.meanwhile = [store.delete]
    with store.case.running() as operator:
        store.make()
        store.case.eventually(lambda: provider.count("validate") >= 1)
        store.case.eventually(lambda: operator.ask(lambda o: o.stores.rules.store(store.kind, *store.key)) is None)
        store.case.holds(lambda: store.told() == [], 1)
        assert [line for line in operator.log.lines if line[0] == "error"] == []


# C-253
@KINDS
def test_c_253_a_store_that_is_recreated_during_validation(store: Store):
    store.case.provider = provider = Meanwhile()
    states: list[Json] = []

    def recreate() -> None:
        store.delete()
        store.make()

    provider.meanwhile = [recreate, lambda: states.append(store.get().get("status", {}))]
    with store.case.running():
        store.make()
        store.becomes("True", "Valid", "store validated")
    assert states == [{}], "what was found out about the old store was written to the new one"


class Unmaintained(Scripted):
    maintained: ClassVar[bool] = False


@KINDS
@pytest.mark.parametrize(
    "annotations", [{}, {"external-secrets.io/ignore-maintenance-checks": ""}], ids=["C-254 told", "C-254 silenced"]
)
def test_c_254_an_unmaintained_provider(store: Store, annotations: Json):
    store.case.provider = Unmaintained()
    with store.case.running():
        store.make(annotations=annotations)
        store.becomes("True", "Valid", "store validated")
        if annotations:
            store.case.holds(lambda: [e for e in store.told() if e["reason"] == "StoreUnmaintained"] == [], 2)
        else:
            store.case.eventually(lambda: any(e["reason"] == "StoreUnmaintained" for e in store.told()))
            kind, message, _ = store.event("StoreUnmaintained")
            assert (kind, message) == (
                "Warning",
                "store isn't currently maintained. Please plan and prepare accordingly.",
            )


# --- the finalizer that PushSecrets put on the stores they need

FINALIZER = "secretstore.externalsecrets.io/finalizer"


@pytest.fixture
def pushed(store: Store) -> Iterator[Store]:
    """The operator follows all namespaces, as it must to know who needs a ClusterSecretStore."""
    store.case.provider = Pushable()
    with store.case.running(namespace=""):
        store.case.foreign_secret("source", {"key": "value"})
        store.make()
        yield store


def push(store: Store, name: str = "ps", policy: str = "Delete") -> None:
    spec = {
        "deletionPolicy": policy,
        "secretStoreRefs": [{"name": store.name, "kind": store.kind}],
        "selector": {"secret": {"name": "source"}},
        "data": [{"match": {"secretKey": "key", "remoteRef": {"remoteKey": name}}}],
    }
    body = {
        "apiVersion": "external-secrets.io/v1alpha1",
        "kind": "PushSecret",
        "metadata": {"name": name},
        "spec": spec,
    }
    store.case.api.create("pushsecrets", store.case.namespace, body)
    store.case.cluster.wait_ready("pushsecrets", store.case.namespace, name)


def held(store: Store) -> bool:
    return FINALIZER in store.get()["metadata"].get("finalizers", [])


def unpush(store: Store, name: str = "ps") -> None:
    store.case.api.delete("pushsecrets", store.case.namespace, name)
    store.case.eventually(lambda: store.case.api.get("pushsecrets", store.case.namespace, name) is None)


@KINDS
# C-255, C-256, C-258
def test_c_255_c_256_c_258_a_store_is_held_until_the_last_push_secret_goes(pushed: Store):
    push(pushed)
    push(pushed, "second")
    pushed.case.eventually(lambda: held(pushed), what="the finalizer is there")
    unpush(pushed)
    pushed.case.holds(lambda: held(pushed), 1.0)
    unpush(pushed, "second")
    pushed.case.eventually(lambda: not held(pushed), what="the finalizer goes")


@KINDS
# C-257
def test_c_257_a_held_store_goes_with_its_push_secret(pushed: Store):
    push(pushed)
    pushed.case.eventually(lambda: held(pushed), what="the finalizer is there")
    pushed.delete()
    pushed.case.holds(lambda: held(pushed), 1.0)
    unpush(pushed)
    pushed.case.eventually(lambda: pushed.case.api.get(pushed.plural, pushed.namespace, pushed.name) is None)
    pushed.make()  # for the clean-up of the fixture


@KINDS
# C-259
def test_c_259_the_finalizer_follows_the_policy(pushed: Store):
    push(pushed, policy="None")
    pushed.case.holds(lambda: not held(pushed), 1.0)
    for policy, wanted in (("Delete", True), ("None", False)):
        pushed.case.edit("pushsecrets", "ps", {"spec": {"deletionPolicy": policy}})
        pushed.case.eventually(lambda want=wanted: held(pushed) is want, what=f"policy {policy}")


@KINDS
# C-260
def test_c_260_without_the_reconciler_no_store_is_held(store: Store):
    with store.case.running(namespace="", enable_push_secret_reconciler="false"):
        store.make()
        spec = {
            "deletionPolicy": "Delete",
            "secretStoreRefs": [{"name": store.name, "kind": store.kind}],
            "selector": {"secret": {"name": "source"}},
        }
        body = {"apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret", "metadata": {"name": "ps"}}
        store.case.api.create("pushsecrets", store.case.namespace, body | {"spec": spec})
        store.case.holds(lambda: not held(store), 2.0)
