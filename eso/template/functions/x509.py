"""X.509 certificates as templates see them: parsing, the order of a chain, names.

Neighbours: pem.py finds the blocks, certificates.py makes new ones, pkcs12.py stores them.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from eso.template.bounds import Budget
from eso.template.functions import pem
from eso.template.values import FunctionError, Param, StringList, Table

TABLE = Table()
STRING = Param.STRING
CERTIFICATE = b"CERTIFICATE"
PARSE_STEPS = 100
"""What reading one certificate costs, beside its bytes."""

_NAMES = {
    NameOID.COUNTRY_NAME: "C",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.STREET_ADDRESS: "STREET",
    NameOID.POSTAL_CODE: "POSTALCODE",
    NameOID.COMMON_NAME: "CN",
    NameOID.SERIAL_NUMBER: "SERIALNUMBER",
}
"""In the order in which Go puts them; the text shows them in reverse."""


def parse(budget: Budget, der: bytes) -> x509.Certificate:
    """Raises ValueError with a fixed text."""
    budget.spend(PARSE_STEPS + len(der) // 4)
    try:
        certificate = x509.load_der_x509_certificate(der)
        list(certificate.extensions)
    except Exception:
        # The library raises several classes here, and its texts may show parts of the input.
        raise ValueError("x509: malformed certificate") from None
    return certificate


def encode(certificate: x509.Certificate) -> bytes:
    return pem.encode(CERTIFICATE, certificate.public_bytes(Encoding.DER))


def subject_key(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return b""


def authority_key(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    except x509.ExtensionNotFound:
        return b""


def is_root(certificate: x509.Certificate) -> bool:
    authority = authority_key(certificate)
    return not authority or authority == subject_key(certificate)


def in_order(certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """From the leaf to the root. Raises ValueError when they are no single chain."""
    subjects = [subject_key(certificate) for certificate in certificates]
    first_with: dict[bytes, list[int]] = {}
    for index, subject in enumerate(subjects):
        first_with.setdefault(subject, []).append(index)
    parents: list[int | None] = []
    for index, certificate in enumerate(certificates):
        parents.append(
            next((other for other in first_with.get(authority_key(certificate), [])[:2] if other != index), None)
        )
    leaves = sorted(set(range(len(certificates))).difference(parents))
    if len(leaves) > 1:
        raise ValueError("found multiple leaf or disjunct certificates")
    if not leaves:
        raise ValueError("no leaf certificate found")
    chain: list[x509.Certificate] = []
    at: int | None = leaves[0]
    while at is not None:
        if len(chain) == len(certificates):
            raise ValueError("constructing chain resulted in cycle")
        chain.append(certificates[at])
        at = parents[at]
    return chain


@TABLE.function("filterCertChain", params=(STRING, STRING), budget=True)
def filter_cert_chain(budget: Budget, kind: bytes, text: bytes) -> bytes:
    try:
        budget.spend(pem.price(text))
        certificates = [parse(budget, block.data) for block in pem.blocks(text)]
        chain = in_order(certificates)
    except ValueError as error:
        raise FunctionError(str(error)) from None
    match kind:
        case b"leaf":
            kept = [] if is_root(chain[0]) else chain[:1]
        case b"intermediate":
            end = next((index for index, certificate in enumerate(chain) if index and is_root(certificate)), len(chain))
            kept = chain[1:end]
        case b"root":
            kept = chain[-1:] if is_root(chain[-1]) else []
        case _:
            kept = []
    return b"".join(map(encode, kept))


@TABLE.function("certSANs", params=(STRING,), budget=True)
def cert_sans(budget: Budget, text: bytes) -> StringList:
    """DNS names, then IP addresses, e-mail addresses, URIs."""
    budget.spend(pem.price(text))
    found = pem.decode(pem.without_lead(text))
    if found is None:
        raise FunctionError("failed to decode PEM block")
    try:
        certificate = parse(budget, found[0].data)
    except ValueError as error:
        raise FunctionError(f"failed to parse certificate: {error}") from None
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return StringList()
    shown: list[str] = list(names.get_values_for_type(x509.DNSName))
    for address in names.get_values_for_type(x509.IPAddress):
        shown.append(str(getattr(address, "ipv4_mapped", None) or address))
    shown += names.get_values_for_type(x509.RFC822Name)
    shown += names.get_values_for_type(x509.UniformResourceIdentifier)
    return StringList(name.encode() for name in shown)


def subject_text(certificate: x509.Certificate) -> str:
    """The subject as Go prints it: known attributes grouped by type, the rest, as hex of its DER, at the end."""
    groups: list[list[str]] = []
    for attribute in certificate.subject:
        if attribute.oid not in _NAMES:
            groups.append([f"{attribute.oid.dotted_string}={_escaped(str(attribute.value))}"])
    for oid, name in _NAMES.items():
        values = [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid)]
        if name in ("CN", "SERIALNUMBER"):
            values = values[-1:]
        if values and values != [""]:
            groups.append([f"{name}={_escaped(value)}" for value in values])
    return ",".join("+".join(group) for group in reversed(groups))


def _escaped(value: str) -> str:
    out = []
    for index, char in enumerate(value):
        special = char in ',+"\\<>;' or (char == " " and index in (0, len(value) - 1)) or (char == "#" and index == 0)
        out.append("\\" + char if special else char)
    return "".join(out)
