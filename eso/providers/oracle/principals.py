"""Sessions of machines and pods at Oracle Cloud: a key that is made here, and a token that says whose it is.

Neighbours: connect.py asks. Servers come from the operator's environment and from the vendor's domains, never from a
store.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from eso.net.http import Pool, Timeouts
from eso.providers.contract import AuthRejected, InvalidConfig, Malformed
from eso.providers.env import Env
from eso.providers.kit import jwt
from eso.providers.kit.http import Api, bearer, clean, json_of, object_of, text_in
from eso.providers.kit.token import MOST_TOKEN
from eso.providers.oracle import realms, refusal
from eso.providers.oracle.refusal import LABEL
from eso.providers.oracle.signing import FEDERATION, Signer, signing
from eso.providers.oracle.spec import address

METADATA: Final = "http://169.254.169.254/opc/v2"
TENANT: Final = "opc-tenant:"
PORT: Final = 12250
PREFIX: Final = "ST$"
KEY_BITS: Final = 2048
MARGIN: Final = 300.0  # seconds before its end in which a session is not used any more
TIMEOUTS: Final = Timeouts(total=10.0, connect=5.0)


@dataclass(frozen=True, slots=True)
class Session:
    """`lifetime`: seconds for which it is used."""

    signer: Signer = field(repr=False)
    lifetime: float


async def of_instance(env: Env, owner: str, pool: Pool, direct: Pool, environ: Mapping[str, str]) -> Session:
    """The session for the machine that the operator runs on. `direct` reaches its metadata service, `pool` the vendor.
    Raises AuthRejected, Unavailable, Throttled, Malformed."""
    base = (environ.get("OCI_METADATA_BASE_URL") or METADATA).rstrip("/")
    machine = Api(
        direct, LABEL, base, bearer("Oracle"), refuse=refusal.of_machine, timeouts=TIMEOUTS, max_body=MOST_TOKEN
    )

    async def told(path: str) -> bytes:
        return (await machine.send("GetMetadata", "GET", path)).body

    region = realms.region_of((await told("/instance/region")).decode("ascii", "replace"))
    if not region:
        raise Malformed("the metadata service's reply has no region")
    leaf, key = await told("/identity/cert.pem"), await told("/identity/key.pem")
    between = await told("/identity/intermediate.pem")
    signer, session = await env.offload.run_for(owner, lambda: (signer_of(leaf, key), made_key()))
    body = {
        "certificate": bare(leaf),
        "publicKey": bare(public_pem(session)),
        "intermediateCertificates": [bare(between)],
        "fingerprintAlgorithm": "SHA256",
    }
    api = Api(
        pool,
        LABEL,
        address(region, "auth."),
        refuse=refusal.of_login,
        timeouts=TIMEOUTS,
        max_body=MOST_TOKEN,
        sign=signing(env, owner, signer),
    )
    reply = object_of((await api.send("GetInstanceToken", "POST", "/v1/x509", json=body)).body)
    return session_of(text_in(reply, "token"), session, env.clock.now())


async def of_workload(env: Env, owner: str, cluster: Pool, host: str, account: str) -> Session:
    """The session for a ServiceAccount of an OKE cluster. `cluster` reaches the cluster's own server at `host`;
    `account`: the token of the ServiceAccount. Raises as above."""
    session = await env.offload.run_for(owner, made_key)
    named = f"[{host}]" if ":" in host else host
    api = Api(
        cluster,
        LABEL,
        f"https://{named}:{PORT}",
        bearer(account),
        refuse=refusal.of_cluster,
        timeouts=TIMEOUTS,
        max_body=MOST_TOKEN,
    )
    body = {"podKey": public_pem(session).decode()}
    found = json_of((await api.send("GetWorkloadToken", "POST", "/resourcePrincipalSessionTokens", json=body)).body)
    if not isinstance(found, str):
        raise Malformed("the server's reply is not of the form it promises")
    try:
        token = text_in(object_of(base64.b64decode(found, validate=True)), "token")
    except (binascii.Error, ValueError):
        raise Malformed("the server's reply has no base64") from None
    if not token.startswith(PREFIX):
        raise Malformed("the server's reply has no session token")
    return session_of(token.removeprefix(PREFIX), session, env.clock.now())


def session_of(token: str, key: rsa.RSAPrivateKey, now: datetime) -> Session:
    """Raises Malformed, or AuthRejected for a token that has ended already."""
    try:
        clean(token, "token")
    except InvalidConfig:
        raise Malformed("the server's reply has no usable token") from None
    if not token or '"' in token:
        raise Malformed("the server's reply has no usable token")
    seconds = ends_at(token) - now.timestamp()
    if not 0 < seconds < 1 << 40:
        raise AuthRejected("the session token has ended before it could be used", fix="compare the clocks")
    return Session(Signer(f"{PREFIX}{token}", key), seconds - MARGIN if seconds > 2 * MARGIN else seconds / 2)


def ends_at(token: str) -> float:
    """The `exp` of a JWT, which nobody here has to believe: the server judges the token. Raises Malformed."""
    try:
        claims: Any = object_of(base64.urlsafe_b64decode(f"{token.split('.')[1]}==="))
    except (IndexError, ValueError):
        raise Malformed("the server's reply has no JSON Web Token") from None
    ends = claims.get("exp")
    if isinstance(ends, bool) or not isinstance(ends, int | float):
        raise Malformed("the session token does not say when it ends")
    return float(ends)


def made_key() -> rsa.RSAPrivateKey:
    """Takes a tenth of a second."""
    return rsa.generate_private_key(65537, KEY_BITS)


def signer_of(leaf: bytes, key: bytes) -> Signer:
    """Who the machine is, by its certificate. Raises Malformed."""
    try:
        certificate = x509.load_pem_x509_certificate(leaf)
        private = jwt.rsa_key(key)
        values = [str(part.value) for part in certificate.subject]
    except (ValueError, x509.InvalidVersion, InvalidConfig):
        raise Malformed("the metadata service's reply has no certificate with its key") from None
    tenancy = next((value.removeprefix(TENANT) for value in values if value.startswith(TENANT)), "")
    if not tenancy.isascii() or not tenancy.isprintable() or '"' in tenancy or not tenancy:
        raise Malformed("the certificate of the machine names no tenancy")
    return Signer(f"{tenancy}/fed-x509-sha256/{certificate.fingerprint(SHA256()).hex(':')}", private, FEDERATION)


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def bare(pem: bytes) -> str:
    """PEM without markers and line breaks."""
    lines = pem.decode("ascii", "replace").splitlines()
    return "".join(line.strip() for line in lines if not line.startswith("-----"))
