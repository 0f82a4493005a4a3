"""New certificates: authorities, self-signed and signed ones, and wrapping a given pair.

Neighbours: keys.py makes and reads keys, x509.py reads certificates. Validity starts at the world's clock; serial
numbers come from its entropy.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509 as library
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eso.gocompat import base64
from eso.template import gofmt
from eso.template.bounds import Budget
from eso.template.functions import keys, pem, x509
from eso.template.functions.keys import KeyFormatError
from eso.template.values import FunctionError, Opaque, Param, Table, Value

TABLE = Table()
CERTIFICATE, INT, LIST, STRING = Param.CERTIFICATE, Param.INT, Param.LIST, Param.STRING
SLOW = frozenset(
    {"genCA", "genCAWithKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey"}
)

_SIGNING_STEPS = 2_000
SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Names = tuple[Value, Value]
"""IP addresses and DNS names: lists, or None."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair(Opaque):
    """A certificate and its key, both PEM."""

    cert: bytes = field(repr=False)
    key: bytes = field(repr=False)

    go_type = "sprig.certificate"
    kind = "struct"

    def fields(self) -> tuple[tuple[str, Value], ...]:
        return ("Cert", self.cert), ("Key", self.key)

    def same(self, other: Opaque) -> bool:
        return isinstance(other, Pair) and (self.cert, self.key) == (other.cert, other.key)


@dataclass(frozen=True, slots=True)
class _Issuer:
    certificate: library.Certificate
    key: SigningKey


def _signing_key(budget: Budget, text: bytes) -> SigningKey:
    try:
        return _usable(keys.from_pem(budget, text))
    except KeyFormatError as error:
        raise FunctionError(f"parsing private key: {error}", told=f"parsing private key: {error.told}") from None


def _usable(key: PrivateKeyTypes) -> SigningKey:
    if not isinstance(key, SigningKey):
        raise FunctionError("error creating certificate: x509: only RSA, ECDSA and Ed25519 keys are supported")
    return key


def _alternative_names(budget: Budget, names: Names) -> list[library.GeneralName]:
    addresses, domains = names
    budget.spend(2 * (len(addresses or ()) + len(domains or ())))
    for name in (*(addresses or ()), *(domains or ())):
        if isinstance(name, bytes):
            budget.spend(len(name) // 16)
    made: list[library.GeneralName] = []
    for name in domains or []:
        if not isinstance(name, bytes):
            raise FunctionError(
                b"error processing alternate dns name: " + gofmt.plain(budget, name) + b" is not a string",
                told="error processing an alternate dns name that is not a string",
            )
        try:
            made.append(library.DNSName(name.decode()))
        except ValueError:
            raise FunctionError("error creating certificate: x509: a name cannot be encoded as an IA5String") from None
    for address in addresses or []:
        if not isinstance(address, bytes):
            raise FunctionError(
                b"error parsing ip: " + gofmt.plain(budget, address) + b" is not a string",
                told="error parsing an ip that is not a string",
            )
        try:
            if b"%" in address:
                raise ValueError
            parsed = ipaddress.ip_address(address.decode())
        except ValueError:
            raise FunctionError(b"error parsing ip: " + address, told="error parsing an ip") from None
        made.append(library.IPAddress(getattr(parsed, "ipv4_mapped", None) or parsed))
    return made


def _certificate(
    budget: Budget, name: bytes, days: int, key: SigningKey, names: Names, *, authority: bool, issuer: _Issuer | None
) -> Pair:
    budget.spend(_SIGNING_STEPS)
    common_name = name.decode("utf-8", "replace")
    subject = _subject(common_name)
    alternatives = _alternative_names(budget, names)
    start, end = _validity(budget, days)
    public = key.public_key()
    issuer_name = issuer.certificate.subject if issuer else subject
    builder = library.CertificateBuilder(
        issuer_name, subject, public, int.from_bytes(budget.world.random(16), "big") or 1
    )
    builder = builder.not_valid_before(start).not_valid_after(end)
    usage = library.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(
        library.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
    )
    builder = builder.add_extension(library.BasicConstraints(ca=authority, path_length=None), critical=True)
    if authority:
        builder = builder.add_extension(library.SubjectKeyIdentifier(_key_identifier(key)), critical=False)
    if issuer and issuer_name != subject and (identifier := x509.subject_key(issuer.certificate)):
        builder = builder.add_extension(library.AuthorityKeyIdentifier(identifier, None, None), critical=False)
    if alternatives:
        builder = builder.add_extension(library.SubjectAlternativeName(alternatives), critical=not common_name)
    signer = issuer.key if issuer else key
    made = builder.sign(signer, _digest(signer))
    return Pair(x509.encode(made), keys.as_pem(key))


def _subject(common_name: str) -> library.Name:
    if not common_name:
        return library.Name([])
    # X.520 ends a common name at 64 characters; Go does not, and host names grow longer.
    return library.Name([library.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=len(common_name) <= 64)])


