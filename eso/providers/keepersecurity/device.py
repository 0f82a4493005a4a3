"""The configuration of a device of an application, as Keeper's tools make it: keys, and where to ask.

Neighbours: connect.py reads it from a Secret. No text shows a part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from eso.providers.contract import InvalidConfig
from eso.providers.keepersecurity import keys, wire
from eso.providers.kit.address import parts_of

HOSTS: Final = {
    "US": "keepersecurity.com",
    "EU": "keepersecurity.eu",
    "AU": "keepersecurity.com.au",
    "GOV": "govcloud.keepersecurity.us",
    "JP": "keepersecurity.jp",
    "CA": "keepersecurity.ca",
}
FAILED: Final = "unable to create valid KeeperSecurity config: "
NEEDED: Final = ("clientId", "privateKey", "appKey")
LONGEST: Final = 1024  # characters of a key; one of P-256 takes two hundred
FIX: Final = "store the configuration that Keeper makes with --config-init b64"


@dataclass(frozen=True, slots=True)
class Device:
    """`key` signs. `app_key` opens what the server keeps. `server_key`: the server's own, whatever its number is; None:
    a published one. `owner`: may be told the keys of new records; None where the configuration does not say."""

    host: str
    client_id: str = field(repr=False)
    key: EllipticCurvePrivateKey = field(repr=False)
    app_key: bytes = field(repr=False)
    number: str
    server_key: EllipticCurvePublicKey | None
    owner: EllipticCurvePublicKey | None

    def server(self, number: str) -> EllipticCurvePublicKey | None:
        """The server's key of this number; None for one that nobody has published."""
        if self.server_key is not None:
            return self.server_key
        published = keys.SERVERS.get(number)
        return None if published is None else wire.point(wire.decoded(published))


def device_of(secret: bytes) -> Device:
    """The configuration: JSON, or base64 of it. Raises InvalidConfig."""
    found = config_of(secret)
    missing = [name for name in NEEDED if not found.get(name)]
    if "privateKey" in missing and found.get("clientKey"):
        raise InvalidConfig(
            f"{FAILED}the one-time token has to be redeemed first",
            fix="a token cannot be redeemed here: " + FIX,
        )
    if missing:
        raise InvalidConfig(f"{FAILED}{missing[0]} is missing", fix=FIX)
    app_key = taken(found, "appKey")
    if len(app_key) != wire.KEY:
        raise refused("appKey")
    device = Device(
        host_of(text(found, "hostname")),
        text(found, "clientId"),
        private_key(taken(found, "privateKey")),
        app_key,
        str(found.get("serverPublicKeyId") or keys.DEFAULT),
        public_key(found, "serverPublicKey"),
        public_key(found, "appOwnerPublicKey"),
    )
    if not (device.number.isascii() and device.number.isdigit()) or device.server(device.number) is None:
        raise refused("serverPublicKeyId")
    return device


def config_of(secret: bytes) -> Mapping[str, Any]:
    try:
        plain = secret.decode().strip()
        found: Any = orjson.loads(plain if plain.startswith("{") else wire.decoded("".join(plain.split())))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidConfig(f"{FAILED}it is neither JSON nor base64 of JSON", fix=FIX)
    return found


def text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name) or ""
    if not isinstance(value, str) or len(value) > LONGEST:
        raise refused(name)
    return value


def taken(found: Mapping[str, Any], name: str) -> bytes:
    try:
        return wire.decoded(text(found, name))
    except ValueError:
        raise refused(name) from None


def private_key(data: bytes) -> EllipticCurvePrivateKey:
    try:
        key = load_der_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise refused("privateKey") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise refused("privateKey")
    return key


def public_key(found: Mapping[str, Any], name: str) -> EllipticCurvePublicKey | None:
    if not found.get(name):
        return None
    try:
        return wire.point(taken(found, name))
    except ValueError:
        raise refused(name) from None


def host_of(hostname: str) -> str:
    """A host, or the one of an address or of a region; https is all that is spoken with it."""
    name = HOSTS.get(hostname.strip().upper(), hostname.strip()) or HOSTS["US"]
    try:
        host = urlsplit(name).netloc if "://" in name else name.rstrip("/")
    except ValueError:
        raise refused("hostname") from None
    parts = parts_of(f"https://{host}")
    if parts is None or parts.path:
        raise refused("hostname")
    return host


def refused(name: str) -> InvalidConfig:
    return InvalidConfig(f"{FAILED}{name} cannot be used", fix=FIX)
