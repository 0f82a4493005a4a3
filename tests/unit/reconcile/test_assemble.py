from __future__ import annotations

import base64
import gc
import weakref
from contextlib import suppress
from typing import Any

import pytest

from eso.errors import EsoError, Terminal
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    InvalidConfig,
    Malformed,
    SecretNotFound,
    Throttled,
    Timeout,
    Unavailable,
    prefixed,
)
from eso.reconcile.externalsecret.assemble import Raw, assemble, proven_missing
from eso.reconcile.externalsecret.readplan import read_plan
from eso.reconcile.externalsecret.stage import Stage
from tests.unit.reconcile.objects import es, fails


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def one(key: str = "k", **ref: Any) -> dict[str, Any]:
    return {"secretKey": key, "remoteRef": {"key": f"remote-{key}", **ref}}


def extract(rewrite: list[Any] | None = None, **ref: Any) -> dict[str, Any]:
    return {"extract": {"key": "remote", **ref}} | ({"rewrite": rewrite} if rewrite else {})


def find(rewrite: list[Any] | None = None, **members: Any) -> dict[str, Any]:
    return {"find": {"name": {"regexp": ".*"}, **members}} | ({"rewrite": rewrite} if rewrite else {})


def put_together(spec: dict[str, Any], raw: list[Raw], *, skip_missing: bool = False) -> Any:
    """`raw` in the order of the plan: dataFrom, then data."""
    return assemble(list(zip(read_plan(es(**spec)), raw, strict=True)), skip_missing=skip_missing)


@pytest.mark.parametrize(
    ("spec", "raw", "data"),
    [
        pytest.param({}, [], {}, id="nothing asked for is nothing"),
        pytest.param({"data": [one("a"), one("b")]}, [b"1", b"2"], {"a": b"1", "b": b"2"}, id="one key per entry"),
        pytest.param({"data": [one("a"), one("a")]}, [b"1", b"2"], {"a": b"2"}, id="the later entry wins"),
        pytest.param(
            {"dataFrom": [extract(), extract()]},
            [{"a": b"1", "b": b"1"}, {"b": b"2"}],
            {"a": b"1", "b": b"2"},
            id="the later dataFrom wins",
        ),
        pytest.param(
            {"data": [one("a")], "dataFrom": [extract()]},
            [{"a": b"from", "b": b"x"}, b"data"],
            {"a": b"data", "b": b"x"},
            id="data beats dataFrom",
        ),
        pytest.param({"data": [one("a", decodingStrategy="Base64")]}, [b64("x")], {"a": b"x"}, id="a value is decoded"),
        pytest.param({"data": [one("a")]}, [b64("x")], {"a": b64("x")}, id="no strategy, no decoding"),
        pytest.param({"data": [one("a")]}, [b"\x00"], {"a": b"\x00"}, id="binary values pass by default"),
        pytest.param({"dataFrom": [extract()]}, [{"a/b": b"1"}], {"a_b": b"1"}, id="foreign characters are converted"),
        pytest.param(
            {"dataFrom": [find(conversionStrategy="Unicode")]}, [{"a/b": b"1"}], {"a_U002f_b": b"1"}, id="or named"
        ),
        pytest.param({"dataFrom": [find()]}, [{"": b"1", "a": b"2"}], {"a": b"2"}, id="the empty key is dropped"),
        pytest.param(
            {"dataFrom": [extract(decodingStrategy="Auto")]},
            [{"a": b64("x"), "b": b"?"}],
            {"a": b"x", "b": b"?"},
            id="each value of a map is decoded",
        ),
        pytest.param(
            {"dataFrom": [find([{"regexp": {"source": "/", "target": "."}}])]},
            [{"a/b": b"1"}],
            {"a.b": b"1"},
            id="rewriting takes the place of the conversion",
        ),
    ],
)
def test_the_data_map(spec: dict[str, Any], raw: list[Raw], data: dict[str, bytes]):
    assert put_together(spec, raw).data == data


BAD_KEY = "invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): "


@pytest.mark.parametrize(
    ("spec", "raw", "text"),
    [
        pytest.param({"data": [one("k")]}, EsoError("boom"), "spec.data[0] (key: remote-k), err: boom", id="data"),
        pytest.param({"dataFrom": [extract()]}, EsoError("boom"), "spec.dataFrom[0].extract, err: boom", id="extract"),
        pytest.param({"dataFrom": [find()]}, EsoError("boom"), "spec.dataFrom[0].find, err: boom", id="find"),
        pytest.param(
            {"dataFrom": [{"sourceRef": {"generatorRef": {"kind": "UUID", "name": "g"}}}]},
            EsoError("boom"),
            "spec.dataFrom[0].sourceRef.generatorRef, err: boom",
            id="generator",
        ),
        pytest.param(
            {"data": [one("k")]},
            SecretNotFound(),
            "spec.data[0] (key: remote-k), err: Secret does not exist",
            id="a missing secret when none may be",
        ),
    ],
)
def test_a_failing_entry_names_its_place(spec: dict[str, Any], raw: Raw, text: str):
    with fails(Stage.FETCH) as failure:
        put_together(spec, [raw])
    assert str(failure.value) == f"error processing {text}"


