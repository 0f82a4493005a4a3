"""Probes and /metrics over real loopback connections."""

from __future__ import annotations

import aiohttp
import pytest

from eso.observe.health import CannotListen, Health, bind_address, serving


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def scrape():
    return b"x 1\n"


async def get(http, at, path):
    async with http.get(f"http://{at[0]}:{at[1]}{path}") as answer:
        return answer.status, await answer.text()


@pytest.fixture
async def bench(http):
    class Bench:
        health = Health()
        reason = ""

        async def get(self, path):
            return await get(http, self.at, path)

    made = Bench()
    async with serving("0", "127.0.0.1:0", scrape, made.health) as bound:
        made.at, made.metrics = bound.health, bound.metrics
        yield made


@pytest.mark.parametrize("path", ["/healthz", "/healthz/", "/healthz/healthz", "/readyz", "/readyz/readyz"])
async def test_a_healthy_process_says_ok(bench, path):
    assert await bench.get(path) == (200, "ok")


@pytest.mark.parametrize("path", ["/healthz/nothing", "/readyz/healthz", "/other", "/metrics"])
async def test_what_does_not_exist_is_not_found(bench, path):
    assert (await bench.get(path))[0] == 404


async def test_verbose_lists_every_check(bench):
    bench.health.live("watchdog", lambda: "")
    assert await bench.get("/healthz?verbose=1") == (200, "[+]healthz ok\n[+]watchdog ok\nhealthz check passed\n")


async def test_one_failing_check_fails_the_whole_and_says_why(bench):
    bench.health.live("watchdog", lambda: "loop lag 31s")
    assert await bench.get("/healthz") == (
        500,
        "[+]healthz ok\n[-]watchdog failed: loop lag 31s\nhealthz check failed\n",
    )
    assert (await bench.get("/healthz/watchdog"))[0] == 500
    assert (await bench.get("/healthz/healthz"))[0] == 200
    assert (await bench.get("/readyz"))[0] == 200


async def test_readiness_waits_for_its_checks_and_follows_them(bench):
    synced = []
    bench.health.ready("caches", lambda: "" if synced else "secrets not listed yet")
    assert (await bench.get("/readyz"))[0] == 500
    assert (await bench.get("/healthz"))[0] == 200
    synced.append(True)
    assert await bench.get("/readyz") == (200, "ok")


async def test_metrics_are_text_of_the_known_version(http):
    async with (
        serving("127.0.0.1:0", "0", scrape, Health()) as bound,
        http.get(f"http://127.0.0.1:{bound.metrics[1]}/metrics") as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await answer.read() == b"x 1\n"
        assert bound.health is None


async def test_zero_switches_both_off():
    async with serving("0", "", scrape, Health()) as bound:
        assert (bound.metrics, bound.health) == (None, None)


async def test_one_address_serves_both(http):
    async with serving("127.0.0.1:0", "0", scrape, Health()) as bound:
        free = bound.metrics[1]
    async with serving(f"127.0.0.1:{free}", f"127.0.0.1:{free}", scrape, Health()) as bound:
        assert bound.metrics == bound.health
        assert await get(http, bound.health, "/healthz") == (200, "ok")
        assert await get(http, bound.metrics, "/metrics") == (200, "x 1\n")


async def test_a_taken_address_is_told_with_its_cause():
    async with serving("127.0.0.1:0", "0", scrape, Health()) as bound:
        with pytest.raises(CannotListen, match=r"cannot listen on 127\.0\.0\.1:"):
            async with serving("0", f"127.0.0.1:{bound.metrics[1]}", scrape, Health()):
                raise AssertionError("served on a taken address")


async def test_the_address_is_free_again_afterwards():
    async with serving("127.0.0.1:0", "0", scrape, Health()) as bound:
        port = bound.metrics[1]
    async with serving(f"127.0.0.1:{port}", "0", scrape, Health()) as again:
        assert again.metrics == ("127.0.0.1", port)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(":8080", ("", 8080), id="all interfaces"),
        pytest.param("127.0.0.1:8080", ("127.0.0.1", 8080), id="one interface"),
        pytest.param("[::1]:8080", ("::1", 8080), id="one interface of version 6"),
        pytest.param("localhost:0", ("localhost", 0), id="any port"),
        pytest.param("0", None, id="zero is off"),
        pytest.param("", None, id="nothing is off"),
    ],
)
def test_an_address_is_read(text, expected):
    assert bind_address(text) == expected


@pytest.mark.parametrize("text", ["8080", "host", ":", ":http", ":-1", ":65536", ":٣"])
def test_a_malformed_address_is_refused(text):
    with pytest.raises(CannotListen, match="is no address to listen on"):
        bind_address(text)
