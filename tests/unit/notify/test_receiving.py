"""Messages of a queue: carried out, then acknowledged; never the other way round, and never forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson
import pytest

from eso.api.changesource import Change, ChangeSourceSpec, Driven, Full, Intake, Place, Taken, Unwritten
from eso.notify.contract import MOST_MESSAGE, Feed, Message
from eso.notify.formats import MOST_CHANGES
from eso.notify.limits import Limits
from eso.notify.receiving import EMPTY, FULL, PAUSE, Intakes, Receiving
from eso.providers.contract import AuthExpired, CredentialReader, InvalidConfig, Unavailable, turn
from eso.providers.env import Env
from eso.stores.gate import GateClosed, Gates
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock
from tests.fakes.env import env

KEY = ("team", "source")
PLACE = Place(("SecretStore", "team", "store"), "team")


class Line(Feed):
    """A queue with messages; those that are not acknowledged come again."""

    name: ClassVar[str] = "sqs"

    def __init__(self) -> None:
        self.messages: dict[str, Message] = {}
        self.opened = self.closed = 0
        self.error: Exception | None = None
        self.blocks: list[Mapping[str, Any]] = []

    def put(self, *bodies: Any, **attributes: str) -> None:
        for body in bodies:
            receipt = f"receipt-{len(self.messages)}"
            content = body if isinstance(body, bytes) else orjson.dumps(body)
            self.messages[receipt] = Message(content, receipt, attributes)

    def endpoint(self, block: Mapping[str, Any]) -> str:
        if "host" not in block:
            raise InvalidConfig("no host")
        return str(block["host"])

    async def open(self, block: Mapping[str, Any], credentials: CredentialReader, env: Env) -> Feed:
        self.opened += 1
        self.blocks.append(block)
        await asyncio.sleep(0)
        return self

    async def receive(self) -> Sequence[Message]:
        async with turn("sqs", "receive"):
            await asyncio.sleep(0)
            if self.error is not None:
                raise self.error
            return list(self.messages.values())[:10]

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        async with turn("sqs", "acknowledge"):
            await asyncio.sleep(0)
            for receipt in receipts:
                self.messages.pop(receipt, None)

    async def close(self) -> None:
        self.closed += 1


class Desk:
    def __init__(self, block: Mapping[str, Any] | None = None) -> None:
        self.clock, self.line = VirtualClock(), Line()
        self.taken: list[tuple[Change, ...]] = []
        self.answers: list[Intake] = []
        self.outcomes: list[str] = []
        self.heard: list[str] = []
        self.gates = Gates(self.clock)
        driven = Driven("uid", ChangeSourceSpec(sqs=dict(block or {"host": "queue.example"})), (PLACE,))
        intakes = Intakes(self.take, lambda key, outcome: self.heard.append(outcome), Limits(), self)
        self.receiving = Receiving(
            self.line,
            KEY,
            driven,
            lambda: None,
            self.gates,
            env(self.clock),
            intakes,  # type: ignore[arg-type, return-value]  # a feed that asks for no credential
        )

    async def take(self, key: Any, changes: tuple[Change, ...], at: Any) -> Intake:
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if self.answers else Taken(1)
        if isinstance(answer, Taken):
            self.taken.append(changes)
        return answer

    def change_event(self, source: Any, outcome: str) -> None:
        self.outcomes.append(outcome)

    @property
    def keys(self) -> list[str]:
        return [change.key for changes in self.taken for change in changes]


async def test_what_a_message_says_is_taken_in_and_then_acknowledged():
    desk = Desk()
    desk.line.put({"keys": ["a"]}, {"keys": ["b"]})
    assert await desk.receiving.step() == 0.0
    assert desk.taken == [(Change("a"), Change("b"))] and not desk.line.messages
    assert desk.outcomes == ["accepted", "accepted"]


async def test_a_server_that_does_not_wait_for_a_message_is_asked_once_a_second():
    desk = Desk()
    assert await desk.receiving.step() == EMPTY
    line, wait = desk.line, desk.line.receive

    async def after_a_while() -> Sequence[Message]:
        desk.clock.jump(0.25)
        return await wait()

    line.receive = after_a_while  # type: ignore[method-assign]  # the server waits for a part of the second
    assert await desk.receiving.step() == EMPTY - 0.25
    desk.line.put({"keys": ["a"]})
    assert await desk.receiving.step() == 0.0


async def test_the_queue_is_opened_once_with_the_block_of_the_spec():
    desk = Desk({"host": "queue.example", "more": [1]})
    await desk.receiving.step()
    await desk.receiving.step()
    assert desk.line.blocks == [{"host": "queue.example", "more": [1]}]
    await desk.receiving.close()
    await desk.receiving.close()
    assert desk.line.closed == 1


@pytest.mark.parametrize(("answer", "pause", "outcome"), [(Full(), FULL, "full"), (Unwritten(), PAUSE, "unwritten")])
async def test_what_could_not_be_written_down_stays_in_the_queue(answer: Intake, pause: float, outcome: str):
    desk = Desk()
    desk.line.put({"keys": ["a"]})
    desk.answers = [answer]
    assert await desk.receiving.step() == pause
    assert desk.line.messages and desk.outcomes == [outcome] == desk.heard
    assert await desk.receiving.step() == 0.0
    assert not desk.line.messages and desk.keys == ["a"]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        pytest.param(b"no json", "unreadable", id="no format"),
        pytest.param({"keys": []}, "unreadable", id="no key"),
        pytest.param({"Type": "SubscriptionConfirmation", "SubscribeURL": "https://x"}, "ignored", id="a handshake"),
        pytest.param({"type": "request", "request": {}}, "ignored", id="about something else"),
        pytest.param(b" " * (MOST_MESSAGE + 1), "too_large", id="too long"),
    ],
)
async def test_a_message_that_leads_to_nothing_does_not_come_again_and_holds_no_other_up(body: Any, outcome: str):
    desk = Desk()
    desk.line.put(body, {"keys": ["a"]})
    await desk.receiving.step()
    assert not desk.line.messages and desk.keys == ["a"]
    assert desk.outcomes == [outcome, "accepted"]


async def test_attributes_are_read_as_headers_are():
    desk = Desk()
    desk.line.put(b"{}", **{"ce-specversion": "1.0", "ce-type": "x", "ce-subject": "shop/db"})
    await desk.receiving.step()
    assert desk.keys == ["shop/db"]


async def test_messages_with_many_keys_go_in_parts_and_those_that_do_not_fit_come_again():
    desk = Desk()
    many = {"keys": [f"key-{n}" for n in range(MOST_CHANGES - 1)]}
    desk.line.put(many, {"keys": ["a", "b"]}, {"keys": ["c"]})
    desk.answers = [Taken(1), Full(), Full(), Full()]
    assert await desk.receiving.step() == PAUSE
    assert len(desk.taken) == 1 and list(desk.line.messages) == ["receipt-1", "receipt-2"]
    assert await desk.receiving.step() == 0.0
    assert desk.taken[1:] == [(Change("a"), Change("b"), Change("c"))] and not desk.line.messages


async def test_messages_with_long_keys_go_in_parts_that_fit_into_the_status():
    desk = Desk()
    for name in "abc":
        desk.line.put({"keys": [f"{name}{at:03}" + "k" * 1000 for at in range(100)]})
    assert await desk.receiving.step() == 0.0
    assert [len(changes) for changes in desk.taken] == [100, 100, 100]
    assert not desk.line.messages


async def test_messages_beyond_the_limit_wait_and_none_is_lost():
    desk = Desk()
    stepping = asyncio.ensure_future(steps(desk, 120))
    desk.line.put(*({"prefixes": [f"folder-{n}/"]} for n in range(120)))  # 16 units each, of 200 at once
    await desk.clock.advance(1)
    assert 0 < len(desk.keys) < 60
    await desk.clock.advance(60)
    assert len(desk.keys) == 120 and not desk.line.messages
    stepping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stepping


async def steps(desk: Desk, most: int) -> None:
    for _ in range(most):
        if not desk.line.messages:
            await asyncio.Event().wait()
        await desk.receiving.step()


@pytest.mark.parametrize("error", [AuthExpired("over"), Unavailable("away"), ValueError("a bug")])
async def test_a_queue_that_failed_is_opened_anew(error: Exception):
    desk = Desk()
    desk.line.error = error
    with pytest.raises(type(error)):
        await desk.receiving.step()
    assert desk.line.closed == 1
    desk.line.error = None
    await desk.clock.advance(60)
    await desk.receiving.step()
    assert desk.line.opened == 2


async def test_a_spec_that_names_no_server_is_refused_before_anything_is_opened():
    desk = Desk({"nothing": 1})
    with pytest.raises(InvalidConfig):
        await desk.receiving.step()
    assert not desk.line.opened


async def test_a_server_that_is_away_closes_the_gate_of_this_source_alone():
    desk, other = Desk(), Desk()
    other.gates = desk.gates
    other.receiving._gates = desk.gates
    other.receiving._driven = Driven("other", other.receiving._driven.spec, (PLACE,))
    desk.line.error = Unavailable("away")
    with pytest.raises(GateClosed):
        for _ in range(20):
            with contextlib.suppress(Unavailable):
                await desk.receiving.step()
    assert await other.receiving.step() == EMPTY


async def test_a_cancellation_at_any_await_acknowledges_nothing_that_was_not_taken():
    async def run() -> None:
        nonlocal desk
        desk = Desk()
        desk.line.put({"keys": ["a"]}, b"nothing", {"keys": ["b"]})
        await desk.receiving.step()
        await desk.receiving.close()

    desk = Desk()
    async for _ in every_await(run):
        left = {"a", "b"} - set(desk.keys)
        bodies = b"".join(message.body for message in desk.line.messages.values())
        assert all(f'"{key}"'.encode() in bodies for key in left)


def test_messages_never_print():
    assert "secret" not in repr(Message(b"secret", "secret", {"secret": "secret"}))


async def test_a_message_that_does_not_fit_beside_pending_changes_holds_up_no_other():
    desk = Desk()
    desk.line.put({"keys": ["stuck"]}, {"keys": ["b"]}, {"keys": ["c"]})
    desk.answers = [Full(), Full(), Taken(1), Taken(1)]  # together, then one by one
    assert await desk.receiving.step() == PAUSE
    assert desk.keys == ["b", "c"]
    assert [orjson.loads(message.body) for message in desk.line.messages.values()] == [{"keys": ["stuck"]}]
    desk.answers = [Full()]
    assert await desk.receiving.step() == FULL


async def test_what_cannot_be_written_down_ends_the_batch_also_one_by_one():
    desk = Desk()
    desk.line.put({"keys": ["a"]}, {"keys": ["b"]}, {"keys": ["c"]})
    desk.answers = [Full(), Taken(1), Unwritten()]
    assert await desk.receiving.step() == PAUSE
    assert desk.keys == ["a"] and len(desk.line.messages) == 2
