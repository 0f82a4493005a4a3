"""Processes that compute for tenants: killed at their deadline, blind, one namespace each."""

from __future__ import annotations

import ast
import asyncio
import os
import pickle
import platform
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eso.runtime import pool as module
from eso.runtime.confine import MACHINES, program
from eso.runtime.pool import IDLE_SECONDS, Crashed, OutOfMemory, OutOfTime, Pool, parcel
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, until
from tests.unit.runtime.calls import RAW

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    # The isolated interpreter of the zygote does not see the tests: it is given the calls as a file of its own.
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from eso.runtime.zygote import main; main()"
    popen = module.subprocess.Popen

    def started(command: list[str], **rest: object) -> object:
        return popen([command[0], "-I", "-c", start, *command[-3:]], **rest)  # type: ignore[call-overload]

    monkeypatch.setattr(module.subprocess, "Popen", started)
    clock = VirtualClock()
    made = Pool("tests.unit.runtime.calls", clock)
    yield made
    made.close()


def gone(pid: int) -> bool:
    """The process has ended and its parent has noticed, which may take a moment on a busy machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_an_answer_comes_back_whole(pool: Pool) -> None:
    body = os.urandom(3 << 20)
    assert await pool.run("team-a", "echo", body, 10.0) == body
    assert await pool.run("team-a", "echo", b"", 10.0) == b""


async def test_long_bytes_travel_without_a_copy_and_arrive_whole(pool: Pool) -> None:
    long, short = os.urandom(1 << 20), {f"k{n}": b"v" for n in range(10_000)}
    parts = parcel((long, short))
    assert any(part is long for part in parts)
    reply = await pool.run("team-a", "echo", lambda: parcel((long, short)), 10.0)
    assert pickle.loads(reply) == (long, short)


async def test_a_body_that_cannot_be_made_fails_its_call_alone(pool: Pool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run("team-a", "echo", lambda: [b"x" * (1 // 0)], 10.0)
    assert await pool.run("team-a", "echo", b"x", 10.0) == b"x"


async def test_a_worker_serves_one_namespace_and_is_used_again_for_it(pool: Pool) -> None:
    first = await pool.run("team-a", "pid", b"", 10.0)
    assert await pool.run("team-a", "pid", b"", 10.0) == first
    assert await pool.run("team-b", "pid", b"", 10.0) != first
    assert await pool.run("team-a", "pid", b"", 10.0) == first
    assert await pool.run("team-c", "pid", b"", 10.0) != first  # team-b's made room
    assert pool.started == 3


async def test_a_computation_without_end_is_killed_and_the_next_one_gets_a_new_worker(pool: Pool) -> None:
    before = await pool.run("team-a", "pid", b"", 10.0)
    with pytest.raises(OutOfTime, match=r"takes longer than 0\.2 s"):
        await pool.run("team-a", "spin", b"60", 0.2)
    after = await pool.run("team-a", "pid", b"", 10.0)
    assert after != before
    await until(lambda: gone(int(before)))


async def test_other_namespaces_are_served_while_one_computes(pool: Pool) -> None:
    tasks = [asyncio.ensure_future(pool.run("greedy", "spin", b"0.5", 10.0)) for _ in range(6)]
    await asyncio.sleep(0.1)
    began = time.monotonic()
    assert await pool.run("other", "echo", b"x", 10.0) == b"x"
    waited = time.monotonic() - began
    done = sum(task.done() for task in tasks)
    assert done < 6, f"it came last, after {waited} s"
    await asyncio.wait(tasks)


@pytest.mark.parametrize(
    ("name", "body", "error"),
    [
        pytest.param("eat", b"2000000000", OutOfMemory, id="more memory than a worker has"),
        pytest.param("end", b"", OutOfMemory, id="a process that dies"),
        pytest.param("raise", b"hunter2", Crashed, id="an exception"),
        pytest.param("nothing", b"hunter2", Crashed, id="an unknown call"),
    ],
)
async def test_what_goes_wrong_inside_is_an_error_without_its_text(
    pool: Pool, name: str, body: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error) as failed:
        await pool.run("team-a", name, body, 10.0)
    assert "hunter2" not in str(failed.value)
    assert await pool.run("team-a", "echo", b"x", 10.0) == b"x"


@pytest.mark.parametrize(
    "trick",
    [
        "a file",
        "a file after it closed what it has",
        "a socket",
        "a process",
        "a program",
        "a look at its parent",
        "a signal to its parent",
        "a raw call",
        "a thread",
    ],
)
async def test_a_worker_cannot_reach(pool: Pool, trick: str) -> None:
    answer = await pool.run("team-a", "try", trick.encode(), 10.0)
    assert not answer.startswith(b"did it"), answer


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of one machine")
@pytest.mark.parametrize("trick", RAW)
async def test_no_call_of_the_kernel_leads_out_of_a_worker(pool: Pool, trick: str) -> None:
    """Code that has taken a worker over asks the kernel itself."""
    assert await pool.run("team-a", "raw", trick.encode(), 10.0) == b"error 1"  # EPERM, and not "no such thing"


async def test_a_worker_has_no_descriptor_but_its_pipe(pool: Pool) -> None:
    descriptors = ast.literal_eval((await pool.run("team-a", "descriptors", b"", 10.0)).decode())
    assert len(descriptors) == 1


async def test_a_worker_sees_no_environment(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_TOKEN", "hunter2")
    seen = (await pool.run("team-a", "see", b"", 10.0)).decode()
    assert "hunter2" not in seen
    assert "CLOUD_TOKEN" not in seen


async def test_workers_without_requests_end_after_a_while(pool: Pool) -> None:
    pid = int(await pool.run("team-a", "pid", b"", 10.0))
    pool.sweep()
    os.kill(pid, 0)
    pool.clock.jump(IDLE_SECONDS + 1)  # type: ignore[attr-defined]  # a virtual one
    pool.sweep()
    assert pool._idle == []
    assert await pool.run("team-a", "pid", b"", 10.0) != str(pid).encode()


async def test_a_zygote_that_died_is_started_again(pool: Pool) -> None:
    await pool.run("team-a", "echo", b"x", 10.0)
    assert pool._zygote is not None
    pool._zygote[0].kill()
    pool._zygote[0].wait()
    assert await pool.run("team-b", "echo", b"x", 10.0) == b"x"


async def test_a_machine_that_can_start_no_process_fails_the_computation(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> object:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(module.subprocess, "Popen", full)
    with pytest.raises(OutOfMemory, match="no process"):
        await pool.run("team-a", "echo", b"x", 10.0)
    assert pool._turns.taken == 0


async def test_every_await_of_a_call_may_be_cancelled_and_no_process_stays(pool: Pool) -> None:
    await pool.run("team-a", "echo", b"x", 10.0)
    async for _ in every_await(lambda: pool.run("team-a", "echo", b"y" * 300_000, 10.0)):
        assert len(pool._idle) <= 2
        assert pool._turns.taken == 0
    assert await pool.run("team-a", "echo", b"x", 10.0) == b"x"


async def test_close_leaves_no_process(pool: Pool) -> None:
    pid = int(await pool.run("team-a", "pid", b"", 10.0))
    pool.close()
    await until(lambda: gone(pid))


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_the_filter_fits_what_a_jump_can_reach(machine: str) -> None:
    code = program(*MACHINES[machine])
    assert len(code) % 8 == 0
    assert len(code) // 8 == len(MACHINES[machine][1]) + 6


async def test_two_endless_computations_do_not_keep_a_third_namespace_waiting(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST", 2.0)  # an echo takes as long on a machine that is busy
    endless = [asyncio.ensure_future(pool.run(f"hostile-{n}", "spin", b"600", 300.0, "es")) for n in range(2)]
    await until(lambda: len(pool._long) == 2)  # each had its first turn
    assert await pool.run("victim", "echo", b"x", 300.0) == b"x"
    assert not any(task.done() for task in endless)
    for task in endless:
        task.cancel()
    await asyncio.wait(endless)


async def test_a_long_computation_is_begun_again_where_it_may_take_its_time(pool: Pool) -> None:
    for killed in (1, 1):  # the second time it goes there at once
        assert await pool.run("team-a", "spin", b"1.5", 60.0, "es") == b"done"
        assert pool.killed == killed


async def test_an_owner_whose_computation_was_ended_comes_last(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    offended = []
    monkeypatch.setattr(pool._turns, "offended", offended.append)
    with pytest.raises(OutOfTime):
        await pool.run("team-a", "spin", b"600", 0.7)
    assert offended == ["team-a"] * 2, "once after the first turn"
    with pytest.raises(OutOfMemory):
        await pool.run("team-b", "end", b"", 10.0)
    assert offended[-1] == "team-b"


async def test_what_waits_for_a_worker_is_packed_when_it_gets_one(pool: Pool) -> None:
    packed = []

    def body() -> bytes:
        packed.append(len(packed))
        return b"0.3"

    tasks = [asyncio.ensure_future(pool.run("team-a", "spin", body, 10.0)) for _ in range(4)]
    await asyncio.sleep(0)
    assert packed == []
    await asyncio.wait(tasks)
    assert len(packed) >= 4


async def test_a_namespace_is_known_once_a_computation_of_it_came_to_its_end(pool: Pool) -> None:
    await pool.run("good", "echo", b"x", 10.0)
    with pytest.raises(OutOfTime):
        await pool.run("bad", "spin", b"60", 0.1)
    assert list(pool._turns._proven) == ["good"]
