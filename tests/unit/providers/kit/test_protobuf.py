"""Messages as bytes: what the vendors' own library writes is read, and what is no message is refused."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit import protobuf
from eso.providers.kit.protobuf import blob, number, parsed, text, varint

# Written by the reference implementation of the format: struct { fields { k: "v" }, fields { ключ: true } },
# timestamp { seconds: 1700000000, nanos: 5 }, duration { seconds: -3 }, any { type_url: "t", value: 00ff }.
STRUCT = "0a080a016b12031a01760a0e0a08d0bad0bbd18ed18712022001"
TIMESTAMP, DURATION, ANY = "0880e2cfaa061005", "08fdffffffffffffffff01", "0a0174120200ff"


def test_what_the_reference_implementation_writes_is_read():
    fields = [(one.text(1), one.message(2)) for one in parsed(bytes.fromhex(STRUCT)).messages(1)]
    assert [(name, value.text(3), value.number(4)) for name, value in fields] == [("k", "v", 0), ("ключ", "", 1)]
    stamp = parsed(bytes.fromhex(TIMESTAMP))
    assert (stamp.number(1), stamp.number(2)) == (1_700_000_000, 5)
    assert parsed(bytes.fromhex(DURATION)).number(1) == -3
    assert (parsed(bytes.fromhex(ANY)).text(1), parsed(bytes.fromhex(ANY)).blob(2)) == ("t", b"\0\xff")


def test_what_is_written_is_what_the_reference_implementation_writes():
    assert (number(1, 1_700_000_000) + number(2, 5)).hex() == TIMESTAMP
    assert number(1, -3).hex() == DURATION
    assert (text(1, "t") + blob(2, b"\0\xff")).hex() == ANY
    assert text(1, "") == b""
    assert text(21, "v").hex() == "aa010176"


def test_the_last_of_equal_fields_counts_and_unknown_ones_are_skipped():
    message = parsed(text(1, "a") + number(9, 7) + b"\x51" + b"12345678" + b"\x55" + b"1234" + text(1, "b"))
    assert message.text(1) == "b"
    assert message.texts(1) == ["a", "b"]
    assert message.text(2) == ""
    assert message.number(2) == 0
    assert message.blob(2) == b""
    assert message.message(2).fields == {}


def test_fields_of_fixed_size_are_no_texts_of_the_same_number():
    message = parsed(b"\x09planted8" + b"\x15four")
    assert (message.text(1), message.blob(2), message.number(1)) == ("", b"", 0)
    assert not message.has(1)
    assert parsed(text(1, "a") + b"\x09planted8").text(1) == "a"


def test_of_fields_that_exclude_each_other_the_last_counts():
    assert parsed(text(2, "a") + blob(3, b"")).last_of(2, 3) == 3
    assert parsed(blob(3, b"") + text(2, "a")).last_of(2, 3) == 2
    assert parsed(text(1, "a")).last_of(2, 3) == 0
    assert parsed(text(2, "a") + blob(3, b"x") + text(2, "b")).last_of(2, 3) == 2


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("0a", id="a field without a length"),
        pytest.param("0a05616263", id="a length past the end"),
        pytest.param("0affffffff0f", id="a length past all"),
        pytest.param("08", id="a number without a value"),
        pytest.param("08ffffffffffffffffffff01", id="a number of more than ten bytes"),
        pytest.param("08ffffffffffffffffff02", id="a number of more than 64 bits"),
        pytest.param("00", id="a field without a number"),
        pytest.param("0b0c", id="a group"),
        pytest.param("0e", id="an unknown kind"),
        pytest.param("0f", id="another unknown kind"),
        pytest.param("0d0102", id="half a fixed number"),
        pytest.param("80808080808001", id="a field's number past all"),
    ],
)
def test_what_is_no_message_is_malformed(raw: str):
    with pytest.raises(Malformed):
        parsed(bytes.fromhex(raw))


def test_fields_of_another_kind_are_malformed_and_show_nothing():
    message = parsed(number(1, 7) + text(2, "planted") + blob(3, b"\xffplanted"))
    for read in (
        lambda: message.text(1),
        lambda: message.blobs(1),
        lambda: message.number(2),
        lambda: message.message(2),
        lambda: message.text(3),
    ):
        with pytest.raises(Malformed) as refused:
            read()
        assert "planted" not in str(refused.value)
    assert "planted" not in repr(message)


def test_a_message_of_more_fields_than_anybody_needs_is_malformed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(protobuf, "MOST_FIELDS", 10)
    assert parsed(number(1, 0) * 10)
    with pytest.raises(Malformed):
        parsed(number(1, 0) * 11)


def test_half_a_character_is_refused_before_it_is_sent():
    with pytest.raises(InvalidConfig):
        text(1, "\ud800")


def test_numbers_come_back():
    dice = random.Random(7)
    for value in [
        0,
        1,
        127,
        128,
        -1,
        (1 << 63) - 1,
        -(1 << 63),
        *(dice.randrange(-(1 << 63), 1 << 63) for _ in range(200)),
    ]:
        assert parsed(number(3, value)).number(3) == value
        assert len(varint(value)) <= 10


def test_random_bytes_are_a_message_or_malformed():
    dice = random.Random(7)
    for _ in range(3000):
        try:
            found = parsed(dice.randbytes(dice.randrange(40)))
            found.texts(1)
        except EsoError as error:
            assert isinstance(error, Malformed)


SHAPES = {
    "short texts": blob(1, b"ab") * 20_000,
    "fields of many numbers": b"".join(blob(n, b"") for n in range(16, 2_000)),
    "numbers": b"".join(number(n, 300) for n in range(16, 2_000)),
    "messages of many numbers": blob(1, b"".join(blob(n, b"") for n in range(16, 60))) * 500,
    "small messages": blob(1, blob(1, b"ab")) * 10_000,
    "empty messages": blob(1, b"") * 20_000,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_price_of_a_message_covers_what_it_takes(shape: str):
    raw = SHAPES[shape]
    tracemalloc.start()
    try:
        found = parsed(raw)
        inner = found.messages(1) if "messages" in shape else []
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= protobuf.price(raw), len(inner)
