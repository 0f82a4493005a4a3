"""Reads and writes AWS Certificate Manager: a certificate, its chain and its key as one PEM text.

Neighbours: client.py is the login, exports.py keeps keys, certificatepush.py imports. Each export is charged, so what
was exported is kept, encrypted as AWS sent it, until the certificate changes.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from eso.errors import EsoError
from eso.providers.aws.client import AwsClient
from eso.providers.aws.exports import Export, Exports
from eso.providers.aws.refusal import NOT_FOUND, code_of
from eso.providers.aws.sdk import Api
from eso.providers.contract import Find, InvalidConfig, Malformed, RemoteRef, prefixed

LABEL: Final = "AWS/CertificateManager"
UNSUPPORTED: Final = "operation not supported by AWS Certificate Manager provider"
PASSPHRASE: Final = 32  # letters and digits
LETTERS: Final = string.ascii_letters + string.digits


class CertificateReader(AwsClient):
    """The reading half of a client for Certificate Manager. `prefix` belongs to pushes: a certificate is named by its
    ARN."""

    @property
    def api(self) -> Api:
        return self.connection.apis["acm"]

    def request(self, ref: RemoteRef) -> Hashable:
        if not ref.key:
            raise InvalidConfig("certificate ARN must be specified in remoteRef.key", fix="write the ARN")
        return ref.key

    async def fetch(self, request: Hashable) -> bytes:
        assert isinstance(request, str)
        certificate, chain = await self.certificate(request)
        mark = fingerprint(certificate, chain)
        exports, key = self.connection.exports, (self.connection.principal, request)
        export = exports.get(key, mark)
        if export is None:
            export = await self._exported(request, exports, key, mark)
        return await self.connection.offload.run(bundle, certificate, chain, export)

    async def certificate(self, arn: str) -> tuple[str, str]:
        """(certificate, chain). An unknown ARN is an error, but no proof: nothing is deleted for it."""
        try:
            answer = await self.api.call("GetCertificate", CertificateArn=arn)
        except EsoError as error:
            if code_of(error) == NOT_FOUND:
                raise EsoError(f"failed to get certificate {arn}: certificate not found") from error
            raise prefixed(f"failed to get certificate {arn}: ", error) from error
        certificate, chain = answer.get("Certificate"), answer.get("CertificateChain") or ""
        if not isinstance(certificate, str) or not isinstance(chain, str):
            raise Malformed(f"failed to get certificate {arn}: the answer holds none")
        return certificate, chain

    async def _exported(self, arn: str, exports: Exports, key: Hashable, mark: str) -> Export:
        described = await self._asked("describe", "DescribeCertificate", CertificateArn=arn)
        options = (described.get("Certificate") or {}).get("Options") or {}
        if options.get("Export") != "ENABLED":
            raise InvalidConfig(
                f"certificate {arn} is not exportable (Options.Export is not ENABLED)",
                fix="request the certificate with the export option",
            )
        passphrase = "".join(secrets.choice(LETTERS) for _ in range(PASSPHRASE)).encode()
        answer = await self._asked("export", "ExportCertificate", CertificateArn=arn, Passphrase=passphrase)
        encrypted = answer.get("PrivateKey")
        if not isinstance(encrypted, str):
            raise Malformed(f"failed to export certificate {arn}: the answer holds no key")
        return exports.put(key, mark, encrypted.encode(), passphrase)

    async def _asked(self, verb: str, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return await self.api.call(operation, **parameters)
        except EsoError as error:
            raise prefixed(f"failed to {verb} certificate {parameters['CertificateArn']}: ", error) from error

    def value(self, payload: bytes, ref: RemoteRef) -> bytes:
        """Property, version and metadataPolicy have no meaning here."""
        return payload

    def mapping(self, payload: bytes, ref: RemoteRef) -> dict[str, bytes]:
        raise InvalidConfig(UNSUPPORTED, fix="read a certificate with data, not with dataFrom")

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig(UNSUPPORTED, fix="name certificates by their ARN")
        yield {}  # it is a search all the same


def fingerprint(certificate: str, chain: str) -> str:
    whole = f"{certificate.rstrip()}\n{chain.rstrip()}" if chain.strip() else certificate.rstrip()
    return hashlib.sha256(whole.encode()).hexdigest()


def bundle(certificate: str, chain: str, export: Export) -> bytes:
    """Certificate, chain and unencrypted key, one after the other. Raises Malformed."""
    try:
        key = load_pem_private_key(export.encrypted, export.passphrase)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    except (ValueError, TypeError):
        raise Malformed("failed to decrypt the exported private key") from None
    parts = [part.rstrip("\r\n") for part in (certificate, chain, plain) if part.strip()]
    return ("\n".join(parts) + "\n").encode()
