"""M. Store selection, classes, conditions, flood gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from eso.api.secretstore import StoreCondition
from eso.errors import EsoError
from eso.providers.contract import Plan, StoreView, Validation, ValidationFailed
from eso.stores.resolve import admitted
from tests.conformance.conftest import MERGE, Case
from tests.harness.scripted import Scripted, Static

VALUE = {"targetProperty": "some-value"}
Json = dict[str, Any]


def static(case: Case, name: str, **values: str) -> None:
    """A store with static data of its own, for the real `fake` provider."""
    case.store(name, provider={"fake": {"data": [{"key": k, "value": v} for k, v in values.items()]}})


def left_alone(case: Case, name: str = "test-es", secret: str = "test-secret") -> None:
    """Skipped: no status, no Secret, no finalizer, no series of its condition, nobody asked."""
    case.eventually(lambda: case.passes(name) >= 1, what="a pass")
    case.holds(lambda: "status" not in case.es(name) and case.raw_secret(secret) is None, 1)
    assert "finalizers" not in case.es(name)["metadata"]
    assert not [
        line
        for line in case.operator.metrics().splitlines()
        if line.startswith("externalsecret_status_condition{") and f'name="{name}"' in line
    ]
    assert case.events(name) == []
    assert case.provider.count() == 0


# C-194
def test_c_194_each_entry_reads_from_its_own_store(case: Case):
    case.provider = Static()
    with case.running():
        static(case, "test-store", one="default", map='{"who":"default"}')
        static(case, "foo", map='{"foo":"from foo"}', one="foo")
        static(case, "baz", map='{"baz":"from baz"}')
        from_stores = [
            {"extract": {"key": "map"}, "sourceRef": {"storeRef": {"name": name}}} for name in ("foo", "baz")
        ]
        data = [
            {"secretKey": "default", "remoteRef": {"key": "one"}},
            {
                "secretKey": "other",
                "remoteRef": {"key": "one"},
                "sourceRef": {"storeRef": {"name": "foo", "kind": "SecretStore"}},
            },
        ]
        case.external_secret(data=data, dataFrom=from_stores)
        case.synced()
    assert case.secret() == {"foo": "from foo", "baz": "from baz", "default": "default", "other": "foo"}


# C-195
def test_c_195_a_store_of_another_class_is_left_alone(live: Case):
    """Ours: no finalizer either, not even with deletionPolicy Delete; the reference has put it on by then."""
    live.store("theirs", controller="nop")
    live.external_secret(secretStoreRef={"name": "theirs"}, target={"deletionPolicy": "Delete"})
    left_alone(live)
    assert "status" not in live.api.get("secretstores", live.namespace, "theirs")


# C-196
@pytest.mark.parametrize("where", ["data", "dataFrom"])
def test_c_196_one_store_of_another_class_is_enough(live: Case, where: str):
    live.store("theirs", controller="nop")
    source = {"sourceRef": {"storeRef": {"name": "theirs"}}}
    entries = {
        "data": [
            {"secretKey": "a", "remoteRef": {"key": "a"}},
            {"secretKey": "b", "remoteRef": {"key": "b"}, **source},
        ],
        "dataFrom": [{"extract": {"key": "a"}, **source}],
    }
    live.external_secret(**{where: entries[where]})
    left_alone(live)


# C-196
def test_c_196_a_store_after_a_cluster_store_is_checked_like_the_first(live: Case):
    """Ours; the reference does not find it and reports `can not reference unmanaged store`."""
    cluster = f"first-{live.namespace}"
    live.store(cluster, "ClusterSecretStore")
    live.store("theirs", controller="nop")
    data = [{"secretKey": "a", "remoteRef": {"key": "a"}, "sourceRef": {"storeRef": {"name": "theirs"}}}]
    live.external_secret(secretStoreRef={"name": cluster, "kind": "ClusterSecretStore"}, data=data)
    left_alone(live)


# C-197
def test_c_197_a_store_of_our_class(case: Case):
    with case.running(controller_class="mine"):
        case.store(controller="mine")
        case.store("default")
        case.external_secret()
        case.external_secret("other", target={"name": "other"}, secretStoreRef={"name": "default"})
        case.synced()
        case.synced("other")
    assert case.secret() == VALUE == case.secret("other")


# C-198
def test_c_198_without_the_cluster_store_reconciler_its_users_are_left_alone(case: Case):
    name = f"off-{case.namespace}"
    with case.running(enable_cluster_store_reconciler="false"):
        case.store(name, "ClusterSecretStore")
        case.external_secret(secretStoreRef={"name": name, "kind": "ClusterSecretStore"})
        left_alone(case)


# C-199
def test_c_199_a_secret_store_serves_its_own_namespace_only(live: Case):
    elsewhere = live.cluster.create_namespace(f"{live.namespace}-2")
    body = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {"name": "there"},
        "spec": {"provider": {"fake": {"data": []}}},
    }
    live.api.create("secretstores", elsewhere, body)
    live.external_secret(secretStoreRef={"name": "there", "kind": "SecretStore"})
    live.failed("could not get secret data from provider")
    live.told('could not get SecretStore "there", SecretStore.external-secrets.io "there" not found')
    live.cluster.delete_namespace(elsewhere)
    assert live.secret() is None


# C-200
@pytest.mark.parametrize("kind", ["SecretStore", "ClusterSecretStore"])
def test_c_200_the_flood_gate_holds_back_users_of_a_failing_store(case: Case, kind: str):
    """Ours: the store that turns Ready wakes them; in the reference they come back with their own back-off."""
    name = "test-store" if kind == "SecretStore" else f"gate-{case.namespace}"
    case.provider.validate_error = ValidationFailed("no", Validation.ERROR)
    with case.running(enable_flood_gate="true"):
        case.store(name, kind)
        case.external_secret(secretStoreRef={"name": name, "kind": kind})
        case.failed("could not get secret data from provider")
        case.told(f'{kind} "{name}" is not ready')
        assert case.provider.count() == 0
        case.provider.validate_error = None
        case.synced(within=10)
    assert case.secret() == VALUE


# C-200
def test_c_200_a_store_without_conditions_is_not_ready(case: Case):
    with case.running(enable_flood_gate="true", enable_secret_store_reconciler="false"):
        case.store()
        case.external_secret()
        case.failed("could not get secret data from provider")
        case.told('SecretStore "test-store" is not ready')
        ready = {"type": "Ready", "status": "True", "reason": "Valid", "message": "store validated"}
        case.edit("secretstores", "test-store", {"status": {"conditions": [ready]}}, subresource="status")
        case.synced(within=10)


# C-201
def test_c_201_the_flood_gate_lets_unknown_validation_through(case: Case):
    case.provider.validate_error = ValidationFailed("cannot tell", Validation.UNKNOWN)
    with case.running(enable_flood_gate="true"):
        case.store()
        case.external_secret()
        case.synced()
    ready = case.ready("test-store", "secretstores")
    assert (ready["status"], ready["reason"]) == ("True", "ValidationUnknown")


# C-202
def test_c_202_without_the_flood_gate_a_failing_store_is_asked(case: Case):
    case.provider.validate_error = ValidationFailed("no", Validation.ERROR)
    with case.running(enable_flood_gate="false"):
        case.store()
        case.eventually(lambda: case.ready("test-store", "secretstores").get("status") == "False")
        case.external_secret()
        case.synced()
    assert case.provider.count("get") >= 1


# conditions


class Conditions:
    """ClusterSecretStores with conditions, each with one user in the case's namespace."""

    def __init__(self, case: Case) -> None:
        self.case, self.stores = case, 0

    def user(self, *conditions: Json, kind: str = "ClusterSecretStore") -> str:
        self.stores += 1
        name = f"c{self.stores}-{self.case.namespace}"
        self.case.store(name, kind, **({"conditions": list(conditions)} if conditions else {}))
        self.case.external_secret(name, target={"name": name}, secretStoreRef={"name": name, "kind": kind})
        return name

    def allowed(self, *names: str) -> None:
        for name in names:
            self.case.synced(name)
            assert self.case.secret(name) == VALUE

    def denied(self, *names: str) -> None:
        for name in names:
            self.case.failed("could not get secret data from provider", name)
            text = (
                f'using cluster store "{name}" is not allowed from namespace "{self.case.namespace}": denied by '
                "spec.condition"
            )
            self.case.told(text, name)
            assert self.case.raw_secret(name) is None


