"""Imports certificates into AWS Certificate Manager, found again by their tags.

Neighbours: certificates.py reads, tags.py knows whose a certificate is. A certificate has no name of its own: two tags
say which push it belongs to.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final

from cryptography import x509

from eso.errors import EsoError
from eso.providers.aws import tags
from eso.providers.aws.certificates import CertificateReader, fingerprint
from eso.providers.aws.refusal import NOT_FOUND, code_of
from eso.providers.aws.sdk import Api, members
from eso.providers.contract import InvalidConfig, Malformed, Push, Remote, Source, prefixed
from eso.providers.kit.metadata import TEXT, spec_of
from eso.providers.kit.search import Walk

REMOTE_KEY: Final = "external-secrets-remote-key"
RESERVED: Final = (tags.MANAGED_BY, REMOTE_KEY)
NOT_MANAGED: Final = "certificate not managed by external-secrets"
WHOLE_ONLY: Final = (
    "secretKey must be empty for the AWS Certificate Manager provider: the whole kubernetes.io/tls secret is required"
    " (tls.crt and tls.key)"
)
BEGIN, END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


class CertificateClient(CertificateReader):
    """Reads and writes."""

    @property
    def tagging(self) -> Api:
        return self.connection.apis["resourcegroupstaggingapi"]

    def place(self, remote: Remote) -> Hashable:
        return f"{self.prefix}{remote.key}"

    async def push(self, entry: Push, source: Source) -> None:
        if entry.secret_key:
            raise InvalidConfig(WHOLE_ONLY, fix="leave secretKey out")
        wanted = wanted_tags(entry.metadata)
        leaf, chain = split(needed(source, "tls.crt"))
        import_it: dict[str, Any] = {"Certificate": leaf, "PrivateKey": needed(source, "tls.key")}
        if chain:
            import_it["CertificateChain"] = chain
        name = f"{self.prefix}{entry.remote.key}"
        arn = await self._found(name)
        live = await self._imported(arn) if arn is not None else None
        if arn is None or live is None:
            marks = {tags.MANAGED_BY: tags.OURS, REMOTE_KEY: name}
            await self.api.call("ImportCertificate", **import_it, Tags=tags.listed(wanted | marks))
            return
        # A chain that was left out at the import comes back as the certificate itself.
        if fingerprint(*live) != fingerprint(leaf.decode(), chain.decode() or leaf.decode()):
            await self.api.call("ImportCertificate", **import_it, CertificateArn=arn)
        await self._sync_tags(arn, wanted)

    async def delete(self, remote: Remote) -> None:
        arn = await self._found(f"{self.prefix}{remote.key}")
        if arn is None:
            return
        try:
            if not tags.managed(await self._tags(arn)):
                raise InvalidConfig(NOT_MANAGED)
            await self.api.call("DeleteCertificate", CertificateArn=arn)
        except EsoError as error:
            if code_of(error) != NOT_FOUND:
                raise

    async def exists(self, remote: Remote) -> bool:
        arn = await self._found(f"{self.prefix}{remote.key}")
        if arn is None:
            return False
        try:
            return tags.managed(await self._tags(arn))
        except EsoError as error:
            if code_of(error) == NOT_FOUND:
                return False
            raise

    async def _found(self, name: str) -> str | None:
        """The smallest ARN with the tags of this push; None without one."""
        arns: list[str] = []
        token: dict[str, Any] = {}
        walk = Walk()
        wanted = [{"Key": tags.MANAGED_BY, "Values": [tags.OURS]}, {"Key": REMOTE_KEY, "Values": [name]}]
        while True:
            walk.enter()
            page = await self.tagging.call(
                "GetResources", TagFilters=wanted, ResourceTypeFilters=["acm:certificate"], **token
            )
            arns += [str(entry.get("ResourceARN") or "") for entry in members(page, "ResourceTagMappingList")]
            if not page.get("PaginationToken"):
                return min(arns, default=None)
            token = {"PaginationToken": page["PaginationToken"]}

    async def _imported(self, arn: str) -> tuple[str, str] | None:
        """(certificate, chain); None when it went since it was tagged."""
        try:
            certificate, chain = await self.certificate(arn)
        except EsoError as error:
            if code_of(error) == NOT_FOUND:
                return None
            raise
        return certificate, chain or certificate

    async def _tags(self, arn: str) -> dict[str, str]:
        return tags.read((await self.api.call("ListTagsForCertificate", CertificateArn=arn)).get("Tags"))

    async def _sync_tags(self, arn: str, wanted: Mapping[str, str]) -> None:
        """The two tags that say whose it is are never touched."""
        live = {key: value for key, value in (await self._tags(arn)).items() if key not in RESERVED}
        gone = {key: value for key, value in live.items() if key not in wanted}
        new = {key: value for key, value in wanted.items() if live.get(key) != value}
        if gone:
            await self.api.call("RemoveTagsFromCertificate", CertificateArn=arn, Tags=tags.listed(gone))
        if new:
            await self.api.call("AddTagsToCertificate", CertificateArn=arn, Tags=tags.listed(new))


def wanted_tags(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    try:
        given: Mapping[str, str] = spec_of(metadata, {"tags": {"*": TEXT}}).get("tags") or {}
    except EsoError as error:
        raise prefixed("failed to parse metadata: ", error) from error
    return {key: value for key, value in given.items() if key not in RESERVED}


def needed(source: Source, key: str) -> bytes:
    value = source.data.get(key)
    if not value:
        raise InvalidConfig(f'key "{key}" not found or empty in secret {source.namespace}/{source.name}')
    return value


def split(pem: bytes) -> tuple[bytes, bytes]:
    """(the first certificate, all others). Raises Malformed; no text shows a part of it."""
    blocks = []
    at = pem.find(BEGIN)
    while at >= 0:
        end = pem.find(END, at)
        if end < 0:
            break
        blocks.append(pem[at : end + len(END)] + b"\n")
        at = pem.find(BEGIN, end)
    try:
        x509.load_pem_x509_certificate(blocks[0])
    except (IndexError, ValueError, x509.InvalidVersion):
        raise Malformed("tls.crt does not begin with a certificate", fix="put the leaf certificate first") from None
    return blocks[0], b"".join(blocks[1:])
