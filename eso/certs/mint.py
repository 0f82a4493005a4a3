"""What the Secret of the webhook should hold, and the certificates that go into it: a CA, and a server pair of it.

Neighbours: keep.py reads and writes the Secret and brings keys and numbers. Lifetimes, names and uses are the
reference's: its webhook, and Secrets that it filled, go on working.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eso.gocompat.x509 import FAULTS, certificates, distrusted, fits, named, out_of_date, signs

CA_CERT, CA_KEY, CERT, KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"
CA_NAME: Final = "external-secrets"
LIFETIME: Final = timedelta(days=10 * 365)
BACKDATED: Final = timedelta(hours=1)  # for clocks that are behind
AHEAD: Final = timedelta(days=90)  # what would not be valid by then is replaced now
KEY_BITS: Final = 2048
Data = Mapping[str, bytes]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Kept:
    """Nothing is missing."""


@dataclass(frozen=True, slots=True)
class NewServer:
    """The CA is good, the server's pair is not."""

    reason: str


@dataclass(frozen=True, slots=True)
class NewAuthority:
    """Everything has to be made anew."""

    reason: str


Need = Kept | NewServer | NewAuthority


def needed(data: Data, name: str, now: datetime) -> Need:
    """What has to be made so that a client trusts the server as `name`, now and for AHEAD."""
    if reason := authority_fault(data, now) or authority_fault(data, now + AHEAD):
        return NewAuthority(reason)
    ca = certificates(data.get(CA_CERT, b""))[0].public_bytes(serialization.Encoding.PEM)
    chain, key = data.get(CERT, b""), data.get(KEY, b"")
    if reason := distrusted(chain, key, ca, name, now) or distrusted(chain, key, ca, name, now + AHEAD):
        return NewServer(reason)
    return Kept()


def authority_fault(data: Data, at: datetime) -> str:
    """Why the CA cannot sign for us at that time, "" if it can."""
    found = certificates(data.get(CA_CERT, b""))
    if not found:
        return "there is no CA"
    ca = found[0]
    if not fits(ca, data.get(CA_KEY, b"")) or not isinstance(
        ca.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    ):
        return "the CA's key is missing or another one"
    if not signs(ca) or not named(ca, CA_NAME):
        return f"the CA is none that is called {CA_NAME}"
    if reason := out_of_date(ca, at):
        return f"the CA {reason}"
    return ""


def authority(key: rsa.RSAPrivateKey, serial: int, now: datetime) -> dict[str, bytes]:
    """`ca.crt` and `ca.key`."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, CA_NAME),
            x509.NameAttribute(NameOID.COMMON_NAME, CA_NAME),
        ]
    )
    certificate = (
        _builder(subject, subject, key, serial, now, CA_NAME, signs=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return {CA_CERT: certificate.public_bytes(serialization.Encoding.PEM), CA_KEY: pem(key)}


def server(ca: Data, key: rsa.RSAPrivateKey, serial: int, name: str, now: datetime) -> dict[str, bytes]:
    """`tls.crt` and `tls.key`, signed by the CA in `ca`. Raises ValueError or TypeError for a CA that cannot sign."""
    issuer = certificates(ca[CA_CERT])[0]
    signing = serialization.load_pem_private_key(ca[CA_KEY], None)
    if not isinstance(signing, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise TypeError("the CA's key is of a kind that is not used here")
    common = name if len(name) <= 64 else name.split(".")[0][:64]  # a common name is no longer; clients ignore it
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    certificate = (
        _builder(subject, issuer.subject, key, serial, now, name, signs=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_authority_of(issuer), critical=False)
        .sign(signing, hashes.SHA256())
    )
    return {CERT: certificate.public_bytes(serialization.Encoding.PEM), KEY: pem(key)}


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPrivateKey,
    serial: int,
    now: datetime,
    name: str,
    *,
    signs: bool,
) -> x509.CertificateBuilder:
    """What both have in common. `signs`: it may sign certificates."""
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=signs, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )


def _authority_of(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """A CA of another tool may carry an identifier that its key does not give."""
    try:
        found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found)
    except (x509.ExtensionNotFound, *FAULTS):
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type]  # RSA or EC


def pem(key: rsa.RSAPrivateKey) -> bytes:
    """PKCS#1, as the reference writes it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
