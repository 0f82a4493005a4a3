"""The kinds that need no backend: Fake, UUID, Password, SSHKey, MFA."""

from __future__ import annotations

import base64
import re
import string
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from eso.errors import EsoError
from eso.generators.contract import Generator
from eso.generators.kinds import fake, mfa, password, sshkey, uuid
from eso.providers.contract import StoreView
from eso.stores.credentials import Credentials
from tests.fakes.credentials import DictRest, StaticCredentials
from tests.fakes.env import env

LETTERS, DIGITS = set(string.ascii_letters), set(string.digits)


TOO_LONG = "passwords of more than 1048576 characters together fit into no Secret"


async def made(generator: Generator, spec: Any, **secrets: str) -> dict[str, bytes]:
    return dict((await generator.generate({"spec": spec}, StaticCredentials(secrets), env())).values)


async def text(generator: Generator, spec: Any) -> str:
    with pytest.raises(EsoError) as raised:
        await made(generator, spec)
    return str(raised.value)


# Fake


# G-050
async def test_g050_fake_gives_its_data_and_nothing_for_an_empty_spec():
    assert await made(fake.GENERATOR, {"data": {"foo": "bar"}}) == {"foo": b"bar"}
    assert await made(fake.GENERATOR, {}) == {}


async def test_a_code_that_fits_into_no_secret_is_refused():
    spec = {"secret": {"name": "s", "key": "k"}, "length": (1 << 20) + 1}
    with pytest.raises(EsoError, match=r"^a code of more than 1048576 digits fits into no Secret$"):
        await mfa.GENERATOR.generate({"spec": spec}, StaticCredentials({"s/k": "FOO"}), env())


# G-050
async def test_g050_fake_refuses_an_object_without_content_and_data_that_is_no_map():
    with pytest.raises(EsoError, match=r"^no config spec provided$"):
        await fake.GENERATOR.generate({}, StaticCredentials({}), env())
    assert (await text(fake.GENERATOR, {"data": {"a": 1}})).startswith("unable to parse spec: ")


# UUID


# G-051
async def test_g051_uuids_are_of_version_4_and_never_the_same():
    found = [(await uuid.GENERATOR.generate({}, StaticCredentials({}), env())).values["uuid"].decode() for _ in "ab"]
    assert len(set(found)) == 2
    for one in found:
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one)


# Password


async def drawn(**spec: Any) -> str:
    return (await made(password.GENERATOR, spec))["password"].decode()


def counts(text: str) -> tuple[int, int, int]:
    """Letters, digits, symbols."""
    letters, digits = sum(c in LETTERS for c in text), sum(c in DIGITS for c in text)
    return letters, digits, len(text) - letters - digits


# G-052
async def test_g052_a_password_has_24_characters_and_none_twice():
    found = await drawn()
    assert counts(found) == (12, 6, 6)
    assert len(set(found)) == 24
    assert set(found) - LETTERS - DIGITS <= set('~!@#$%^&*()_+`-={}|[]\\:"<>?,./')


# G-053
async def test_g053_numbers_and_symbols_may_be_chosen():
    found = await drawn(length=42, digits=5, symbols=5, symbolCharacters="-_$@", allowRepeat=True)
    assert counts(found) == (32, 5, 5)
    assert set(found) - LETTERS - DIGITS <= set("-_$@")


