"""A text from outside never tells a part of what was sent, however it is written."""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eso.observe.echo import LEAST, MOST, WORD, closed, told
from eso.observe.redact import MASK
from eso.observe.vocabulary import COMMON, NUMBERS, PHRASES, VOCABULARY
from tests.fakes.spellings import SPELLINGS

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
    assume(not COMMON & {word.lower() for word in WORD.findall(turned)})
    shown = told(f"{before}|{turned}|{after}", [value])
    assert shown is None or turned not in shown or len(turned.encode()) < LEAST or turned in f"{before}|{MASK}|{after}"


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(
    "value", ["Zq7kWmXp42TvRn9Lbd", "271828182845", "Correct-Hörse!Battery", "ünïcödé", "Zq7", "x"]
)
def test_no_spelling_of_a_value_is_made_of_known_words(spell: Callable[[str], str], value: str) -> None:
    spelt = spell(value)
    for text in (spelt, f"denied: {spelt} is not allowed", f'label "{spelt}" of [{spelt}]: {spelt}={spelt}'):
        shown = closed(text)
        words = set(re.findall(r"\w+", shown.lower()))
        assert words <= VOCABULARY | NUMBERS | set(re.findall(r"\w+", "denied is not allowed label of correct hörse"))
        assert spelt not in shown or len(spelt) < 2


@pytest.mark.parametrize(
    ("text", "names", "shown"),
    [
        pytest.param("the name is taken", (), "the name is taken", id="known words"),
        pytest.param("You don't have access, can't you?", (), "You don't have access, can't you***", id="short forms"),
        pytest.param('secrets "db" not found', ("db",), 'secrets "db" not found', id="a name of the request"),
        pytest.param('secrets "db" not found', (), 'secrets "***" not found', id="another name"),
        pytest.param("data[v]: no", ("v",), "data[v]: no", id="a name of one letter in its place"),
        pytest.param("h u n t e r", tuple("hunter"), "***", id="letters that are names as well"),
        pytest.param("at most 63 characters", (), "at most 63 characters", id="a limit"),
        pytest.param("pin 4 7 1 1, [4][7][1][1]", (), "pin ***, [***]", id="digit by digit"),
        pytest.param("pin 4711", (), "pin ***", id="a number that is no limit"),
        pytest.param("spec.secretKeys is missing", (), "spec.secretKeys is missing", id="a member of known words"),
        pytest.param("spec.secretHunter", (), "***", id="a member with another word"),
        pytest.param("no\n\n\tvalue", (), "no value", id="blanks tell nothing"),
        pytest.param("..--..--..", (), "***", id="nor do marks"),
        pytest.param("", (), "", id="no text"),
    ],
)
def test_words_that_are_not_known_are_masked(text: str, names: tuple[str, ...], shown: str) -> None:
    assert closed(text, names) == shown


POLICY = "ValidatingAdmissionPolicy 'no-latest.acme.test' with binding 'no-latest' denied request"
QUOTA = "exceeded quota: objects, requested: count/secrets=1, used: count/secrets=9, limited: count/secrets=9"
USER = 'User "system:serviceaccount:tools:eso" cannot get resource "secrets" in API group "" in the namespace "shop"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(f'secrets "db" is forbidden: {USER}', f'secrets "db" is forbidden: {USER}', id="a user"),
        pytest.param(f'secrets "db" is forbidden: {QUOTA}', f'secrets "db" is forbidden: {QUOTA}', id="a quota"),
        pytest.param(
            f"failed to create target resource: secrets is forbidden: {USER}",
            f"failed to create target resource: secrets is forbidden: {USER}",
            id="a user, behind words of ours",
        ),
        pytest.param(
            f'secrets "db" is forbidden: {POLICY}: Zq7k is too weak',
            f'secrets "db" is forbidden: {POLICY}: *** is too weak',
            id="a policy, and no word of its own",
        ),
        pytest.param(
            'admission webhook "team.acme.test" denied the request: Zq7k is too weak',
            'admission webhook "team.acme.test" denied the request: *** is too weak',
            id="a webhook, and no word of its own",
        ),
        pytest.param(
            'admission webhook "a.b" denied the request: admission webhook "zq7k" denied the request',
            'admission webhook "a.b" denied the request: admission webhook "***" denied the request',
            id="words that look like the server's",
        ),
    ],
)
def test_the_clusters_own_server_names_its_objects(text: str, shown: str) -> None:
    assert closed(text, ("secrets", "db", "shop"), own=True) == shown
    assert "acme" not in closed(text, ("secrets", "db", "shop"))


def test_a_server_that_a_store_names_may_tell_who_the_login_says_that_it_is() -> None:
    text = f'secrets "db" is forbidden: {USER}'
    known = ("secrets", "db", "shop")
    assert closed(text, (*known, "system:serviceaccount:tools:eso")) == text
    assert "tools" not in closed(text, (*known, "system:serviceaccount:jobs:other"))
    assert "tools" not in closed(text, known)


@pytest.mark.parametrize("phrase", PHRASES)
def test_the_advice_of_kubernetes_stays_whole(phrase: str) -> None:
    assert (
        closed(f"data: Invalid value: ***: a valid key {phrase}") == f"data: Invalid value: ***: a valid key {phrase}"
    )


@given(st.text(max_size=80), st.lists(st.text(min_size=1, max_size=6), max_size=3))
def test_property_whatever_is_said_only_known_words_are_shown(text: str, names: list[str]) -> None:
    known = {word.lower() for name in names for word in re.findall(r"[^\W_]+", name)}
    assume(not any(phrase in text for phrase in PHRASES))
    shown = re.findall(r"[^\W_]{2,}", closed(text, names))
    words = {part for part in shown if part.lower() not in NUMBERS | known}
    assert all(
        word.lower() in VOCABULARY or {part.lower() for part in WORD.findall(word)} <= VOCABULARY for word in words
    )
