"""JSONPath as webhooks use it. jsonpath.json has the answers of the library that the reference uses (its hits in
objects come in any order, so lists are compared sorted)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.values import jsonpath
from eso.values.jsonpath import PathFailed, PathRefused, get, plain
from eso.values.jsonpathparse import PathInvalid, parse

VECTORS = json.loads((Path(__file__).parent / "jsonpath.json").read_text())
DOCUMENT = json.dumps(VECTORS["document"]).encode()


def found(path: str, document: bytes = DOCUMENT) -> Any:
    return json.loads(jsonenc.encode(get(jsonenc.decode(document), path, len(document))))


def in_order(value: Any) -> Any:
    return sorted(value, key=lambda one: json.dumps(one, sort_keys=True)) if isinstance(value, list) else value


@pytest.mark.parametrize(("path", "expected"), [pytest.param(*case, id=repr(case[0])) for case in VECTORS["cases"]])
def test_the_answer_is_the_reference_s(path: str, expected: dict[str, Any]) -> None:
    if "error" in expected:
        with pytest.raises((PathFailed, PathInvalid)) as failed:
            found(path)
        assert str(failed.value) == expected["error"]
    else:
        assert in_order(found(path)) == expected["value"]


def test_hits_in_an_object_come_in_the_order_of_the_document() -> None:
    assert found("$.*", b'{"z":1,"a":2,"m":3}') == [1, 2, 3]
    assert found("$..x", b'{"z":{"x":1},"x":2,"a":[{"x":3}]}') == [2, 1, 3]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        pytest.param("$[$.s]", "unknown key ***", id="a key that the document gives"),
        pytest.param(
            "$.l[$.s]", "could not select value, invalid key: expected number but got *** (string)", id="an index"
        ),
        pytest.param("-$.s", "unexpected ***(string) expected number", id="a text that is no number"),
        pytest.param("i[$.s]", "unknown parameter i.***", id="a word's member"),
    ],
)
def test_no_text_quotes_the_document(path: str, told: str) -> None:
    with pytest.raises(PathFailed) as failed:
        found(path, b'{"s":"planted","l":[1],"i":7}')
    assert str(failed.value) == told


WIDE = json.dumps({f"k{number}": {"x": number} for number in range(3000)}).encode()


@pytest.mark.parametrize(
    ("path", "document"),
    [
        pytest.param("$" + "..*" * 12, WIDE, id="every value below every value"),
        pytest.param("$[?(" * 3 + "$..*==$..*" + ")]" * 3, WIDE, id="a filter in a filter over everything"),
        pytest.param("$.*[?($==$)]", WIDE, id="the document compared with itself for each member"),
        pytest.param("$.*[?(@[$.l]==1)]", b'{"l":' + WIDE + b',"m":' + WIDE + b"}", id="a key made of everything"),
        pytest.param("$" + "..x" * 1300, WIDE, id="a long path"),
    ],
)
def test_a_path_that_asks_for_too_much_ends_and_proves_nothing(path: str, document: bytes) -> None:
    try:
        assert found(path, document) == []
    except EsoError as error:
        assert isinstance(error, PathRefused)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("(" * 4000, id="parentheses"),
        pytest.param("-" * 4000 + "1", id="signs"),
        pytest.param("$[" * 2000, id="brackets"),
        pytest.param("$." + "a" * 5000, id="sheer length"),
    ],
)
def test_a_path_that_is_nested_or_long_without_end_is_no_path(path: str) -> None:
    with pytest.raises(PathInvalid):
        parse(path)


def test_a_document_of_all_depths_is_walked() -> None:
    deep = b'{"x":' * 150 + b"1" + b"}" * 150
    assert len(found("$..x", deep)) == 150


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("$", True, id="the document"),
        pytest.param('$.a["b c"][0]', True, id="names and indices"),
        pytest.param("$..a", False, id="anywhere"),
        pytest.param("$.a[*]", False, id="every"),
        pytest.param("$[?(@.a)]", False, id="a filter"),
        pytest.param("$[$.a]", False, id="a path in a path"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_a_plain_path_is_told_apart(path: str, expected: bool) -> None:
    assert plain(path) is expected


@given(st.text(alphabet="$@.*[]()?=!\"'`:,- as10<&|\\\n/", max_size=40))
def test_any_text_is_a_path_or_is_refused(path: str) -> None:
    try:
        found(path)
    except EsoError as error:
        assert str(error)


def test_the_work_is_bounded_by_a_number_and_the_size_of_the_document() -> None:
    look = jsonpath._Look(None, 10)
    with pytest.raises(PathRefused):
        look.spend(11)