@pytest.fixture
def conditions(live: Case) -> Conditions:
    path = live.api.path("namespaces", "", live.namespace)
    live.api.request("PATCH", path, {"metadata": {"labels": {"tier": "prod", "team": "a"}}}, content_type=MERGE)
    return Conditions(live)


def selects(**labels: str) -> Json:
    return {"namespaceSelector": {"matchLabels": labels}}


# C-203
def test_c_203_a_cluster_store_without_conditions_serves_everybody(conditions: Conditions):
    conditions.allowed(conditions.user())


# C-204
def test_c_204_a_namespace_that_no_list_names_is_denied(conditions: Conditions):
    conditions.denied(
        conditions.user({"namespaces": ["some-other-ns"]}),
        conditions.user({"namespaces": ["a", "b"]}),
        conditions.user({"namespaces": ["a"]}, {"namespaces": ["b"]}),
    )


# C-205
def test_c_205_a_namespace_that_a_list_names_is_allowed(conditions: Conditions):
    namespace = conditions.case.namespace
    conditions.allowed(
        conditions.user({"namespaces": [namespace]}),
        conditions.user({"namespaces": ["a", namespace, "b"]}),
        conditions.user({"namespaces": ["a"]}, {"namespaces": [namespace]}),
    )


# C-206
def test_c_206_label_selectors(conditions: Conditions):
    matching, several = (
        conditions.user(selects(tier="prod")),
        conditions.user(selects(tier="dev"), selects(tier="prod", team="a")),
    )
    none, partial = conditions.user(selects(tier="dev")), conditions.user(selects(tier="prod", absent="x"))
    conditions.allowed(matching, several, conditions.user({"namespaceSelector": {}}))
    conditions.denied(none, partial)


