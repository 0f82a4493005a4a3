"""Quoting, numbers, case and classes on bytes that need not be text."""

from __future__ import annotations

import math
import struct
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.gocompat import text


@pytest.mark.parametrize(
    ("data", "quoted"),
    [
        pytest.param(b"", '""', id="empty"),
        pytest.param(b'a"b\\c', r'"a\"b\\c"', id="quotes and backslashes"),
        pytest.param(b"\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"', id="named escapes"),
        pytest.param(b"\x00\x1b\x7f", r'"\x00\x1b\x7f"', id="other control characters"),
        pytest.param(b"\xff\xe2\x82", r'"\xff\xe2\x82"', id="invalid bytes"),
        pytest.param("é😀".encode(), '"é😀"', id="printable text stays"),
        pytest.param("\ufffd".encode(), '"\ufffd"', id="a real replacement character stays"),
        pytest.param(
            "\u2028\u00a0\ufeff\u00ad".encode(), r'"\u2028\u00a0\ufeff\u00ad"', id="spaces and formats are escaped"
        ),
        pytest.param("\U000e0001".encode(), r'"\U000e0001"', id="beyond the basic plane with eight digits"),
    ],
)
def test_quoted_text(data: bytes, quoted: str) -> None:
    assert text.quote(data) == quoted


def test_quoted_to_ascii() -> None:
    assert text.quote("é😀\x7f".encode(), ascii_only=True) == r'"\u00e9\U0001f600\x7f"'


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        pytest.param(b'a\tb"c\\', '`a\tb"c\\`', id="anything on one line"),
        pytest.param(b"a\nb", r'"a\nb"', id="not over two lines"),
        pytest.param(b"a`b", '"a`b"', id="not with a back quote"),
        pytest.param(b"\xff", r'"\xff"', id="not with invalid bytes"),
        pytest.param("\ufeff".encode(), r'"\ufeff"', id="not with a byte order mark"),
        pytest.param(b"\x7f", r'"\x7f"', id="not with delete"),
    ],
)
def test_back_quoted_where_that_is_possible(data: bytes, shown: str) -> None:
    assert text.backquote(data) == shown


@pytest.mark.parametrize(
    ("char", "quoted"),
    [("x", "'x'"), ("'", r"'\''"), ('"', "'\"'"), ("\n", r"'\n'"), ("\udc80", "'\ufffd'"), ("\u2028", r"'\u2028'")],
)
def test_a_quoted_character(char: str, quoted: str) -> None:
    assert text.quote_rune(char) == quoted


def test_each_invalid_byte_is_one_replacement_character() -> None:
    assert text.runes(b"a\xe2\x82b\xff") == "a\ufffd\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("value", "verb", "precision", "shown"),
    [
        pytest.param(100000.0, "g", -1, "100000", id="five zeros are written out"),
        pytest.param(1000000.0, "g", -1, "1e+06", id="six are an exponent"),
        pytest.param(1234567.0, "g", -1, "1.234567e+06", id="the number of digits does not matter"),
        pytest.param(123456.7, "g", -1, "123456.7", id="nor do places"),
        pytest.param(0.0001, "g", -1, "0.0001", id="small"),
        pytest.param(0.00001, "g", -1, "1e-05", id="smaller"),
        pytest.param(3.0, "g", -1, "3", id="no trailing zero"),
        pytest.param(-0.0, "g", -1, "-0", id="minus zero"),
        pytest.param(math.inf, "f", 3, "+Inf", id="infinity"),
        pytest.param(-math.inf, "g", -1, "-Inf", id="minus infinity"),
        pytest.param(math.nan, "e", -1, "NaN", id="not a number"),
        pytest.param(2.675, "f", 2, "2.67", id="rounded on the exact value"),
        pytest.param(0.5, "f", 0, "0", id="half to even"),
        pytest.param(1.5, "f", 0, "2", id="half to even, up"),
        pytest.param(1e21, "f", -1, "1000000000000000000000", id="plain decimal of any size"),
        pytest.param(1e-7, "f", -1, "0.0000001", id="plain decimal of any smallness"),
        pytest.param(123456.0, "e", 2, "1.23e+05", id="exponent form"),
        pytest.param(0.0, "e", 2, "0.00e+00", id="zero in exponent form"),
        pytest.param(123456.0, "G", 3, "1.23E+05", id="upper case"),
        pytest.param(100.0, "g", 3, "100", id="as many digits as asked for"),
        pytest.param(1e100, "e", -1, "1e+100", id="three digits of exponent"),
        pytest.param(5e-324, "g", -1, "5e-324", id="the smallest"),
    ],
)
def test_a_float_is_shown_as_go_shows_it(value: float, verb: str, precision: int, shown: str) -> None:
    assert text.format_float(value, verb, precision) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(3.14159265, "3.1415927", id="pi"),
        pytest.param(1.10, "1.1", id="no digits of the double"),
        pytest.param(123456789.5, "1.2345679e+08", id="exponent form"),
        pytest.param(0.000244140625, "0.00024414063", id="a power of two rounds away from its narrow side"),
        pytest.param(2.0**90, "1.2379401e+27", id="a great power of two"),
        pytest.param(3679491.25, "3.6794912e+06", id="half to even"),
        pytest.param(1e300, "+Inf", id="too great for a single"),
    ],
)
def test_a_float_at_single_precision(value: float, shown: str) -> None:
    assert text.format_float(value, bits=32) == shown


