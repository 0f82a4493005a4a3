"""Base 64 and base 32, with the byte that is wrong."""

from __future__ import annotations

import base64 as stdlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.gocompat import base64


@pytest.mark.parametrize(
    ("text", "url", "data"),
    [
        pytest.param(b"aGVsbG8=", False, b"hello", id="standard"),
        pytest.param(b"", False, b"", id="empty"),
        pytest.param(b"aGVs\nbG8=\n", False, b"hello", id="newlines inside and behind"),
        pytest.param(b"\r\naG\rVs\nbG8\n=", False, b"hello", id="newlines anywhere, even before the padding"),
        pytest.param(b"YQ=\n=", False, b"a", id="a newline between the paddings"),
        pytest.param(b"YR==", False, b"a", id="trailing bits that are not zero"),
        pytest.param(b"/w+A", False, b"\xff\x0f\x80", id="the two signs of the standard alphabet"),
        pytest.param(b"_w-A", True, b"\xff\x0f\x80", id="the two signs of the URL alphabet"),
    ],
)
def test_decoded(text: bytes, url: bool, data: bytes) -> None:
    assert base64.decode(text, url=url) == data


@pytest.mark.parametrize(
    ("text", "url", "offset"),
    [
        pytest.param(b"bad!", False, 3, id="a foreign sign"),
        pytest.param(b"aGVsbG8", False, 4, id="missing padding names the incomplete group"),
        pytest.param(b"aGVsbG8==", False, 8, id="too much padding"),
        pytest.param(b"_-8=", False, 0, id="the URL alphabet is foreign to the standard"),
        pytest.param(b"+/8=", True, 0, id="and the other way round"),
        pytest.param(b"YQ=", False, 3, id="half the padding"),
        pytest.param(b"YQ=x", False, 2, id="something else for the second padding"),
        pytest.param(b"Y===", False, 1, id="padding behind one letter"),
        pytest.param(b"YQ==YQ==", False, 4, id="two texts in one"),
        pytest.param(b"YQ==\n\nx", False, 6, id="garbage behind newlines"),
        pytest.param(b"a b=", False, 1, id="a blank"),
        pytest.param(b"\xff", False, 0, id="a byte that is no text"),
    ],
)
def test_refused_at_the_byte_that_is_wrong(text: bytes, url: bool, offset: int) -> None:
    with pytest.raises(base64.Base64Error) as caught:
        base64.decode(text, url=url)
    assert str(caught.value) == f"illegal base64 data at input byte {offset}"


def test_texts_without_padding() -> None:
    assert base64.decode(b"aGVsbG8", padded=False) == b"hello"
    assert base64.encode(b"\xff\x0f", url=True, padded=False) == b"_w8"
    with pytest.raises(base64.Base64Error, match="byte 7"):
        base64.decode(b"aGVsbG8=", padded=False)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        pytest.param(b"bad", 0, id="lower case"),
        pytest.param(b"NBSWY3D", 0, id="an incomplete group"),
        pytest.param(b"NBSWY3DPNB", 8, id="an incomplete second group"),
        pytest.param(b"NB=", 3, id="not enough padding"),
        pytest.param(b"NB====A=", 5, id="a letter in the padding"),
        pytest.param(b"NBS=====", 3, id="a length that no bytes have"),
        pytest.param(b"1BSWY3DP", 0, id="a digit that is no letter of it"),
    ],
)
def test_base_32_refused(text: bytes, offset: int) -> None:
    with pytest.raises(base64.Base64Error) as caught:
        base64.decode32(text)
    assert str(caught.value) == f"illegal base32 data at input byte {offset}"


@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_what_was_encoded_decodes(data: bytes, url: bool, padded: bool) -> None:
    assert base64.decode(base64.encode(data, url=url, padded=padded), url=url, padded=padded) == data


@given(st.binary(max_size=100))
def test_base_32_decodes_what_it_encoded_newlines_or_not(data: bytes) -> None:
    text = base64.encode32(data)
    assert base64.decode32(text) == base64.decode32(text[:3] + b"\r\n" + text[3:]) == data


@given(st.binary(max_size=60))
def test_any_bytes_decode_like_the_strict_standard_decoder_or_name_a_place_inside(text: bytes) -> None:
    try:
        data = base64.decode(text)
    except base64.Base64Error as error:
        assert 0 <= error.offset <= len(text)
    else:
        assert data == stdlib.b64decode(text.translate(None, b"\r\n"))


def test_a_megabyte_with_its_fault_at_the_end() -> None:
    with pytest.raises(base64.Base64Error, match="byte 1048576"):
        base64.decode(b"A" * (1 << 20) + b"!")
