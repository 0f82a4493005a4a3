"""Keys, certificates, PKCS#12, PEM, JWK, passwords. All keys here are throw-away material."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography import x509 as library
from cryptography.hazmat.decrepit.ciphers.algorithms import RC2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import pkcs12 as other
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from eso.template import Limits, TemplateError, World, render
from eso.template.functions import der, pem, rc2

EC_KEY = b"""-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIFIt2UTZr8JI0az7kVEzCeMdZyVJSFroEbCKt60Eq4buoAoGCCqGSM49
AwEHoUQDQgAEcOxNyYysntqNdr0yYVBlUKZdmqBEjHCX8yCkqsy5N2RQiqQ4/pt7
B7sDVzRELTyJnp3XQnF4rURXKZIHzHEIhQ==
-----END EC PRIVATE KEY-----
"""
LEGACY = base64.b64decode(
    "MIIDqgIBAzCCA3AGCSqGSIb3DQEHAaCCA2EEggNdMIIDWTCCAk8GCSqGSIb3DQEHBqCCAkAwggI8AgEAMIICNQYJKoZIhvcNAQcB"
    "MBwGCiqGSIb3DQEMAQYwDgQIVLgXQOmn/VwCAggA"
    "gIICCI1aJuOuXRxpDz32C4FjO2X9ymaOG6hFyGaq/HdutR3iiXxQ3LMIsVjWQ9o4pq7EvqaQqCpaNX6ybvQIOwdmUjpVoKDL2E9D"
    "bPNqSasy8H9GBn6djsHayFIs/TqU7ke5K7d+2CdF"
    "treTws/7sE9BVmxLslTmgddNcz1ZdsDCo0C+DSNfXTzK0nWp0hRCP2Y3f01Z5/fsrZN2XJ/WneDMQ0pCTznNNGpQHAkCQkd9gve0"
    "vRVwgGKHFK/Im+O9s7uj2TVsydA8rKWfiCp9fol0"
    "dMgxtHDzyJq1lSzA58le7AcbA9/7cVKNgD+rMIhClB8oejh9X9+J7A5RtphuAIRWBMk2wDKojl4lasCNPzMykW2Lr36SgYHYmqU2"
    "HuqWPFztJEHCBWg4RU5NxCvHwV6UmpoX9F9Si2BV"
    "pt49/nsibHHRr6oDbZpDZJ8WD0hVeQfnjVxpvju7pIbnjpaZ6261ypNgBCIUpCliPgd3lUuopzMxR4MrXWRWQj5VNDUHiBAn1V26"
    "iNedv+N6ugswhFLc8j4KhQ0U7y9Mf9vo9iCwGu/o"
    "04LR6G/TEFnLmZJ4nEw8NAa68kqvFvqTqVOPxC+pLlbQyoXCJQ2OOQqhMnvxNNyR4Taaw2qp9LFhQ+NKJKhgIzDVxQHzXiTXIa2/"
    "JTqjk+n2wnbOog+uwvduS80M3NSMqFKFoadGoRkw"
    "ggECBgkqhkiG9w0BBwGggfQEgfEwge4wgesGCyqGSIb3DQEMCgECoIG0MIGxMBwGCiqGSIb3DQEMAQMwDgQIL0nMDChgw5kCAggA"
    "BIGQWucTHSHZi8liwtGqd7A1/GtMEVmAeIsZ4P3f"
    "QFLroN3EjJfDa9pXSOOa7fIxb3SaqB64blF92KxJZmI0IFg+OXZ51l0vaPXDH9gJq3L7hLhA5IhlLVlF8zaa6WyLvDUy29tlP49C"
    "nan/5HDV+W1XL0fyJ9q04O9C8y9AgqIX1WB1bxyJ"
    "oKPZdihUbjjLcwadMSUwIwYJKoZIhvcNAQkVMRYEFCjJxnu+zbDqtvIbm2+w+yPL5xefMDEwITAJBgUrDgMCGgUABBR94RS/788a"
    "xvTVgk953Ee4pHaf7wQIoGufavKvYk8CAggA"
)
"""Of OpenSSL's legacy provider: certificates under 40-bit RC2, the key under 3DES, a SHA-1 mac; password `alt`, the key
above."""


def shown(template: str, **data: bytes) -> bytes:
    return render(template, data)


def pkcs8(key: bytes) -> bytes:
    loaded = serialization.load_pem_private_key(key, None)
    return loaded.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def failure(template: str, **data: bytes) -> str:
    with pytest.raises(TemplateError) as refused:
        render(template, data)
    return refused.value.full


# --- PEM


@given(
    st.binary(max_size=200),
    st.dictionaries(st.sampled_from([b"Proc-Type", b"A", b"Z"]), st.sampled_from([b"1", b"4,ENCRYPTED"])),
)
def test_a_pem_block_survives_being_written_and_read(data: bytes, headers: dict[bytes, bytes]) -> None:
    text = pem.encode(b"X Y", data, tuple(headers.items()))
    found = pem.decode(b"before\n" + text + b"behind")
    assert found is not None
    block, rest = found
    assert (block.kind, block.data, dict(block.headers)) == (b"X Y", data, headers)
    assert rest == len(b"before\n" + text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param(b"-----BEGIN X-----\r\nAAAA\r\n-----END X-----\r\n", 1, id="carriage returns are tolerated"),
        pytest.param(b"-----BEGIN X-----\nAAAA \t\n-----END X-----  ", 1, id="trailing blanks are tolerated"),
        pytest.param(b" -----BEGIN X-----\nAAAA\n-----END X-----\n", 0, id="BEGIN starts its line"),
        pytest.param(b"-----BEGIN X-----\nAAAA\n-----END Y-----\n", 0, id="the types must match"),
        pytest.param(
            b"-----BEGIN X-----\nA!\n-----END X-----\n-----BEGIN X-----\nAAAA\n-----END X-----",
            1,
            id="a damaged block is skipped",
        ),
        pytest.param(
            b"-----BEGIN Y-----\nAAAA\n-----BEGIN X-----\nAAAA\n-----END X-----\n",
            1,
            id="an unfinished block is skipped",
        ),
        pytest.param(b"-----BEGIN X-----\n-----END X-----\n", 1, id="a block may be empty"),
        pytest.param(b"-----BEGIN X-----\nAAAA\n-----END X-----junk\n", 0, id="nothing follows END on its line"),
    ],
)
def test_pem_is_read_like_go_reads_it(text: bytes, count: int) -> None:
    assert len(list(pem.blocks(text))) == count


# --- PKCS#12


def test_an_old_file_with_weak_ciphers_is_read() -> None:
    assert shown("{{ pkcs12keyPass `alt` .p }}", p=LEGACY) == pkcs8(EC_KEY)
    certificate = library.load_pem_x509_certificate(shown("{{ pkcs12certPass `alt` .p }}", p=LEGACY))
    assert certificate.subject.rfc4514_string() == "CN=old,O=A\\, B,C=DE"


def test_a_wrong_password_and_a_damaged_file_differ() -> None:
    assert "pkcs12: decryption password incorrect" in failure("{{ pkcs12keyPass `neu` .p }}", p=LEGACY)
    assert "pkcs12: error reading P12 data: asn1: " in failure("{{ pkcs12keyPass `alt` .p }}", p=LEGACY[:-1])


@pytest.mark.parametrize("password", [b"", b"geheim", "pä€w".encode()])
def test_what_is_written_can_be_read_here(password: bytes) -> None:
    certificate = shown("{{ (genCAWithKey `ca` 1 .k).Cert }}", k=EC_KEY)
    written = shown("{{ fullPemToPkcs12Pass .c .k .w }}", c=certificate, k=EC_KEY, w=password)
    data = base64.b64decode(written)
    assert (
        shown("{{ pkcs12keyPass .w .p }}{{ pkcs12certPass .w .p }}", p=data, w=password) == pkcs8(EC_KEY) + certificate
    )


def test_what_is_written_can_be_read_elsewhere() -> None:
    certificate = shown("{{ (genCAWithKey `ca` 1 .k).Cert }}", k=EC_KEY)
    data = base64.b64decode(shown("{{ pemToPkcs12Pass .c .k `pw` }}", c=certificate, k=EC_KEY))
    key, found, more = other.load_key_and_certificates(data, b"pw")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert found == library.load_pem_x509_certificate(certificate)
    assert more == []


@pytest.mark.parametrize("kind", [other.PBES.PBESv1SHA1And3KeyTripleDESCBC, other.PBES.PBESv2SHA256AndAES256CBC])
def test_what_others_write_is_read_in_the_order_of_the_file(kind: other.PBES) -> None:
    first, second = (
        library.load_pem_x509_certificate(shown("{{ (genCAWithKey `ca` 1 .k).Cert }}", k=EC_KEY)) for _ in range(2)
    )
    key = serialization.load_pem_private_key(EC_KEY, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    how = serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(50).key_cert_algorithm(kind).build(b"pw")
    data = other.serialize_key_and_certificates(None, key, first, [second], how)
    expected = b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in (first, second))
    assert shown("{{ pkcs12certPass `pw` .p }}", p=data) == expected


def test_a_truststore_names_its_certificates_and_has_no_key() -> None:
    certificate = shown("{{ pkcs12certPass `alt` .p }}", p=LEGACY)
    data = base64.b64decode(shown("{{ pemTruststoreToPKCS12Pass .c `pw` }}", c=certificate))
    loaded = other.load_pkcs12(data, b"pw")
    assert [entry.friendly_name for entry in loaded.additional_certs] == [b"CN=old,O=A\\, B,C=DE"]
    assert "pkcs12: private key missing" in failure("{{ pkcs12certPass `pw` .p }}", p=data)
    assert base64.b64decode(shown("{{ pemTruststoreToPKCS12 `` }}"))


def test_text_behind_the_certificates_is_refused() -> None:
    certificate = shown("{{ pkcs12certPass `alt` .p }}", p=LEGACY)
    assert "error calling pemTruststoreToPKCS12" in failure("{{ pemTruststoreToPKCS12 .c }}", c=certificate + b"junk")
    assert "error calling fullPemToPkcs12" in failure("{{ fullPemToPkcs12 .c .k }}", c=certificate + b"junk", k=EC_KEY)
    assert shown("{{ pemToPkcs12 .c .k }}", c=certificate + b"junk", k=EC_KEY)


def test_the_work_that_a_file_asks_for_is_paid_first() -> None:
    digest = der.sequence(der.sequence(der.oid("1.3.14.3.2.26"), der.null()), der.octets(bytes(20)))
    safe = der.sequence(der.oid("1.2.840.113549.1.7.1"), der.element(der.EXPLICIT_0, der.octets(der.sequence())))
    data = der.sequence(der.integer(3), safe, der.sequence(digest, der.octets(b"salt"), der.integer(2**31 - 1)))
    with pytest.raises(TemplateError, match="exceeds the limit of 1000000 steps"):
        render("{{ pkcs12key .p }}", {"p": data})


@settings(max_examples=30)
@given(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_rc2_agrees_with_the_library_where_that_has_it(key: bytes, iv: bytes, block: bytes) -> None:
    encryptor = Cipher(RC2(key), CBC(iv)).encryptor()
    assert rc2.decrypt_cbc(key, iv, encryptor.update(block) + encryptor.finalize()) == block


@settings(max_examples=50)
@given(st.binary(max_size=120))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    assert "unable to decode pkcs12 with password: pkcs12: " in failure("{{ pkcs12key .p }}", p=data)
    assert "unable to decode pkcs12 with password: pkcs12: " in failure(
        "{{ pkcs12key .p }}", p=LEGACY[: len(data)] + data
    )


# --- certificates


def test_a_signed_certificate_has_what_servers_need() -> None:
    world = World(wall_ns=lambda: 1_700_000_000 * 10**9, monotonic=lambda: 0.0, random=lambda count: bytes([7] * count))
    template = (
        "{{ $ca := genCAWithKey `ca` 9 .k }}{{ $ca.Cert }}@{{ (genSignedCertWithKey `cn` (list `1.2.3.4`) (list `a.b`)"
        " 2 $ca .k).Cert }}"
    )
    authority, signed = (
        library.load_pem_x509_certificate(text) for text in render(template, {"k": EC_KEY}, world=world).split(b"@")
    )
    signed.verify_directly_issued_by(authority)
    assert signed.serial_number == int.from_bytes(bytes([7] * 16), "big")
    assert (signed.not_valid_after_utc - signed.not_valid_before_utc).days == 2
    assert signed.not_valid_before_utc.timestamp() == 1_700_000_000
    usage = signed.extensions.get_extension_for_class(library.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, True, False)
    extended = signed.extensions.get_extension_for_class(library.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert authority.extensions.get_extension_for_class(library.BasicConstraints).value.ca
    assert not signed.extensions.get_extension_for_class(library.BasicConstraints).value.ca
    identifier = authority.extensions.get_extension_for_class(library.SubjectKeyIdentifier).value.digest
    assert signed.extensions.get_extension_for_class(library.AuthorityKeyIdentifier).value.key_identifier == identifier


def test_a_foreign_key_cannot_sign_for_an_authority() -> None:
    mixed = (
        "{{ $ca := genCAWithKey `ca` 9 .k }}{{ $x := buildCustomCert ($ca.Cert | b64enc) (genPrivateKey `ecdsa` |"
        " b64enc) }}"
    )
    template = mixed + "{{ genSignedCertWithKey `cn` nil nil 1 $x .k }}"
    assert "provided PrivateKey doesn't match parent's PublicKey" in failure(template, k=EC_KEY)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (b"", "no PEM data in input"),
        (pem.encode(b"CERTIFICATE", b"x"), "no private key data in PEM block of type CERTIFICATE"),
        (pem.encode(b"PRIVATE KEY", b"x"), "decoding PEM as PKCS#8: malformed key"),
        (pem.encode(b"FOO PRIVATE KEY", b"x"), "unknown private key type FOO PRIVATE KEY"),
    ],
)
def test_bad_keys_name_their_cause(key: bytes, message: str) -> None:
    assert f"error calling genCAWithKey: parsing private key: {message}" in failure(
        "{{ genCAWithKey `x` 1 .k }}", k=key
    )


@pytest.mark.parametrize(("kind", "label"), [("rsa", b"RSA "), ("dsa", b"DSA "), ("ecdsa", b"EC "), ("ed25519", b"")])
def test_new_keys_have_the_form_of_their_type(kind: str, label: bytes) -> None:
    text = shown("{{ genPrivateKey `" + kind + "` }}")
    assert text.startswith(b"-----BEGIN " + label + b"PRIVATE KEY-----\n")
    assert serialization.load_pem_private_key(text, None)


@pytest.mark.parametrize("days", ["-1", "9223372036854775807"])
def test_a_validity_that_cannot_be_is_refused(days: str) -> None:
    assert "error calling genCAWithKey: error creating certificate: " in failure(
        "{{ genCAWithKey `x` " + days + " .k }}", k=EC_KEY
    )


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_a_common_name_may_be_longer_than_x520_allows() -> None:
    certificate = library.load_pem_x509_certificate(
        shown("{{ (genCAWithKey (repeat 20 `name.`) 1 .k).Cert }}", k=EC_KEY)
    )
    assert certificate.subject.rfc4514_string() == "CN=" + "name." * 20


# --- JWK


@pytest.mark.parametrize(
    ("key", "message"),
    [
        pytest.param({"keys": []}, "invalid key type from JSON ()", id="a set is no key"),
        pytest.param({"kty": "FOO"}, "invalid key type from JSON (FOO)", id="an unknown type"),
        pytest.param({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}, "invalid curve", id="an unknown curve"),
        pytest.param({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AQ"}, "invalid EC key", id="a point off the curve"),
        pytest.param(
            {"kty": "OKP", "crv": "X25519", "x": "AA"},
            "x509: unsupported public key type: x25519.PublicKey",
            id="no X25519",
        ),
        pytest.param({"kty": "RSA", "n": "AQAB"}, "required field e is missing", id="a missing member"),
        pytest.param(
            {"kty": "RSA", "e": "AQAB", "n": "_" * 5000},
            "the key is larger than 8192 bits",
            id="a member that is too long",
        ),
        pytest.param({"kty": "oct", "k": "AAAA"}, "x509: unsupported public key type: []uint8", id="a symmetric key"),
    ],
)
def test_unusable_jwks_name_their_cause(key: dict[str, object], message: str) -> None:
    assert message in failure("{{ jwkPublicKeyPem .k }}", k=json.dumps(key).encode())


def test_a_malformed_jwk_never_shows_its_text() -> None:
    assert "zzsecret" not in failure("{{ jwkPrivateKeyPem .k }}", k=b'{"kty":"EC","d":zzsecret}')


# --- passwords


def test_a_text_encrypts_and_decrypts_under_its_key_only() -> None:
    assert shown("{{ encryptAES .k .t | decryptAES .k }}", k=b"k" * 40, t=b"\x00\xff text") == b"\x00\xff text"
    assert "error calling decryptAES" in failure("{{ decryptAES `k` (b64enc .t) }}", t=bytes(17))
    assert "error calling decryptAES" in failure("{{ decryptAES `k` (b64enc .t) }}", t=bytes(16))


def test_bcrypt_follows_its_salt() -> None:
    world = World(wall_ns=lambda: 0, monotonic=lambda: 0.0, random=lambda count: bytes(count))
    assert render("{{ bcrypt `x` }}", {}, world=world).startswith(b"$2a$10$" + b"." * 22)


def test_decrypting_needs_steps_not_trust() -> None:
    with pytest.raises(TemplateError, match="exceeds the limit of 100 steps"):
        render("{{ pkcs12keyPass `alt` .p }}", {"p": LEGACY}, limits=Limits(steps=100))
