"""What is recorded, what is stale, which stores are chosen, when something is due, what is known and claimed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from eso.api.hashing import synced_resource_version
from eso.api.meta import ObjectMeta
from eso.api.pushsecret import (
    PushData,
    PushMatch,
    PushRemoteRef,
    PushSecret,
    PushSecretSpec,
    PushSecretStatus,
)
from eso.api.secretstore import SecretStore, SecretStoreSpec
from eso.errors import EsoError
from eso.providers.contract import Denied, Push, Remote, Source
from eso.reconcile.pushsecret.books import books_json, found, is_found, merge, ours, place, stale, without
from eso.reconcile.pushsecret.holders import Holders, place_of
from eso.reconcile.pushsecret.known import Claims, Known
from eso.reconcile.pushsecret.push import hidden
from eso.reconcile.pushsecret.refresh import Due, by_itself, come_back, next_time
from eso.reconcile.pushsecret.select import TooMuch, check_data_to, check_targets, resolved, usable
from eso.runtime.outcome import After, Done

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def data(key: str, prop: str = "", secret_key: str = "", metadata: Any = None) -> PushData:
    return PushData(PushMatch(secret_key, PushRemoteRef(key, prop)), metadata)


# --- books


def test_the_union_of_two_books_keeps_the_older_entry() -> None:
    new = {"SecretStore/a": {"k": data("k", secret_key="new"), "n": data("n")}}
    old = {"SecretStore/a": {"k": data("k", secret_key="old")}, "SecretStore/b": {"x": data("x")}}
    both = merge(new, old)
    assert both["SecretStore/a"]["k"].match.secret_key == "old"
    assert (sorted(both["SecretStore/a"]), sorted(both["SecretStore/b"])) == (["k", "n"], ["x"])
    assert sorted(new["SecretStore/a"]) == ["k", "n"] and "SecretStore/b" not in new


def test_stale_is_what_only_the_older_books_have() -> None:
    old = {"SecretStore/a": {"k": data("k"), "n": data("n")}, "SecretStore/b": {"x": data("x")}}
    found_stale = stale({"SecretStore/a": {"k": data("k")}}, old)
    assert [(one.store, one.key) for one in found_stale] == [("SecretStore/a", "n"), ("SecretStore/b", "x")]
    assert stale(old, old) == []


def test_a_store_leaves_the_books_with_its_last_entry_unless_it_is_wanted() -> None:
    books = {"SecretStore/a": {"k": data("k")}, "SecretStore/b": {"x": data("x")}, "SecretStore/c": {}}
    gone = stale({}, {"SecretStore/a": {"k": data("k")}, "SecretStore/b": {"x": data("x")}})
    assert without(books, gone, ()) == {}
    assert without(books, gone, ["SecretStore/b"]) == {"SecretStore/b": {}}


def test_an_entry_that_was_there_before_us_is_marked_in_its_record_and_loses_the_mark_when_we_write_it() -> None:
    marked = found(data("k", metadata={"spec": {"x": 1}}))
    assert is_found(marked) and marked.metadata["spec"] == {"x": 1}
    assert ours(marked) == data("k", metadata={"spec": {"x": 1}})
    assert is_found(found(data("k"))) and ours(found(data("k"))) == data("k")
    assert not is_found(data("k"))


# P-018
def test_p_018_the_books_as_the_status_has_them() -> None:
    books = {"SecretStore/a": {"path/field1": data("path", "field1", "k"), "whole": data("whole", metadata={"a": 1})}}
    assert books_json(books) == {
        "SecretStore/a": {
            "path/field1": {
                "conversionStrategy": "None",
                "match": {"remoteRef": {"remoteKey": "path", "property": "field1"}, "secretKey": "k"},
            },
            "whole": {
                "conversionStrategy": "None",
                "match": {"remoteRef": {"remoteKey": "whole"}},
                "metadata": {"a": 1},
            },
        }
    }


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(data("k"), data("k"), True, id="equal"),
        pytest.param(data("k"), data("k", "p"), True, id="the whole and a part"),
        pytest.param(data("k", "p"), data("k", "q"), False, id="two parts"),
        pytest.param(data("k"), data("l"), False, id="two keys"),
        pytest.param(
            data("k", metadata={"spec": {"remoteNamespace": "a"}}),
            data("k", metadata={"spec": {"remoteNamespace": "b"}}),
            False,
            id="two namespaces",
        ),
        pytest.param(
            data("k", metadata={"spec": {"labels": {"a": "1"}}}), data("k"), True, id="labels say nothing of the place"
        ),
    ],
)
def test_entries_overlap_where_deleting_one_takes_from_the_other(one: PushData, other: PushData, same: bool) -> None:
    claims = Claims()
    claims.recorded(("ns", "other"), {"SecretStore/a": {"k": other}})
    assert bool(claims.others(place(one), ("ns", "one"))) is same


# --- stores


def store(
    name: str, namespace: str = "ns", labels: Mapping[str, str] | None = None, cls: str = "", *, going: bool = False
) -> SecretStore:
    meta = ObjectMeta(
        name=name, namespace=namespace, labels=dict(labels or {}), deletion_timestamp=NOW if going else None
    )
    return SecretStore(meta, SecretStoreSpec(controller=cls))


STORES = [store("b", labels={"foo": "bar"}), store("a", labels={"foo": "bar"}), store("c"), store("a", "")]


def spec(**body: Any) -> PushSecretSpec:
    return msgspec.convert(body, PushSecretSpec)


def pick(wanted: PushSecretSpec, stores: list[SecretStore] | None = None) -> list[str]:
    known = STORES if stores is None else stores
    by_name = {(one.kind, one.name): one for one in known}
    every = resolved(
        wanted, lambda kind, name: by_name.get((kind, name)), lambda kind: [one for one in known if one.kind == kind]
    )
    return [f"{one.kind}/{one.name}" for one in usable(every, "default")]


@pytest.mark.parametrize(
    ("refs", "stores"),
    [
        pytest.param([{"name": "c"}, {"name": "a"}], ["SecretStore/c", "SecretStore/a"], id="in the order of the spec"),
        pytest.param([{"name": "a", "kind": "ClusterSecretStore"}], ["ClusterSecretStore/a"], id="P-011"),
        pytest.param(
            [{"labelSelector": {"matchLabels": {"foo": "bar"}}, "name": "c"}],
            ["SecretStore/a", "SecretStore/b"],
            id="P-012 the label wins over the name",
        ),
        pytest.param(
            [{"name": "b"}, {"labelSelector": {"matchLabels": {"foo": "bar"}}}],
            ["SecretStore/b", "SecretStore/a"],
            id="each store once",
        ),
        pytest.param([{"labelSelector": {"matchLabels": {"foo": "no"}}}], [], id="P-014 no store matches"),
        pytest.param([], [], id="P-015 no reference"),
        pytest.param(
            [{"name": "a", "kind": "ClusterSecretStore"}, {"name": "a"}],
            ["ClusterSecretStore/a", "SecretStore/a"],
            id="P-050 both kinds",
        ),
    ],
)
def test_the_stores_of_the_references(refs: list[dict[str, Any]], stores: list[str]) -> None:
    assert pick(spec(secretStoreRefs=refs)) == stores


# P-045, P-047
def test_p_045_p_047_stores_of_another_class_and_stores_that_go_are_left_out() -> None:
    known = [store("a", cls="other"), store("b", going=True), store("c", cls="default")]
    assert pick(spec(secretStoreRefs=[{"name": "a"}, {"name": "b"}, {"name": "c"}]), known) == ["SecretStore/c"]


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        pytest.param(
            {"name": "no"},
            'could not get SecretStore "no", SecretStore.external-secrets.io "no" not found',
            id="P-040",
        ),
        pytest.param(
            {"name": "unexisting", "kind": "ClusterSecretStore"},
            'could not get ClusterSecretStore "unexisting", '
            'ClusterSecretStore.external-secrets.io "unexisting" not found',
            id="P-041",
        ),
        pytest.param({}, "refStore Name must be provided", id="P-042"),
        pytest.param(
            {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}},
            'could not convert labels: "Near" is not a valid label selector operator',
            id="a selector that is none",
        ),
    ],
)
def test_a_reference_that_cannot_be_resolved(ref: dict[str, Any], text: str) -> None:
    with pytest.raises(EsoError) as error:
        pick(spec(secretStoreRefs=[ref]))
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("refs", "target", "text"),
    [
        pytest.param([{"name": "s"}], None, "dataTo[0]: storeRef is required", id="no target"),
        pytest.param([{"name": "s"}], {}, "dataTo[0]: storeRef must have name or labelSelector", id="an empty target"),
        pytest.param(
            [{"name": "s"}],
            {"name": "non-existent-store"},
            'dataTo[0]: storeRef "non-existent-store" not found in secretStoreRefs',
            id="P-124 an unlisted store",
        ),
        pytest.param(
            [{"labelSelector": {"matchLabels": {"foo": "bar"}}}],
            {"name": "a"},
            'dataTo[0]: storeRef "a" not found in secretStoreRefs',
            id="P-125 a store that is only selected by its label",
        ),
    ],
)
def test_a_rule_whose_target_is_not_among_the_references(
    refs: list[dict[str, Any]], target: dict[str, Any] | None, text: str
) -> None:
    with pytest.raises(EsoError) as error:
        check_data_to(spec(secretStoreRefs=refs, dataTo=[{"storeRef": target} if target is not None else {}]))
    assert str(error.value) == text


# P-127
def test_p_127_a_rule_whose_label_no_store_has() -> None:
    body = {"secretStoreRefs": [{"name": "a"}]}
    rule = {"storeRef": {"labelSelector": {"matchLabels": {"foo": "no"}}}}
    with pytest.raises(EsoError) as error:
        check_targets(spec(**body, dataTo=[rule]), STORES)
    assert str(error.value) == "dataTo[0]: labelSelector does not match any store in secretStoreRefs"
    check_targets(spec(**body, dataTo=[{"storeRef": {"labelSelector": {"matchLabels": {"foo": "bar"}}}}]), STORES)


def a_store(name: str, kind: str = "SecretStore", labels: dict[str, str] | None = None) -> SecretStore:
    return SecretStore(ObjectMeta(name=name, namespace="ns" if kind == "SecretStore" else "", labels=labels or {}))


class Stores:
    """The stores of a cluster, and who needs them."""

    def __init__(self, *stores: SecretStore, admitted: bool = True) -> None:
        self.stores = list(stores)
        self.holders = Holders(
            lambda kind, namespace: [s for s in self.stores if (s.kind, s.namespace) == (kind, namespace)],
            lambda store, namespace: admitted or store.kind == "SecretStore",
        )

    def needed(self) -> list[str]:
        return [f"{store.kind}/{store.name}" for store in self.stores if self.holders.needed(store)]

    def relabel(self, name: str, **labels: str) -> None:
        at = next(i for i, store in enumerate(self.stores) if store.name == name)
        self.stores[at] = a_store(name, self.stores[at].kind, labels)
        self.holders.store(place_of(self.stores[at]), self.stores[at])


LABEL = {"labelSelector": {"matchLabels": {"a": "b"}}}
THREE = (a_store("x"), a_store("y", labels={"a": "b"}), a_store("z", "ClusterSecretStore", {"a": "b"}))


def deleting(*refs: dict[str, Any], **body: Any) -> PushSecret:
    return ps(secretStoreRefs=list(refs), deletionPolicy="Delete", **body)


@pytest.mark.parametrize(
    ("ref", "needed"),
    [
        pytest.param({"name": "x"}, ["SecretStore/x"], id="a name"),
        pytest.param({"name": "x"} | LABEL, ["SecretStore/x", "SecretStore/y"], id="a name and a label count both"),
        pytest.param({"kind": ""} | LABEL, ["SecretStore/y", "ClusterSecretStore/z"], id="no kind means both"),
        pytest.param({"kind": "ClusterSecretStore"} | LABEL, ["ClusterSecretStore/z"], id="of the cluster"),
        pytest.param({"labelSelector": {"matchLabels": {"-": "b"}}}, [], id="a selector that is none"),
    ],
)
def test_a_reference_may_mean_a_store_by_name_or_by_label(ref: dict[str, Any], needed: list[str]) -> None:
    stores = Stores(*THREE)
    stores.holders.put(("ns", "ps"), deleting(ref))
    assert stores.needed() == needed
    stores.holders.put(("ns", "ps"), None)
    assert stores.needed() == []


def test_a_label_that_comes_or_goes_moves_the_need_of_those_who_search() -> None:
    stores = Stores(*THREE)
    stores.holders.put(("ns", "ps"), deleting(LABEL, {"name": "y"}))
    stores.relabel("x", a="b")
    stores.relabel("y")
    assert stores.needed() == ["SecretStore/x", "SecretStore/y"]
    stores.relabel("x", a="c")
    assert stores.needed() == ["SecretStore/y"]


def test_a_cluster_store_that_does_not_admit_the_namespace_is_held_by_none_of_its_objects() -> None:
    stores = Stores(*THREE, admitted=False)
    stores.holders.put(("ns", "ps"), deleting({"kind": "ClusterSecretStore"} | LABEL, {"name": "x"}))
    assert stores.needed() == ["SecretStore/x"]


def test_selectors_that_ask_for_too_much_push_nothing_and_hold_nothing() -> None:
    many = {"labelSelector": {"matchLabels": {f"k{i}": "v" for i in range(150)}}}
    crowd = [a_store(f"s{i}") for i in range(200)]
    wanted = deleting(many)
    with pytest.raises(TooMuch) as error:
        resolved(wanted.spec, lambda kind, name: None, lambda kind: crowd)
    assert str(error.value) == "the label selectors ask for more than 20000 comparisons with stores"
    stores = Stores(*crowd)
    stores.holders.put(("ns", "ps"), wanted)
    assert stores.needed() == []


def test_the_rules_of_data_to_are_held_against_the_stores_within_the_same_bound() -> None:
    rule = {"storeRef": {"labelSelector": {"matchLabels": {"a": "b"}}}}
    with pytest.raises(TooMuch):
        check_targets(spec(dataTo=[rule] * 200), [a_store(f"s{i}", labels={"a": "b"}) for i in range(100)])


# --- due or not


def ps(refreshed: datetime | None = None, version: str | None = None, **body: Any) -> PushSecret:
    meta = ObjectMeta(name="ps", namespace="ns", uid="u", generation=1)
    fingerprint = synced_resource_version(meta) if version is None else version
    return PushSecret(meta, spec(**body), PushSecretStatus(refreshed, fingerprint))


# P-065
def test_p_065_the_fingerprint_is_that_of_the_reference() -> None:
    meta = ObjectMeta(name="ps", generation=1)
    assert synced_resource_version(meta) == "1-f47fe3c0b255b6dd8047cdffa772587bb829efe7a1cb70febeda2eb2"
    labelled = ObjectMeta(name="ps", generation=1, annotations={"b": "2", "a": "1"}, labels={"app": "demo"})
    assert synced_resource_version(labelled) == "1-15a40e5bd82dfcf6c7004326491a4eac5b5cb4e5ec543105faab718a"


@pytest.mark.parametrize(
    ("object", "due"),
    [
        pytest.param(ps(version=""), Due.EDITED, id="never synced"),
        pytest.param(ps(NOW, "1-other"), Due.EDITED, id="another fingerprint"),
        pytest.param(ps(NOW, "1-other", refreshInterval="0s"), Due.EDITED, id="P-064 the same with interval zero"),
        pytest.param(ps(NOW - timedelta(days=9), refreshInterval="0s"), Due.NO, id="P-063 interval zero"),
        pytest.param(ps(None), Due.EDITED, id="no time of a refresh"),
        pytest.param(ps(NOW - timedelta(minutes=10)), Due.NO, id="P-062 ten minutes into the hour"),
        pytest.param(ps(NOW - timedelta(minutes=61)), Due.INTERVAL, id="the hour is over"),
        pytest.param(
            ps(NOW - timedelta(seconds=31), refreshInterval="30s"), Due.INTERVAL, id="thirty seconds are over"
        ),
        pytest.param(ps(NOW + timedelta(hours=1)), Due.EDITED, id="a refresh in the future is from a wrong clock"),
    ],
)
def test_what_the_object_alone_tells(object: PushSecret, due: Due) -> None:
    assert by_itself(object, NOW) is due


@pytest.mark.parametrize("interval", ["1ns", "1ms", "1s"])
def test_no_interval_is_shorter_than_a_second(interval: str) -> None:
    assert next_time(ps(NOW, refreshInterval=interval)) == After(1.0)
    assert by_itself(ps(NOW - timedelta(milliseconds=900), refreshInterval=interval), NOW) is Due.NO


def test_an_object_with_thousands_of_entries_is_not_refreshed_each_second() -> None:
    many = [{"match": {"secretKey": "k", "remoteRef": {"remoteKey": f"r{i}"}}} for i in range(3000)]
    assert next_time(ps(NOW, refreshInterval="1s", data=many)) == After(30.0)
    assert next_time(ps(NOW, refreshInterval="1h", data=many)) == After(3600.0)
    recorded = {"SecretStore/a": {f"k{i}": data("k") for i in range(250)}}
    few = ps(NOW, refreshInterval="1s", data=many[:1])
    told = msgspec.structs.replace(few.status, synced_push_secrets=recorded)
    assert next_time(msgspec.structs.replace(few, status=told)) == After(2.5)


def test_p_062_the_next_pass_comes_five_seconds_after_the_interval() -> None:
    assert come_back(ps(NOW - timedelta(minutes=10)), NOW) == After(50 * 60 + 5.0)
    assert come_back(ps(NOW, refreshInterval="0s"), NOW) == Done()


# --- known and claimed

HERE, SPOT = "backend", ("k", "", "")
PUSH = Push(Remote("k"), "a")


def test_a_proof_counts_for_the_same_value_and_from_its_time_on() -> None:
    known = Known(b"k" * 32)
    one, other = known.digest(PUSH, Source({"a": b"1"})), known.digest(PUSH, Source({"a": b"2"}))
    assert not known.there(HERE, SPOT, one, NOW)
    known.put(HERE, SPOT, one, NOW)
    assert known.there(HERE, SPOT, one, NOW)
    assert not known.there(HERE, SPOT, other, NOW)
    assert not known.there("elsewhere", SPOT, one, NOW)
    assert not known.there(HERE, SPOT, one, NOW + timedelta(seconds=1))
    known.forget(HERE, SPOT)
    assert not known.there(HERE, SPOT, one, NOW) and len(known) == 0


def test_a_digest_tells_all_apart_that_a_provider_may_write() -> None:
    known = Known(b"k" * 32)
    source = Source({"a": b"1", "b": b"2"}, type="Opaque", labels={"x": "y"})
    different = [
        (PUSH, source),
        (Push(Remote("k"), "b"), source),
        (Push(Remote("k"), "a", {"spec": {}}), source),
        (PUSH, Source({"a": b"12", "b": b""}, type="Opaque", labels={"x": "y"})),
        (PUSH, Source(source.data, type="other", labels={"x": "y"})),
        (PUSH, Source(source.data, type="Opaque")),
        (PUSH, Source(source.data, type="Opaque", labels={"x": "y"}, annotations={"a": "b"})),
    ]
    assert len({known.digest(*one) for one in different}) == len(different)
    renamed = Source({"b": b"2", "a": b"1"}, name="n", namespace="ns", type="Opaque", labels={"x": "y"})
    assert known.digest(PUSH, renamed) == known.digest(PUSH, source)
    assert Known(b"other").digest(PUSH, source) != known.digest(PUSH, source)


def test_a_write_to_the_whole_makes_its_parts_doubtful_and_the_other_way_round() -> None:
    known = Known(b"k" * 32)
    part, sibling, whole = ("k", "p", ""), ("k", "q", ""), ("k", "", "")
    known.put(HERE, part, b"1", NOW)
    known.put(HERE, sibling, b"2", NOW)
    assert known.there(HERE, part, b"1", NOW) and known.there(HERE, sibling, b"2", NOW)
    known.put(HERE, whole, b"3", NOW)
    assert known.there(HERE, whole, b"3", NOW)
    assert not known.there(HERE, part, b"1", NOW) and not known.there(HERE, sibling, b"2", NOW)
    known.put(HERE, part, b"1", NOW)
    assert not known.there(HERE, whole, b"3", NOW)


def test_claims_name_everybody_else_who_pushes_to_a_remote_key() -> None:
    claims = Claims()
    one, two = ("ns", "one"), ("ns", "two")
    claims.recorded(one, {"SecretStore/a": {"k": data("k")}})
    assert claims.others(SPOT, one) == []
    assert claims.others(SPOT, two) == [(one, "SecretStore/a")]
    claims.flying(two, {"SecretStore/b": {"k/p": data("k", "p")}})
    assert claims.others(SPOT, one) == [(two, "SecretStore/b")]
    claims.flying(two, {})
    assert claims.others(SPOT, one) == []
    claims.recorded(two, {"SecretStore/b": {"k": data("k")}})
    claims.flying(two, {})
    assert [key for key, _ in claims.others(SPOT, one)] == [two]
    claims.recorded(two, {})
    assert claims.others(SPOT, one) == []


# --- what a backend says


def test_words_beside_many_values_are_not_looked_through_value_by_value() -> None:
    error = Denied("permission denied on path team/app")
    few, many = ({f"k{i}": f"value-{i}".encode() for i in range(count)} for count in (500, 501))
    assert str(hidden(error, Source(few))) == str(error)
    assert str(hidden(error, Source(many))) == (
        "the backend refused (Denied): its words may repeat a value and are not shown"
    )


def test_a_value_that_is_longer_than_the_text_is_not_looked_for() -> None:
    error = Denied("permission denied: hunter2-hunter2")
    source = Source({"long": bytes(1 << 20), "short": b"hunter2-hunter2"})
    assert str(hidden(error, source)) == "permission denied: ***"
