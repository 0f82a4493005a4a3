"""/metrics of a whole process: over TLS, for bearers that the API server admits."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest

from e2e.harness.certs import Authority
from e2e.harness.process import free_port
from eso.errors import EsoError
from tests.fakes.apiserver import FakeApiServer, Status
from tests.unit.app.operating import Operating, operating


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        server.users = {"t-prom": "prometheus", "t-other": "other"}
        server.granted = {("prometheus", "get", "/metrics")}
        yield server


async def scraped(port: int, *, token: str = "", trust: Path | None = None, scheme: str = "https") -> tuple[int, str]:
    context = ssl.create_default_context(cafile=trust)
    if trust is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.get(f"{scheme}://localhost:{port}/metrics", headers=headers) as reply,
    ):
        return reply.status, await reply.text()


async def test_metrics_are_for_bearers_with_the_right_and_probes_for_everybody(api: FakeApiServer):
    at, live = free_port(), free_port()
    flags = [f"--metrics-addr=localhost:{at}", f"--live-addr=localhost:{live}", "--metrics-secure", "--metrics-auth"]
    async with operating(api, *flags) as one:
        await one.running()
        status, text = await scraped(at, token="t-prom")
        assert status == 200 and "controller_runtime_reconcile_total" in text
        assert await scraped(at) == (401, "Unauthorized\n")
        assert await scraped(at, token="invented") == (401, "Unauthorized\n")
        assert await scraped(at, token="t-other") == (403, "Authorization denied for user other\n")
        with pytest.raises(aiohttp.ClientError):
            await scraped(at, token="t-prom", scheme="http")
        async with aiohttp.ClientSession() as session, session.get(f"http://localhost:{live}/healthz") as probe:
            assert probe.status == 200
        api.fail(Status(500), path="tokenreviews")
        assert await scraped(at, token="another") == (500, "Authentication failed\n")
        assert not any("t-prom" in str(line) for line in one.log.lines)


async def test_a_certificate_of_files_is_trusted_by_its_authority(api: FakeApiServer, tmp_path: Path):
    authority = Authority(tmp_path / "pki")
    pair = authority.server("metrics")
    (tmp_path / "cert.pem").write_bytes(pair.cert.read_bytes())
    (tmp_path / "key.pem").write_bytes(pair.key.read_bytes())
    at = free_port()
    files = [f"--metrics-cert-dir={tmp_path}", "--metrics-cert-name=cert.pem", "--metrics-key-name=key.pem"]
    async with operating(api, f"--metrics-addr=localhost:{at}", "--metrics-secure", *files) as one:
        await one.running()
        status, text = await scraped(at, trust=authority.cert)
        assert status == 200
        assert "certwatcher_read_certificate_total 1" in text
        assert "certwatcher_read_certificate_errors_total 0" in text


async def test_a_certificate_that_is_not_there_stops_the_start(api: FakeApiServer, tmp_path: Path):
    flags = [f"--metrics-addr=localhost:{free_port()}", "--metrics-secure", f"--metrics-cert-dir={tmp_path}"]
    one = Operating(api, flags)
    with pytest.raises(EsoError, match=r"cannot read .*tls\.crt: no such file"):
        await one.task
    await one.access.close()


async def test_guarded_metrics_do_not_share_an_address_with_the_probes(api: FakeApiServer):
    address = f"localhost:{free_port()}"
    one = Operating(api, [f"--metrics-addr={address}", f"--live-addr={address}", "--metrics-secure"])
    with pytest.raises(EsoError, match="cannot share an address"):
        await one.task
    await one.access.close()


async def test_metrics_that_are_switched_off_need_no_certificate(api: FakeApiServer, tmp_path: Path):
    async with operating(api, "--metrics-addr=0", "--metrics-secure", f"--metrics-cert-dir={tmp_path}") as one:
        await one.running()


async def test_a_connection_that_never_says_anything_holds_up_no_scrape(api: FakeApiServer):
    at = free_port()
    async with operating(api, f"--metrics-addr=localhost:{at}", "--metrics-secure") as one:
        await one.running()
        silent = [await asyncio.open_connection("localhost", at) for _ in range(50)]
        assert (await scraped(at))[0] == 200
        for _, writer in silent:
            writer.transport.abort()
