"""JSON: the bytes that are written, the values that are read, the errors that are told."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.gocompat import jsonenc
from eso.gocompat.jsonenc import JsonError, Number, decode, encode, members


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, b"null", id="nothing"),
        pytest.param(True, b"true", id="true is no number"),
        pytest.param(1, b"1", id="an integer"),
        pytest.param(1.0, b"1", id="an integral float"),
        pytest.param(-0.0, b"-0", id="minus zero"),
        pytest.param(1.5, b"1.5", id="a float"),
        pytest.param(1e20, b"100000000000000000000", id="plain below 1e21"),
        pytest.param(1e21, b"1e+21", id="an exponent from there on"),
        pytest.param(1e-6, b"0.000001", id="plain from 1e-6 on"),
        pytest.param(1e-7, b"1e-7", id="an exponent below, without padding"),
        pytest.param(1.25e-10, b"1.25e-10", id="two digits of exponent"),
        pytest.param(Number("1.50"), b"1.50", id="a number kept as text"),
        pytest.param(b"a<b>&c", rb'"a\u003cb\u003e\u0026c"', id="HTML signs"),
        pytest.param(b'q"b\\s/', rb'"q\"b\\s/"', id="quotes and backslashes, no slashes"),
        pytest.param(
            b"\b\f\n\r\t\x01\x1f\x7f", b'"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f"', id="control characters, not delete"
        ),
        pytest.param("é😀".encode(), '"é😀"'.encode(), id="text stays raw"),
        pytest.param("\u2028\u2029".encode(), rb'"\u2028\u2029"', id="line separators"),
        pytest.param(b"\xff\xe2\x82", rb'"\ufffd\ufffd\ufffd"', id="invalid bytes, one by one"),
        pytest.param("\ufffd".encode(), '"\ufffd"'.encode(), id="a real replacement character stays raw"),
        pytest.param("text", b'"text"', id="str is text too"),
        pytest.param([], b"[]", id="an empty list"),
        pytest.param({}, b"{}", id="an empty map"),
        pytest.param(
            {b"b": [1, None], b"a": {}, b"B": b""}, b'{"B":"","a":{},"b":[1,null]}', id="keys are sorted by bytes"
        ),
        pytest.param({b"<\xff": 1}, rb'{"\u003c\ufffd":1}', id="keys are escaped like text"),
        pytest.param((1, 2), b"[1,2]", id="a tuple is a list"),
    ],
)
def test_compact_json(value: object, text: bytes) -> None:
    assert encode(value) == text


def test_json_without_html_escapes_keeps_the_other_escapes() -> None:
    assert encode({b"z<": "a&\u2028".encode()}, escape_html=False) == rb'{"z<":"a&\u2028"}'


def test_indented_json() -> None:
    value = {b"b": [1, {b"x": b"<"}], b"a": {}, b"c": []}
    assert (
        encode(value, indent="  ")
        == b'{\n  "a": {},\n  "b": [\n    1,\n    {\n      "x": "\\u003c"\n    }\n  ],\n  "c": []\n}'
    )


def test_other_types_are_turned_into_values_by_the_caller() -> None:
    assert encode([1j, b"x"], default=lambda value: [b"complex", str(value)]) == b'[["complex","1j"],"x"]'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param([math.nan], "json: unsupported value: NaN", id="not a number"),
        pytest.param(math.inf, "json: unsupported value: +Inf", id="infinity"),
        pytest.param(-math.inf, "json: unsupported value: -Inf", id="minus infinity"),
        pytest.param(1j, "json: unsupported type: complex", id="another type"),
        pytest.param({1: 2}, "json: unsupported type: map with keys of type int", id="a key that is no text"),
    ],
)
def test_what_has_no_json_is_refused(value: object, message: str) -> None:
    with pytest.raises(JsonError) as caught:
        encode(value)
    assert str(caught.value) == message


def test_a_map_that_holds_itself_ends_in_an_error() -> None:
    value: dict[bytes, object] = {}
    value[b"self"] = [value]
    with pytest.raises(JsonError, match="exceeded max depth"):
        encode(value)


@pytest.mark.parametrize(
    ("document", "value"),
    [
        pytest.param(b' {"a":[1,2,{"b":null}]} \n', {b"a": [1.0, 2.0, {b"b": None}]}, id="nested"),
        pytest.param(b'{"a":1,"a":{"b":2}}', {b"a": {b"b": 2.0}}, id="the last of equal keys wins"),
        pytest.param(b'"\\u00e9\\ud83d\\ude00\\/"', "é😀/".encode(), id="escapes"),
        pytest.param(b'"\\ud800"', "\ufffd".encode(), id="a lone surrogate"),
        pytest.param(b'"\\ud800\\u0041"', "\ufffdA".encode(), id="a lone surrogate before a letter"),
        pytest.param(b'"\\ud800\\ud83d\\ude00"', "\ufffd😀".encode(), id="a lone surrogate before a pair"),
        pytest.param(
            b'{"\xff":"\xe2\x82"}', {"\ufffd".encode(): "\ufffd\ufffd".encode()}, id="invalid bytes, one by one"
        ),
        pytest.param(b"9007199254740993", 9007199254740992.0, id="a number beyond doubles is rounded"),
        pytest.param(b"123456789012345678901234567890", 1.2345678901234568e29, id="a great integer"),
        pytest.param(b"1e-400", 0.0, id="too small is zero"),
        pytest.param(b"null", None, id="null"),
    ],
)
def test_json_is_read(document: bytes, value: object) -> None:
    assert decode(document) == value


@pytest.mark.parametrize("document", [b"-0", b"[-0]", b'{"a": -0}', b"-0.0", b"-0e1"])
def test_minus_zero_keeps_its_sign(document: bytes) -> None:
    assert b"-0" in encode(decode(document))


def test_numbers_can_be_kept_as_they_are_written() -> None:
    value = decode(b'[1.50, -0, 1e400, 9007199254740993, "1.50", "\\ud800"]', keep_numbers=True)
    assert value == ["1.50", "-0", "1e400", "9007199254740993", b"1.50", "\ufffd".encode()]
    assert encode(value) == '[1.50,-0,1e400,9007199254740993,"1.50","\ufffd"]'.encode()


ERRORS = [
    pytest.param(b"", "unexpected end of JSON input", id="nothing"),
    pytest.param(b"bad", "invalid character 'b' looking for beginning of value", id="no value"),
    pytest.param(b"tru", "invalid character ' ' in literal true (expecting 'e')", id="half a word"),
    pytest.param(b"nulx", "invalid character 'x' in literal null (expecting 'l')", id="a wrong word"),
    pytest.param(b"-", "invalid character ' ' in numeric literal", id="only a sign"),
    pytest.param(b"-x", "invalid character 'x' in numeric literal", id="a sign and no digit"),
    pytest.param(
        b"1.x", "invalid character 'x' after decimal point in numeric literal", id="no digit behind the point"
    ),
    pytest.param(b"1ex", "invalid character 'x' in exponent of numeric literal", id="no digit in the exponent"),
    pytest.param(b"1e+", "invalid character ' ' in exponent of numeric literal", id="an exponent without digits"),
    pytest.param(b"01", "invalid character '1' after top-level value", id="a leading zero"),
    pytest.param(b"1 x", "invalid character 'x' after top-level value", id="something behind"),
    pytest.param(b"NaN", "invalid character 'N' looking for beginning of value", id="NaN"),
    pytest.param(b"Infinity", "invalid character 'I' looking for beginning of value", id="Infinity"),
    pytest.param(b"{", "unexpected end of JSON input", id="an open object"),
    pytest.param(b"{a", "invalid character 'a' looking for beginning of object key string", id="a bare key"),
    pytest.param(b'{"a" 1}', "invalid character '1' after object key", id="no colon"),
    pytest.param(b'{"a":1 "b"}', "invalid character '\"' after object key:value pair", id="no comma in an object"),
    pytest.param(
        b'{"a":1,}',
        "invalid character '}' looking for beginning of object key string",
        id="a comma too many in an object",
    ),
    pytest.param(b"[1 2]", "invalid character '2' after array element", id="no comma in an array"),
    pytest.param(b"[1,]", "invalid character ']' looking for beginning of value", id="a comma too many in an array"),
    pytest.param(b'"\n"', r"invalid character '\n' in string literal", id="a newline in a string"),
    pytest.param(b'"\\x"', "invalid character 'x' in string escape code", id="an unknown escape"),
    pytest.param(b'"\\u12g4"', r"invalid character 'g' in \u hexadecimal character escape", id="no hexadecimal digit"),
    pytest.param(b"'a'", r"invalid character '\'' looking for beginning of value", id="single quotes"),
    pytest.param(
        b"\xc3\xa9", "invalid character 'Ã' looking for beginning of value", id="a byte is shown as its code point"
    ),
    pytest.param(
        b"\x80", r"invalid character '\u0080' looking for beginning of value", id="escaped where it is not printable"
    ),
    pytest.param(b"\xef\xbb\xbf1", "invalid character 'ï' looking for beginning of value", id="no byte order mark"),
    pytest.param(b"[" * (jsonenc.MAX_DEPTH + 1), "exceeded max depth", id="too deep"),
    pytest.param(b"[" * 1_000_000, "exceeded max depth", id="very much too deep"),
    pytest.param(
        b"[1e400]",
        "json: cannot unmarshal number into Go value of type float64",
        id="no double: the digits are not told",
    ),
    pytest.param(b"[1e400,x]", "invalid character 'x' looking for beginning of value", id="syntax goes first"),
]


@pytest.mark.parametrize(("document", "message"), ERRORS)
def test_malformed_json_is_refused_with_the_known_text(document: bytes, message: str) -> None:
    with pytest.raises(JsonError) as caught:
        decode(document)
    assert str(caught.value) == message


@pytest.mark.parametrize(("document", "message"), ERRORS)
def test_the_redacted_text_quotes_nothing_of_the_document(document: bytes, message: str) -> None:
    with pytest.raises(JsonError) as caught:
        decode(document)
    assert "invalid character '" not in caught.value.redacted


def test_the_deepest_allowed_value_is_read_and_written() -> None:
    document = b"[" * jsonenc.MAX_DEPTH + b"]" * jsonenc.MAX_DEPTH
    assert encode(decode(document)) == document
    assert encode(decode(document, keep_numbers=True)) == document


def test_members_keep_the_source_text_of_their_values() -> None:
    document = b' {"b" : 1.50 , "a":{"z": 1,"a":[ ]}, "\\u0063":"x\\u0041", "b":null} '
    assert members(document) == {b"b": b"null", b"a": b'{"z": 1,"a":[ ]}', b"c": b'"x\\u0041"'}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param(
            b"[1]", "json: cannot unmarshal array into Go value of type map[string]json.RawMessage", id="an array"
        ),
        pytest.param(
            b'"x"', "json: cannot unmarshal string into Go value of type map[string]json.RawMessage", id="a string"
        ),
        pytest.param(
            b"1", "json: cannot unmarshal number into Go value of type map[string]json.RawMessage", id="a number"
        ),
        pytest.param(
            b"true", "json: cannot unmarshal bool into Go value of type map[string]json.RawMessage", id="a bool"
        ),
        pytest.param(b'{"a":1}x', "invalid character 'x' after top-level value", id="garbage behind"),
    ],
)
def test_only_an_object_has_members(document: bytes, message: str) -> None:
    with pytest.raises(JsonError) as caught:
        members(document)
    assert str(caught.value) == message
    assert members(b" null ") == {}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5).map(lambda text: text.encode("utf-8", "replace")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_what_was_written_reads_back_the_same(value: object) -> None:
    assert decode(encode(value)) == value
    assert decode(encode(value, escape_html=False, indent="\t")) == value


@given(values)
def test_both_readers_agree_and_so_does_the_standard_library(value: object) -> None:
    document = encode(value)
    assert jsonenc._Reader(document, keep_numbers=False).whole() == decode(document)
    assert jsonenc._Reader(document, keep_numbers=True).whole() == decode(document, keep_numbers=True)
    json.loads(document)


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:0123456789eE+-.tfnrualse\\ \n', max_size=20).map(str.encode))
def test_any_bytes_are_json_or_refused_by_both_readers(document: bytes) -> None:
    results: list[object] = []
    for read in (decode, lambda text: jsonenc._Reader(text, keep_numbers=False).whole()):
        try:
            results.append(read(document))
        except JsonError as error:
            results.append(str(error))
    assert results[0] == results[1]
