"""The end: passes in hand, the second signal, a background task that dies, the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.meta import SECRETS
from eso.app.flags import ControllerSettings, parse
from eso.app.lifecycle import until_told
from eso.app.tasks import Stop, background, before, leaves
from eso.observe.log import SILENT
from eso.runtime.watchdog import Watchdog
from tests.fakes.apiserver import FakeApiServer, Hang, Late
from tests.fakes.cancel import every_await
from tests.fakes.clock import settle, until
from tests.unit.app.operating import operating, put_external_secret, put_store


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


async def test_a_pass_in_hand_may_end(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    async with operating(api) as one:
        api.fail(Late(), method="POST", path="/secrets$")
        await one.until(lambda: one.written(SECRETS) != [])
        one.stop.signal()
        await one.clock.advance(5.0)
        assert not one.task.done()
        api.release()
        await one.task
        assert one.ready() == "True"


async def test_a_pass_that_does_not_end_is_cut_off_after_the_grace(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    async with operating(api) as one:
        api.fail(Hang(), method="POST", path="/secrets$")
        await one.until(lambda: one.written(SECRETS) != [])
        one.stop.signal()
        await one.clock.advance(25.0)
        await one.task
        assert any("are cut off" in text for text, _ in one.lines("warning"))


async def test_a_second_signal_does_not_wait_for_passes_in_hand(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    async with operating(api) as one:
        api.fail(Hang(), method="POST", path="/secrets$")
        await one.until(lambda: one.written(SECRETS) != [])
        one.stop.signal()
        one.stop.signal()
        await asyncio.wait_for(one.task, 60)  # the clock stands still: no grace has passed
        assert one.secret() is None


async def test_a_signal_before_the_first_list_ends_the_process(api: FakeApiServer):
    api.fail(Hang(), path="/secretstores$", times=10)
    async with operating(api) as one:
        await one.until(lambda: any("secretstores" in request.path for request in api.requests))
        one.stop.signal()
        await asyncio.wait_for(one.task, 60)
        assert not any(room.started.is_set() for room in one.operator.rooms if room.name != "clustersecretstore")


@pytest.mark.parametrize("victim", ["gates", "generic targets", "recorder", "informer"])
async def test_a_background_task_that_dies_ends_the_process(api: FakeApiServer, victim: str):
    class Died(Exception):
        pass

    async def dying(*_: Any) -> None:
        await asyncio.sleep(0)
        raise Died(victim)

    async with FakeApiServer() as other:
        with pytest.raises(BaseExceptionGroup) as ended:
            async with operating(other) as one:
                match victim:
                    case "gates":
                        one.operator.gates.run = dying  # type: ignore[method-assign]  # a bug
                    case "recorder":
                        one.operator.recorder.run = dying  # type: ignore[method-assign,assignment]  # a bug
                    case "informer":
                        one.operator.catalogue.informers[0].run = dying  # type: ignore[method-assign,assignment]  # a bug
                    case _:
                        room = one.operator.room("externalsecret")
                        object.__setattr__(room, "background", (dying,))
                await asyncio.wait_for(asyncio.shield(one.task), 60)
    assert {type(error) for error in leaves(ended.value)} == {Died}


async def test_the_process_ends_at_sigterm(api: FakeApiServer, tmp_path: Any):
    put_store(api)
    put_external_secret(api)
    config = tmp_path / "kubeconfig"
    config.write_text(KUBECONFIG.format(server=api.url))
    settings = parse(ControllerSettings, ["--metrics-addr=0", "--live-addr=0"])
    task = asyncio.create_task(until_told(settings, {"KUBECONFIG": str(config)}))
    await until(lambda: "status" in (api.get(EXTERNAL_SECRETS, "team", "secret") or {}))
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 60)


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: test
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
clusters: [{{name: test, cluster: {{server: "{server}"}}}}]
users: [{{name: test, user: {{token: none}}}}]
"""


# --- parts


def test_the_first_signal_asks_and_the_second_does_not_wait():
    stop = Stop()
    stop.signal()
    assert (stop.asked.is_set(), stop.now.is_set()) == (True, False)
    stop.signal()
    assert stop.now.is_set()


async def test_what_is_wanted_may_end_before_the_event():
    never, now = asyncio.Event(), asyncio.Event()
    now.set()
    assert await before(never, asyncio.sleep(0))
    assert not await before(now, never.wait())


async def test_what_is_wanted_may_fail():
    async def failing() -> None:
        raise ValueError("no")

    with pytest.raises(BaseExceptionGroup):
        await before(asyncio.Event(), failing())


async def test_a_block_that_ends_takes_its_background_with_it():
    ended: list[str] = []

    async def running() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("background")

    async with background(running()):
        await asyncio.sleep(0)
        ended.append("block")
    assert ended == ["block", "background"]


async def test_waiting_for_an_event_can_be_cancelled_anywhere():
    async def waiting() -> None:
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        await before(event, asyncio.Event().wait())

    runs = [at async for at in every_await(waiting)]
    assert len(runs) >= 3  # each await in each way


async def test_a_background_task_that_returns_is_missed_by_the_watchdog():
    watchdog, leave = Watchdog(log=SILENT), asyncio.Event()

    async def returning() -> None:
        await leave.wait()

    async with background(returning(), watchdog=watchdog):
        assert watchdog.unhealthy() == ""
        leave.set()
        await settle()
        assert "returning" in watchdog.unhealthy()
    assert watchdog.unhealthy() == ""
