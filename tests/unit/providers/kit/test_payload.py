"""What a push writes."""

from __future__ import annotations

import pytest

from eso.providers.contract import InvalidConfig, Push, Remote, Source
from eso.providers.kit.payload import pushed, text_of

SOURCE = Source({"b": b"<2>", "a": b"1", "bytes": b"\xff"})


def test_one_key_is_its_value_and_none_is_all_of_them_as_json() -> None:
    assert pushed(Push(Remote("x"), "bytes"), SOURCE) == b"\xff"
    assert pushed(Push(Remote("x")), SOURCE) == b'{"a":"1","b":"<2>","bytes":"\\ufffd"}'
    assert pushed(Push(Remote("x")), SOURCE, escape_html=True) == b'{"a":"1","b":"\\u003c2\\u003e","bytes":"\\ufffd"}'


@pytest.mark.parametrize(
    ("words", "text"), [("", 'secret key "gone" not found in the source secret'), ("no gone", "no gone")]
)
def test_a_key_that_the_source_does_not_have_is_told(words: str, text: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        pushed(Push(Remote("x"), "gone"), SOURCE, words)
    assert str(refused.value) == text


def test_bytes_that_are_no_text_are_refused_and_not_shown() -> None:
    assert text_of("ä".encode(), "Doppler keeps") == "ä"
    with pytest.raises(InvalidConfig) as refused:
        text_of(b"planted\xff", "Doppler keeps")
    assert str(refused.value) == "the value is no UTF-8 text: Doppler keeps texts only"
    assert refused.value.__suppress_context__
