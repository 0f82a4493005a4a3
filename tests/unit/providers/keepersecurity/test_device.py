"""Configurations of devices, and envelopes that the vendor's own library and OpenSSL made."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.keepersecurity import wire
from eso.providers.keepersecurity.device import device_of
from tests.fakes.keepersecurity import Device, b64, point_of, unlock, unwrap

# openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256, as PKCS#8 in DER
PRIVATE = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5JXOMjteXe8Ujsrhf98V+A50D94rMqu7dmrDqFbhXGKhRANCAARy"
    "w4yKBlrlxj2gevGfbnerWGaWBV28Z10/dauNwNsPdw1K//bnp1Qn8Oog/ckn3KRaWUuF/hTj7T14sqZ8nmy5"
)
POINT = "BHLDjIoGWuXGPaB68Z9ud6tYZpYFXbxnXT91q43A2w93DUr/9uenVCfw6iD9ySfcpFpZS4X+FOPtPXiypnyebLk="
OTHER_CURVE = (
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBt+dcrM2HOGfhaYl64zuTJpGy1lhIXOFZxe01170JXlL50TkSvomeA"
    "Xx/YZYq4pRqhZANiAARYQVh5PhezH2XaL2xcnatoX3oovIgWjHcUkDyAZAu2e1+Yo018HkGNDH2hhuOVMzbgtV44tIFrmlVlBZFC"
    "hgikRvjUPUHGtSfi5elkp66gSaFvq+6Xd8GbnUW3WOARUqY="
)
RSA = (
    "MIIBOwIBAAJBAMPsD/FSyBttmhprErkoSkjj8MUC/+AenN7TrgDFHo8mUu/7jd9pJgd1Olno1DioPFjL7ZJfF3S6vZ+ilJXuHKcCAwEA"
    "AQJBAIAdUkOE1VOSNQ4HbEPlg8XsP9okXvvIKN5Q31yjiZsi2HGXr/tzwf3B2ATb8Fx0Frfr6u8llRusPQ9V+mYcTPECIQDkBV11FYPI"
    "fALCEi0bJO+5SIjTHLNLp5fFUuDlp2lTuQIhANv2ZxsqUunHU+wJ/XYiWPTrv1sTd6stg1snbt9Y8+NfAiBex2Aeb8/0QJ/A3V9EXikK"
    "4fyFi/N26fWq/pUewGSGeQIgNgvyQ6t/me+fQEUoISnJX8y5RQCgi8/wEaq7xGdP7dMCIQDir7BTWQYySPBGwQubIrZ9if4JAe4bKlYq"
    "XubvR8LeRg=="
)
# made by the library of the vendor: AES-GCM with the key 00 01 02 ... 1f, and this key for the point above
BOX = "0Zi/KG8NdKXC5b4wGGf7PVs9hPK4AQmh9Wzx2KODTeJCiMG/BAcLP+2+253f7anY5ww="
WRAPPED = (
    "BAN5b/DFyKBDrrz8tLclV3rWontkZR3MoWC/DkuqZ2HqD1+kr0/sls0A4Oil0bnPdO9bD0dHBHHYi/Mdbg8+OyPkxR1LpM2Loe53Kga4"
    "aSloVgOmY2rmdRRPaM7Aez+1XlxuHl5jqQ7/axj3rpNDNQDPH9JzFQS0rr75oow="
)
KEY = bytes(range(32))


def config(**changes: Any) -> dict[str, Any]:
    owner, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    return Device(KEY, owner, server).config(**changes)


def secret(**changes: Any) -> bytes:
    return json.dumps(config(**changes)).encode()


def test_what_the_vendors_library_sealed_is_opened() -> None:
    assert wire.opened(base64.b64decode(BOX), KEY) == b"the vendor's own words"


def test_a_key_of_openssl_is_read_and_what_is_wrapped_for_it_is_what_the_vendors_library_wraps() -> None:
    """The same unwrapping opens theirs and ours."""
    key = load_der_private_key(base64.b64decode(PRIVATE), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert point_of(key) == base64.b64decode(POINT)
    assert unwrap(base64.b64decode(WRAPPED), key) == KEY
    assert unwrap(wire.sealed_for(KEY, wire.point(base64.b64decode(POINT))), key) == KEY
    assert unlock(wire.sealed(b"ours", KEY), KEY) == b"ours"


@pytest.mark.parametrize(
    "box",
    (
        b"",
        b"short",
        base64.b64decode(BOX)[:-1],
        base64.b64decode(BOX)[:28],
        base64.b64decode(BOX)[:-1] + b"x",
        bytes(64),
    ),
    ids=("nothing", "a nonce too few", "cut", "no tag", "another tag", "noughts"),
)
def test_what_was_touched_is_malformed_and_tells_nothing(box: bytes) -> None:
    with pytest.raises(Malformed, match=r"^the server's reply cannot be decrypted$"):
        wire.opened(box, KEY)


def test_a_configuration_is_json_or_base64_of_it() -> None:
    found = config(privateKey=PRIVATE)
    plain = json.dumps(found).encode()
    forms = (plain, b" " + plain + b"\n", base64.b64encode(plain), base64.urlsafe_b64encode(plain).rstrip(b"="))
    for form in (*forms, base64.encodebytes(plain)):
        device = device_of(form)
        assert (device.host, device.number, device.app_key) == ("keepersecurity.com", "10", KEY)
        assert device.client_id == found["clientId"]
        assert device.owner is not None
        assert PRIVATE[20:40] not in repr(device)
        assert found["clientId"] not in repr(device)


@pytest.mark.parametrize(
    ("hostname", "host"),
    (
        (None, "keepersecurity.com"),
        ("", "keepersecurity.com"),
        ("EU", "keepersecurity.eu"),
        ("gov", "govcloud.keepersecurity.us"),
        ("keepersecurity.jp", "keepersecurity.jp"),
        ("https://keeper.test:8443/", "keeper.test:8443"),
        ("http://keeper.test", "keeper.test"),
    ),
)
def test_a_host_is_a_name_an_address_or_a_region(hostname: str | None, host: str) -> None:
    assert device_of(secret(hostname=hostname)).host == host


def test_published_keys_are_used_where_the_configuration_has_none() -> None:
    device = device_of(secret(serverPublicKey=None, serverPublicKeyId=None, appOwnerPublicKey=None))
    assert device.number == "10"
    assert device.owner is None
    for number in range(1, 19):
        assert device.server(str(number)) is not None
    assert device.server("19") is None
    assert device_of(secret(serverPublicKeyId="99")).server("99") is not None


@pytest.mark.parametrize(
    ("changes", "fault"),
    (
        ({"clientId": ""}, "clientId is missing"),
        ({"privateKey": None}, "privateKey is missing"),
        ({"appKey": None}, "appKey is missing"),
        ({"privateKey": None, "clientKey": "planted"}, "the one-time token has to be redeemed first"),
        ({"appKey": b64(bytes(16))}, "appKey cannot be used"),
        ({"appKey": "%"}, "appKey cannot be used"),
        ({"appKey": 7}, "appKey cannot be used"),
        ({"privateKey": OTHER_CURVE}, "privateKey cannot be used"),
        ({"privateKey": RSA}, "privateKey cannot be used"),
        ({"privateKey": PRIVATE[:80]}, "privateKey cannot be used"),
        ({"privateKey": "A" * 2000}, "privateKey cannot be used"),
        ({"serverPublicKey": b64(b"\x04" + bytes(64))}, "serverPublicKey cannot be used"),
        ({"serverPublicKey": POINT[:40]}, "serverPublicKey cannot be used"),
        ({"appOwnerPublicKey": "AAAA"}, "appOwnerPublicKey cannot be used"),
        ({"serverPublicKey": None, "serverPublicKeyId": "77"}, "serverPublicKeyId cannot be used"),
        ({"serverPublicKeyId": "10\r\nHost: x"}, "serverPublicKeyId cannot be used"),
        ({"hostname": "user:planted@host"}, "hostname cannot be used"),
        ({"hostname": "host/planted"}, "hostname cannot be used"),
        ({"hostname": "https://[planted"}, "hostname cannot be used"),
    ),
)
def test_a_configuration_that_cannot_be_used_is_refused_without_showing_it(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        device_of(secret(**changes))
    assert str(error.value) == f"unable to create valid KeeperSecurity config: {fault}"
    assert "planted" not in str(error.value) + error.value.fix


@pytest.mark.parametrize("form", (b"", b"US:planted-token", b"[]", b"{", b"\xff", b"bnVsbA==", b"[" * 9000))
def test_what_is_no_configuration_is_refused(form: bytes) -> None:
    with pytest.raises(InvalidConfig, match=r"it is neither JSON nor base64 of JSON$"):
        device_of(form)
