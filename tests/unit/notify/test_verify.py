"""Senders with a shared secret: the vectors of their documentation, and every part of a request changed."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.api.changesource import Auth, SharedSecret
from eso.notify.verify import FORGED, LATE, UNSIGNED, Genuine, Replays, by_secret, signed, token_of
from eso.secretbytes import SecretBytes

NOW = 1_614_265_330.0
SET = SharedSecret()
HMAC, BEARER, GITHUB = Auth(hmac=SET), Auth(bearer=SET), Auth(github=SET)
GITLAB, DOPPLER, INFISICAL = Auth(gitlab=SET), Auth(doppler=SET), Auth(infisical=SET)

STANDARD_KEY = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
STANDARD_BODY = b'{"test": 2432232314}'
GITHUB_KEY = b"It's a Secret to Everybody"
GITHUB_HEADERS = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
INFISICAL_BODY = (
    b'{"event":"secrets.modified","project":{"workspaceId":"w","environment":"dev","secretPath":"/"},'
    b'"timestamp":1614265330000}'
)


def hexed(key: bytes, body: bytes) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def judge(auth: Auth, headers: dict[str, str], body: bytes = b"", *keys: bytes, now: float = NOW):
    return by_secret(auth, tuple(map(SecretBytes, keys)), headers, body, now)


INFISICAL_HEADERS = {"x-infisical-signature": f"t=1614265330000;{hexed(b'key', INFISICAL_BODY)}"}
DOPPLER_BODY = b'{"type":"config.secrets.update"}'
DOPPLER_HEADERS = {"x-doppler-signature": f"sha256={hexed(b'key', DOPPLER_BODY)}"}


@pytest.mark.parametrize(
    ("auth", "headers", "body", "key"),
    [
        pytest.param(HMAC, STANDARD, STANDARD_BODY, STANDARD_KEY, id="Standard Webhooks, its documented example"),
        pytest.param(GITLAB, STANDARD, STANDARD_BODY, STANDARD_KEY, id="GitLab's signing token is the same scheme"),
        pytest.param(GITHUB, GITHUB_HEADERS, b"Hello, World!", GITHUB_KEY, id="GitHub, its documented example"),
        pytest.param(DOPPLER, DOPPLER_HEADERS, DOPPLER_BODY, b"key", id="Doppler signs the body in hex"),
        pytest.param(INFISICAL, INFISICAL_HEADERS, INFISICAL_BODY, b"key", id="Infisical signs a body with its time"),
        pytest.param(GITLAB, {"x-gitlab-token": "token"}, b"", b"token", id="GitLab's plain token"),
        pytest.param(BEARER, {"authorization": "Bearer token"}, b"", b"token", id="a bearer token"),
        pytest.param(BEARER, {"authorization": "bearer token"}, b"", b"token\n", id="a file ends with a line break"),
    ],
)
def test_a_genuine_event_is_known(auth, headers, body, key):
    assert isinstance(judge(auth, headers, body, key), Genuine)
    assert isinstance(judge(auth, headers, body, b"the next key", key), Genuine), "any of the keys will do"
    assert judge(auth, headers, body, b"another key") == FORGED
    assert judge(auth, headers, body) == FORGED, "without a key nothing is genuine"
    assert judge(auth, {}, body, key) == UNSIGNED


SIGNED = [
    pytest.param(HMAC, STANDARD, STANDARD_BODY, STANDARD_KEY, id="Standard Webhooks"),
    pytest.param(GITHUB, GITHUB_HEADERS, b"Hello, World!", GITHUB_KEY, id="GitHub"),
    pytest.param(DOPPLER, DOPPLER_HEADERS, DOPPLER_BODY, b"key", id="Doppler"),
    pytest.param(INFISICAL, INFISICAL_HEADERS, INFISICAL_BODY, b"key", id="Infisical"),
]


@pytest.mark.parametrize(("auth", "headers", "body", "key"), SIGNED)
def test_no_byte_of_the_body_can_be_changed(auth, headers, body, key):
    for at in range(len(body)):
        for mask in (0x01, 0x20, 0x80):
            changed = body[:at] + bytes((body[at] ^ mask,)) + body[at + 1 :]
            assert judge(auth, headers, changed, key) == FORGED
    assert judge(auth, headers, body + b" ", key) == FORGED
    assert judge(auth, headers, body[:-1], key) == FORGED
    assert judge(auth, headers, b"", key) == FORGED


@pytest.mark.parametrize(("auth", "headers", "body", "key"), SIGNED)
def test_no_character_of_a_header_can_be_changed(auth, headers, body, key):
    for name, value in headers.items():
        for at in range(len(value)):
            if value[at] == "=" and at == len(value) - 1:
                continue  # the padding of base64
            for other in ("0", "z", " ", "\x00", "\xff"):
                if other.lower() == value[at].lower():
                    continue
                changed = headers | {name: value[:at] + other + value[at + 1 :]}
                assert not isinstance(judge(auth, changed, body, key), Genuine), changed
        assert not isinstance(judge(auth, headers | {name: ""}, body, key), Genuine)
        assert not isinstance(judge(auth, headers | {name: value * 2}, body, key), Genuine)


@pytest.mark.parametrize(("auth", "headers", "body", "key"), SIGNED)
def test_no_byte_of_the_key_can_be_changed(auth, headers, body, key):
    for at in range(len(key)):
        changed = key[:at] + bytes((key[at] ^ 0x01,)) + key[at + 1 :]
        assert judge(auth, headers, body, changed) == FORGED


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        pytest.param(-301, LATE, id="for a time to come"),
        pytest.param(-300, None, id="the clock of the sender is ahead"),
        pytest.param(300, None, id="five minutes ago"),
        pytest.param(301, LATE, id="too long ago"),
        pytest.param(1e9, LATE, id="thirty years ago"),
    ],
)
@pytest.mark.parametrize(("auth", "headers", "body", "key"), [SIGNED[0], SIGNED[3]])
def test_a_signed_time_must_be_near(auth, headers, body, key, seconds, verdict):
    found = judge(auth, headers, body, key, now=NOW + seconds)
    assert found == verdict if verdict else isinstance(found, Genuine)


def test_a_late_event_with_a_wrong_signature_is_forged():
    assert judge(HMAC, STANDARD, b"another", STANDARD_KEY, now=NOW + 1e6) == FORGED


def test_infisicals_time_is_the_one_that_is_signed():
    """The header can be written anew by whoever has seen an old event."""
    signature = INFISICAL_HEADERS["x-infisical-signature"].partition(";")[2]
    later = {"x-infisical-signature": f"t={int((NOW + 1e6) * 1000)};{signature}"}
    assert judge(INFISICAL, later, INFISICAL_BODY, b"key", now=NOW + 1e6) == FORGED


def test_one_of_several_signatures_is_enough():
    several = STANDARD | {"webhook-signature": f"v1,AAAA v1a,BBBB {STANDARD['webhook-signature']}"}
    assert isinstance(judge(HMAC, several, STANDARD_BODY, STANDARD_KEY), Genuine)
    many = STANDARD | {"webhook-signature": "v1,AAAA " * 8 + STANDARD["webhook-signature"]}
    assert judge(HMAC, many, STANDARD_BODY, STANDARD_KEY) == FORGED


def test_a_signing_token_is_no_plain_token():
    assert judge(GITLAB, {"x-gitlab-token": STANDARD_KEY.decode()}, b"", STANDARD_KEY) == FORGED


def test_an_empty_key_signs_nothing():
    for key in (b"", b"\n", b"whsec_", b"whsec_*"):
        headers = signed(b"", "id", int(NOW), b"body")
        assert judge(HMAC, headers, b"body", key) == FORGED
        assert judge(BEARER, {"authorization": "Bearer "}, b"", key) == UNSIGNED
        assert judge(GITLAB, {"x-gitlab-token": ""}, b"", key) == UNSIGNED
        assert judge(GITHUB, {"x-hub-signature-256": f"sha256={hexed(b'', b'body')}"}, b"body", key) == FORGED


@pytest.mark.parametrize("at", ["", "x", "-5", "1.5", "１６１４２６５３３０", "9" * 13, "+1614265330", " 1614265330"])
def test_a_time_that_is_none_is_no_signature(at):
    assert judge(HMAC, STANDARD | {"webhook-timestamp": at}, STANDARD_BODY, STANDARD_KEY) == UNSIGNED


def test_what_the_sender_makes_is_what_the_receiver_accepts():
    for key in (STANDARD_KEY, b"a plain key"):
        headers = signed(key, "id", int(NOW), b"body")
        assert judge(HMAC, headers, b"body", key) == Genuine("id")


def test_schemes_without_a_signed_id_do_not_tell_repetitions_apart():
    """Two changes of one secret may well have the same body: the second must not be taken for the first."""
    for auth, headers, body, key in ((GITHUB, GITHUB_HEADERS, b"Hello, World!", GITHUB_KEY),):
        assert judge(auth, headers, body, key) == Genuine("")


@given(
    st.dictionaries(
        st.sampled_from(["authorization", "x-gitlab-token", "x-infisical-signature", "x-hub-signature-256", *STANDARD]),
        st.text(st.characters(), max_size=80),  # half surrogates too: bytes of a header that are no text become those
    ),
    st.binary(max_size=50),
    st.sampled_from([HMAC, BEARER, GITHUB, GITLAB, DOPPLER, INFISICAL, Auth()]),
)
def test_property_no_request_breaks_the_check(headers, body, auth):
    assert judge(auth, headers, body, b"a key that nobody guesses") in (UNSIGNED, FORGED)


def test_the_token_stands_behind_its_scheme():
    assert token_of({"authorization": "Basic token"}) == ""
    assert token_of({"authorization": "Bearertoken"}) == ""
    assert token_of({"authorization": "BEARER  token "}) == "token"


def test_a_repetition_is_known_for_as_long_as_it_would_be_accepted():
    replays = Replays()
    replays.remember("team", "source", "a", 110.0, 100.0)
    assert replays.seen("source", "a", 109.0) and not replays.seen("source", "a", 110.0)
    assert not replays.seen("source", "b", 109.0) and not replays.seen("source", "", 109.0)
    assert not replays.seen("another", "a", 109.0), "two senders may choose the same id"


def test_the_memory_of_repetitions_is_bounded():
    replays = Replays(most=100)
    for n in range(10_000):
        replays.remember("team", "source", str(n), 1e9, 0.0)
    assert len(replays) == 100 and replays.seen("source", "9999", 0.0)
    replays.remember("team", "source", "late", 3e9, 2e9)
    assert len(replays) == 1, "what would not be accepted any more is forgotten"


def test_no_source_and_no_namespace_can_have_the_ids_of_another_forgotten():
    replays = Replays(most=100)
    for n in range(20):
        replays.remember("team", "quiet", str(n), 1e9, 0.0)
        replays.remember("flood", "victim", str(n), 1e9, 0.0)
    for n in range(1000):
        replays.remember("flood", "loud", str(n), 1e9, 0.0)
    assert all(replays.seen("victim", str(n), 0.0) for n in range(20)), "the largest source loses first"
    for n in range(1000):
        replays.remember("flood", f"one of many {n % 200}", str(n), 1e9, 0.0)
    assert all(replays.seen("quiet", str(n), 0.0) for n in range(20))
    assert len(replays) == 100


def test_what_has_ended_makes_room_before_anything_that_counts():
    replays = Replays(most=10)
    for n in range(9):
        replays.remember("team", f"old-{n}", "id", 10.0, 0.0)
    replays.remember("team", "source", "a", 1e9, 20.0)
    replays.remember("team", "source", "b", 1e9, 20.0)
    assert replays.seen("source", "a", 20.0) and replays.seen("source", "b", 20.0) and len(replays) == 2