# G-054
async def test_g054_without_upper_case():
    assert (found := await drawn(noUpper=True)) == found.lower()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"length": 10, "digits": 8, "symbols": 5},
            "number of digits and symbols must be less than total length",
            id="G-055 more digits and symbols than characters",
        ),
        pytest.param(
            {"length": 44},
            "number of digits exceeds available digits and repeats are not allowed",
            id="G-055 eleven digits",
        ),
        pytest.param(
            {"length": 80, "digits": 0, "symbols": 0},
            "number of letters exceeds available letters and repeats are not allowed",
            id="G-055 eighty letters",
        ),
        pytest.param(
            {"length": 24, "digits": 2, "symbols": 6, "symbolCharacters": "-_$@"},
            "number of symbols exceeds available symbols and repeats are not allowed",
            id="G-055 six of four symbols",
        ),
        pytest.param(
            {"symbolCharacters": "------"},
            "number of symbols exceeds available symbols and repeats are not allowed",
            id="one symbol written six times does not loop for ever",
        ),
        pytest.param({"secretKeys": [""]}, "secretKeys must be non-empty and unique", id="G-057 a key without a name"),
        pytest.param({"secretKeys": ["a", "a"]}, "secretKeys must be non-empty and unique", id="G-057 a key twice"),
        pytest.param({"encoding": "rot13"}, "unsupported encoding: rot13", id="an encoding that is none"),
        pytest.param(
            {"length": 10**7},
            "number of letters exceeds available letters and repeats are not allowed",
            id="a length beyond all limits, in the words that the letters call for",
        ),
        pytest.param({"length": 10**7, "allowRepeat": True}, TOO_LONG, id="longer than a Secret"),
        pytest.param({"digits": -(10**12), "allowRepeat": True}, TOO_LONG, id="letters for digits that are owed"),
        pytest.param({"symbols": -(10**12), "allowRepeat": True}, TOO_LONG, id="letters for symbols that are owed"),
        pytest.param(
            {"length": 1000, "allowRepeat": True, "secretKeys": [f"k{n}" for n in range(2000)]},
            TOO_LONG,
            id="many keys that are longer than a Secret together",
        ),
        pytest.param(
            {"length": 1, "digits": 0, "symbols": 1, "symbolCharacters": "".join(map(chr, range(0x4E00, 0x6000)))},
            "symbolCharacters has more than 4096 characters",
            id="characters to choose from, for each of many keys",
        ),
        pytest.param(
            {"length": 1, "digits": 0, "symbols": 0, "secretKeys": [f"k{n}" for n in range(60_000)]},
            "these are too many passwords",
            id="more keys than half a second is enough for",
        ),
        pytest.param({"length": "long"}, "unable to parse spec: a number is expected", id="a length that is none"),
    ],
)
async def test_passwords_that_cannot_be_made(spec: dict[str, Any], message: str):
    assert await text(password.GENERATOR, spec) == message


async def test_digits_below_none_are_letters():
    assert counts(await drawn(length=10, digits=-2, symbols=0)) == (12, 0, 0)


async def test_a_long_password_is_drawn_beside_the_loop():
    """The longest ones take a second."""
    beside = threading.Event()
    world = env()
    run = world.offload.run_for

    async def spied(namespace: str, fn: Any, *args: Any) -> Any:
        beside.set()
        return await run(namespace, fn, *args)

    world.offload.run_for = spied  # type: ignore[method-assign]  # one method of a door
    for length in (1 << 10, 1 << 16):
        spec: dict[str, Any] = {"length": length, "allowRepeat": True}
        found = await password.GENERATOR.generate({"spec": spec}, StaticCredentials({}), world)
        assert len(found.values["password"]) == length
        assert beside.is_set() is (length > 1 << 10)
    beside.clear()
    spec = {"length": 1, "symbols": 1, "digits": 0, "symbolCharacters": "-_" * 1000, "secretKeys": ["a", "b", "c"]}
    await password.GENERATOR.generate({"spec": spec}, StaticCredentials({}), world)
    assert beside.is_set(), "every set is gone through for every key"


async def test_symbols_that_are_letters_are_drawn_among_those_that_are_left():
    found = await drawn(length=26, digits=0, symbols=2, noUpper=True, symbolCharacters="abcdefghijklmnopqrstuvwxyz")
    assert sorted(found) == list(string.ascii_lowercase)


@pytest.mark.parametrize("length", [0, -1])
async def test_no_length_means_the_default(length: int):
    assert len(await drawn(length=length)) == 24


async def test_a_single_character_is_a_letter():
    assert counts(await drawn(length=1)) == (1, 0, 0)