def _validity(budget: Budget, days: int) -> tuple[datetime, datetime]:
    start = datetime.fromtimestamp(budget.world.wall_ns() // 10**9, UTC)
    try:
        end = start + timedelta(days=days)
    except OverflowError:
        raise FunctionError("error creating certificate: x509: cannot represent time as GeneralizedTime") from None
    if end < start:
        raise FunctionError("error creating certificate: the certificate would end before it starts")
    return start, end


def _digest(key: SigningKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """By the curve's size; SHA-256 for RSA, none for Ed25519."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return (
            hashes.SHA512()
            if key.curve.key_size > 384
            else hashes.SHA384()
            if key.curve.key_size > 256
            else hashes.SHA256()
        )
    return hashes.SHA256()


def _key_identifier(key: SigningKey) -> bytes:
    """The first 20 bytes of the SHA-256 of the public key's bits (RFC 7093, method 1)."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        bits = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        bits = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        bits = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(bits).digest()[:20]


def _issuer(budget: Budget, pair: Pair) -> _Issuer:
    budget.spend(pem.price(pair.cert))
    found = pem.decode(pair.cert)
    if found is None:
        raise FunctionError("unable to decode certificate")
    try:
        certificate = x509.parse(budget, found[0].data)
    except ValueError as error:
        raise FunctionError(f"error parsing certificate: {error}") from None
    try:
        key = _usable(keys.from_pem(budget, pair.key))
    except KeyFormatError as error:
        raise FunctionError(
            f"error parsing private key: {error}", told=f"error parsing private key: {error.told}"
        ) from None
    theirs, ours = certificate.public_key(), key.public_key()
    if type(theirs) is not type(ours) or theirs != ours:
        raise FunctionError("error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey")
    return _Issuer(certificate, key)


@TABLE.function("genCA", params=(STRING, INT), budget=True, dice=True)
def gen_ca(budget: Budget, name: bytes, days: int) -> Pair:
    return _certificate(budget, name, days, keys.new_rsa(budget, 2048), (None, None), authority=True, issuer=None)


@TABLE.function("genCAWithKey", params=(STRING, INT, STRING), budget=True, dice=True)
def gen_ca_with_key(budget: Budget, name: bytes, days: int, key: bytes) -> Pair:
    return _certificate(budget, name, days, _signing_key(budget, key), (None, None), authority=True, issuer=None)


@TABLE.function("genSelfSignedCert", params=(STRING, LIST, LIST, INT), budget=True, dice=True)
def gen_self_signed(budget: Budget, name: bytes, addresses: Value, domains: Value, days: int) -> Pair:
    _alternative_names(budget, (addresses, domains))  # before the expensive key
    return _certificate(
        budget, name, days, keys.new_rsa(budget, 2048), (addresses, domains), authority=False, issuer=None
    )


@TABLE.function("genSelfSignedCertWithKey", params=(STRING, LIST, LIST, INT, STRING), budget=True, dice=True)
def gen_self_signed_with_key(
    budget: Budget, name: bytes, addresses: Value, domains: Value, days: int, key: bytes
) -> Pair:
    return _certificate(
        budget, name, days, _signing_key(budget, key), (addresses, domains), authority=False, issuer=None
    )


@TABLE.function("genSignedCert", params=(STRING, LIST, LIST, INT, CERTIFICATE), budget=True, dice=True)
def gen_signed(budget: Budget, name: bytes, addresses: Value, domains: Value, days: int, ca: Pair) -> Pair:
    _alternative_names(budget, (addresses, domains))
    issuer = _issuer(budget, ca)
    return _certificate(
        budget, name, days, keys.new_rsa(budget, 2048), (addresses, domains), authority=False, issuer=issuer
    )


@TABLE.function("genSignedCertWithKey", params=(STRING, LIST, LIST, INT, CERTIFICATE, STRING), budget=True, dice=True)
def gen_signed_with_key(
    budget: Budget, name: bytes, addresses: Value, domains: Value, days: int, ca: Pair, key: bytes
) -> Pair:
    return _certificate(
        budget, name, days, _signing_key(budget, key), (addresses, domains), authority=False, issuer=_issuer(budget, ca)
    )


@TABLE.function("buildCustomCert", params=(STRING, STRING), budget=True, pace=16)
def build_custom_cert(budget: Budget, certificate: bytes, key: bytes) -> Pair:
    """Checks and wraps PEM texts, given in base 64."""
    try:
        cert_pem = base64.decode(certificate)
    except base64.Base64Error:
        raise FunctionError("unable to decode base64 certificate") from None
    try:
        key_pem = base64.decode(key)
    except base64.Base64Error:
        raise FunctionError("unable to decode base64 private key") from None
    budget.spend(pem.price(cert_pem))
    found = pem.decode(cert_pem)
    if found is None:
        raise FunctionError("unable to decode certificate")
    try:
        x509.parse(budget, found[0].data)
    except ValueError as error:
        raise FunctionError(f"error parsing certificate: {error}") from None
    try:
        keys.from_pem(budget, key_pem)
    except KeyFormatError as error:
        raise FunctionError(
            f"error parsing private key: {error}", told=f"error parsing private key: {error.told}"
        ) from None
    return Pair(cert_pem, key_pem)
