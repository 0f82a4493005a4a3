"""What is made of a store's record is made once per generation, and a spec that fails refuses its own store only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eso.api.meta import Condition
from eso.api.secretstore import SecretStore, SecretStoreStatus
from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, Plan, StoreView
from eso.stores.plans import ANNOTATION_PACE, Plans, SpecFailed, Store
from eso.stores.registry import PROVIDERS, Backend, Registry
from tests.unit.stores.backends import Backend as Remote
from tests.unit.stores.backends import ScriptedProvider, store


class Counting(ScriptedProvider):
    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(Remote())
        self.plans, self.error = 0, error

    def plan(self, store: StoreView) -> Plan:
        self.plans += 1
        if self.error is not None:
            raise self.error
        return super().plan(store)


def plans(spec: Counting, told: list[Store] | None = None) -> Plans:
    registry = Registry({"scripted": Backend(spec, "")})
    return Plans(registry, told.append) if told is not None else Plans(registry)


def with_status(record: SecretStore) -> SecretStore:
    return SecretStore(record.metadata, record.spec, SecretStoreStatus(conditions=(Condition("Ready", "False"),)))


def test_a_plan_is_made_once_for_all_records_of_one_generation() -> None:
    told: list[Store] = []
    spec = Counting()
    all_of_them, record = plans(spec, told), store()
    assert all_of_them.known(record) is None
    first = all_of_them.of(record)
    moved = with_status(record)
    assert all_of_them.of(record) is first
    assert all_of_them.of(moved) == replace(first, object=moved)
    assert all_of_them.known(moved) == replace(first, object=moved)
    assert (spec.plans, [known.view.name for known in told]) == (1, ["main"])


def test_another_generation_and_another_object_of_the_name_are_planned_anew() -> None:
    spec = Counting()
    all_of_them = plans(spec)
    all_of_them.of(store())
    assert all_of_them.known(store(generation=2)) is None
    assert all_of_them.of(store(generation=2)).view.generation == 2
    assert all_of_them.of(store(generation=2, uid="another")).view.uid == "another"
    assert spec.plans == 3


def test_a_store_that_is_gone_is_forgotten() -> None:
    all_of_them, record = plans(Counting()), store()
    all_of_them.of(record)
    all_of_them.forget(record.kind, record.namespace, record.name)
    assert all_of_them.known(record) is None


@pytest.mark.parametrize(
    "error",
    [
        KeyError("hunter2"),
        RecursionError(),
        ModuleNotFoundError("boto3"),
        AttributeError("x"),
        InvalidConfig("no role"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_spec_that_raises_anything_refuses_its_store_and_is_not_asked_again(error: Exception) -> None:
    spec = Counting(error)
    all_of_them, record = plans(spec), store()
    for _ in range(3):
        with pytest.raises(EsoError) as refused:
            all_of_them.of(record)
    assert isinstance(refused.value, SpecFailed) is not isinstance(error, EsoError)
    assert "hunter2" not in str(refused.value)
    assert all_of_them.known(record) is None
    assert spec.plans == 1


@pytest.mark.parametrize(
    ("text", "pace"), [pytest.param("20", 20.0, id="a number"), pytest.param("0.5", 0.5, id="one in two seconds")]
)
def test_a_store_may_declare_its_pace(text: str, pace: float) -> None:
    assert plans(Counting()).of(annotated(text)).pace == pace


@pytest.mark.parametrize("text", ["", "-1", "0", "nan", "inf", "fast"])
def test_a_pace_that_is_none_refuses_the_store(text: str) -> None:
    with pytest.raises(InvalidConfig, match=ANNOTATION_PACE):
        plans(Counting()).of(annotated(text))


def test_a_new_annotation_is_a_new_plan() -> None:
    all_of_them = plans(Counting())
    assert [all_of_them.of(annotated(text)).pace for text in ("5", "6")] == [5.0, 6.0]


def annotated(text: str) -> SecretStore:
    record = store()
    record.metadata.annotations[ANNOTATION_PACE] = text
    return record


@pytest.mark.parametrize("key", sorted(PROVIDERS))
def test_every_spec_of_the_table_goes_by_its_key(key: str) -> None:
    made: Any = Registry().spec(key, "main")
    assert made.name == key
    assert made.capability in ("ReadOnly", "WriteOnly", "ReadWrite")
