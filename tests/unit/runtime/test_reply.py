"""A worker's reply is counted before it is decoded, whatever it claims."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.runtime.memory import Memory, holding
from eso.runtime.reply import DEEPEST, HERE, MOST, WEIGHT, BadReply, checked, values
from tests.fakes.clock import VirtualClock

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=70_000),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=40), inner, max_size=20),
    max_leaves=30,
)


def count(value: Any) -> int:
    match value:
        case list():
            return 1 + sum(map(count, value))
        case dict():
            return 1 + sum(1 + count(one) for one in value.values())
    return 1


@given(plain)
def test_every_value_is_counted(value: Any) -> None:
    assert values(msgspec.msgpack.encode(value)) == count(value)


@given(st.binary(max_size=200))
def test_fuzz_what_is_counted_can_be_decoded_and_nothing_else_is(reply: bytes) -> None:
    """Texts may still be no UTF-8, and keys may be maps: the decoder says so."""
    try:
        values(reply)
    except BadReply:
        return
    try:
        msgspec.msgpack.decode(reply)
    except msgspec.DecodeError as error:
        assert "truncated" not in str(error) and "trailing" not in str(error)
    except (UnicodeDecodeError, TypeError):
        pass


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80\x80", id="something behind the end"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="an array of four thousand million"),
        pytest.param(b"\xdd" + (8 << 20).to_bytes(4, "big") + b"\x80" * (8 << 20), id="eight million maps"),
        pytest.param(b"\xdf" + (4 << 20).to_bytes(4, "big") + b"\xc0" * (8 << 20), id="a map of four million nulls"),
        pytest.param(b"\x91" * 100_000, id="a hundred thousand levels"),
        pytest.param(b"\x91" * (DEEPEST + 1) + b"\xc0", id="a level too many"),
        pytest.param(b"\xc7\x03\x05abc", id="an extension"),
        pytest.param(b"\xd6\xff\x00\x00\x00\x00", id="a time"),
        pytest.param(b"\xc1", id="a byte that means nothing"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="bytes that are not there"),
        pytest.param(b"\xda\x00", id="half a length"),
    ],
)
async def test_a_reply_that_would_exhaust_the_operator_is_refused_before_it_is_decoded(reply: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadReply):
            await checked(reply)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


async def test_the_largest_secret_passes_before_and_after() -> None:
    keys = {f"k{n:06}": b"" for n in range(190_000)}
    reply = msgspec.msgpack.encode(("Patch", {"body": keys, "after": keys}, 0))
    assert len(reply) > HERE and values(reply) < MOST
    assert await checked(reply) is reply


async def test_what_a_reply_takes_once_it_is_decoded_counts_in_the_memory_of_the_pass() -> None:
    memory = Memory(1 << 30, VirtualClock())
    reply = msgspec.msgpack.encode([{}] * 1_000)
    with holding(memory.open("team-a")):
        await checked(reply)
        assert memory.held_by("team-a") >= WEIGHT * 1_001
