"""Which store a reference means, and the refusals users see, in their order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eso.api.externalsecret import StoreRef
from eso.api.labels import LabelSelector, Requirement
from eso.api.secretstore import SecretStore, SecretStoreSpec, StoreCondition
from eso.errors import EsoError
from eso.stores.plans import Plans
from eso.stores.registry import Backend as Entry
from eso.stores.registry import Registry
from eso.stores.resolve import Rules, admitted, resolve
from tests.unit.stores.backends import Backend, ScriptedProvider, store

LABELS = {
    "team-a": {"kubernetes.io/metadata.name": "team-a", "env": "prod"},
    "team-b": {"kubernetes.io/metadata.name": "team-b"},
}


def rules(*stores: SecretStore, flood_gate: bool = True) -> Rules:
    known = {(s.kind, s.namespace, s.name): s for s in stores}
    plans = Plans(Registry({"scripted": Entry(ScriptedProvider(Backend()), "")}))
    return Rules(lambda *place: known.get(place), LABELS.get, plans, flood_gate=flood_gate)


def cluster(**spec: object) -> SecretStore:
    return store(namespace="", **spec)  # type: ignore[arg-type]  # members of the spec


MAIN, CLUSTER = StoreRef(name="main"), StoreRef(name="main", kind="ClusterSecretStore")


def test_a_store_is_found_in_the_consumers_namespace() -> None:
    found = resolve(MAIN, "team-a", rules(store()))
    assert (found.view.kind, found.view.namespace, found.view.provider) == ("SecretStore", "team-a", "scripted")


@pytest.mark.parametrize(
    ("ref", "namespace", "stores", "text"),
    [
        pytest.param(
            MAIN,
            "team-a",
            [],
            'could not get SecretStore "main", SecretStore.external-secrets.io "main" not found',
            id="no such store",
        ),
        pytest.param(
            MAIN,
            "team-b",
            [store()],
            'could not get SecretStore "main", SecretStore.external-secrets.io "main" not found',
            id="a store of another namespace is out of reach",
        ),
        pytest.param(
            CLUSTER,
            "team-a",
            [store()],
            'could not get ClusterSecretStore "main", ClusterSecretStore.external-secrets.io "main" not found',
            id="kinds do not stand in for each other",
        ),
        pytest.param(
            MAIN,
            "team-a",
            [store(controller="other")],
            "can not reference unmanaged store",
            id="another controller's store",
        ),
        pytest.param(
            MAIN,
            "team-a",
            [store(controller="other", ready=False)],
            "can not reference unmanaged store",
            id="the class comes before readiness",
        ),
        pytest.param(MAIN, "team-a", [store(ready=False)], 'SecretStore "main" is not ready', id="not validated yet"),
        pytest.param(
            CLUSTER,
            "team-a",
            [cluster(ready=False)],
            'ClusterSecretStore "main" is not ready',
            id="a cluster store not validated yet",
        ),
        pytest.param(
            CLUSTER,
            "team-b",
            [cluster(ready=False, conditions=(StoreCondition(namespaces=("team-a",)),))],
            'using cluster store "main" is not allowed from namespace "team-b": denied by spec.condition',
            id="conditions come before readiness",
        ),
        pytest.param(
            MAIN,
            "team-a",
            [store(provider={"scripted": {}, "vault": {}})],
            "store error for main: secret stores must only have exactly one backend specified, found 2",
            id="two providers",
        ),
        pytest.param(
            MAIN,
            "team-a",
            [store(provider={})],
            "store error for main: secret stores must only have exactly one backend specified, found 0",
            id="no provider",
        ),
        pytest.param(
            MAIN,
            "team-a",
            [store(provider={"elsewhere": {}})],
            "failed to find registered store backend for type: elsewhere, name: main",
            id="a provider that is not built in",
        ),
    ],
)
def test_refusals(ref: StoreRef, namespace: str, stores: list[SecretStore], text: str) -> None:
    with pytest.raises(EsoError) as refused:
        resolve(ref, namespace, rules(*stores))
    assert str(refused.value) == text


def test_an_unsupported_provider_says_what_to_change_and_is_not_tried_again() -> None:
    with pytest.raises(EsoError) as refused:
        resolve(MAIN, "team-a", rules(store(provider={"elsewhere": {}})))
    assert (refused.value.retryable, refused.value.fix) == (False, "this version has no provider elsewhere")


def test_without_the_flood_gate_an_unready_store_is_used() -> None:
    assert resolve(MAIN, "team-a", rules(store(ready=False), flood_gate=False)).view.name == "main"


def test_our_own_class_may_be_written_out() -> None:
    assert resolve(MAIN, "team-a", rules(store(controller="default"))).view.name == "main"


def test_conditions_of_a_namespaced_store_are_ignored() -> None:
    assert resolve(MAIN, "team-a", rules(store(conditions=(StoreCondition(namespaces=("x",)),)))).view.name == "main"


@pytest.mark.parametrize(
    ("conditions", "namespace", "allowed"),
    [
        pytest.param((StoreCondition(namespaces=("team-a",)),), "team-a", True, id="named"),
        pytest.param((StoreCondition(namespaces=("team-a",)),), "team-b", False, id="not named"),
        pytest.param(
            (StoreCondition(namespace_selector=LabelSelector()),), "team-b", True, id="an empty selector admits all"
        ),
        pytest.param(
            (StoreCondition(namespace_selector=LabelSelector(match_labels={"env": "prod"})),),
            "team-a",
            True,
            id="labelled",
        ),
        pytest.param(
            (StoreCondition(namespace_selector=LabelSelector(match_labels={"env": "prod"})),),
            "team-b",
            False,
            id="not labelled",
        ),
        pytest.param(
            (StoreCondition(namespace_regexes=("eam-.$",)),),
            "team-b",
            True,
            id="a regular expression is searched, not anchored",
        ),
        pytest.param(
            (StoreCondition(namespace_regexes=("^a",)),), "team-a", False, id="a regular expression that finds nothing"
        ),
        pytest.param((StoreCondition(),), "team-a", False, id="a condition without parts admits nobody"),
        pytest.param(
            (StoreCondition(), StoreCondition(namespaces=("team-a",))), "team-a", True, id="any condition is enough"
        ),
        pytest.param(
            (StoreCondition(namespace_selector=LabelSelector(match_labels={"x": "y"}), namespaces=("team-a",)),),
            "team-a",
            True,
            id="any part of a condition is enough",
        ),
    ],
)
def test_conditions_of_a_cluster_store(conditions: tuple[StoreCondition, ...], namespace: str, allowed: bool) -> None:
    assert admitted(conditions, namespace, LABELS.get) is allowed


@pytest.mark.parametrize(
    ("condition", "namespace", "text"),
    [
        pytest.param(
            StoreCondition(namespaces=("x",)), "gone", 'failed to get a namespace "gone"', id="an unknown namespace"
        ),
        pytest.param(
            StoreCondition(namespace_regexes=("(",)),
            "team-a",
            "failed to compile regex (",
            id="an expression that does not compile",
        ),
        pytest.param(
            StoreCondition(
                namespace_selector=LabelSelector(match_expressions=(Requirement(key="a", operator="Near"),))
            ),
            "team-a",
            "Near",
            id="a selector that is none",
        ),
    ],
)
def test_conditions_that_cannot_be_read_refuse(condition: StoreCondition, namespace: str, text: str) -> None:
    with pytest.raises(EsoError) as refused:
        admitted((condition,), namespace, LABELS.get)
    assert text in str(refused.value)


def test_a_spec_is_what_the_provider_sees() -> None:
    found = resolve(MAIN, "team-a", rules(store(generation=7, retry_settings={"maxRetries": 3})))
    assert found.view == replace(found.view, uid="uid-team-a-main", generation=7, retry_settings={"maxRetries": 3})
    assert SecretStoreSpec().conditions == ()
