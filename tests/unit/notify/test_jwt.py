"""Tokens: the examples of the RFCs, and every claim that could be somebody else's."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from hypothesis import given
from hypothesis import strategies as st

from eso.api.changesource import SENDERS, Jwt
from eso.notify.jwt import MOST_TRIES, BadKeySet, BadToken, UnknownKey, check, key_set, signs

NOW = 1_700_000_000.0
RULE = Jwt(issuer="https://issuer.example", audience="us", claims={"email": "sender@example"})
CLAIMS: dict[str, Any] = {
    "iss": "https://issuer.example",
    "aud": "us",
    "exp": NOW + 600,
    "iat": NOW - 5,
    "email": "sender@example",
    "email_verified": True,
}
PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
RSA_JWK = {
    "kty": "RSA",
    "e": "AQAB",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ"
    "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca"
    "pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h"
    "4FRWyuXpoQ",
}
RSA_SIGNATURE = (
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t"
    "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
    "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ"
    "Ge77Rw"
)
EC_JWK = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
EC_SIGNATURE = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
ED_JWK = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
ED_SIGNATURE = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(
    ("jwk", "algorithm", "message", "signature"),
    [
        pytest.param(RSA_JWK, "RS256", f"eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}", RSA_SIGNATURE, id="RFC 7515 A.2"),
        pytest.param(EC_JWK, "ES256", f"eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}", EC_SIGNATURE, id="RFC 7515 A.3"),
        pytest.param(
            ED_JWK, "EdDSA", "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", ED_SIGNATURE, id="RFC 8037 A.4"
        ),
    ],
)
def test_the_examples_of_the_rfcs(jwk, algorithm, message, signature):
    (key,) = key_set(orjson.dumps({"keys": [jwk]}))
    raw = decoded(signature)
    assert algorithm in key.algorithms and signs(key.public, algorithm, message.encode(), raw)
    for at in range(len(raw)):
        assert not signs(key.public, algorithm, message.encode(), raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :])
    assert not signs(key.public, algorithm, message.encode() + b" ", raw)
    assert not signs(key.public, algorithm, message.encode(), b"")


PRIVATE = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


def rsa_jwk(key: rsa.RSAPrivateKey, **more: str) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "n": unpadded(numbers.n.to_bytes(256)), "e": unpadded(b"\x01\x00\x01"), **more}


def ec_jwk(key: ec.EllipticCurvePrivateKey, **more: str) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    x, y = unpadded(numbers.x.to_bytes(32)), unpadded(numbers.y.to_bytes(32))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **more}


KEYS = key_set(orjson.dumps({"keys": [rsa_jwk(PRIVATE, kid="one"), ec_jwk(CURVE, kid="two")]}))


def token(claims: dict[str, Any] = CLAIMS, key: Any = PRIVATE, **header: Any) -> str:
    head = {"alg": "RS256", "kid": "one"} | header
    message = f"{unpadded(orjson.dumps(head))}.{unpadded(orjson.dumps(claims))}"
    match head["alg"]:
        case "ES256":
            r, s = utils.decode_dss_signature(key.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
            signature = r.to_bytes(32) + s.to_bytes(32)
        case "PS256":
            pad = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            signature = key.sign(message.encode(), pad, hashes.SHA256())
        case _:
            signature = key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{message}.{unpadded(signature)}"


@pytest.mark.parametrize(
    ("claims", "key", "header"),
    [
        pytest.param(CLAIMS, PRIVATE, {}, id="RS256"),
        pytest.param(CLAIMS, PRIVATE, {"alg": "PS256"}, id="PS256"),
        pytest.param(CLAIMS, CURVE, {"alg": "ES256", "kid": "two"}, id="ES256"),
        pytest.param(CLAIMS | {"aud": ["them", "us"]}, PRIVATE, {}, id="one of several audiences"),
        pytest.param(CLAIMS | {"iss": "issuer.example"}, PRIVATE, {}, id="Google leaves the scheme of the issuer out"),
        pytest.param(CLAIMS | {"exp": NOW - 59}, PRIVATE, {}, id="a clock that is a little off"),
        pytest.param(CLAIMS, PRIVATE, {"kid": None}, id="no key id: every key is tried"),
    ],
)
def test_a_token_of_the_issuer_for_us_is_accepted(claims, key, header):
    check(token(claims, key, **header), KEYS, RULE, NOW)


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        pytest.param({"iss": "https://another.example"}, {}, id="another issuer"),
        pytest.param({"iss": None}, {}, id="no issuer"),
        pytest.param({"aud": "them"}, {}, id="another audience"),
        pytest.param({"aud": ["them"]}, {}, id="other audiences"),
        pytest.param({"aud": "us too"}, {}, id="an audience that begins like ours"),
        pytest.param({"aud": None}, {}, id="no audience"),
        pytest.param({"email": "somebody@example"}, {}, id="another sender of the same issuer"),
        pytest.param({"email": None}, {}, id="no sender"),
        pytest.param({"email_verified": False}, {}, id="an email that anybody may claim"),
        pytest.param({"email_verified": "true"}, {}, id="an email verified in words only"),
        pytest.param({"exp": NOW - 61}, {}, id="expired"),
        pytest.param({"exp": None}, {}, id="never expires"),
        pytest.param({"exp": "tomorrow"}, {}, id="expires in words"),
        pytest.param({"exp": NOW + 1e9}, {}, id="valid for years"),
        pytest.param({"nbf": NOW + 61}, {}, id="not valid yet"),
        pytest.param({"iat": NOW + 61}, {}, id="issued in the future"),
        pytest.param({}, {"crit": ["exp"]}, id="a header that has to be understood"),
        pytest.param({}, {"alg": "none"}, id="no algorithm"),
        pytest.param({}, {"alg": "HS256"}, id="an HMAC with the public key"),
        pytest.param({}, {"alg": "RS512"}, id="another hash"),
        pytest.param({}, {"alg": 5}, id="an algorithm that is no text"),
        pytest.param({}, {"alg": ["RS256"]}, id="a list of algorithms"),
        pytest.param({}, {"alg": {"RS256": 1}}, id="a map of algorithms"),
        pytest.param({}, {"kid": "three"}, id="an unknown key"),
        pytest.param({}, {"kid": "two"}, id="the id of a key of another kind"),
    ],
)
def test_every_other_token_is_refused(claims, header):
    with pytest.raises(BadToken):
        check(token(CLAIMS | claims, **header), KEYS, RULE, NOW)


def test_a_token_of_another_key_is_refused():
    with pytest.raises(BadToken):
        check(token(key=OTHER), KEYS, RULE, NOW)


def test_only_an_unknown_key_is_a_reason_to_look_for_a_newer_set():
    with pytest.raises(UnknownKey):
        check(token(key=OTHER, kid="three"), KEYS, RULE, NOW)
    with pytest.raises(BadToken) as refused:
        check(token(key=OTHER), KEYS, RULE, NOW)
    assert not isinstance(refused.value, UnknownKey)


def test_no_character_of_a_token_can_be_changed():
    whole = token()
    for at in range(0, len(whole) - 1, 7):
        other = "A" if whole[at] != "A" else "B"
        if other == whole[at] or whole[at] == ".":
            continue
        with pytest.raises(BadToken):
            check(whole[:at] + other + whole[at + 1 :], KEYS, RULE, NOW)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b", "a.b.c.d", "ä.b.c", "x" * 20_000, "e30.e30.", "W10.W10.e30"])
def test_what_is_no_token_is_refused(text):
    with pytest.raises(BadToken):
        check(text, KEYS, RULE, NOW)


@given(st.text(max_size=60))
def test_property_no_text_breaks_the_check(text):
    with pytest.raises(BadToken):
        check(text, KEYS, RULE, NOW)


SLOW = rsa_jwk(PRIVATE) | {"e": unpadded(b"\x7f" + b"\xff" * 254)}
HUGE = {"kty": "RSA", "e": "AQAB", "n": unpadded(b"\xff" * 2048)}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": 5}',
        b'{"keys": []}',
        b'{"keys": [5]}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
        b'{"keys": [{"kty": "RSA", "e": "AQAB"}]}',
        b'{"keys": [{"kty": "RSA", "e": "AQAB", "n": "AQAB"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        orjson.dumps({"keys": [rsa_jwk(PRIVATE, use="enc")]}),
        orjson.dumps({"keys": [rsa_jwk(rsa.generate_private_key(65537, 1024))]}),
        pytest.param(orjson.dumps({"keys": [SLOW]}), id="an exponent that makes each check slow"),
        pytest.param(orjson.dumps({"keys": [HUGE]}), id="a modulus that makes each check slow"),
    ],
)
def test_what_is_no_key_set_is_refused(document):
    with pytest.raises(BadKeySet):
        key_set(document)


def test_a_key_is_used_for_its_own_algorithm_only():
    keys = key_set(orjson.dumps({"keys": [rsa_jwk(PRIVATE, kid="one", alg="PS256")]}))
    check(token(alg="PS256"), keys, RULE, NOW)
    with pytest.raises(BadToken):
        check(token(), keys, RULE, NOW)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"kty": "RSA", "e": "AQAB"}, id="a member is missing"),
        pytest.param({"kty": "RSA", "e": "+", "n": 5}, id="members of other types"),
        pytest.param({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, id="no point of the curve"),
        pytest.param({"kty": "OKP", "crv": "Ed25519", "x": "AA"}, id="a short key"),
        pytest.param({"kty": "EC", "crv": ["P-256"]}, id="a list where a name should be"),
        pytest.param(rsa_jwk(OTHER) | {"alg": ["RS256"]}, id="a list of algorithms"),
        pytest.param(5, id="no map"),
    ],
)
def test_one_broken_entry_takes_no_other_key_away(broken):
    keys = key_set(orjson.dumps({"keys": [*[broken] * 20, rsa_jwk(PRIVATE, kid="one")]}))
    assert [key.kid for key in keys] == ["one"]
    check(token(), keys, RULE, NOW)


def test_a_rule_names_a_sender_or_lets_nobody_in():
    for name in SENDERS:
        assert Jwt(claims={name: "x"}).names_sender
    for claims in ({}, {"ref": "refs/heads/main"}, {"sub": ""}, {"email_verified": "true", "aud": "us"}):
        assert not Jwt(claims=claims).names_sender


def test_a_token_without_a_key_id_is_tried_with_a_few_keys_only() -> None:
    """Anybody may send one, and the author of the source has chosen how many keys there are and what each costs."""
    others = [ec_jwk(ec.generate_private_key(ec.SECP256R1()), kid=f"k{i}") for i in range(MOST_TRIES)]
    mine = ec_jwk(CURVE, kid="mine")
    head = {"alg": "ES256", "kid": None}
    check(token(key=CURVE, **head), key_set(orjson.dumps({"keys": [*others[1:], mine]})), RULE, NOW)
    late = key_set(orjson.dumps({"keys": [*others, mine]}))
    with pytest.raises(BadToken):
        check(token(key=CURVE, **head), late, RULE, NOW)
    check(token(key=CURVE, alg="ES256", kid="mine"), late, RULE, NOW)