def test_decimal_numbers_have_no_exponent() -> None:
    assert [text.decimal_number(v) for v in (123.0, 1e21, 1.5, 1e-9)] == [
        "123",
        "1000000000000000000000",
        "1.5",
        "0.000000001",
    ]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_shortest_text_reads_back(value: float) -> None:
    for verb in "efg":
        assert struct.pack("d", float(text.format_float(value, verb))) == struct.pack("d", value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_text_of_a_single_reads_back_as_the_same_single(value: float) -> None:
    assert struct.pack("f", float(text.format_float(value, bits=32))) == struct.pack("f", value)


@pytest.mark.parametrize(
    ("data", "upper", "lower"),
    [
        pytest.param("ß", "ß", "ß", id="sharp s has no capital of one character"),
        pytest.param("ﬁ", "ﬁ", "ﬁ", id="nor has a ligature"),
        pytest.param("İ", "İ", "i", id="dotted capital i loses its dot"),
        pytest.param("Σας", "ΣΑΣ", "σας", id="no special final sigma"),
        pytest.param("ΟΔΟΣ", "ΟΔΟΣ", "οδοσ", id="not even at the end"),
        pytest.param("ᾳ", "ᾼ", "ᾳ", id="iota subscript takes its title form"),
        pytest.param("ǆ", "Ǆ", "ǆ", id="a digraph"),
        pytest.param("abcÄ", "ABCÄ", "abcä", id="mixed"),
    ],
)
def test_case_is_mapped_one_to_one(data: str, upper: str, lower: str) -> None:
    assert text.upper(data.encode()) == upper.encode()
    assert text.lower(data.encode()) == lower.encode()


def test_invalid_bytes_are_replaced_when_case_is_mapped() -> None:
    assert text.upper(b"a\xff\xe2\x82") == "A\ufffd\ufffd\ufffd".encode()


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        pytest.param(
            "it's a-b c_d 1x", "It'S A-B C_d 1x", id="quotes and dashes end a word, digits and underlines do not"
        ),
        pytest.param("ǆa éb", "ǅa Éb", id="title case is not upper case"),
        pytest.param("a\u2003b—c", "A\u2003B—c", id="of other scripts only spaces end a word"),
    ],
)
def test_titles(data: str, shown: str) -> None:
    assert text.title(data.encode()) == shown.encode()


@given(st.characters())
def test_case_mapping_keeps_the_number_of_characters(char: str) -> None:
    assert {len(text.upper_rune(char)), len(text.lower_rune(char)), len(text.title_rune(char))} == {1}


@given(st.characters())
def test_letters_and_numbers_are_unicode_categories_and_marks_are_neither(char: str) -> None:
    category = unicodedata.category(char)
    assert text.is_letter(char) == category.startswith("L")
    assert text.is_number(char) == category.startswith("N")
    assert not (category.startswith("M") and (text.is_letter(char) or text.is_number(char)))


def test_space_is_the_white_space_property() -> None:
    assert all(map(text.is_space, "\t\n\v\f\r \x85\xa0\u1680\u2003\u2028\u202f\u3000"))
    assert not any(map(text.is_space, "\x1c\x1d\x1e\x1f\u200b\ufeffa"))


def test_trimming_leaves_inner_and_invalid_bytes_alone() -> None:
    assert text.trim_space("\u2003 \xa0a \t".encode() + b"\xff\n") == b"a \t\xff"


def test_text_with_undecodable_parts_can_be_shown() -> None:
    assert text.shown("a\udcffb").encode() == "a\ufffdb".encode()
