"""Certificate Manager: exports on the contract server, imports on moto."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from e2e.harness.certs import Authority
from e2e.harness.moto import Moto
from eso.errors import EsoError
from eso.providers.aws.certificatepush import CertificateClient
from eso.providers.aws.connect import Connector
from eso.providers.aws.exports import EXPORT_SECONDS, MOST_EXPORTS, Exports
from eso.providers.aws.spec import SPEC
from eso.providers.contract import Find, InvalidConfig, Malformed, Remote, RemoteRef, SecretNotFound, Source
from tests.fakes.aws import Certificate, FakeAws
from tests.fakes.awslogin import ROLE, AwsCredentials, view
from tests.fakes.backend import Fault
from tests.fakes.clock import VirtualClock
from tests.fakes.env import TestPools, env, found
from tests.unit.providers.aws.clients import entry, opened, source

ARN = "arn:aws:acm:eu-central-1:1:certificate/a"


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """(certificate, chain, key)"""
    authority = Authority(tmp_path_factory.mktemp("acm"))
    pair = authority.server("app", dns=("app.test",))
    return first(pair.cert.read_text()), authority.cert.read_text(), pair.key.read_text()


def first(chain: str) -> str:
    return chain.partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"


@asynccontextmanager
async def reading(
    server: FakeAws, connector: Connector | None = None, **block: Any
) -> AsyncIterator[CertificateClient]:
    made = connector or Connector(env(pools=TestPools(hosts=server.hosts)))
    store = view(service="CertificateManager", **block)
    client = await made.open(store, SPEC.plan(store), AwsCredentials())
    assert isinstance(client, CertificateClient)
    try:
        yield client
    finally:
        if connector is None:
            await made.close()


async def read(client: CertificateClient, key: str = ARN, **ref: str) -> bytes:
    asked = RemoteRef(key, **ref)
    return client.value(await client.fetch(client.request(asked)), asked)


async def test_a_certificate_its_chain_and_its_key_are_one_text(pems: tuple[str, str, str]) -> None:
    certificate, chain, key = pems
    async with FakeAws() as server:
        server.certificates[ARN] = Certificate(certificate, chain, key.encode())
        async with reading(server, prefix="ignored") as client:
            text = (await read(client, property="ignored", version="ignored")).decode()
    assert text.startswith(f"{certificate.strip()}\n{chain.strip()}\n-----BEGIN PRIVATE KEY-----\n")
    assert text.endswith("-----END PRIVATE KEY-----\n")


async def test_a_key_is_exported_once_while_the_certificate_is_the_same(pems: tuple[str, str, str]) -> None:
    certificate, chain, key = pems
    async with FakeAws() as server:
        server.certificates[ARN] = Certificate(certificate, "", key.encode())
        connector = Connector(env(pools=TestPools(hosts=server.hosts)))
        async with reading(server, connector, role=ROLE) as first, reading(server, connector, role=ROLE) as second:
            assert await read(first) == await read(first) == await read(second), "a renewed login is the same principal"
            assert server.operations()["ExportCertificate"] == 1
            server.certificates[ARN].chain = chain
            assert chain.strip() in (await read(first)).decode()
            assert server.operations()["ExportCertificate"] == 2
        async with reading(server, connector, role=f"{ROLE}-2") as other:
            await read(other)
            assert server.operations()["ExportCertificate"] == 3, "what one login exported is not shown to another"
        await connector.close()


def test_exports_are_bounded_in_number_and_time() -> None:
    clock = VirtualClock()
    exports = Exports(clock)
    for number in range(MOST_EXPORTS + 1):
        exports.put(number, "mark", b"encrypted", b"phrase")
    assert exports.get(0, "mark") is None
    assert exports.get(1, "other mark") is None
    assert exports.get(1, "mark") is not None
    assert "encrypted" not in repr(exports.get(1, "mark"))
    clock.jump(EXPORT_SECONDS)
    assert exports.get(1, "mark") is None


@pytest.mark.parametrize(
    ("key", "message"),
    [
        pytest.param("", "certificate ARN must be specified in remoteRef.key", id="no ARN"),
        pytest.param(f"{ARN}-gone", f"failed to get certificate {ARN}-gone: certificate not found", id="unknown"),
        pytest.param(ARN, f"certificate {ARN} is not exportable (Options.Export is not ENABLED)", id="not exportable"),
    ],
)
async def test_what_cannot_be_read_is_told_and_proves_no_absence(
    pems: tuple[str, str, str], key: str, message: str
) -> None:
    async with FakeAws() as server:
        server.certificates[ARN] = Certificate(pems[0], pems[1], pems[2].encode(), exportable=False)
        async with reading(server) as client:
            with pytest.raises(EsoError) as refused:
                await read(client, key)
    assert str(refused.value) == message
    assert not isinstance(refused.value, SecretNotFound)


async def test_maps_and_searches_are_not_supported(pems: tuple[str, str, str]) -> None:
    async with FakeAws() as server, reading(server) as client:
        with pytest.raises(InvalidConfig, match=r"^operation not supported by AWS Certificate Manager provider$"):
            client.mapping(b"", RemoteRef(ARN))
        with pytest.raises(InvalidConfig, match=r"^operation not supported by AWS Certificate Manager provider$"):
            await found(client, Find(name_regexp="."))


# pushes


MARKS = {"managed-by": "external-secrets", "external-secrets-remote-key": "team/app"}


def tls(pems: tuple[str, str, str], *, chain: bool = True) -> Source:
    return source(tls__crt=pems[0] + (pems[1] if chain else ""), tls__key=pems[2])


@pytest.mark.parametrize("chain", [True, False], ids=["with a chain", "without a chain"])
async def test_an_import_is_found_again_by_its_tags(pems: tuple[str, str, str], chain: bool) -> None:
    async with FakeAws() as server, reading(server, prefix="team/") as client:
        assert not await client.exists(Remote("app"))
        spec = {"tags": {"team": "a", "managed-by": "ignored"}}
        await client.push(entry("app", spec=spec), tls(pems, chain=chain))
        ((arn, stored),) = server.certificates.items()
        assert stored.tags == MARKS | {"team": "a"}
        assert (stored.certificate, stored.chain) == (pems[0], pems[1] if chain else pems[0])
        server.calls.clear()
        await client.push(entry("app", spec={"tags": {"new": "b"}}), tls(pems, chain=chain))
        assert "ImportCertificate" not in server.operations()
        assert server.certificates[arn].tags == MARKS | {"new": "b"}
        await client.push(entry("app"), tls(pems, chain=not chain))
        assert server.operations()["ImportCertificate"] == 1
        assert list(server.certificates) == [arn], "another certificate goes under the same ARN"
        assert server.certificates[arn].tags == MARKS
        assert await client.exists(Remote("app"))
        await client.delete(Remote("app"))
        assert server.certificates == {}
        await client.delete(Remote("app"))


async def test_of_several_certificates_the_smallest_arn_counts(pems: tuple[str, str, str]) -> None:
    async with FakeAws() as server, reading(server, prefix="team/") as client:
        for name in ("b", "a", "c"):
            server.certificates[f"{ARN}-{name}"] = Certificate("x", "x", b"", tags=dict(MARKS))
        await client.push(entry("app"), tls(pems))
        assert [arn for arn, found in server.certificates.items() if found.certificate != "x"] == [f"{ARN}-a"]


async def test_a_certificate_that_lost_its_mark_is_not_deleted(pems: tuple[str, str, str]) -> None:
    async with FakeAws() as server, reading(server, prefix="team/") as client:
        server.certificates[ARN] = Certificate("x", "x", b"", tags=dict(MARKS))
        lost = json.dumps({"Tags": [{"Key": "team", "Value": "a"}]})
        server.fail(Fault(200, body=json.dumps({"ResourceTagMappingList": [{"ResourceARN": ARN}]})))
        server.fail(Fault(200, body=lost))
        with pytest.raises(InvalidConfig, match=r"^certificate not managed by external-secrets$"):
            await client.delete(Remote("app"))
        assert ARN in server.certificates


async def test_a_certificate_that_went_since_it_was_found_is_imported_anew(pems: tuple[str, str, str]) -> None:
    async with FakeAws() as server, reading(server, prefix="team/") as client:
        server.fail(Fault(200, body=json.dumps({"ResourceTagMappingList": [{"ResourceARN": f"{ARN}-gone"}]})))
        await client.push(entry("app"), tls(pems))
        assert [found.certificate for found in server.certificates.values()] == [pems[0]]


async def test_moto_takes_the_import_and_finds_it(moto: Moto, pems: tuple[str, str, str]) -> None:
    async with opened(moto, "CertificateManager") as client:
        await client.push(entry("app", spec={"tags": {"team": "a"}}), tls(pems))
        assert await client.exists(Remote("app"))
        await client.push(entry("app"), tls(pems))
        listed = moto.call("acm", "ListCertificates")["CertificateSummaryList"]
        assert len(listed) == 1
        await client.delete(Remote("app"))
        assert not await client.exists(Remote("app"))


@pytest.mark.parametrize(
    ("key", "data", "message"),
    [
        pytest.param(
            "tls.crt",
            {"tls__crt": "x", "tls__key": "y"},
            "secretKey must be empty for the AWS Certificate Manager provider: the whole kubernetes.io/tls secret is"
            " required (tls.crt and tls.key)",
            id="one key",
        ),
        pytest.param(
            "", {"tls__key": "y"}, 'key "tls.crt" not found or empty in secret team-a/source', id="no certificate"
        ),
        pytest.param(
            "",
            {"tls__crt": "-----BEGIN CERTIFICATE-----\nplanted\n-----END CERTIFICATE-----", "tls__key": ""},
            "tls.crt does not begin with a certificate",
            id="no certificate in it",
        ),
    ],
)
async def test_a_source_that_is_no_tls_secret_is_refused(
    moto: Moto, key: str, data: dict[str, str], message: str
) -> None:
    async with opened(moto, "CertificateManager") as client:
        with pytest.raises(EsoError) as refused:
            await client.push(entry("app", key), source(**data))
    assert str(refused.value) == message


async def test_a_search_for_the_mark_that_is_not_answered_imports_nothing() -> None:
    async with FakeAws() as server, reading(server) as client:
        server.fail(Fault(200, body="{}"))
        with pytest.raises(Malformed, match="the answer has no ResourceTagMappingList"):
            await client.exists(Remote("app"))
