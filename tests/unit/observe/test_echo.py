"""A text from outside never tells a part of what was sent, however it is written."""

from __future__ import annotations

import base64
import codecs

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eso.observe.echo import LEAST, MOST, VOCABULARY, WORD, told
from eso.observe.redact import MASK

VALUE = b"Zq7kWmXp42TvRn9Lbd"


@pytest.mark.parametrize(
    "echo",
    [
        pytest.param(VALUE.upper(), id="in upper case"),
        pytest.param(VALUE.swapcase(), id="in swapped case"),
        pytest.param(VALUE[::-1], id="backwards"),
        pytest.param(VALUE[3:12], id="cut"),
        pytest.param(VALUE[:LEAST], id="its beginning"),
        pytest.param(base64.b64encode(VALUE[2:]), id="a part in base64"),
        pytest.param(base64.b64encode(b"x" + VALUE), id="in base64 behind something else"),
        pytest.param(base64.b64encode(VALUE[::-1]), id="backwards in base64"),
        pytest.param(base64.urlsafe_b64encode(b"ab" + VALUE), id="in base64 for addresses"),
        pytest.param(base64.b32encode(b"abc" + VALUE), id="in base32"),
        pytest.param(base64.b32encode(VALUE).lower(), id="in base32, in lower case"),
        pytest.param(VALUE.hex().upper().encode(), id="in hex, in upper case"),
        pytest.param(VALUE.hex(":").encode(), id="in hex with colons"),
        pytest.param(VALUE.hex(" ").encode(), id="in hex with blanks"),
        pytest.param(VALUE[::-1].hex("%").encode(), id="backwards, each byte escaped as in addresses"),
        pytest.param("".join(f"\\u{byte:04X}" for byte in VALUE).encode(), id="each letter escaped as in JSON"),
        pytest.param("".join(f"&#x{byte:x};" for byte in VALUE).encode(), id="each letter escaped as in HTML"),
        pytest.param("".join(f"&#{byte};" for byte in VALUE[2:9]).encode(), id="a part in numbers as in HTML"),
        pytest.param(VALUE[4:10].hex().encode(), id="a part in hex"),
    ],
)
def test_a_text_that_repeats_a_part_of_a_value_in_another_spelling_is_not_shown(echo: bytes) -> None:
    assert told(f"denied the request: {echo.decode()} is not allowed", [VALUE]) is None


def test_a_whole_value_is_masked_and_the_rest_of_the_text_stays() -> None:
    assert told(f"Invalid value: {VALUE.decode()}: must be short", [VALUE]) == f"Invalid value: {MASK}: must be short"


def test_a_known_word_that_a_value_holds_by_chance_leaves_the_text_as_it_is() -> None:
    text = 'Secret "db" is invalid: data[x]: a valid key must consist of alphanumeric characters'
    assert told(text, [b'{"password": "x", "secret": "alphanumeric"}', b"my-secret-key"]) == text


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        pytest.param('admission webhook "policy" denied the request: no owner', [VALUE], id="words of a webhook"),
        pytest.param(
            "exceeded quota: secrets, used: 10", [b"10", b"a"], id="values that are too short to tell anything"
        ),
        pytest.param("is invalid: data: Too long", [], id="nothing was sent"),
        pytest.param("", [VALUE], id="no text"),
    ],
)
def test_a_text_that_repeats_nothing_stays_as_it_is(text: str, sent: list[bytes]) -> None:
    assert told(text, sent) == text


def test_beside_more_values_than_are_looked_through_only_known_phrases_are_shown() -> None:
    many = [VALUE * 100 + bytes([n]) for n in range(MOST // 1500)]
    assert told("permission denied", many) is None
    assert told("permission denied", many, trusted=True) == "permission denied"


def test_a_long_text_is_cut_before_it_is_looked_through() -> None:
    shown = told("x " * 100_000, [VALUE])
    assert shown is not None and len(shown) <= 1024


@given(st.binary(min_size=LEAST, max_size=40), st.text(max_size=30), st.text(max_size=30), st.integers(0, 6))
def test_property_no_transformation_of_a_value_gets_through(value: bytes, before: str, after: str, way: int) -> None:
    text = value.decode("utf-8", "replace")
    turned = [
        text,
        text.upper() if text.isascii() else text,
        value.hex(),
        base64.b64encode(value).decode(),
        base64.b32encode(value).decode(),
        codecs.encode(value[::-1], "hex").decode(),
        text[: max(LEAST, len(text) // 2)],
    ][way]
    assume(not VOCABULARY & set(WORD.findall(turned.lower())))
    shown = told(f"{before}|{turned}|{after}", [value])
    assert shown is None or turned not in shown or len(turned.encode()) < LEAST or turned in f"{before}|{MASK}|{after}"