@pytest.mark.parametrize(
    ("encoding", "encoded"),
    [
        pytest.param("base64", b"VGVzdD4+UGFzcz8/d29yZA==", id="G-056 base64"),
        pytest.param("base64url", b"VGVzdD4-UGFzcz8_d29yZA==", id="G-056 base64url"),
        pytest.param("hex", b"546573743e3e506173733f3f776f7264", id="G-056 hex"),
        pytest.param("raw", b"Test>>Pass??word", id="G-056 raw"),
        pytest.param("base32", base64.b32encode(b"Test>>Pass??word"), id="G-056 base32"),
    ],
)
def test_encodings(encoding: str, encoded: bytes):
    assert password.ENCODINGS[encoding](b"Test>>Pass??word") == encoded


async def test_g057_every_key_gets_a_password_of_its_own():
    found = await made(password.GENERATOR, {"secretKeys": ["key1", "key2"], "encoding": "hex"})
    assert set(found) == {"key1", "key2"}
    assert found["key1"] != found["key2"]
    assert len(found["key1"]) == 48


def test_every_character_is_drawn_and_every_place_is_reached():
    plan = password.recipe({"length": 4, "digits": 1, "symbols": 1})
    found = [password.drawn(plan) for _ in range(4000)]
    for place in range(4):
        assert 700 < sum(one[place] in DIGITS for one in found) < 1300
    assert {letter for one in found for letter in one} >= LETTERS | DIGITS | set(password.SYMBOLS)


# SSHKey


async def keys(**spec: Any) -> tuple[Any, str]:
    found = await made(sshkey.GENERATOR, spec)
    private = load_ssh_private_key(found["privateKey"], None)
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    assert found["publicKey"].startswith(line)
    assert found["privateKey"].startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert found["privateKey"].endswith(b"-----END OPENSSH PRIVATE KEY-----\n")
    return private, found["publicKey"].decode()


# G-060
async def test_g060_rsa_with_2048_bits_is_the_default():
    private, public = await keys()
    assert isinstance(private, rsa.RSAPrivateKey) and private.key_size == 2048
    assert public.startswith("ssh-rsa ") and public.endswith("\n") and public.count(" ") == 1


# G-061
async def test_g061_ed25519_has_one_size():
    private, public = await keys(keyType="ed25519", keySize=4096)
    assert isinstance(private, ed25519.Ed25519PrivateKey) and public.startswith("ssh-ed25519 ")


@pytest.mark.parametrize(
    ("size", "curve"),
    [
        pytest.param(None, "nistp256", id="no size is P-256"),
        pytest.param(384, "nistp384", id="G-062 P-384"),
        pytest.param(521, "nistp521", id="G-062 P-521"),
        pytest.param(300, "nistp256", id="G-062 a size without a curve is P-256"),
    ],
)
async def test_ecdsa_sizes(size: int | None, curve: str):
    private, public = await keys(keyType="ecdsa", keySize=size)
    assert isinstance(private, ec.EllipticCurvePrivateKey) and public.startswith(f"ecdsa-sha2-{curve} ")


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
@pytest.mark.parametrize("comment", ["me@host", "a", "zwölf Wörter", "x" * 300])
# G-063
async def test_g063_the_comment_is_in_both_files(kind: str, comment: str):
    found = await made(sshkey.GENERATOR, {"keyType": kind, "comment": comment})
    assert found["publicKey"].endswith(f" {comment}\n".encode())
    body = base64.b64decode(b"".join(found["privateKey"].splitlines()[1:-1]))
    assert len(comment.encode()).to_bytes(4, "big") + comment.encode() in body
    load_ssh_private_key(found["privateKey"], None)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"keyType": "dsa"}, "unable to generate SSH key: unsupported key type: dsa", id="G-064 dsa"),
        pytest.param(
            {"keySize": 512},
            "unable to generate SSH key: crypto/rsa: 512-bit keys are insecure",
            id="too short for RSA",
        ),
        pytest.param({"keySize": 16384}, "unable to generate SSH key: the key is too long", id="too long for RSA"),
        pytest.param(
            {"comment": "a\nb"}, "unable to generate SSH key: the comment has more than one line", id="two lines"
        ),
    ],
)
async def test_keys_that_cannot_be_made(spec: dict[str, Any], message: str):
    assert await text(sshkey.GENERATOR, spec) == message


