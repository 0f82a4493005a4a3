"""The certificate of a server of ours, while it is renewed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509

from e2e.harness.certs import Authority, Pair
from eso.net.http import TlsError
from eso.net.serving import (
    LOOK_SECONDS,
    RENEWED_SECONDS,
    FilePair,
    Pem,
    SelfSigned,
    self_signed,
    served,
    server_context,
)
from tests.fakes.cancel import every_await
from tests.fakes.clock import START, VirtualClock, until
from tests.harness.inprocess import Log


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def shown(port: int) -> x509.Certificate:
    """What a client is shown now."""
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
    return x509.load_der_x509_certificate(found)


def name_of(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def write(folder: Path, pair: Pair) -> None:
    (folder / "tls.crt").write_bytes(pair.cert.read_bytes())
    (folder / "tls.key").write_bytes(pair.key.read_bytes())


def file_pair(folder: Path, log: Log, reads: list[bool] | None = None) -> tuple[FilePair, VirtualClock]:
    clock = VirtualClock()
    told = reads if reads is not None else []
    return FilePair(folder / "tls.crt", folder / "tls.key", clock, log, told.append), clock


async def test_a_certificate_that_is_renewed_is_shown_to_the_next_client(authority: Authority, tmp_path: Path):
    reads: list[bool] = []
    pair, clock = file_pair(tmp_path, Log(), reads)
    write(tmp_path, authority.server("first"))
    await pair.start()
    running = asyncio.create_task(pair.run())
    async with listening(pair.context) as port:
        assert name_of(await shown(port)) == "CN=first"
        write(tmp_path, authority.server("second"))
        await clock.advance(LOOK_SECONDS)
        await until(lambda: len(reads) == 2)
        assert name_of(await shown(port)) == "CN=second"
    running.cancel()
    assert reads == [True, True]


async def test_a_pair_that_does_not_fit_yet_leaves_the_old_one_in_place_and_is_told_once(authority, tmp_path: Path):
    log, reads = Log(), []
    pair, _ = file_pair(tmp_path, log, reads)
    write(tmp_path, authority.server("kept"))
    await pair.start()
    (tmp_path / "tls.crt").write_bytes(authority.server("half").cert.read_bytes())
    async with listening(pair.context) as port:
        for _ in range(3):
            await pair.look()
        assert name_of(await shown(port)) == "CN=kept"
        (tmp_path / "tls.key").unlink()
        await pair.look()
        assert name_of(await shown(port)) == "CN=kept"
        write(tmp_path, authority.server("whole"))
        await pair.look()
        assert name_of(await shown(port)) == "CN=whole"
    assert reads == [True, False, False, False, False, True]
    assert len([line for line in log.lines if line[0] == "warning"]) == 2


@pytest.mark.parametrize(
    ("certificate", "key", "text"),
    [
        pytest.param(None, None, "no such file or directory", id="no files"),
        pytest.param(b"hunter2", b"hunter2", "cannot use the certificate of the server", id="no PEM"),
        pytest.param(b"-" * 70_000, b"", "longer than a certificate can be", id="a file that is far too long"),
    ],
)
async def test_files_that_cannot_be_used_stop_the_start_and_are_not_quoted(tmp_path: Path, certificate, key, text):
    if certificate is not None:
        (tmp_path / "tls.crt").write_bytes(certificate)
        (tmp_path / "tls.key").write_bytes(key)
    reads: list[bool] = []
    pair, _ = file_pair(tmp_path, Log(), reads)
    with pytest.raises(TlsError, match=text) as failed:
        await pair.start()
    assert "hunter2" not in str(failed.value) and failed.value.fix
    assert reads == [False]


async def test_a_self_signed_certificate_is_replaced_long_before_its_end():
    clock = VirtualClock()
    pair = SelfSigned(clock)
    await pair.start()
    running = asyncio.create_task(pair.run())
    async with listening(pair.context) as port:
        first = await shown(port)
        await clock.advance(RENEWED_SECONDS)
        second = await shown(port)
    running.cancel()
    assert first.serial_number != second.serial_number
    assert first.not_valid_after_utc > clock.now()
    assert name_of(first) == "CN=localhost"


async def test_a_client_that_trusts_a_self_signed_certificate_may_call_it_localhost():
    pem = self_signed(START)
    context = server_context()
    served(context, pem)
    trusting = ssl.create_default_context(cadata=pem.certificate.decode())
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    certificate = x509.load_pem_x509_certificate(pem.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert "PRIVATE KEY" not in repr(pem) and repr(Pem(b"a", b"b")) == "Pem()"
    assert trusting.cert_store_stats()["x509"] == 1


async def test_old_protocols_and_static_rsa_are_not_spoken():
    context = server_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    old = [one["name"] for one in context.get_ciphers() if one["protocol"] == "TLSv1.2"]
    assert old and all(name.startswith("ECDHE-") for name in old)


async def test_every_await_of_a_look_may_be_cancelled(authority: Authority, tmp_path: Path):
    write(tmp_path, authority.server("cut"))
    pair, _ = file_pair(tmp_path, Log())
    async for _ in every_await(pair.look):
        continue
