"""What a server, or a client, can make OpenSSL compute in a handshake."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from e2e.harness.certs import Authority
from eso.net import http, openssl
from eso.net.http import tls_context
from eso.net.openssl import DEPTH
from eso.net.serving import server_context

FINITE_FIELDS = range(0x0100, 0x0200)  # numbers of groups, RFC 7919
KEY = ec.generate_private_key(ec.SECP256R1())


def talked(client: ssl.SSLContext, server: ssl.SSLContext) -> str:
    """ "" when the two agree, else what was said of it."""
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(inward, outward, server_hostname="localhost")
    other = server.wrap_bio(outward, inward, server_side=True)
    for _ in range(4):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return http.reason(error)
    assert one.version() is not None
    return ""


def hello(context: ssl.SSLContext) -> bytes:
    outward = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outward, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outward.read()


def offered(message: bytes) -> list[int]:
    """The groups of a ClientHello, RFC 8446 4.1.2."""
    at = 9 + 2 + 32  # heads of record and message, version, random
    at += 1 + message[at]  # session
    at += 2 + int.from_bytes(message[at : at + 2], "big")  # ciphers
    at += 1 + message[at]  # compression
    at += 2
    while at < len(message):
        kind, size = (int.from_bytes(message[at + part : at + part + 2], "big") for part in (0, 2))
        if kind == 10:
            return [int.from_bytes(message[at + 6 + one : at + 8 + one], "big") for one in range(0, size - 2, 2)]
        at += 4 + size
    raise AssertionError("no groups are offered")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(tls_context, id="of a client"),
        pytest.param(lambda: tls_context(verify=False), id="of a client that trusts anybody"),
        pytest.param(lambda: tls_context(protocols=("h2",)), id="of a client that speaks HTTP/2"),
    ],
)
def test_no_group_over_a_finite_field_is_offered(make: Callable[[], ssl.SSLContext]):
    groups = offered(hello(make()))
    assert {0x001D, 0x0017, 0x0018, 0x0019} <= set(groups)  # X25519, P-256, P-384, P-521
    assert not set(groups) & set(FINITE_FIELDS)


def test_where_the_library_cannot_be_reached_one_curve_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(openssl, "_library", lambda: None)
    assert offered(hello(tls_context())) == [0x0017]


def test_a_client_that_wants_a_finite_field_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    authority = Authority(tmp_path)
    pair, server = authority.server("localhost"), server_context()
    server.load_cert_chain(pair.cert, pair.key)
    assert talked(tls_context(ca_file=str(authority.cert)), server) == ""
    monkeypatch.setattr(openssl, "GROUPS", ("ffdhe2048",))
    assert talked(tls_context(ca_file=str(authority.cert)), server) != ""


def certificate(subject: str, issuer: str, number: int, *, ca: bool = True) -> bytes:
    """Signed with the one KEY."""
    now = datetime.now(UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    made = x509.CertificateBuilder(names[1], names[0], KEY.public_key(), number, now - timedelta(1), now + timedelta(9))
    made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    return made.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def chained(between: int, folder: Path) -> ssl.SSLContext:
    """A server with so many authorities between its certificate and the one called 0."""
    chain = [certificate(str(at), str(at - 1), at + 2) for at in range(1, between + 1)]
    leaf = certificate("localhost", str(between), 1000, ca=False)
    (folder / "chain.pem").write_bytes(leaf + b"".join(reversed(chain)))
    (folder / "key.pem").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(("between", "works"), [(0, True), (3, True), (DEPTH, True), (DEPTH + 1, False), (60, False)])
def test_a_chain_of_certificates_is_not_followed_for_long(between: int, works: bool, tmp_path: Path):
    """Each signature may take 11 ms to check, on the loop: the author of a store chooses the authority."""
    client = tls_context(ca_pem=certificate("0", "0", 1))
    told = talked(client, chained(between, tmp_path))
    assert (told == "") is works, told


def test_authorities_are_read_from_a_text_with_comments_and_other_blocks():
    text = "# Zertifizierungsstelle für Dienste\n".encode() + certificate("a", "a", 1) + b"\nand\n"
    context = tls_context(ca_pem=text + certificate("b", "b", 2))
    assert context.cert_store_stats()["x509_ca"] == 2
    assert tls_context(ca_pem=text, beside_system=True).cert_store_stats()["x509_ca"] >= 1
