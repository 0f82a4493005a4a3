"""PKCS#12 files (RFC 7292): keys and certificates out of them, and into new ones.

Neighbours: der.py for the bytes, x509.py and keys.py for what is inside, pem.py for the texts around. Files are binary
here; new ones come back in base 64. Read: SHA-1, SHA-2 and PBMAC1 macs, 3DES, RC2 and PBES2 encryption. Written:
AES-256-CBC and SHA-256, 2048 iterations.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509 as library
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding

from eso.gocompat import base64
from eso.gocompat import text as gotext
from eso.template.bounds import Budget
from eso.template.functions import der, keys, pem, rc2, x509
from eso.template.functions.der import DerError
from eso.template.functions.keys import KeyFormatError
from eso.template.values import FunctionError, Param, Table

TABLE = Table()
STRING = Param.STRING
SLOW = frozenset({"pkcs12key", "pkcs12keyPass", "pkcs12cert", "pkcs12certPass"})

DATA, ENCRYPTED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.6"
KEY_BAG, SHROUDED_KEY_BAG, CERT_BAG = (f"1.2.840.113549.1.12.10.1.{n}" for n in (1, 2, 3))
X509_CERTIFICATE = "1.2.840.113549.1.9.22.1"
FRIENDLY_NAME, LOCAL_KEY_ID = "1.2.840.113549.1.9.20", "1.2.840.113549.1.9.21"
JAVA_TRUSTED_KEY_USAGE, ANY_EXTENDED_KEY_USAGE = "2.16.840.1.113894.746875.1.1", "2.5.29.37.0"
PBES2, PBKDF2, PBMAC1 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.2.840.113549.1.5.14"
SHA1_3DES, SHA1_RC2_128, SHA1_RC2_40 = "1.2.840.113549.1.12.1.3", "1.2.840.113549.1.12.1.5", "1.2.840.113549.1.12.1.6"
AES_256, SHA_256, HMAC_SHA_256 = "2.16.840.1.101.3.4.1.42", "2.16.840.1.101.3.4.2.1", "1.2.840.113549.2.9"

_DIGESTS = {
    "1.3.14.3.2.26": "sha1",
    SHA_256: "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_HMACS = {
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    HMAC_SHA_256: "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
_AES_KEY_SIZES = {"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, AES_256: 32}
_DES_EDE3 = "1.2.840.113549.3.7"

ITERATIONS, SALT_SIZE = 2048, 16
_ITERATIONS_PER_STEP = 2
_PARSE_STEPS = 500


class Pkcs12Error(ValueError):
    """Why a file cannot be read, in the reference's words."""


@dataclass(frozen=True, slots=True)
class Password:
    """As the formats want it: two bytes per character with a final zero, and UTF-8. Absent: neither has anything."""

    bmp: bytes = field(repr=False)
    utf8: bytes = field(repr=False)


ABSENT = Password(b"", b"")


def _password(text: bytes) -> Password:
    shown = gotext.runes(text)
    if any(char > "\uffff" for char in shown):
        raise Pkcs12Error("pkcs12: string contains characters that cannot be encoded in UCS-2")
    return Password(shown.encode("utf-16-be") + b"\x00\x00", shown.encode())


# --- keys from passwords


