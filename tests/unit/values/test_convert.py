"""Keys: converted, refused, dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.template import Limits
from eso.template.apply import CHEAP, out_of_bounds
from eso.template.world import WORLD
from eso.values.convert import KeyRefused, TooManyKeys, allowed, check_keys, convert_key, convert_keys, converted

TIP = "invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): "


@pytest.mark.parametrize(
    ("strategy", "key", "expected"),
    [
        pytest.param("Default", "/path/key1", "_path_key1", id="C-155 a slash in front"),
        pytest.param("Default", "key2/path", "key2_path", id="C-155 a slash inside"),
        pytest.param("", "path/to/keyring", "path_to_keyring", id="C-155 an absent strategy is the default"),
        pytest.param("Unicode", "a/😀", "a_U002f__U1f600_", id="C-156 hexadecimal code points"),
        pytest.param("Default", "a-b.c_d1", "a-b.c_d1", id="allowed characters stay"),
        pytest.param("Default", "é٣Ⅷ½中", "é٣Ⅷ½中", id="letters and numbers of any script stay"),
        pytest.param("Default", "e\u0301", "e_", id="a combining mark is no letter"),
        pytest.param("Unicode", "e\u0301 ", "e_U0301__U0020_", id="a combining mark and a blank"),
        pytest.param("Default", "", "", id="an empty key"),
        pytest.param("Unicode", "a\udcff", "a_Ufffd_", id="an undecodable byte is a replacement character"),
    ],
)
def test_foreign_characters_are_converted(strategy: str, key: str, expected: str) -> None:
    assert convert_keys({key: b"v"}, strategy) == {expected: b"v"}


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        pytest.param(
            "Default",
            "error applying conversion strategy Default to keys: secret name collision during conversion: foo_bar",
            id="C-157 default",
        ),
        pytest.param(
            "",
            "error applying conversion strategy  to keys: secret name collision during conversion: foo_bar",
            id="C-157 absent, with two blanks",
        ),
    ],
)
def test_two_keys_that_become_one_are_an_error(strategy: str, message: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        convert_keys({"foo$bar": b"1", "foo_bar": b"2"}, strategy)
    assert str(caught.value) == message


def test_the_bare_text_of_a_collision_is_for_providers() -> None:
    with pytest.raises(KeyRefused) as caught:
        converted({"a/": b"1", "a_": b"2"}, "Default")
    assert str(caught.value) == "secret name collision during conversion: a_"


def test_unicode_conversion_tells_apart_what_default_does_not() -> None:
    assert convert_keys({"foo$bar": b"1", "foo_bar": b"2"}, "Unicode") == {"foo_U0024_bar": b"1", "foo_bar": b"2"}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        pytest.param(
            "foo/bar",
            "key has invalid character /, only alphanumeric, '-', '.' and '_' are allowed: foo/bar",
            id="C-158 a slash",
        ),
        pytest.param(
            "app_p***word",
            "key has invalid character *, only alphanumeric, '-', '.' and '_' are allowed: app_p***word",
            id="C-163 a star",
        ),
        pytest.param(
            "k" * 254,
            f"key has length 254 but max is 253: (following is truncated): {'k' * 253}",
            id="C-180 one byte too many",
        ),
        pytest.param(
            "é" * 127,
            f"key has length 254 but max is 253: (following is truncated): {'é' * 126}\ufffd",
            id="bytes are counted, not characters",
        ),
        pytest.param(
            "a\udcff",
            "key has invalid character \ufffd, only alphanumeric, '-', '.' and '_' are allowed: a\ufffd",
            id="an undecodable byte",
        ),
        pytest.param(
            "a\nb",
            "key has invalid character \n, only alphanumeric, '-', '.' and '_' are allowed: a\nb",
            id="a newline",
        ),
        pytest.param(
            "ab\n",
            "key has invalid character \n, only alphanumeric, '-', '.' and '_' are allowed: ab\n",
            id="a newline at the end",
        ),
    ],
)
def test_a_key_that_no_secret_takes_is_refused(key: str, message: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        check_keys({key: b"v"})
    assert str(caught.value) == TIP + message
    str(caught.value).encode()


def test_the_first_bad_key_in_order_is_named() -> None:
    with pytest.raises(KeyRefused, match="are allowed: b/"):
        check_keys({"c/": b"", "b/": b"", "a": b""})


def test_the_empty_key_is_dropped_silently() -> None:
    assert check_keys({"": b"1", "a": b"2"}) == {"a": b"2"}  # C-180


def test_253_bytes_and_any_letters_pass() -> None:
    data = {"k" * 253: b"", "ключ": b"", "½": b""}
    assert check_keys(data) == data


keys = st.text(max_size=12)


@given(keys, st.sampled_from(["", "Default", "Unicode"]))
def test_conversion_is_idempotent_and_yields_allowed_keys_only(key: str, strategy: str) -> None:
    once = convert_key(key, strategy)
    assert convert_key(once, strategy) == once
    assert all(map(allowed, once))


@given(st.dictionaries(keys, st.binary(max_size=3), max_size=6))
def test_conversion_of_a_map_keeps_every_value_or_tells_a_collision(data: dict[str, bytes]) -> None:
    try:
        out = convert_keys(data, "Default")
    except KeyRefused as error:
        assert "collision" in str(error)  # one of two outcomes
    else:
        assert sorted(out.values()) == sorted(data.values())
        assert convert_keys(out, "Default") == out


def test_a_map_that_no_secret_can_hold_is_refused_before_it_is_converted() -> None:
    data = {f"{n}/": b"" for n in range(140_000)}
    for work in (lambda: convert_keys(data, "Unicode"), lambda: check_keys(data)):
        with pytest.raises(TooManyKeys, match=r"140000 keys of .* bytes: no Secret can hold them") as refused:
            work()
        assert refused.value.fix and not refused.value.retryable


def test_maps_of_one_pass_spend_from_one_account() -> None:
    limits = Limits(pass_steps=10_000).together(WORLD)
    data = {f"key/{n}": b"" for n in range(500)}
    convert_keys(data, "Unicode", limits)
    with pytest.raises(
        TooManyKeys, match="converting 500 keys exceeds the limit of 10000 steps of one pass"
    ) as refused:
        for _ in range(3):
            convert_keys(data, "Unicode", limits)
    assert out_of_bounds(refused.value)


def test_on_a_loop_a_large_map_is_out_of_bounds() -> None:
    with pytest.raises(TooManyKeys) as refused:
        check_keys({f"key{n}": b"" for n in range(2_000)}, CHEAP)
    assert out_of_bounds(refused.value)
