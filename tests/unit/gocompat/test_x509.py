"""Certificates that a Go client would take, and those that it would not."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eso.gocompat.x509 import MAX_PEM, certificates, distrusted, matches

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
# openssl req -x509 -set_serial 0 -days 36500 -subj /O=external-secrets/CN=external-secrets
NUMBER_ZERO = b"""-----BEGIN CERTIFICATE-----
MIIBzTCCAXOgAwIBAgIBADAKBggqhkjOPQQDAjA2MRkwFwYDVQQKDBBleHRlcm5h
bC1zZWNyZXRzMRkwFwYDVQQDDBBleHRlcm5hbC1zZWNyZXRzMCAXDTI2MTEyODEw
MzUwMloYDzIxMjYxMTA0MTAzNTAyWjA2MRkwFwYDVQQKDBBleHRlcm5hbC1zZWNy
ZXRzMRkwFwYDVQQDDBBleHRlcm5hbC1zZWNyZXRzMFkwEwYHKoZIzj0CAQYIKoZI
zj0DAQcDQgAEzbctUzXSjSPKYL9gxX9NtWvtNxqmCzJ1Xps9WX6ZtYULulKC0CzT
6JagAwIQ9w4h7Z5xe8dnF0VnKpX/9w8HrqNwMG4wHQYDVR0OBBYEFJfNts1gOK3L
hkQ42fE5yq/Wfu9rMB8GA1UdIwQYMBaAFJfNts1gOK3LhkQ42fE5yq/Wfu9rMA8G
A1UdEwEB/wQFMAMBAf8wGwYDVR0RBBQwEoIQZXh0ZXJuYWwtc2VjcmV0czAKBggq
hkjOPQQDAgNIADBFAiEA2tww7m618Ao6umiDbPv0OyUUBQPiNYonGKJce0G+06wC
IHBYOuAYeYNc6WG4UI+NX5lH7Gnv2TyLnpeYefBwV325
-----END CERTIFICATE-----"""


@dataclass(frozen=True)
class Made:
    cert: x509.Certificate
    private: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.PEM)

    @property
    def key(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def made(
    name: str,
    by: Made | None = None,
    *,
    ca: bool = False,
    dns: Sequence[str] = ("hook.team.svc",),
    uses: Sequence[x509.ObjectIdentifier] | None = (SERVER,),
    begins: timedelta = timedelta(hours=-1),
    ends: timedelta = timedelta(days=365),
) -> Made:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.cert.subject if by else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begins)
        .not_valid_after(NOW + ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if dns:
        names: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in dns
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if uses and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    return Made(builder.sign((by or Made(None, private)).private, hashes.SHA256()), private)  # type: ignore[arg-type]


ROOT = made("root", ca=True, dns=())
OTHER = made("root", ca=True, dns=())  # the same name, another key
OLD = made("old", ca=True, dns=(), ends=timedelta(days=30))
BETWEEN = made("between", ROOT, ca=True, dns=())
LEAF = made("leaf", ROOT)
BELOW = made("below", BETWEEN)
ALONE = made("alone")
UNDER_A_LEAF = made("under", LEAF)
OF_OLD = made("of old", OLD)
NAME = "hook.team.svc"


@pytest.mark.parametrize(
    ("leaf", "chain", "roots", "name", "ahead", "reason"),
    [
        pytest.param(LEAF, [], [ROOT], NAME, 0, "", id="signed by the root"),
        pytest.param(LEAF, [], [OTHER, ROOT], NAME, 0, "", id="one of several roots"),
        pytest.param(BELOW, [BETWEEN], [ROOT], NAME, 0, "", id="with an intermediate"),
        pytest.param(BELOW, [], [BETWEEN], NAME, 0, "", id="an intermediate that is trusted"),
        pytest.param(ALONE, [], [ALONE], NAME, 0, "", id="signed by itself and trusted"),
        pytest.param(made("any", ROOT, uses=None), [], [ROOT], NAME, 0, "", id="no word about its use"),
        pytest.param(made("both", ROOT, uses=(CLIENT, SERVER)), [], [ROOT], NAME, 0, "", id="for both sides"),
        pytest.param(made("wild", ROOT, dns=("*.team.svc",)), [], [ROOT], NAME, 0, "", id="a wildcard"),
        pytest.param(made("ip", ROOT, dns=("10.0.0.1",)), [], [ROOT], "10.0.0.1", 0, "", id="an address"),
        pytest.param(LEAF, [], [OTHER], NAME, 0, "the certificate is not signed by the CA", id="a swapped CA"),
        pytest.param(BELOW, [], [ROOT], NAME, 0, "the certificate is not signed by the CA", id="a gap in the chain"),
        pytest.param(
            UNDER_A_LEAF, [LEAF], [ROOT], NAME, 0, "the certificate is not signed by the CA", id="signed by a leaf"
        ),
        pytest.param(LEAF, [], [ROOT], "other.svc", 0, "the certificate is not valid for other.svc", id="another name"),
        pytest.param(
            made(NAME, ROOT, dns=()),
            [],
            [ROOT],
            NAME,
            0,
            f"the certificate is not valid for {NAME}",
            id="a common name",
        ),
        pytest.param(
            made("client", ROOT, uses=(CLIENT,)),
            [],
            [ROOT],
            NAME,
            0,
            "the certificate is not for servers",
            id="a client's",
        ),
        pytest.param(
            LEAF, [], [ROOT], NAME, 366, "the certificate is not valid after 2027-05-01T00:00:00Z", id="too old by then"
        ),
        pytest.param(
            LEAF, [], [ROOT], NAME, -1, "the certificate is not valid before 2026-04-30T23:00:00Z", id="not yet valid"
        ),
        pytest.param(OF_OLD, [], [OLD], NAME, 31, "the CA is not valid after 2026-05-31T00:00:00Z", id="an old CA"),
    ],
)
def test_whom_a_client_trusts(leaf: Made, chain: list[Made], roots: list[Made], name: str, ahead: int, reason: str):
    shown = b"".join(one.pem for one in (leaf, *chain))
    trusted = b"".join(one.pem for one in roots)
    assert distrusted(shown, leaf.key, trusted, name, NOW + timedelta(days=ahead)) == reason


@pytest.mark.parametrize(
    ("chain", "key", "roots", "reason"),
    [
        pytest.param(b"", LEAF.key, ROOT.pem, "there is no certificate", id="nothing"),
        pytest.param(b"x", LEAF.key, ROOT.pem, "there is no certificate", id="no PEM"),
        pytest.param(LEAF.pem[:200], LEAF.key, ROOT.pem, "there is no certificate", id="half a PEM"),
        pytest.param(LEAF.pem, LEAF.key, b"", "there is no CA certificate", id="no CA"),
        pytest.param(LEAF.pem, b"", ROOT.pem, "the key is not the certificate's", id="no key"),
        pytest.param(LEAF.pem, ROOT.key, ROOT.pem, "the key is not the certificate's", id="another key"),
        pytest.param(LEAF.pem, LEAF.pem, ROOT.pem, "the key is not the certificate's", id="a certificate as key"),
        pytest.param(b" " * MAX_PEM + LEAF.pem, LEAF.key, ROOT.pem, "there is no certificate", id="a huge file"),
        pytest.param(
            LEAF.pem, b" " * MAX_PEM + LEAF.key, ROOT.pem, "the key is not the certificate's", id="a huge key"
        ),
    ],
)
def test_files_that_are_none(chain: bytes, key: bytes, roots: bytes, reason: str):
    assert distrusted(chain, key, roots, NAME, NOW) == reason


def test_certificates_that_sign_each_other_in_a_circle_have_an_end():
    a, b = made("a", ca=True, dns=()), made("b", ca=True, dns=())
    leaf = made("leaf", a)
    circle = [made("a", b, ca=True, dns=()), made("b", a, ca=True, dns=()), a, b] * 20
    chain = b"".join(one.pem for one in (leaf, *circle))
    assert distrusted(chain, leaf.key, ROOT.pem, NAME, NOW) == "the certificate is not signed by the CA"


def test_a_certificate_with_the_number_zero_is_read_without_a_word():
    assert len(certificates(NUMBER_ZERO)) == 1


@pytest.mark.parametrize(
    ("pattern", "name", "same"),
    [
        ("a.svc", "A.svc.", True),
        ("*.svc", "a.svc", True),
        ("*.svc", "a.b.svc", False),
        ("*.svc", ".svc", False),
        ("*", "a", False),
        ("a*.svc", "ab.svc", False),
    ],
)
def test_names(pattern: str, name: str, same: bool):
    assert matches(pattern, name) is same
