"""The process of the admission webhook: from empty files to its end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest

from eso.admission.certificate import PATIENCE, NearItsEnd, NoCertificate
from eso.admission.server import DRAIN_SECONDS
from eso.admission.tls import policy
from eso.app.flags import WebhookSettings, parse
from eso.app.main import run as command
from eso.app.tasks import Stop
from eso.app.webhook import Webhook, run
from eso.kube.config import FixedAccess
from tests.fakes.clock import until
from tests.unit.admission.folder import Watching
from tests.unit.admission.reviews import external_secret, path, review

DAY = 86_400.0


class Process:
    """One process over a mounted folder; its clock stands still."""

    def __init__(self, root: Path, flags: Iterable[str] = ()) -> None:
        self.watching, self.stop = Watching(root), Stop()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        fixed = ["--metrics-addr=0", "--healthz-addr=0", "--bind-address=127.0.0.1", f"--port={self.port}"]
        settings = parse(WebhookSettings, [*fixed, f"--cert-dir={self.watching.mounted.path}", *flags])
        self.webhook = Webhook(settings, policy((), "1.2"), self.watching.clock, self.watching.log)
        self.task = asyncio.ensure_future(run(self.webhook, FixedAccess(""), self.stop))

    @property
    def answering(self) -> bool:
        return any(text == "answering reviews" for _, text, _ in self.watching.log.lines)

    async def answers(self) -> bool:
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as client:
            url = f"https://127.0.0.1:{self.port}{path('ExternalSecret')}"
            headers = {"Content-Type": "application/json"}
            async with client.post(url, data=orjson.dumps(review(external_secret())), headers=headers) as reply:
                return bool((await reply.json())["response"]["allowed"])

    async def advance(self, seconds: float) -> None:
        await self.watching.clock.advance(seconds)


@asynccontextmanager
async def running(root: Path, flags: Iterable[str] = ()) -> AsyncIterator[Process]:
    made = Process(root, flags)
    try:
        yield made
    finally:
        made.stop.asked.set()
        made.stop.now.set()
        await asyncio.wait([made.task])


async def test_it_is_ready_once_it_has_a_certificate_and_answers_then(tmp_path: Path):
    async with running(tmp_path) as one:
        await one.advance(5)
        status, text = one.webhook.health.ask("readyz", "certs")
        assert status == 500 and "there is no certificate" in text and not one.answering
        assert one.webhook.health.ask("healthz") == (200, "ok")
        one.watching.mounted.issue()
        await one.advance(1)
        await until(lambda: one.answering)
        assert one.webhook.health.ask("readyz") == (200, "ok")
        assert await one.answers()


async def test_without_a_certificate_it_ends_after_two_minutes(tmp_path: Path):
    async with running(tmp_path) as one:
        await one.advance(PATIENCE + 2)
        await until(one.task.done)
        with pytest.raises(ExceptionGroup) as raised:
            one.task.result()
        assert raised.group_contains(NoCertificate)


async def test_it_ends_when_the_certificate_will_not_last(tmp_path: Path):
    async with running(tmp_path, ["--lookahead-interval=240h"]) as one:
        one.watching.mounted.issue()
        await one.advance(1)
        await until(lambda: one.answering)
        one.watching.clock.jump(19 * DAY)
        await one.advance(301)
        assert not one.task.done()
        one.watching.clock.jump(2 * DAY)
        await one.advance(301)
        await until(one.task.done)
        with pytest.raises(ExceptionGroup) as raised:
            one.task.result()
        assert raised.group_contains(NearItsEnd)


async def test_a_wish_to_stop_is_answered_after_a_while_and_a_second_one_at_once(tmp_path: Path):
    async with running(tmp_path) as one:
        one.watching.mounted.issue()
        await one.advance(1)
        await until(lambda: one.answering)
        one.stop.signal()
        await one.advance(DRAIN_SECONDS / 2)
        assert not one.task.done() and await one.answers()
        one.stop.signal()
        await until(one.task.done)
        one.task.result()


async def test_a_wish_to_stop_ends_the_wait_for_a_certificate(tmp_path: Path):
    async with running(tmp_path) as one:
        await one.advance(5)
        one.stop.signal()
        await until(one.task.done)
        one.task.result()


def test_an_unknown_cipher_ends_the_process_with_the_ones_that_are_known(capfd: pytest.CaptureFixture[str]):
    assert command(["webhook", "--tls-ciphers=NOPE", "--metrics-addr=0", "--healthz-addr=0"]) == 1
    assert "cipher NOPE was not found" in capfd.readouterr().err


@pytest.mark.parametrize("argv", [["webhook", "--port=0"], ["webhook", "--concurrent=1"]], ids=" ".join)
def test_bad_arguments_exit_with_2(argv: list[str]):
    assert command(argv) == 2


def test_help_shows_the_webhook_s_own_flags(capsys: pytest.CaptureFixture[str]):
    assert command(["webhook", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--tls-ciphers" in out and "--passes-in-flight" not in out
