"""Values: decoded, refused for NUL bytes, never told."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.gocompat import base64 as gobase64
from eso.template import LIMITS
from eso.template.apply import CHEAP, out_of_bounds
from eso.values.decode import DecodingError, decode, decode_map, decode_value, refuse_null_bytes

LONG = base64.encodebytes(bytes(range(256)))


@pytest.mark.parametrize(
    ("strategy", "value", "decoded"),
    [
        pytest.param("Base64", b"YmFy", b"bar", id="C-175 base 64"),
        pytest.param("Base64URL", b"_w-A", b"\xff\x0f\x80", id="C-175 the URL alphabet"),
        pytest.param("Auto", b"foo", b"foo", id="C-175 auto leaves other text alone"),
        pytest.param("", b"YmFy", b"YmFy", id="C-175 an absent strategy changes nothing"),
        pytest.param("None", b"YmFy", b"YmFy", id="none changes nothing"),
        pytest.param("Base64", LONG, bytes(range(256)), id="C-176 lines of text"),
        pytest.param("Auto", b"YmFy", b"bar", id="auto knows base 64"),
        pytest.param("Auto", b"_w-A", b"\xff\x0f\x80", id="auto knows the URL alphabet"),
        pytest.param("Auto", b"", b"", id="auto leaves nothing empty"),
        pytest.param("Auto", b"YmFyYg", b"YmFyYg", id="auto wants padding"),
    ],
)
def test_a_value_is_decoded(strategy: str, value: bytes, decoded: bytes) -> None:
    assert decode_value(value, strategy) == decode(value, strategy) == decoded


@pytest.mark.parametrize(
    ("strategy", "value", "message"),
    [
        pytest.param("Base64", b"foo", "illegal base64 data at input byte 0", id="C-175 missing padding"),
        pytest.param("Base64", b"_w-A", "illegal base64 data at input byte 0", id="the other alphabet"),
        pytest.param("Base64URL", b"YmF!", "illegal base64 data at input byte 3", id="a foreign sign"),
        pytest.param("Rot13", b"x", "decoding strategy Rot13 is not supported", id="an unknown strategy"),
    ],
)
def test_a_value_of_another_form_is_refused_without_telling_it(strategy: str, value: bytes, message: str) -> None:
    with pytest.raises(DecodingError) as caught:
        decode_value(value, strategy)
    assert str(caught.value) == f"error applying decoding strategy {strategy} to data: {message}"
    with pytest.raises(DecodingError) as caught:
        decode_map({"ok": b"", "key": value}, strategy)
    assert (
        str(caught.value)
        == f"error applying decoding strategy {strategy} to data: failure decoding key {'key'}: {message}"
    )


def test_auto_on_a_map_decodes_what_it_can() -> None:
    data = {"a": b"YmFy", "b": b"not base64!", "c": b"_w-A", "d": b"\xff"}
    assert decode_map(data, "Auto") == {"a": b"bar", "b": b"not base64!", "c": b"\xff\x0f\x80", "d": b"\xff"}  # C-177


def test_null_bytes_are_refused_by_the_first_key_in_order() -> None:
    data = {"z": b"A\0B", "b": b"\0", "a": b"fine"}
    with pytest.raises(DecodingError) as caught:
        refuse_null_bytes(data, "Fail")  # C-179
    assert str(caught.value) == (
        'fetched secret value for key "b" contains null bytes; '
        "use a text-safe format such as PEM/base64 or leave nullBytePolicy unset for intentional binary data"
    )


@pytest.mark.parametrize("policy", ["", "Ignore"])
def test_null_bytes_are_accepted_otherwise(policy: str) -> None:
    data = {"b": b"A\0B"}
    refuse_null_bytes(data, policy)  # C-179
    assert data == {"b": b"A\0B"}


def test_values_without_null_bytes_pass() -> None:
    data = {"a": b"0", "b": b""}
    refuse_null_bytes(data, "Fail")
    assert data == {"a": b"0", "b": b""}


@given(st.binary(max_size=60))
def test_auto_never_fails(value: bytes) -> None:
    assert isinstance(decode(value, "Auto"), bytes)


@given(st.binary(max_size=60))
def test_what_was_encoded_is_decoded(value: bytes) -> None:
    assert decode(base64.b64encode(value), "Base64") == value
    assert decode(base64.urlsafe_b64encode(value), "Base64URL") == value
    assert decode(base64.b64encode(value), "Auto") == value


@given(
    st.dictionaries(st.text(max_size=4), st.binary(max_size=12), max_size=5), st.sampled_from(["Base64", "Base64URL"])
)
def test_no_message_holds_a_value(data: dict[str, bytes], strategy: str) -> None:
    planted = {key: value + b"hunter2!" for key, value in data.items()}
    if not planted:
        return
    with pytest.raises(DecodingError) as caught:
        decode_map(planted, strategy)
    assert "hunter2" not in str(caught.value)


def test_decoding_pays_by_the_bytes() -> None:
    with pytest.raises(DecodingError, match="decoding 400000 bytes exceeds the limit of 1000 steps") as refused:
        decode_map({"a": b"QUFB" * 100_000}, "Base64", replace(CHEAP, seconds=60))
    assert out_of_bounds(refused.value)


def test_decoding_one_value_pays_by_the_bytes_like_a_map() -> None:
    with pytest.raises(DecodingError, match="decoding 400000 bytes exceeds the limit of 1000 steps") as refused:
        decode_value(b"QUFB" * 100_000, "Auto", replace(CHEAP, seconds=60))
    assert out_of_bounds(refused.value)
    assert decode_value(b"QUFB" * 100_000, "None", replace(CHEAP, seconds=60)) == b"QUFB" * 100_000


def test_many_values_of_one_pass_pay_together() -> None:
    limits = replace(LIMITS, pass_steps=10_000).of_pass()
    with pytest.raises(DecodingError, match="10000 steps of one pass"):
        for _ in range(50):
            decode_value(b"QUFB" * 10_000, "Base64", limits)


@given(st.lists(st.sampled_from([b"QUFB", b"\n", b"\r\n", b"QQ", b"==", b"=", b"!", b"-_+/", b"A"])).map(b"".join))
def test_the_place_of_a_fault_does_not_depend_on_what_stands_before_it(text: bytes) -> None:
    """A thousand groups in front move it by their length, whichever way it is looked for."""
    front = b"QU\nFB" * 1_000

    def fault(data: bytes) -> int | None:
        try:
            gobase64.decode(data)
        except gobase64.Base64Error as error:
            return error.offset
        return None

    assert fault(front + text) == (None if (place := fault(text)) is None else place + len(front))
