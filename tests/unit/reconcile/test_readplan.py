from __future__ import annotations

from typing import Any

import pytest

from eso.api.externalsecret import StoreRef
from eso.providers.contract import Find, RemoteRef
from eso.reconcile.externalsecret.readplan import (
    Extract,
    FindAll,
    Generate,
    One,
    primary_key,
    read_plan,
    sources_of,
    stores_of,
)
from tests.unit.reconcile.objects import es, target

DEFAULT = StoreRef("s", "SecretStore")
REF = {"secretStoreRef": {"name": "s", "kind": "SecretStore"}}
OTHER = {"storeRef": {"name": "o", "kind": "ClusterSecretStore"}}
GENERATOR = {"generatorRef": {"kind": "UUID", "name": "g"}}


def plan(**spec: Any) -> tuple[Any, ...]:
    return read_plan(es(**REF | spec))


def one(key: str = "k", **members: Any) -> dict[str, Any]:
    return {"secretKey": key, "remoteRef": {"key": f"remote-{key}"}, **members}


def test_data_from_comes_before_data():
    reads = plan(data=[one("a"), one("b")], dataFrom=[{"extract": {"key": "x"}}, {"find": {"path": "p"}}])
    assert [(type(r), r.index) for r in reads] == [(Extract, 0), (FindAll, 1), (One, 0), (One, 1)]


def test_nothing_asked_for_is_no_read():
    assert read_plan(es()) == ()


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        pytest.param(
            {"find": {"path": "p"}, "extract": {"key": "x"}, "sourceRef": GENERATOR}, FindAll, id="find beats extract"
        ),
        pytest.param({"extract": {"key": "x"}, "sourceRef": GENERATOR}, Extract, id="extract beats a generator"),
        pytest.param({"sourceRef": GENERATOR}, Generate, id="a generator alone"),
    ],
)
def test_the_first_source_of_an_entry_wins(entry: dict[str, Any], kind: type):
    (read,) = plan(dataFrom=[entry])
    assert type(read) is kind


def test_an_entry_with_a_store_alone_contributes_nothing():
    assert plan(dataFrom=[{"sourceRef": OTHER}]) == ()


@pytest.mark.parametrize(
    ("spec", "store"),
    [
        pytest.param({"data": [one()]}, DEFAULT, id="data: the object's store"),
        pytest.param({"data": [one(sourceRef=OTHER)]}, StoreRef("o", "ClusterSecretStore"), id="data: its own store"),
        pytest.param({"data": [one(sourceRef=GENERATOR)]}, StoreRef(), id="data: a generator there names no store"),
        pytest.param({"dataFrom": [{"extract": {"key": "x"}}]}, DEFAULT, id="extract: the object's store"),
        pytest.param(
            {"dataFrom": [{"extract": {"key": "x"}, "sourceRef": OTHER}]},
            StoreRef("o", "ClusterSecretStore"),
            id="extract: its own store",
        ),
        pytest.param(
            {"dataFrom": [{"find": {"path": "x"}, "sourceRef": OTHER}]},
            StoreRef("o", "ClusterSecretStore"),
            id="find: its own store",
        ),
        pytest.param({"secretStoreRef": None, "data": [one()]}, StoreRef(), id="no store at all"),
    ],
)
def test_where_an_entry_reads(spec: dict[str, Any], store: StoreRef):
    (read,) = plan(**spec)
    assert read.store == store


def test_all_of_a_reference_is_handed_on():
    full = {"key": "k", "property": "p", "version": "v", "metadataPolicy": "Fetch"}
    (value,) = plan(data=[{"secretKey": "s", "remoteRef": full}])
    (mapping,) = plan(dataFrom=[{"extract": full}])
    assert value.remote == mapping.remote == RemoteRef("k", "p", "v", "Fetch")


@pytest.mark.parametrize(
    ("find", "wanted"),
    [
        pytest.param({"name": {"regexp": "x"}}, Find(None, "x", None), id="by name"),
        pytest.param({"path": ""}, Find("", None, None), id="an empty path is not an absent one"),
        pytest.param(
            {"tags": {"b": "2", "a": "1"}}, Find(None, None, (("a", "1"), ("b", "2"))), id="by tags, in order"
        ),
        pytest.param({"tags": {}}, Find(None, None, ()), id="no tags are not absent ones"),
        pytest.param(
            {"path": "p", "conversionStrategy": "Unicode"}, Find("p", None, None, "Unicode"), id="with a strategy"
        ),
    ],
)
def test_what_find_asks_for(find: dict[str, Any], wanted: Find):
    (read,) = plan(dataFrom=[{"find": find}])
    assert read.find == wanted


def test_every_store_is_listed_once_in_order():
    spec = es(
        **REF,
        data=[one(sourceRef=OTHER), one("b")],
        dataFrom=[{"extract": {"key": "x"}, "sourceRef": OTHER}, {"sourceRef": GENERATOR}],
    ).spec
    assert stores_of(spec) == (DEFAULT, StoreRef("o", "ClusterSecretStore"))


def test_a_store_without_a_name_is_none():
    assert stores_of(es(secretStoreRef={"name": "", "kind": "SecretStore"}).spec) == ()


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        pytest.param({"data": [one("a"), one("b")]}, "remote-a", id="the first entry's"),
        pytest.param({"data": [one("a")], "dataFrom": [{"extract": {"key": "x"}}]}, "x", id="dataFrom comes first"),
        pytest.param(
            {"dataFrom": [{"find": {"path": "p", "name": {"regexp": "r"}}}]}, "find:p:r", id="a search is its own key"
        ),
        pytest.param(
            {"dataFrom": [{"sourceRef": GENERATOR}], "data": [one("a")]}, "remote-a", id="a generator has none"
        ),
        pytest.param({"dataFrom": [{"sourceRef": GENERATOR}]}, "uid-es", id="nothing is read: the object itself"),
    ],
)
def test_the_key_that_objects_fall_due_by(spec: dict[str, Any], key: str):
    assert primary_key(es(**spec)) == key


def test_template_sources_are_listed_once():
    again = {"configMap": {"name": "c", "items": []}, "secret": {"name": "t", "items": []}}
    assert sources_of(es(target=target(template={"templateFrom": [again, {"literal": ""}, again]})).spec) == (
        ("ConfigMap", "c"),
        ("Secret", "t"),
    )
    assert sources_of(es().spec) == ()
