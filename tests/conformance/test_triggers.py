"""What wakes an ExternalSecret besides itself and its target, each time once.

In the reference none of these is a trigger. The interval is an hour and nothing is due, so every pass and every read is
the trigger's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from e2e.harness.openbao import OpenBao
from e2e.harness.waiting import eventually
from eso.api.externalsecret import ExternalSecret, ExternalSecretSpec, ExternalSecretStatus
from eso.api.hashing import synced_resource_version
from eso.api.meta import Condition, ObjectMeta
from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, Validation, ValidationFailed
from eso.reconcile.externalsecret.refresh import Synced, should_refresh
from eso.runtime.outcome import Wake
from tests.conformance.conftest import MERGE, Case

PROMPTLY = 5.0  # seconds
QUIET = 1.5  # seconds in which a second pass would show
VALUE = {"targetProperty": "some-value"}


class Count:
    """Passes and reads of one object since it was made."""

    def __init__(self, case: Case, name: str = "test-es") -> None:
        self.case, self.name = case, name
        self.passes_before, self.reads_before = case.passes(name), case.provider.count()
        self.wakes_before = case.wakes()

    @property
    def passes(self) -> int:
        return self.case.passes(self.name) - self.passes_before

    @property
    def reads(self) -> int:
        return self.case.provider.count() - self.reads_before

    @property
    def woken(self) -> bool:
        """By an event, and not by a back-off that ended."""
        return self.case.woken(self.name, self.wakes_before)


@contextmanager
def once(case: Case, *names: str, reads: int | None = None, idle: int = 0) -> Iterator[None]:
    """The block wakes each of `names` for one pass; together they read `reads` times (once each). `idle`: passes more
    that may come and read nothing."""
    counts = [Count(case, name) for name in names or ("test-es",)]
    yield
    case.eventually(lambda: all(count.passes >= 1 for count in counts), within=PROMPTLY, what="woken")
    case.holds(lambda: all(1 <= count.passes <= 1 + idle for count in counts), QUIET)
    assert all(count.woken for count in counts)
    assert counts[0].reads == (len(counts) if reads is None else reads)


@contextmanager
def never(case: Case, *names: str) -> Iterator[None]:
    """Nothing in the block wakes any of `names`. Leave it after what was to be woken has run."""
    counts = [Count(case, name) for name in names]
    yield
    assert [count.passes for count in counts] == [0] * len(counts)


def user(case: Case, name: str, store: str = "test-store", kind: str = "SecretStore", **spec: Any) -> None:
    """An ExternalSecret with a Secret of its name and a remote key of its own, synced."""
    data = [{"secretKey": "targetProperty", "remoteRef": {"key": name}}]
    defaults: dict[str, Any] = {"refreshInterval": "1h", "data": data, "secretStoreRef": {"name": store, "kind": kind}}
    case.external_secret(name, **(defaults | {"target": {"name": name}} | spec))


def synced(case: Case, *names: str) -> None:
    """All of them, and the operator has come to rest after its start."""
    for name in names:
        case.synced(name)
    seen = [-1]

    def rest() -> bool:
        before, seen[0] = seen[0], sum(case.passes(name) for name in names)
        return before == seen[0]

    eventually(rest, 10, every=0.3, what="at rest")


def config_map(case: Case, name: str, **data: str) -> None:
    case.api.create(
        "configmaps",
        case.namespace,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data},
    )


def from_source(kind: str, name: str, secret: str = "test-secret") -> dict[str, Any]:
    return {"name": secret, "template": {"templateFrom": [{kind: {"name": name, "items": [{"key": "tpl"}]}}]}}


# stores


@pytest.mark.parametrize("kind", ["SecretStore", "ClusterSecretStore"])
def test_a_store_that_turns_ready_wakes_those_that_wait_for_it(case: Case, kind: str):
    name = "test-store" if kind == "SecretStore" else f"ready-{case.namespace}"
    case.provider.validate_error = ValidationFailed("not yet", Validation.ERROR)
    with case.running(enable_flood_gate="true"):
        case.store(name, kind)
        for waiting in ("a", "b"):
            user(case, waiting, name, kind)
            case.failed(name=waiting)
        # the waiting ones have failed for a while: their own next try is far away
        case.eventually(lambda: min(case.passes(n) for n in ("a", "b")) >= 4, within=20, what="back-off")
        case.provider.validate_error = None
        before, wakes = case.provider.count(), case.wakes()
        plural, where = ("secretstores", case.namespace) if kind == "SecretStore" else ("clustersecretstores", "")
        case.api.patch(plural, where, name, {"metadata": {"annotations": {"try": "again"}}})
        for name in ("a", "b"):
            case.synced(name, within=PROMPTLY)
            assert case.woken(name, wakes), case.operator.wakes[wakes:]
        passes = [case.passes(n) for n in ("a", "b")]
        case.holds(lambda: [case.passes(n) for n in ("a", "b")] == passes, QUIET)
        assert case.provider.count() == before + 2


def test_a_store_that_turns_ready_again_leaves_the_synced_ones_alone(case: Case):
    with case.running(enable_flood_gate="true"):
        case.store()
        user(case, "synced")
        synced(case, "synced")
        case.provider.validate_error = ValidationFailed("for a moment", Validation.ERROR)
        with never(case, "synced"):
            for status, error in (("False", case.provider.validate_error), ("True", None)):
                case.provider.validate_error = error
                case.edit("secretstores", "test-store", {"metadata": {"annotations": {"validate": status}}})
                case.eventually(
                    lambda status=status: case.ready("test-store", "secretstores").get("status") == status,
                    what=f"the store is {status}",
                )
            case.holds(lambda: True, QUIET)


def test_an_edited_store_wakes_its_users_and_nobody_else(live: Case):
    live.store("other")
    user(live, "a")
    user(
        live,
        "b",
        "other",
        data=[{"secretKey": "x", "remoteRef": {"key": "b"}, "sourceRef": {"storeRef": {"name": "test-store"}}}],
    )
    user(live, "c", "other")
    synced(live, "a", "b", "c")
    with never(live, "c"), once(live, "a", "b"):
        live.edit(
            "secretstores", "test-store", {"spec": {"provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}}}
        )


def test_an_edited_cluster_store_wakes_its_users(live: Case):
    name = f"edited-{live.namespace}"
    live.store(name, "ClusterSecretStore")
    user(live, "a", name, "ClusterSecretStore")
    synced(live, "a")
    with once(live, "a"):
        live.api.patch(
            "clustersecretstores", "", name, {"spec": {"provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}}}
        )


def test_a_repaired_store_is_used_without_waiting_for_back_off(live: Case):
    live.provider.build_error = InvalidConfig("wrong address")
    live.store("broken")
    user(live, "a", "broken")
    live.failed(name="a")
    live.eventually(lambda: live.passes("a") >= 4, within=20, what="back-off")
    live.provider.build_error = None
    with once(live, "a", idle=1):  # the store turns Ready while the object reads
        live.edit("secretstores", "broken", {"spec": {"provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}}})
    assert live.secret("a") == VALUE


def test_a_store_that_appears_wakes_those_that_miss_it(live: Case):
    user(live, "a", "late")
    live.failed(name="a")
    live.eventually(lambda: live.passes("a") >= 4, within=20, what="back-off")
    before, wakes = live.provider.count(), live.wakes()
    live.store("late")
    live.eventually(lambda: live.ready("a").get("status") == "True", within=PROMPTLY)
    assert live.woken("a", wakes)
    live.holds(lambda: live.provider.count() == before + 1, QUIET)


def test_a_label_or_annotation_of_a_store_wakes_nobody(live: Case):
    user(live, "a")
    synced(live, "a")
    validations = live.provider.count("validate")
    with never(live, "a"):
        live.edit("secretstores", "test-store", {"metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}}})
        live.eventually(lambda: live.provider.count("validate") > validations, what="validated again")
        live.holds(lambda: True, QUIET)


# --- sources of templates
# -------------------------------------------------------------------------------------------------------------------


def test_a_changed_config_map_wakes_those_that_template_from_it(live: Case):
    config_map(live, "cm", tpl="one {{ .targetProperty }}")
    config_map(live, "other", tpl="other {{ .targetProperty }}")
    user(live, "a", target=from_source("configMap", "cm", "a"))
    user(live, "b", target=from_source("configMap", "cm", "b"))
    user(live, "c", target=from_source("configMap", "other", "c"))
    synced(live, "a", "b", "c")
    with never(live, "c"), once(live, "a", "b"):
        live.edit("configmaps", "cm", {"data": {"tpl": "two {{ .targetProperty }}"}})
    assert live.secret("a") == live.secret("b") == {"tpl": "two some-value"}


def test_a_changed_secret_wakes_those_that_template_from_it(live: Case):
    live.foreign_secret("source", {"tpl": "one {{ .targetProperty }}"})
    user(live, "a", target=from_source("secret", "source", "a"))
    user(live, "b")
    synced(live, "a", "b")
    with never(live, "b"), once(live, "a"):
        live.edit("secrets", "source", {"stringData": {"tpl": "two {{ .targetProperty }}"}})
    assert live.secret("a") == {"tpl": "two some-value"}


@pytest.mark.parametrize("kind", ["configMap", "secret"])
def test_a_source_that_appears_wakes_those_that_miss_it(live: Case, kind: str):
    user(live, "a", target=from_source(kind, "late", "a"))
    live.failed("could not update secret", "a")
    live.eventually(lambda: live.passes("a") >= 4, within=20, what="back-off")
    with once(live, "a"):
        if kind == "configMap":
            config_map(live, "late", tpl="{{ .targetProperty }}")
        else:
            live.foreign_secret("late", {"tpl": "{{ .targetProperty }}"})
    assert live.secret("a") == {"tpl": "some-value"}


@pytest.mark.parametrize("kind", ["configMap", "secret"])
def test_a_source_that_goes_away_is_told_at_once(live: Case, kind: str):
    user(live, "first")
    synced(live, "first")  # the source is there before anybody names it, and after the first lists
    if kind == "configMap":
        config_map(live, "source", tpl="{{ .targetProperty }}")
    else:
        live.foreign_secret("source", {"tpl": "{{ .targetProperty }}"})
    user(live, "a", target=from_source(kind, "source", "a"))
    synced(live, "a")
    live.delete("configmaps" if kind == "configMap" else "secrets", "source")
    live.failed("could not update secret", "a", within=PROMPTLY)
    assert live.secret("a") == {"tpl": "some-value"}


def test_a_target_that_is_somebody_elses_source(live: Case):
    """One pass writes a Secret, and that write is what the next object waits for."""
    user(live, "a")
    synced(live, "a")
    user(
        live,
        "b",
        target={
            "name": "b",
            "template": {"templateFrom": [{"secret": {"name": "a", "items": [{"key": "targetProperty"}]}}]},
        },
    )
    synced(live, "b")
    live.provider.values["a"] = b"changed"
    with once(live, "a", "b"):
        live.edit_es({"metadata": {"annotations": {"force-sync": "now"}}}, "a")
    assert live.secret("b") == {"targetProperty": "changed"}


@pytest.mark.parametrize(
    "spec",
    [{"refreshInterval": "0"}, {"refreshPolicy": "CreatedOnce"}, {"refreshPolicy": "OnChange"}],
    ids=lambda s: str(s),
)
def test_who_does_not_poll_is_not_made_to_read(live: Case, spec: dict[str, str]):
    config_map(live, "cm", tpl="one {{ .targetProperty }}")
    user(live, "a", target=from_source("configMap", "cm", "a"), **spec)
    synced(live, "a")
    with once(live, "a", reads=0):
        live.edit("configmaps", "cm", {"data": {"tpl": "two {{ .targetProperty }}"}})
    assert live.secret("a") == {"tpl": "one some-value"}


# namespaces


def test_labels_of_a_namespace_open_and_close_cluster_stores(live: Case):
    name = f"prod-{live.namespace}"
    live.store(name, "ClusterSecretStore", conditions=[{"namespaceSelector": {"matchLabels": {"tier": "prod"}}}])
    user(live, "guarded", name, "ClusterSecretStore")
    user(live, "free")
    synced(live, "free")
    live.failed(name="guarded")
    live.eventually(lambda: live.passes("guarded") >= 4, within=20, what="back-off")
    path = live.api.path("namespaces", "", live.namespace)
    with never(live, "free"), once(live, "guarded"):
        live.api.request("PATCH", path, {"metadata": {"labels": {"tier": "prod"}}}, content_type=MERGE)
    assert live.ready("guarded")["status"] == "True" and live.secret("guarded") == VALUE
    live.api.request("PATCH", path, {"metadata": {"labels": {"tier": "dev"}}}, content_type=MERGE)
    live.failed(name="guarded", within=PROMPTLY)
    assert live.secret("guarded") == VALUE


def test_an_annotation_of_a_namespace_wakes_nobody(live: Case):
    name = f"any-{live.namespace}"
    live.store(name, "ClusterSecretStore", conditions=[{"namespaceSelector": {}}])
    user(live, "a", name, "ClusterSecretStore")
    synced(live, "a")
    with never(live, "a"):
        live.api.request(
            "PATCH",
            live.api.path("namespaces", "", live.namespace),
            {"metadata": {"annotations": {"a": "b"}}},
            content_type=MERGE,
        )
        live.holds(lambda: True, QUIET)


# failures

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ready", "spec", "reads"),
    [
        pytest.param("False", {}, True, id="a failure is tried again"),
        pytest.param("True", {}, False, id="a success waits for its slot"),
        pytest.param("False", {"refresh_interval": "0"}, False, id="who never polls waits for an edit"),
        pytest.param("False", {"refresh_policy": "OnChange"}, False, id="who reads on a change waits for one"),
    ],
)
def test_a_pass_that_nothing_forced_reads_where_the_last_one_failed(ready: str, spec: dict[str, str], reads: bool):
    meta = ObjectMeta(name="a", namespace="ns", uid="u", generation=1)
    status = ExternalSecretStatus(conditions=(Condition("Ready", ready),))
    es = ExternalSecret(metadata=meta, spec=ExternalSecretSpec(**({"refresh_interval": "1h"} | spec)), status=status)
    synced = Synced(synced_resource_version(meta), NOW - timedelta(minutes=5), NOW + timedelta(minutes=5))
    assert should_refresh(es, synced, Wake(frozenset({"store ready"})), NOW) is reads


def test_a_failure_within_the_interval_is_tried_again_after_a_restart(case: Case):
    with case.running():
        case.store()
        user(case, "a")
        synced(case, "a")
        case.provider.value = EsoError("boom")
        case.edit("secretstores", "test-store", {"spec": {"refreshInterval": 60}})
        case.failed(name="a")
    case.provider.value = b"other"
    with case.running():
        synced(case, "a")
    assert case.secret("a") == {"targetProperty": "other"}


# credentials


@pytest.mark.parametrize("flood_gate", ["true", "false"])
def test_a_corrected_token_is_used_at_once(case: Case, openbao: OpenBao, flood_gate: str):
    mount = case.namespace
    openbao.mount_kv(mount)
    openbao.policy(mount, {f"{mount}/data/*": ["read"], f"{mount}/metadata/*": ["read", "list"]})
    made = openbao.request("POST", "auth/token/create", {"policies": [mount], "ttl": "1h"})["auth"]["client_token"]
    for key in ("a", "b"):
        openbao.put(mount, key, {"value": f"the {key}"})
    case.foreign_secret("vault-token", {"token": "s.wrong"})
    auth = {"tokenSecretRef": {"name": "vault-token", "key": "token"}}
    with case.running(enable_flood_gate=flood_gate):
        case.store(
            "vault", provider={"vault": {"server": openbao.address, "path": mount, "version": "v2", "auth": auth}}
        )
        case.store("other")
        for name in ("a", "b"):
            user(case, name, "vault", data=[{"secretKey": "value", "remoteRef": {"key": name, "property": "value"}}])
        user(case, "c", "other")
        synced(case, "c")
        for name in ("a", "b"):
            case.failed("could not get secret data from provider", name)
        case.eventually(lambda: case.ready("vault", "secretstores").get("status") == "False", what="the store fails")
        case.holds(lambda: True, 6)  # the back-off grows meanwhile
        mark, wakes = openbao.mark(), case.wakes()
        with never(case, "c"):
            case.edit("secrets", "vault-token", {"stringData": {"token": made}})
            for name in ("a", "b"):
                case.synced(name, within=PROMPTLY)
                assert case.woken(name, wakes), case.operator.wakes[wakes:]
            case.eventually(
                lambda: case.ready("vault", "secretstores").get("status") == "True",
                within=PROMPTLY,
                what="the store is valid",
            )
            passes = [case.passes(n) for n in ("a", "b")]
            case.holds(lambda: [case.passes(n) for n in ("a", "b")] == passes, QUIET)
        read = openbao.counts(mark)
        assert {key: read["read", f"{mount}/data/{key}"] for key in ("a", "b")} == {"a": 1, "b": 1}
    assert case.secret("a") == {"value": "the a"} and case.secret("b") == {"value": "the b"}


def token_for(openbao: OpenBao, policy: str) -> str:
    return str(
        openbao.request("POST", "auth/token/create", {"policies": [policy], "ttl": "1h"})["auth"]["client_token"]
    )


def put_secret(case: Case, namespace: str, name: str, **data: str) -> None:
    """Creates it, or changes it."""
    case.cluster.apply(
        [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": data}]
    )


def test_a_token_of_one_namespace_wakes_no_other_namespace(case: Case, openbao: OpenBao):
    """A ClusterSecretStore whose credential each consumer brings along."""
    here, there, store = (
        case.namespace,
        case.cluster.create_namespace(f"{case.namespace}-2"),
        f"referent-{case.namespace}",
    )
    openbao.mount_kv(here)
    openbao.policy(here, {f"{here}/data/*": ["read"]})
    vault = {
        "server": openbao.address,
        "path": here,
        "version": "v2",
        "auth": {"tokenSecretRef": {"name": "vault-token", "key": "token"}},
    }
    try:
        for namespace in (here, there):
            openbao.put(here, namespace, {"value": "one"})
            put_secret(case, namespace, "vault-token", token=token_for(openbao, here))
        with case.running(namespace="", enable_flood_gate="true"):
            case.store(store, "ClusterSecretStore", provider={"vault": vault})
            for namespace in (here, there):
                spec = {
                    "refreshInterval": "1h",
                    "secretStoreRef": {"name": store, "kind": "ClusterSecretStore"},
                    "data": [{"secretKey": "value", "remoteRef": {"key": namespace, "property": "value"}}],
                }
                body = {
                    "apiVersion": "external-secrets.io/v1",
                    "kind": "ExternalSecret",
                    "metadata": {"name": "a"},
                    "spec": spec,
                }
                case.api.create("externalsecrets", namespace, body)
            for namespace in (here, there):
                case.cluster.wait_ready("externalsecrets", namespace, "a")
                openbao.put(here, namespace, {"value": "two"})
            case.holds(lambda: True, 1)
            mark = openbao.mark()
            put_secret(case, here, "vault-token", token=token_for(openbao, here))
            case.eventually(lambda: case.secret("a") == {"value": "two"}, within=PROMPTLY)
            case.holds(lambda: case.cluster.secret(there, "a") == {"value": "one"}, QUIET)
        read = openbao.counts(mark)
        assert (read["read", f"{here}/data/{here}"], read["read", f"{here}/data/{there}"]) == (1, 0)
    finally:
        case.cluster.delete_namespace(there)


def test_a_credential_of_a_cluster_store_in_another_namespace(case: Case, openbao: OpenBao):
    """Explicitly named, so everybody who uses the store depends on it."""
    mount = case.namespace
    openbao.mount_kv(mount)
    openbao.policy(mount, {f"{mount}/data/*": ["read"], f"{mount}/metadata/*": ["read", "list"]})
    openbao.put(mount, "a", {"value": "the a"})
    elsewhere, store = case.cluster.create_namespace(f"{mount}-2"), f"explicit-{mount}"
    auth = {"tokenSecretRef": {"name": "vault-token", "key": "token", "namespace": elsewhere}}
    try:
        put_secret(case, elsewhere, "vault-token", token="s.wrong")
        with case.running(namespace="", enable_flood_gate="true"):
            case.store(
                store,
                "ClusterSecretStore",
                provider={"vault": {"server": openbao.address, "path": mount, "version": "v2", "auth": auth}},
            )
            user(
                case,
                "a",
                store,
                "ClusterSecretStore",
                data=[{"secretKey": "value", "remoteRef": {"key": "a", "property": "value"}}],
            )
            case.failed(name="a")
            case.holds(lambda: True, 2)
            mark, wakes = openbao.mark(), case.wakes()
            put_secret(case, elsewhere, "vault-token", token=token_for(openbao, mount))
            case.synced("a", within=PROMPTLY)
            assert case.woken("a", wakes), case.operator.wakes[wakes:]
            case.holds(lambda: True, QUIET)
        assert openbao.counts(mark)["read", f"{mount}/data/a"] == 1
    finally:
        case.cluster.delete_namespace(elsewhere)


def test_an_app_role_whose_secret_id_is_rotated(case: Case, openbao: OpenBao):
    mount = case.namespace
    openbao.mount_kv(mount)
    openbao.policy(mount, {f"{mount}/data/*": ["read"], f"{mount}/metadata/*": ["read", "list"]})
    openbao.put(mount, "a", {"value": "one"})
    role, secret_id = openbao.approle(mount, [mount])
    put_secret(case, mount, "app-role", id=secret_id)
    auth = {"appRole": {"path": "approle", "roleId": role, "secretRef": {"name": "app-role", "key": "id"}}}
    with case.running(enable_flood_gate="true"):
        case.store(
            "vault", provider={"vault": {"server": openbao.address, "path": mount, "version": "v2", "auth": auth}}
        )
        user(case, "a", "vault", data=[{"secretKey": "value", "remoteRef": {"key": "a", "property": "value"}}])
        synced(case, "a")
        openbao.put(mount, "a", {"value": "two"})
        rotated = openbao.request("POST", f"auth/approle/role/{mount}/secret-id")["data"]["secret_id"]
        mark = openbao.mark()
        put_secret(case, mount, "app-role", id=rotated)
        case.eventually(lambda: case.secret("a") == {"value": "two"}, within=PROMPTLY)
        case.holds(lambda: True, QUIET)
    asked = openbao.counts(mark)
    assert (asked["update", "auth/approle/login"], asked["read", f"{mount}/data/a"]) == (1, 1)
