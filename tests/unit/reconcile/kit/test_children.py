"""Children of cluster-scoped objects: what one namespace may cost the others of its parent."""

from __future__ import annotations

from dataclasses import dataclass

from eso.reconcile.kit.children import ALL_REASONS, STRAYS, Checked, first_strays, reasons


@dataclass(frozen=True)
class One:
    namespace: str
    name: str


def test_children_are_known_until_their_parent_is_another_one() -> None:
    checked, record = Checked(), object()
    checked.of("parent", ("uid", 1))["ns"] = record
    assert checked.of("parent", ("uid", 1)) == {"ns": record}
    assert checked.of("other", ("uid", 1)) == {}
    assert checked.of("parent", ("uid", 2)) == {}
    checked.of("parent", ("uid", 2))["ns"] = record
    checked.forget("parent")
    assert checked.of("parent", ("uid", 2)) == {}


def test_thousands_of_strays_in_one_namespace_keep_no_other_waiting() -> None:
    strays = [One("a", f"s{i}") for i in range(5000)] + [One("b", "s")]
    first = first_strays(strays)
    assert (len(first), first[-1]) == (STRAYS + 1, One("b", "s"))


def test_reasons_fit_into_a_status_whatever_children_say() -> None:
    assert reasons({"b": "x", "a": "y"}) == [{"namespace": "a", "reason": "y"}, {"namespace": "b", "reason": "x"}]
    (alone,) = reasons({"a": "x" * 30_000})
    assert len(alone["reason"]) == 1024 and alone["reason"].endswith("…")
    many = reasons({f"ns-{i}": "x" * 30_000 for i in range(5000)})
    assert sum(len(one["reason"]) for one in many) <= ALL_REASONS