# MFA

RFC = base64.b32encode(b"12345678912345678912").decode()
AT_59 = "1970-01-01T00:00:59Z"


async def token(seed: str, spec: dict[str, Any] | None = None, **selector: str) -> tuple[str, str]:
    rest = DictRest()
    rest.secret("ns", "seed", key=seed)
    credentials = Credentials(rest, StoreView("SecretStore", "", "ns", "", {}), "ns")  # type: ignore[arg-type]  # reads only
    secret = {"name": "seed", "key": "key", "namespace": "elsewhere"} | selector
    found = (await mfa.GENERATOR.generate({"spec": {"secret": secret} | (spec or {})}, credentials, env())).values
    return found["token"].decode(), found["timeLeft"].decode()


@pytest.mark.parametrize(
    ("seed", "spec", "expected"),
    [
        pytest.param("foo", {"when": "1998-05-05T05:05:05Z"}, ("674024", "25"), id="G-065 an odd end"),
        pytest.param(RFC, {"when": AT_59}, ("016480", "1"), id="G-065 G-068 a zero in front, one second left"),
        pytest.param(RFC, {"when": AT_59, "length": 8}, ("71016480", "1"), id="G-065 eight digits"),
        pytest.param("asdf qwer zxcv fghj rtyu ghjk lk", {"when": AT_59}, ("338356", "1"), id="G-065 spaces"),
        pytest.param("ABCDEFGHIJKLMNOPQRSTUVWXYZ", {"when": AT_59}, ("983918", "1"), id="G-065 upper case"),
        pytest.param(RFC, {"when": AT_59, "length": 100}, ("1271016480".rjust(100, "0"), "1"), id="a hundred digits"),
        pytest.param(RFC, {"when": AT_59, "algorithm": "sha256"}, ("016480", "1"), id="G-067 the algorithm is ignored"),
        pytest.param(RFC, {"when": AT_59, "length": -1, "timePeriod": 0}, ("016480", "1"), id="defaults below one"),
        pytest.param(RFC, {"when": AT_59, "timePeriod": 60}, None, id="another period"),
        pytest.param("", {"when": "1998-05-05T05:05:05Z"}, ("674024", "25"), id="an empty seed is the empty key"),
    ],
)
async def test_codes(seed: str, spec: dict[str, Any], expected: tuple[str, str] | None):
    found = await token(seed, spec)
    assert found == expected if expected else found[1] == "1" and found[0] != "016480"


async def test_without_a_time_the_code_is_that_of_now():
    now = int(datetime.now(UTC).timestamp())
    code, left = await token(RFC)
    assert code in {mfa.code(b"12345678912345678912", (now + late) // 30, 6) for late in (0, 30)}
    assert 1 <= int(left) <= 30


@pytest.mark.parametrize(
    ("seed", "place"),
    [("ABCDEFGH12", 8), ("MFRGGZDFMZTWQ2LKN5XW===", 20), ("A B\nC!", 3)],
    ids=["one", "equals", "mark"],
)
# G-066
async def test_g066_an_illegal_character_is_named_by_its_place(seed: str, place: int):
    with pytest.raises(EsoError) as raised:
        await token(seed)
    assert str(raised.value).endswith(f"failed to generate OTP code: illegal base32 data at input byte {place}")
    assert seed not in str(raised.value)


async def test_a_seed_that_takes_long_to_read_is_refused():
    """Base32 without padding is read letter by letter into one number: a megabyte takes a minute."""
    with pytest.raises(EsoError) as raised:
        await token("7" * 1_000_000)
    assert str(raised.value) == "failed to generate code for token key: the seed is longer than 4096 bytes"


# G-066
async def test_g066_what_is_missing_is_named():
    with pytest.raises(EsoError, match=r'^failed to find secret for token key: secrets "nope" not found$'):
        await token(RFC, name="nope")
    with pytest.raises(EsoError, match=r"^secret key x does not exist in secret data map$"):
        await token(RFC, key="x")