# C-207
def test_c_207_mixed_conditions(conditions: Conditions):
    namespace = conditions.case.namespace
    both = conditions.user(selects(tier="prod"), {"namespaces": [namespace]})
    either = conditions.user({**selects(tier="dev"), "namespaces": [namespace]})
    neither = conditions.user(selects(tier="dev"), {"namespaces": ["a"]})
    conditions.allowed(both, either)
    conditions.denied(neither)


def test_c_208_c_209_regexes_match_anywhere(conditions: Conditions):
    """The namespace is called test-c-208-…."""
    first, second = (
        conditions.user({"namespaceRegexes": ["test-*"]}),
        conditions.user({"namespaceRegexes": ["nope", "test-*"]}),
    )
    middle, none = conditions.user({"namespaceRegexes": ["208"]}), conditions.user({"namespaceRegexes": ["nope"]})
    conditions.allowed(first, second, middle)
    conditions.denied(none)


@pytest.mark.parametrize(
    ("namespace", "regexes", "wanted"),
    [
        pytest.param("test-a", ("test-*",), True, id="C-208 the first"),
        pytest.param("test-a", ("nope", "test-*"), True, id="C-208 another"),
        pytest.param("test-a", ("nope",), False, id="C-208 none"),
        pytest.param("my-prod-x", ("prod",), True, id="C-209 in the middle"),
        pytest.param("my-prod-x", ("^prod",), False, id="C-209 anchored by hand"),
    ],
)
def test_c_208_c_209_regexes(namespace: str, regexes: tuple[str, ...], wanted: bool):
    def labels(name: str) -> Mapping[str, str]:
        return {"kubernetes.io/metadata.name": name}

    assert admitted((StoreCondition(namespace_regexes=regexes),), namespace, labels) is wanted


# C-210
def test_c_210_conditions_of_a_namespaced_store_are_ignored(conditions: Conditions):
    conditions.allowed(conditions.user({"namespaces": ["another"]}, kind="SecretStore"))


# logins


def several(case: Case, stores: list[str], **spec: Any) -> None:
    """One data entry per store, in that order."""
    data = [
        {"secretKey": f"k{n}", "remoteRef": {"key": f"k{n}"}, "sourceRef": {"storeRef": {"name": store}}}
        for n, store in enumerate(stores)
    ]
    case.external_secret(data=data, **spec)


# C-211
def test_c_211_one_login_serves_all_entries_of_all_passes(case: Case):
    """Ours: one session per identity, closed when the process stops; the reference builds a client per pass."""
    with case.running():
        case.store()
        several(case, ["test-store"] * 3, refreshInterval="1s")
        case.synced()
        case.eventually(lambda: case.provider.count("get") >= 9, what="three passes")
        assert (len(case.provider.opened), case.provider.closed) == (1, 0)
    assert (len(case.provider.opened), case.provider.closed) == (1, 1)


# C-212
def test_c_212_two_stores_are_two_logins_side_by_side(case: Case):
    """Ours: both stay open however the entries alternate; the reference has one client at a time and rebuilds it at
    each switch."""
    with case.running():
        case.store()
        case.store("second")
        several(case, ["test-store", "second", "test-store", "second"], refreshInterval="1s")
        case.synced()
        case.eventually(lambda: case.provider.count("get") >= 12, what="three passes")
        assert (sorted(store.name for store in case.provider.opened), case.provider.closed) == (
            ["second", "test-store"],
            0,
        )
    assert (len(case.provider.opened), case.provider.closed) == (2, 2)


class PerSpec(Scripted):
    """Its login is what `data` of the store's block says; other members of the block make no other login."""

    def plan(self, store: StoreView) -> Plan:
        return replace(super().plan(store), login={"data": store.provider_spec.get("data")})


# C-213
def test_c_213_a_store_of_a_new_generation_is_logged_in_anew_when_its_login_changed(case: Case):
    """Ours: an edit that does not touch the login keeps it; the reference rebuilds for every generation."""
    case.provider = PerSpec()
    with case.running():
        case.store()
        case.external_secret(refreshInterval="1h")
        case.synced()

        def edited(patch: Json) -> None:
            """The edit has arrived: the object that depends on the store was read again."""
            reads = case.provider.count("get")
            case.edit("secretstores", "test-store", {"spec": patch})
            case.eventually(lambda: case.provider.count("get") > reads, within=10, what="read again")

        edited({"refreshInterval": 60})
        assert len(case.provider.opened) == 1
        edited({"provider": {"fake": {"data": [{"key": "a", "value": "b"}]}}})
        assert [store.generation for store in case.provider.opened] == [1, 3]
    assert case.provider.closed == 2


def test_a_store_that_fails_does_not_take_other_stores_with_it(live: Case):
    """One backend, one identity each: only the store whose reads fail has failing users."""
    live.store("second")
    live.provider.values = {"bad": EsoError("boom")}
    live.external_secret("bad", target={"name": "bad"}, data=[{"secretKey": "a", "remoteRef": {"key": "bad"}}])
    live.external_secret("good", target={"name": "good"}, secretStoreRef={"name": "second"})
    live.synced("good")
    live.failed(name="bad")
    assert live.secret("good") == VALUE
