"""Whether a Go client would trust a server's certificate: chain, names, use, validity, as `x509.Certificate.Verify`.

Neighbours: `admission.certificate` asks before it serves, `certs` before it keeps a certificate. OpenSSL could say the
same only in a handshake, and only for now; both ask for a time to come.
"""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

LONGEST: Final = 5  # certificates from a leaf to its root
MOST_BETWEEN: Final = 16  # intermediates that are looked at
MAX_PEM: Final = 256 << 10
SERVES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
FAULTS: Final = (InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion, ValueError, TypeError)


def certificates(pem: bytes) -> list[x509.Certificate]:
    """Every certificate of a PEM file, in its order; none when it cannot be read."""
    if len(pem) > MAX_PEM:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reference numbers its certificates 0 and 1
            return list(x509.load_pem_x509_certificates(pem))
    except FAULTS:
        return []


def distrusted(chain_pem: bytes, key_pem: bytes, roots_pem: bytes, name: str, at: datetime) -> str:
    """Why a client that trusts `roots_pem` would not accept the server as `name` at that time; "" if it would.

    `chain_pem`: the server's certificate, then intermediates. `key_pem` must be its key.
    """
    chain, roots = certificates(chain_pem), certificates(roots_pem)
    if not chain:
        return "there is no certificate"
    if not roots:
        return "there is no CA certificate"
    leaf = chain[0]
    if not fits(leaf, key_pem):
        return "the key is not the certificate's"
    if not named(leaf, name):
        return f"the certificate is not valid for {name}"
    if not serves(leaf):
        return "the certificate is not for servers"
    if reason := out_of_date(leaf, at):
        return f"the certificate {reason}"
    if leaf in roots or anchored(leaf, chain[1 : 1 + MOST_BETWEEN], roots, at, LONGEST):
        return ""
    return next(
        (f"the CA {reason}" for root in roots if (reason := out_of_date(root, at))),
        "the certificate is not signed by the CA",
    )


def fits(certificate: x509.Certificate, key_pem: bytes) -> bool:
    """Whether the key in `key_pem` is the certificate's."""
    if len(key_pem) > MAX_PEM:
        return False
    try:
        key = serialization.load_pem_private_key(key_pem, None, unsafe_skip_rsa_key_validation=True)
        return _spki(key.public_key()) == _spki(certificate.public_key())
    except FAULTS:
        return False


def _spki(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded


def named(certificate: x509.Certificate, name: str) -> bool:
    """By its alternative names alone: clients stopped looking at the common name."""
    found = _extension(certificate, x509.SubjectAlternativeName)
    if found is None:
        return False
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return any(matches(pattern, name) for pattern in found.get_values_for_type(x509.DNSName))
    return address in found.get_values_for_type(x509.IPAddress)


def matches(pattern: str, name: str) -> bool:
    """A `*` stands for the whole first label."""
    wanted, given = pattern.lower().rstrip(".").split("."), name.lower().rstrip(".").split(".")
    if len(wanted) != len(given) or not all(given):
        return False
    return wanted[1:] == given[1:] and (wanted[0] == given[0] or (wanted[0] == "*" and len(wanted) > 1))


def serves(certificate: x509.Certificate) -> bool:
    uses = _extension(certificate, x509.ExtendedKeyUsage)
    return uses is None or any(use in SERVES for use in uses)


def signs(certificate: x509.Certificate) -> bool:
    """Whether it may sign other certificates."""
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    return constraints is not None and bool(constraints.ca) and (usage is None or bool(usage.key_cert_sign))


def out_of_date(certificate: x509.Certificate, at: datetime) -> str:
    if at < certificate.not_valid_before_utc:
        return f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    if at > certificate.not_valid_after_utc:
        return f"is not valid after {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    return ""


def anchored(
    certificate: x509.Certificate,
    between: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
    left: int,
) -> bool:
    """Whether signatures lead from the certificate to a root within `left` steps."""
    if left == 0:
        return False
    issuers = [one for one in (*roots, *between) if issued(certificate, one, at)]
    return any(
        one in roots or anchored(one, [other for other in between if other != one], roots, at, left - 1)
        for one in issuers
    )


def issued(certificate: x509.Certificate, by: x509.Certificate, at: datetime) -> bool:
    if not signs(by) or out_of_date(by, at):
        return False
    try:
        certificate.verify_directly_issued_by(by)
    except FAULTS:
        return False
    return True


def _extension(certificate: x509.Certificate, kind: Any) -> Any:
    """The value of an extension, None without it or where it cannot be read."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None