BY_VALUE = [
    pytest.param({"data": [one("k", decodingStrategy="Base64")]}, b"?", id="a value that is not of its encoding"),
    pytest.param({"data": [one("k", nullBytePolicy="Fail")]}, b"a\x00", id="a value with a NUL byte"),
    pytest.param(
        {"dataFrom": [extract(nullBytePolicy="Fail")]}, {"a": b"a\x00"}, id="a value of a map with a NUL byte"
    ),
    pytest.param(
        {"dataFrom": [extract(decodingStrategy="Base64")]},
        {"a": b"?"},
        id="a value of a map that is not of its encoding",
    ),
    pytest.param({"dataFrom": [extract()]}, {"a/b": b"1", "a.b": b"2", "a_b": b"3"}, id="two keys that become one"),
    pytest.param(
        {"dataFrom": [find([{"regexp": {"source": "x", "target": "y"}}])]},
        {"a/b": b"1"},
        id="a key with a foreign character",
    ),
    pytest.param({"dataFrom": [find()]}, {"k" * 254: b"1"}, id="a key that is too long"),
    pytest.param({"dataFrom": [extract([{"merge": {}}])]}, {"a": b"[]"}, id="a value that cannot be merged"),
    pytest.param(
        {"dataFrom": [extract([{"merge": {}}])]},
        {"a": b'{"x": 1}', "b": b'{"x": 2}'},
        id="values that cannot be merged with each other",
    ),
]


@pytest.mark.parametrize(("spec", "raw"), BY_VALUE)
def test_what_the_backend_holds_may_be_mended_there_so_it_is_tried_again(spec: dict[str, Any], raw: Raw):
    """No event tells of a new value: without another try the object would stay as it is for ever."""
    with fails(Stage.FETCH) as failure:
        put_together(spec, [raw])
    assert failure.value.retryable


def test_only_an_edit_helps_where_the_cause_says_so():
    with fails(Stage.FETCH) as failure:
        put_together({"data": [one()]}, [Terminal("no such provider", fix="use another")])
    assert not failure.value.retryable and failure.value.fix == "use another"


MISSING = {"dataFrom": [extract(), find()], "data": [one("a"), one("b")]}


def test_proven_absence_contributes_nothing_where_the_policy_lets_it():
    found = put_together(
        MISSING,
        [SecretNotFound(), prefixed("error getting all secrets: ", SecretNotFound()), SecretNotFound(), b"2"],
        skip_missing=True,
    )
    assert found.data == {"b": b"2"}
    assert found.missing == (
        "secret does not exist at provider using spec.dataFrom[0]",
        "secret does not exist at provider using spec.dataFrom[1]",
        "secret does not exist at provider using spec.dataFrom[0] (key=remote-a)",
    )


@pytest.mark.parametrize(
    "error",
    [
        AuthExpired("x"),
        AuthRejected("x"),
        Denied("x"),
        Throttled("x"),
        Unavailable("x"),
        Timeout("x"),
        Malformed("x"),
        InvalidConfig("x"),
        EsoError("x"),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("skip_missing", [False, True])
def test_everything_else_fails_the_whole_read(error: EsoError, skip_missing: bool):
    with fails(Stage.FETCH):
        put_together({"data": [one("a"), one("b")]}, [b"1", error], skip_missing=skip_missing)


def caused(error: EsoError, cause: EsoError) -> EsoError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "proven"),
    [
        pytest.param(SecretNotFound(), True, id="not found"),
        pytest.param(caused(EsoError("worded"), SecretNotFound()), True, id="not found, worded"),
        pytest.param(
            caused(EsoError("worded"), caused(EsoError("again"), SecretNotFound())), True, id="not found, worded twice"
        ),
        pytest.param(caused(Denied("no"), SecretNotFound()), False, id="a refusal after a not-found is a refusal"),
        pytest.param(caused(EsoError("worded"), Unavailable("down")), False, id="an outage, worded"),
        pytest.param(EsoError("Secret does not exist"), False, id="a text proves nothing"),
        pytest.param(None, False, id="nothing"),
    ],
)
def test_what_proves_absence(error: EsoError | None, proven: bool):
    assert proven_missing(error) is proven


def test_values_do_not_show_in_an_error():
    with fails(Stage.FETCH) as failure:
        put_together({"dataFrom": [extract([{"merge": {}}])]}, [{"a": b"canary-value"}])
    assert "canary" not in str(failure.value)


def test_a_failed_result_goes_with_its_pass_without_the_collector():
    """In a circle with a frame that has all results, those of thousands of passes took gigabytes."""
    results = list(zip(read_plan(es(data=[one("a"), one("b")])), [b"x", SecretNotFound("gone")], strict=True))
    left = weakref.ref(results[1][1])
    gc.disable()
    try:
        with suppress(EsoError):
            assemble(results, skip_missing=False)
        del results
        assert left() is None
    finally:
        gc.enable()
