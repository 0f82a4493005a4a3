"""The record of a pass: what the metrics take from it, and what it says of reads and writes."""

from __future__ import annotations

from typing import Any

import pytest

from eso.api.meta import Condition
from eso.errors import EsoError
from eso.reconcile.externalsecret.desired import Create, Delete, Nothing, Patch
from eso.reconcile.externalsecret.meter import count
from eso.reconcile.externalsecret.readplan import read_plan
from eso.reconcile.externalsecret.trail import change_record, read_from
from eso.reconcile.kit.record import ChangeRecord, Ended, PassRecord
from eso.runtime.outcome import Wake
from tests.unit.reconcile.objects import NOW, encoded, es, target

KEY = ("ns", "test-es")


class Meter:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def passed(self, key: tuple[str, str], seconds: float) -> None:
        self.seen.append(("passed", key, seconds))

    def errored(self, key: tuple[str, str]) -> None:
        self.seen.append(("errored", key))

    def missed(self, key: tuple[str, str], slots: int) -> None:
        self.seen.append(("missed", key, slots))

    def drifted(self, key: tuple[str, str], manager: str) -> None:
        self.seen.append(("drifted", key, manager))

    def ready(self, key: tuple[str, str], status: str) -> None:
        self.seen.append(("ready", key, status))

    def gone(self, key: tuple[str, str]) -> None:
        self.seen.append(("gone", key))


PASSED = ("passed", KEY, 0.5)


@pytest.mark.parametrize(
    ("ended", "changes", "counted"),
    [
        pytest.param(Ended.IDLE, {}, [PASSED], id="a pass with nothing to do"),
        pytest.param(Ended.GONE, {}, [("gone", KEY), PASSED], id="an object that is gone"),
        pytest.param(
            Ended.SYNCED,
            {"ready": Condition("Ready", "True")},
            [("ready", KEY, "True"), PASSED],
            id="a success",
        ),
        pytest.param(
            Ended.FAILED,
            {"failed": True, "ready": Condition("Ready", "False")},
            [("errored", KEY), ("ready", KEY, "False"), PASSED],
            id="a failure that was told",
        ),
        pytest.param(Ended.BROKEN, {"failed": True}, [("errored", KEY), PASSED], id="a failure that was not"),
        pytest.param(
            Ended.SYNCED,
            {"missed": 2, "drift": True, "changed_by": "kubectl"},
            [("missed", KEY, 2), ("drifted", KEY, "kubectl"), PASSED],
            id="missed slots and drift",
        ),
    ],
)
def test_the_metrics_of_a_pass_come_from_its_record(ended: Ended, changes: dict[str, Any], counted: list[Any]):
    meter = Meter()
    count(meter, PassRecord("ExternalSecret", KEY, Wake(), NOW, 0.5, ended, **changes))
    assert meter.seen == counted


@pytest.mark.parametrize(
    ("change", "record"),
    [
        pytest.param(
            Create({"data": encoded({"b": "canary", "a": "canary"})}),
            ChangeRecord("create", "Secret", "test-secret", ("a", "b")),
            id="a creation",
        ),
        pytest.param(
            Patch("test-secret", {"data": encoded({"a": "canary"})}, {}, ("a",), ("b",), ("c",)),
            ChangeRecord("patch", "Secret", "test-secret", ("a",), ("b",), ("c",)),
            id="a patch",
        ),
        pytest.param(Delete(), ChangeRecord("delete", "Secret", "test-secret"), id="a deletion"),
        pytest.param(Nothing(), None, id="nothing"),
    ],
)
def test_what_was_sent_is_told_by_its_keys(change: Any, record: ChangeRecord | None):
    assert change_record(es(target=target()), change) == record


def test_a_target_of_another_kind_is_named_by_its_kind():
    one = es(target=target(manifest={"apiVersion": "v1", "kind": "ConfigMap"}))
    assert change_record(one, Create({"spec": {}})) == ChangeRecord("create", "ConfigMap", "test-secret")


def test_the_stores_and_generators_that_were_asked_are_told_each_once():
    one = es(
        secretStoreRef={"name": "s"},
        data=[{"secretKey": "a", "remoteRef": {"key": "one", "property": "p"}}],
        dataFrom=[
            {"extract": {"key": "two"}, "sourceRef": {"storeRef": {"name": "c", "kind": "ClusterSecretStore"}}},
            {"find": {"path": "below"}},
            {"sourceRef": {"generatorRef": {"kind": "Password", "name": "g"}}},
        ],
    )
    extract, find, generate, single = read_plan(one)
    results: list[Any] = [(extract, {"a": b"canary"}), (find, {}), (generate, EsoError("no")), (single, b"canary")]
    assert read_from(results) == {("ClusterSecretStore", "c"), ("SecretStore", "s"), ("Password", "g")}