def _pay(budget: Budget, iterations: int) -> None:
    """The file says how often to iterate: that is work, so it is paid before it is done."""
    if iterations < 1:
        raise Pkcs12Error("pkcs12: error reading P12 data: bad iteration count")
    budget.spend(iterations // _ITERATIONS_PER_STEP)


def _derive(
    budget: Budget, digest: str, purpose: int, password: bytes, salt: bytes, iterations: int, size: int
) -> bytes:
    """The key derivation of RFC 7292, appendix B.2. `purpose`: 1 key, 2 initialisation vector, 3 mac key."""
    _pay(budget, iterations)
    block = hashlib.new(digest).block_size
    repeated = b"".join(
        (part * (block // len(part) + 1))[:block] if len(part) <= block else _filled(part, block)
        for part in (salt, password)
        if part
    )
    out = b""
    while len(out) < size:
        part = bytes([purpose]) * block + repeated
        for _ in range(iterations):
            part = hashlib.new(digest, part, usedforsecurity=False).digest()
        out += part
        if len(out) < size:
            addend = int.from_bytes(_filled(part, block)[:block], "big") + 1
            pieces = (
                int.from_bytes(repeated[at : at + block], "big") + addend for at in range(0, len(repeated), block)
            )
            repeated = b"".join((piece % (1 << 8 * block)).to_bytes(block, "big") for piece in pieces)
    return out[:size]


def _filled(part: bytes, block: int) -> bytes:
    """Repeated up to the next multiple of `block`."""
    size = -(-len(part) // block) * block
    return (part * (size // len(part) + 1))[:size]


def _pbkdf2(budget: Budget, parameters: der.Node, password: bytes, size: int) -> bytes:
    """A PBKDF2 algorithm identifier applied to a password; its own key length, where given, must be `size`."""
    name, inner = parameters.children(der.OID, der.SEQUENCE)[:2]
    if name.oid() != PBKDF2:
        raise Pkcs12Error("pkcs12: unknown key derivation algorithm")
    salt, iterations, *rest = inner.children(der.OCTETS, der.INTEGER)
    digest = "sha1"
    for part in rest:
        if part.tag == der.SEQUENCE:
            digest = _HMACS.get(part.children(der.OID)[0].oid(), "")
        elif part.integer() != size:
            raise Pkcs12Error("pkcs12: unexpected key length")
    if not digest:
        raise Pkcs12Error("pkcs12: unknown pseudo-random function")
    _pay(budget, iterations.integer())
    return hashlib.pbkdf2_hmac(digest, password, salt.content, iterations.integer(), size)


# --- decryption


def _decrypt(budget: Budget, algorithm: der.Node, data: bytes, password: Password) -> bytes:
    name, parameters = algorithm.children(der.OID, der.SEQUENCE)[:2]
    if name.oid() == PBES2:
        return _unpadded(*_pbes2(budget, parameters, data, password.utf8))
    if name.oid() not in (SHA1_3DES, SHA1_RC2_128, SHA1_RC2_40):
        raise Pkcs12Error("pkcs12: the encryption algorithm is not supported")
    salt, iterations = parameters.children(der.OCTETS, der.INTEGER)[:2]
    size = {SHA1_3DES: 24, SHA1_RC2_128: 16, SHA1_RC2_40: 5}[name.oid()]
    key, iv = (
        _derive(budget, "sha1", purpose, password.bmp, salt.content, iterations.integer(), length)
        for purpose, length in ((1, size), (2, 8))
    )
    _check_blocks(data, 8)
    if name.oid() == SHA1_3DES:
        return _unpadded(_cbc(TripleDES(key), iv, data), 8)
    budget.spend(len(data) // 4)
    return _unpadded(rc2.decrypt_cbc(key, iv, data), 8)


def _pbes2(budget: Budget, parameters: der.Node, data: bytes, password: bytes) -> tuple[bytes, int]:
    derivation, scheme = parameters.children(der.SEQUENCE, der.SEQUENCE)[:2]
    name, iv = scheme.children(der.OID, der.OCTETS)[:2]
    make: Callable[[bytes], BlockCipherAlgorithm]
    if (size := _AES_KEY_SIZES.get(name.oid())) is not None:
        make, block = AES, 16
    elif name.oid() == _DES_EDE3:
        make, block, size = TripleDES, 8, 24
    else:
        raise Pkcs12Error("pkcs12: the encryption algorithm is not supported")
    _check_blocks(data, block)
    if len(iv.content) != block:
        raise Pkcs12Error("pkcs12: error reading P12 data: bad initialisation vector")
    return _cbc(make(_pbkdf2(budget, derivation, password, size)), iv.content, data), block


def _check_blocks(data: bytes, block: int) -> None:
    if not data or len(data) % block:
        raise Pkcs12Error("pkcs12: error decrypting PKCS#12: input is not a multiple of the block size")


def _cbc(algorithm: BlockCipherAlgorithm, iv: bytes, data: bytes) -> bytes:
    decryptor = Cipher(algorithm, CBC(iv)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def _unpadded(data: bytes, block: int) -> bytes:
    try:
        unpadder = PKCS7(8 * block).unpadder()
        return unpadder.update(data) + unpadder.finalize()
    except ValueError:
        raise Pkcs12Error("pkcs12: decryption password incorrect") from None


# --- reading


@dataclass(frozen=True, slots=True)
class Contents:
    key: PrivateKeyTypes
    certificates: list[library.Certificate]
    """In the order of the file; at least one."""


def read(budget: Budget, data: bytes, password: bytes) -> Contents:
    """One key and its certificates. An empty password is tried in its empty and its absent form. Raises Pkcs12Error."""
    budget.spend(_PARSE_STEPS + len(data) // 2 + len(password) // 4)  # an element may have two bytes
    try:
        return _read(budget, data, _password(password))
    except DerError as error:
        raise Pkcs12Error(f"pkcs12: error reading P12 data: {error}") from None


def _read(budget: Budget, data: bytes, password: Password) -> Contents:
    version, safe, *mac = der.single(data, der.SEQUENCE).children(der.INTEGER, der.SEQUENCE)
    if version.integer() != 3:
        raise Pkcs12Error("pkcs12: can only decode v3 PFX PDU's")
    content = _content(safe, DATA)
    if mac:
        password = _authenticated(budget, mac[0], content, password)
    elif password.utf8:
        raise Pkcs12Error("pkcs12: no MAC in data")
    key: PrivateKeyTypes | None = None
    certificates: list[library.Certificate] = []
    for info in der.single(content, der.SEQUENCE).children():
        for bag in der.single(_opened(budget, info, password), der.SEQUENCE).children():
            name, value = bag.children(der.OID, der.EXPLICIT_0)[:2]
            match name.oid():
                case oid if oid == CERT_BAG:
                    certificates.append(_certificate(budget, value))
                case oid if oid in (KEY_BAG, SHROUDED_KEY_BAG):
                    if key is not None:
                        raise Pkcs12Error("pkcs12: expected exactly one key bag")
                    key = _key(budget, value, password, shrouded=oid == SHROUDED_KEY_BAG)
    if not certificates:
        raise Pkcs12Error("pkcs12: certificate missing")
    if key is None:
        raise Pkcs12Error("pkcs12: private key missing")
    return Contents(key, certificates)


def _content(info: der.Node, wanted: str) -> bytes:
    name, content = info.children(der.OID, der.EXPLICIT_0)[:2]
    if name.oid() != wanted:
        raise Pkcs12Error("pkcs12: only password-protected PFX is implemented")
    return der.single(content.content, der.OCTETS).content


def _opened(budget: Budget, info: der.Node, password: Password) -> bytes:
    name, content = info.children(der.OID, der.EXPLICIT_0)[:2]
    if name.oid() == DATA:
        return _content(info, DATA)
    if name.oid() != ENCRYPTED_DATA:
        raise Pkcs12Error("pkcs12: only data and encryptedData content types are supported in authenticated safe")
    _, encrypted = der.single(content.content, der.SEQUENCE).children(der.INTEGER, der.SEQUENCE)[:2]
    _, algorithm, data = encrypted.children(der.OID, der.SEQUENCE, der.IMPLICIT_0)[:3]
    return _decrypt(budget, algorithm, data.content, password)


def _authenticated(budget: Budget, mac: der.Node, content: bytes, password: Password) -> Password:
    """The form of the password that the file's mac confirms."""
    for candidate in (password, ABSENT) if not password.utf8 else (password,):
        if _confirms(budget, mac, content, candidate):
            return candidate
    raise Pkcs12Error("pkcs12: decryption password incorrect")


def _confirms(budget: Budget, mac: der.Node, content: bytes, password: Password) -> bool:
    info, salt, *rest = mac.children(der.SEQUENCE, der.OCTETS)
    algorithm, expected = info.children(der.SEQUENCE, der.OCTETS)[:2]
    name, *parameters = algorithm.children(der.OID)
    if name.oid() == PBMAC1 and parameters:
        derivation, scheme = parameters[0].children(der.SEQUENCE, der.SEQUENCE)[:2]
        digest = _HMACS.get(scheme.children(der.OID)[0].oid(), "")
        if not digest:
            raise Pkcs12Error("pkcs12: unknown mac algorithm")
        key = _pbkdf2(budget, derivation, password.utf8, len(expected.content))
    else:
        digest = _DIGESTS.get(name.oid(), "")
        if not digest:
            raise Pkcs12Error("pkcs12: unknown digest algorithm")
        iterations = rest[0].integer() if rest else 1
        key = _derive(budget, digest, 3, password.bmp, salt.content, iterations, hashlib.new(digest).digest_size)
    return hmac.compare_digest(hmac.digest(key, content, digest), expected.content)


def _certificate(budget: Budget, value: der.Node) -> library.Certificate:
    name, content = der.single(value.content, der.SEQUENCE).children(der.OID, der.EXPLICIT_0)[:2]
    if name.oid() != X509_CERTIFICATE:
        raise Pkcs12Error("pkcs12: only X509 certificates are supported in cert bags")
    try:
        return x509.parse(budget, der.single(content.content, der.OCTETS).content)
    except ValueError as error:
        raise Pkcs12Error(str(error)) from None


def _key(budget: Budget, value: der.Node, password: Password, *, shrouded: bool) -> PrivateKeyTypes:
    info = value.content
    if shrouded:
        algorithm, data = der.single(info, der.SEQUENCE).children(der.SEQUENCE, der.OCTETS)[:2]
        info = _decrypt(budget, algorithm, data.content, password)
    try:
        return keys.parse(budget, info)
    except KeyFormatError:
        raise Pkcs12Error("pkcs12: error parsing PKCS#8 private key: malformed key") from None


def _read_key(budget: Budget, password: bytes, data: bytes) -> bytes:
    try:
        return pem.encode(b"PRIVATE KEY", keys.pkcs8(read(budget, data, password).key))
    except Pkcs12Error as error:
        raise FunctionError(f"unable to decode pkcs12 with password: {error}") from None


def _read_certificates(budget: Budget, password: bytes, data: bytes) -> bytes:
    try:
        certificates = read(budget, data, password).certificates
    except Pkcs12Error as error:
        raise FunctionError(f"unable to decode pkcs12 certificate with password: {error}") from None
    with contextlib.suppress(ValueError):  # no single chain: the order of the file
        certificates = x509.in_order(certificates)
    return b"".join(map(x509.encode, certificates))


@TABLE.function("pkcs12keyPass", params=(STRING, STRING), budget=True)
def pkcs12_key_pass(budget: Budget, password: bytes, data: bytes) -> bytes:
    return _read_key(budget, password, data)


@TABLE.function("pkcs12key", params=(STRING,), budget=True)
def pkcs12_key(budget: Budget, data: bytes) -> bytes:
    return _read_key(budget, b"", data)


@TABLE.function("pkcs12certPass", params=(STRING, STRING), budget=True)
def pkcs12_cert_pass(budget: Budget, password: bytes, data: bytes) -> bytes:
    return _read_certificates(budget, password, data)


@TABLE.function("pkcs12cert", params=(STRING,), budget=True)
def pkcs12_cert(budget: Budget, data: bytes) -> bytes:
    return _read_certificates(budget, b"", data)


# --- writing


def _attribute(name: str, value: bytes) -> bytes:
    return der.sequence(der.oid(name), der.set_of(value))


def _bag(kind: str, value: bytes, attributes: list[bytes]) -> bytes:
    parts = [der.oid(kind), der.element(der.EXPLICIT_0, value)]
    return der.sequence(*parts, der.set_of(*attributes)) if attributes else der.sequence(*parts)


def _certificate_bag(certificate: library.Certificate, attributes: list[bytes]) -> bytes:
    content = der.element(der.EXPLICIT_0, der.octets(certificate.public_bytes(Encoding.DER)))
    return _bag(CERT_BAG, der.sequence(der.oid(X509_CERTIFICATE), content), attributes)


def _encrypted(budget: Budget, plain: bytes, password: Password) -> tuple[bytes, bytes]:
    """The PBES2 algorithm identifier and the encrypted bytes."""
    _pay(budget, ITERATIONS)
    salt, iv = budget.world.random(SALT_SIZE), budget.world.random(16)
    key = hashlib.pbkdf2_hmac("sha256", password.utf8, salt, ITERATIONS, 32)
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    data = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    function = der.sequence(der.oid(HMAC_SHA_256), der.null())
    derivation = der.sequence(der.oid(PBKDF2), der.sequence(der.octets(salt), der.integer(ITERATIONS), function))
    scheme = der.sequence(der.oid(AES_256), der.octets(iv))
    return der.sequence(der.oid(PBES2), der.sequence(derivation, scheme)), data


def _plain_safe(content: bytes) -> bytes:
    return der.sequence(der.oid(DATA), der.element(der.EXPLICIT_0, der.octets(content)))


def _encrypted_safe(budget: Budget, bags: list[bytes], password: Password) -> bytes:
    algorithm, data = _encrypted(budget, der.sequence(*bags), password)
    content = der.sequence(der.oid(DATA), algorithm, der.element(der.IMPLICIT_0, data))
    return der.sequence(der.oid(ENCRYPTED_DATA), der.element(der.EXPLICIT_0, der.sequence(der.integer(0), content)))


def _file(budget: Budget, safes: list[bytes], password: Password) -> bytes:
    content = der.sequence(*safes)
    salt = budget.world.random(SALT_SIZE)
    key = _derive(budget, "sha256", 3, password.bmp, salt, ITERATIONS, 32)
    digest = der.sequence(der.sequence(der.oid(SHA_256), der.null()), der.octets(hmac.digest(key, content, "sha256")))
    mac = der.sequence(digest, der.octets(salt), der.integer(ITERATIONS))
    return base64.encode(der.sequence(der.integer(3), _plain_safe(content), mac))


def write(budget: Budget, certificates: list[library.Certificate], key: PrivateKeyTypes, password: bytes) -> bytes:
    """Base 64 of a file with the key, its certificate (the first) and further ones. Nothing checks that they belong
    together."""
    budget.spend(_PARSE_STEPS)
    secret = _password(password)
    identifier = hashlib.sha1(certificates[0].public_bytes(Encoding.DER), usedforsecurity=False).digest()
    mark = [_attribute(LOCAL_KEY_ID, der.octets(identifier))]
    bags = [_certificate_bag(certificate, mark if index == 0 else []) for index, certificate in enumerate(certificates)]
    algorithm, data = _encrypted(budget, keys.pkcs8(key), secret)
    key_bag = _bag(SHROUDED_KEY_BAG, der.sequence(algorithm, der.octets(data)), mark)
    return _file(budget, [_encrypted_safe(budget, bags, secret), _plain_safe(der.sequence(key_bag))], secret)


def write_truststore(budget: Budget, certificates: list[library.Certificate], password: bytes) -> bytes:
    """Base 64 of a file with certificates only, marked so that Java trusts them."""
    budget.spend(_PARSE_STEPS)
    secret = _password(password)
    bags = []
    for certificate in certificates:
        name = "".join(char for char in x509.subject_text(certificate) if char <= "\uffff")
        trusted = _attribute(JAVA_TRUSTED_KEY_USAGE, der.oid(ANY_EXTENDED_KEY_USAGE))
        bags.append(_certificate_bag(certificate, [_attribute(FRIENDLY_NAME, der.bmp(name)), trusted]))
    return _file(budget, [_encrypted_safe(budget, bags, secret)], secret)


def _certificates_in(budget: Budget, text: bytes, *, many: bool) -> list[library.Certificate]:
    """The certificates of a PEM text: the first block, or all, and then nothing may follow them."""
    found: list[library.Certificate] = []
    at = 0
    budget.spend(pem.price(text))
    while (many or not found) and (block := pem.decode(text, at)) is not None:
        try:
            found.append(x509.parse(budget, block[0].data))
        except ValueError as error:
            raise FunctionError(str(error)) from None
        at = block[1]
    if many and text[at:].strip():
        raise FunctionError("the certificates are followed by text that is not PEM")
    return found


def _pair_written(budget: Budget, certificate_pem: bytes, key_pem: bytes, password: bytes, *, many: bool) -> bytes:
    certificates = _certificates_in(budget, certificate_pem, many=many)
    if not certificates:
        raise FunctionError("failed to decode PEM block containing a certificate")
    budget.spend(pem.price(key_pem))
    block = pem.decode(key_pem)
    if block is None:
        raise FunctionError("failed to decode PEM block containing a private key")
    try:
        return write(budget, certificates, keys.parse(budget, block[0].data), password)
    except KeyFormatError as error:
        raise FunctionError(str(error), told=error.told) from None
    except Pkcs12Error as error:
        raise FunctionError(str(error)) from None


@TABLE.function("pemToPkcs12Pass", params=(STRING, STRING, STRING), budget=True, dice=True)
def pem_to_pkcs12_pass(budget: Budget, certificate: bytes, key: bytes, password: bytes) -> bytes:
    return _pair_written(budget, certificate, key, password, many=False)


@TABLE.function("pemToPkcs12", params=(STRING, STRING), budget=True, dice=True)
def pem_to_pkcs12(budget: Budget, certificate: bytes, key: bytes) -> bytes:
    return _pair_written(budget, certificate, key, b"", many=False)


@TABLE.function("fullPemToPkcs12Pass", params=(STRING, STRING, STRING), budget=True, dice=True)
def full_pem_to_pkcs12_pass(budget: Budget, certificates: bytes, key: bytes, password: bytes) -> bytes:
    return _pair_written(budget, certificates, key, password, many=True)


@TABLE.function("fullPemToPkcs12", params=(STRING, STRING), budget=True, dice=True)
def full_pem_to_pkcs12(budget: Budget, certificates: bytes, key: bytes) -> bytes:
    return _pair_written(budget, certificates, key, b"", many=True)


@TABLE.function("pemTruststoreToPKCS12Pass", params=(STRING, STRING), budget=True, dice=True)
def truststore_pass(budget: Budget, certificates: bytes, password: bytes) -> bytes:
    found = _certificates_in(budget, certificates, many=True)
    try:
        return write_truststore(budget, found, password)
    except Pkcs12Error as error:
        raise FunctionError(str(error)) from None


@TABLE.function("pemTruststoreToPKCS12", params=(STRING,), budget=True, dice=True)
def truststore(budget: Budget, certificates: bytes) -> bytes:
    return truststore_pass(budget, certificates, b"")
