"""Keys and messages of GnuPG, in a process that can be killed and without one."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest

from eso.errors import EsoError
from eso.providers.contract import AuthRejected, Malformed
from eso.providers.passbolt import apart as module
from eso.providers.passbolt import pgp
from eso.providers.passbolt.apart import Apart
from eso.providers.passbolt.pgp import Key
from eso.runtime.clock import SystemClock
from eso.runtime.pool import Pool
from tests.fakes.env import env
from tests.fakes.passbolt import ONE, PASSPHRASE, TWO, sealed
from tests.unit.providers.passbolt.vectors import BOMB_FOR_ONE, FOR_A_PASSWORD, FOR_ONE, FOR_RSA, FOR_TWO, RSA_KEY

WORDS = b"the words of another program"
KEY = Key(ONE.encode(), PASSPHRASE)


def messages(*texts: str) -> list[bytes]:
    return [text.encode() for text in texts]


def test_the_fingerprint_of_a_key_is_the_one_that_gnupg_tells() -> None:
    assert pgp.fingerprint(KEY) == "20AA41E956D5C370510727CBAA0C94F6BA33E9B1"


def test_what_gnupg_encrypted_is_decrypted() -> None:
    assert pgp.Reader(KEY).opened(messages(FOR_ONE)) == [WORDS]
    (found,) = pgp.Reader(Key(RSA_KEY.encode(), PASSPHRASE)).opened(messages(FOR_RSA))
    assert found is not None
    assert found.startswith(b"text of many words")


@pytest.mark.parametrize(
    "message",
    (
        pytest.param("", id="nothing"),
        pytest.param("no message", id="no armor"),
        pytest.param(FOR_ONE[:-120], id="cut"),
        pytest.param(FOR_ONE.replace("A", "B"), id="touched"),
        pytest.param(FOR_TWO, id="for another key"),
        pytest.param(FOR_A_PASSWORD, id="for a password"),
        pytest.param(ONE, id="a key"),
        pytest.param("x" * (2 << 20), id="two megabytes"),
    ),
)
def test_what_cannot_be_decrypted_is_nothing_and_spoils_no_other(message: str) -> None:
    assert pgp.Reader(KEY).opened(messages(message, FOR_ONE)) == [None, WORDS]


def test_a_message_that_holds_more_than_a_secret_can_is_nothing() -> None:
    fits, large = bytes(pgp.LONGEST), bytes(pgp.LONGEST + 1)
    certificate = str(pgp.loaded(KEY).extract_certificate())
    shown = [sealed(one, certificate).encode() for one in (fits[: pgp.LONGEST // 2], large)]
    assert [found is not None for found in pgp.Reader(KEY).opened(shown)] == [True, False]


@pytest.mark.parametrize(
    "key",
    (
        Key(ONE.encode(), "planted but wrong"),
        Key(ONE.encode(), ""),
        Key(ONE.encode()[:400], PASSPHRASE),
        Key(b"", PASSPHRASE),
        Key(b"planted", PASSPHRASE),
        Key(FOR_ONE.encode(), PASSPHRASE),
        Key(str(pgp.loaded(KEY).extract_certificate()).encode(), PASSPHRASE),
        Key(b"x" * (1 << 20), PASSPHRASE),
    ),
    ids=("passphrase", "no passphrase", "cut", "nothing", "no key", "a message", "a public key", "a megabyte"),
)
def test_a_key_that_cannot_be_used_is_rejected_without_showing_it(key: Key) -> None:
    with pytest.raises(AuthRejected) as error:
        pgp.fingerprint(key)
    shown = "".join(traceback.format_exception(error.value)) + error.value.fix + repr(key)
    assert "planted" not in shown.replace("test_apart", "")


def test_a_key_without_a_passphrase_is_used_whatever_the_passphrase_says() -> None:
    bare = pgp.Tsk.generate("bare@passbolt.test")
    message = sealed(b"x", str(bare.extract_certificate())).encode()
    for passphrase in ("", "any"):
        assert pgp.Reader(Key(str(bare).encode(), passphrase)).opened([message]) == [b"x"]


# in a process of its own


@pytest.fixture
async def apart(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Apart]:
    monkeypatch.setattr(module, "SECONDS", 120.0)  # memory ends what is too much here, on a slow machine, too
    pool = Pool("eso.app.calls", SystemClock(), workers=1)
    yield Apart(replace(env(), compute=pool), "team-a")
    pool.close()


async def test_a_confined_process_decrypts_and_a_message_that_would_fill_it_costs_itself_alone(apart: Apart) -> None:
    assert await apart.fingerprint(KEY) == pgp.fingerprint(KEY)
    for _ in range(2):
        assert await apart.opened(KEY, messages(FOR_ONE, FOR_TWO, FOR_ONE)) == [WORDS, None, WORDS]
    assert await apart.opened(KEY, messages(FOR_ONE, BOMB_FOR_ONE)) == [WORDS, None]
    with pytest.raises(Malformed, match=r"^a message of the server cannot be decrypted$"):
        await apart.one(KEY, BOMB_FOR_ONE.encode())
    with pytest.raises(AuthRejected, match="passphrase"):
        await apart.opened(Key(ONE.encode(), "wrong"), messages(FOR_ONE))
    assert await apart.opened(Key(TWO.encode(), PASSPHRASE), messages(FOR_ONE, FOR_TWO)) == [None, b"x"]


class Answers:
    """A process that answers what it likes."""

    def __init__(self, reply: bytes | EsoError) -> None:
        self.reply, self.asked = reply, 0

    async def run(self, namespace: str, name: str, body: bytes, seconds: float) -> bytes:
        self.asked += 1
        if isinstance(self.reply, EsoError):
            raise self.reply
        return self.reply


@pytest.mark.parametrize(
    "reply",
    (
        b"",
        b"\xc1",
        msgspec.msgpack.encode(7),
        msgspec.msgpack.encode(("Other", [])),
        msgspec.msgpack.encode(("Value", 7)),
        msgspec.msgpack.encode(("Value", [])),
        msgspec.msgpack.encode(("Value", ["text"])),
        msgspec.msgpack.encode(("Rejected", 7)),
    ),
)
async def test_a_process_is_not_believed(reply: bytes) -> None:
    apart = Apart(replace(env(), compute=Answers(reply)), "team-a")
    with pytest.raises(Malformed, match=r"^could not decrypt: the reply is none$"):
        await apart.opened(KEY, messages(FOR_ONE))


async def test_a_process_that_ends_is_an_error_for_a_key_and_no_content_for_messages() -> None:
    served = Answers(EsoError("out of time"))
    apart = Apart(replace(env(), compute=served), "team-a")
    with pytest.raises(Malformed, match=r"^could not decrypt: out of time$"):
        await apart.fingerprint(KEY)
    assert await apart.opened(KEY, messages(FOR_ONE, FOR_TWO)) == [None, None]
    assert served.asked == 1 + 1 + 2


async def test_many_messages_are_decrypted_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(key: Key, texts: list[bytes]) -> list[bytes | None]:
        asked.append(len(texts))
        return [text[:1] for text in texts]

    monkeypatch.setitem(module.DESKS, module.OPEN, counted)
    found = await Apart(env(), "team-a").opened(KEY, [b"a"] * 120)
    assert (asked, found) == ([50, 50, 20], [b"a"] * 120)
