"""JSON documents as maps of bytes, in the renderings of the different backends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.gocompat.jsonenc import Number
from eso.values.jsonmap import NotAMap, Variant, get_property, object_in, to_map, typed_value

DOCUMENT = (
    b'{"text":"a\\u00e9<","empty":"","null":null,"int":12345678901234567890,"float": 1.50'
    b' ,"exp":1e3,"bool":true,"object":{"z" : 1,"a":"<"},"list":[ 1,2.0]}'
)


def test_raw_members_keep_the_text_of_the_document() -> None:
    assert to_map(DOCUMENT) == {
        "text": "aé<".encode(),
        "empty": b"",
        "null": b"",
        "int": b"12345678901234567890",
        "float": b"1.50",
        "exp": b"1e3",
        "bool": b"true",
        "object": b'{"z" : 1,"a":"<"}',
        "list": b"[ 1,2.0]",
    }


def test_typed_members_are_doubles_and_encoded_anew() -> None:
    assert to_map(DOCUMENT, "typed") == {
        "text": "aé<".encode(),
        "empty": b"",
        "null": b"",
        "int": b"12345678901234567000",
        "float": b"1.5",
        "exp": b"1000",
        "bool": b"true",
        "object": rb'{"a":"\u003c","z":1}',
        "list": b"[1,2]",
    }


def test_string_members_must_be_strings() -> None:
    assert to_map(b'{"a":"x","b":null}', "string") == {"a": b"x", "b": b""}
    with pytest.raises(NotAMap) as caught:
        to_map(b'{"a":"x","b":5432}', "string")
    assert str(caught.value) == "json: cannot unmarshal number into Go value of type string"


def test_source_members_stand_as_they_are_written() -> None:
    document = rb'{"a":"x\u003c","n":1.50,"none":null,"o":{"z": 1},"twice":1,"twice":"2"}'
    assert to_map(document, "source") == {
        "a": rb'"x\u003c"',
        "n": b"1.50",
        "none": b"null",
        "o": b'{"z": 1}',
        "twice": b'"2"',
    }


VARIANTS: list[Variant] = ["raw", "typed", "string"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(b"null", {}, id="null is an empty map"),
        pytest.param(b" {} ", {}, id="an empty object"),
        pytest.param(b'{"a":"1","a":"2"}', {"a": b"2"}, id="the last of equal names wins"),
        pytest.param(
            b'{"a":"\xff","\\ud800":"\\ud800"}',
            {"a": "\ufffd".encode(), "\ufffd": "\ufffd".encode()},
            id="what is no text is replaced",
        ),
        pytest.param(b'{"a.b":"\\"q\\""}', {"a.b": b'"q"'}, id="escapes in values"),
    ],
)
def test_all_variants_agree_on_strings(variant: Variant, document: bytes, expected: dict[str, bytes]) -> None:
    assert to_map(document, variant) == expected


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hunter2", id="no JSON"),
        pytest.param(b'"hunter2"', id="a string"),
        pytest.param(b'["hunter2"]', id="an array"),
        pytest.param(b"4711", id="a number"),
        pytest.param(b'{"a":"hunter2"}hunter2', id="something behind"),
        pytest.param(b'{"a":"hunter2"', id="cut off"),
        pytest.param(b'{"a":hunter2}', id="a bare word"),
        pytest.param(b'{"a":NaN}', id="not a number"),
        pytest.param(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", id="too deep"),
    ],
)
def test_what_is_no_object_is_refused_without_telling_it(variant: Variant, document: bytes) -> None:
    with pytest.raises(NotAMap) as caught:
        to_map(document, variant)
    assert "hunter2" not in str(caught.value)
    assert "'h'" not in str(caught.value)
    assert "4711" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_object_can_keep_its_numbers() -> None:
    assert object_in(b'{"n":1.50}', keep_numbers=True) == {b"n": Number("1.50")}
    assert typed_value(Number("1.50")) == b"1.50"


def test_a_property_is_rendered() -> None:
    document = b'{"db":{"port":5432,"name":"x\\u0041","none":null,"opts":{"z": 1}},"a.b":{"c":1}}'
    assert get_property(document, "db.port") == b"5432"  # C-152
    assert get_property(document, "db.name") == b"xA"
    assert get_property(document, "db.none") == b""
    assert get_property(document, "db.opts") == b'{"z": 1}'
    assert get_property(document, "db.absent") is None
    assert to_map(get_property(document, "db") or b"")["port"] == b"5432"  # C-152


def test_dots_may_be_part_of_a_name() -> None:
    document = b'{"a.b":1,"a":{"b":2}}'
    assert get_property(document, "a.b") == b"2"
    assert get_property(document, r"a\.b") == b"1"


flat = st.dictionaries(
    st.text(max_size=6).map(lambda text: text.encode("utf-8", "replace").decode()),
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(max_size=6).map(lambda text: text.encode("utf-8", "replace").decode()),
    max_size=6,
)


@given(flat, st.booleans())
def test_members_are_rendered_as_text(document: dict[str, object], ascii_only: bool) -> None:
    def shown(value: object) -> bytes:
        match value:
            case None:
                return b""
            case bool():
                return str(value).lower().encode()
            case _:
                return str(value).encode()

    assert to_map(json.dumps(document, ensure_ascii=ascii_only).encode()) == {
        key: shown(value) for key, value in document.items()
    }


@given(st.binary(max_size=40), st.sampled_from(VARIANTS))
def test_any_bytes_are_a_map_or_refused(document: bytes, variant: Variant) -> None:
    try:
        assert isinstance(to_map(document, variant), dict)
    except NotAMap as error:
        assert error.retryable  # the backend may hold a map tomorrow


@given(flat)
def test_every_plain_name_finds_its_member(document: dict[str, object]) -> None:
    text = json.dumps(document).encode()
    for name, value in document.items():
        if name.isalnum():
            found = get_property(text, name)
            assert found == to_map(text)[name]
            assert (found == b"") == (value in (None, ""))
