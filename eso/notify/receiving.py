"""Takes messages from a queue in: what they say is queued and written down, and only then acknowledged.

Neighbours: driver.py makes the steps, a Queue of contract.py has the messages, formats.py reads them. The cloud decides
who may write into the queue, so a message needs no signature.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from eso.api.changesource import MOST_EVENT_BYTES, Change, Driven, Full, Intake, Taken, Unwritten
from eso.notify.contract import MOST_MESSAGE, Feed, Message, Queue
from eso.notify.driver import Key
from eso.notify.formats import MOST_CHANGES, Told, Unreadable, read
from eso.notify.limits import Limits, cost_of
from eso.providers.contract import CredentialReader, naming
from eso.providers.env import Env
from eso.stores.gate import Gates, Route, route

PAUSE: Final = 1.0  # seconds until a batch that could not be written down may come again
FULL: Final = 5.0  # the same while as many changes are pending as may be
LOOK: Final = 0.1  # seconds between two looks at a limit
EMPTY: Final = 1.0  # seconds from one request to the next where the server does not wait for a message

Take = Callable[[Key, tuple[Change, ...], datetime], Awaitable[Intake]]
Heard = Callable[[Key, str], None]


class Meter(Protocol):
    def change_event(self, source: Key | None, outcome: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Intakes:
    """Where events of all sources go. `limits` are those of the server of change events."""

    take: Take
    heard: Heard
    limits: Limits
    meter: Meter


class Part:
    """Messages that are carried out together."""

    def __init__(self, *told: tuple[Message, Sequence[Change]]) -> None:
        self.changes: dict[Change, None] = {}
        self.receipts: list[str] = []
        self.told: list[tuple[Message, Sequence[Change]]] = []
        for message, changes in told:
            self.add(message, changes)

    def fits(self, told: Sequence[Change]) -> bool:
        whole = self.changes | dict.fromkeys(told)
        return len(whole) <= MOST_CHANGES and sum(change.size for change in whole) <= MOST_EVENT_BYTES

    def add(self, message: Message, told: Sequence[Change]) -> None:
        self.changes |= dict.fromkeys(told)
        self.receipts.append(message.receipt)
        self.told.append((message, told))


class Receiving:
    """One queue of one ChangeSource. `credentials` reads in its namespace."""

    def __init__(
        self,
        queue: Queue,
        key: Key,
        driven: Driven,
        credentials: Callable[[], CredentialReader],
        gates: Gates,
        env: Env,
        intakes: Intakes,
    ) -> None:
        self._queue, self._key, self._driven, self._credentials = queue, key, driven, credentials
        self._gates, self._env, self._clock, self._intakes = gates, env, env.clock, intakes
        self._feed: Feed | None = None

    async def step(self) -> float:
        """One batch. Raises as the queue, and GateClosed; the queue is opened anew after that."""
        try:
            feed, way = await self._opened()
            began = self._clock.monotonic()
            async with self._gates.call(way):
                messages = await feed.receive()
            if not messages:
                return max(0.0, EMPTY - (self._clock.monotonic() - began))
            return await self._carried_out(feed, way, messages)
        except Exception:
            await self.close()
            raise

    async def close(self) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            await feed.close()

    async def _opened(self) -> tuple[Feed, Route]:
        block = getattr(self._driven.spec, self._queue.name) or {}
        # Gates of its own: a request that waits for messages must not take the place of somebody else's.
        endpoint, uid = f"{self._queue.endpoint(block)}#{self._driven.uid}", self._driven.uid
        way = route(self._queue.name, endpoint, self._key[0], uid, uid, None)
        if self._feed is None:
            async with self._gates.call(way, login=True):
                credentials = self._credentials()
                with naming(credentials):
                    self._feed = await self._queue.open(block, credentials, self._env)
        return self._feed, way

    async def _carried_out(self, feed: Feed, way: Route, messages: Sequence[Message]) -> float:
        """Messages go together as long as an event may name their keys. What does not fit beside pending changes holds
        up nothing else; what cannot be written down ends the batch."""
        over: list[str] = []  # receipts of messages that lead to nothing, or are carried out
        pauses, part = [0.0], Part()
        for message in messages:
            told = self._told(message)
            if not told:
                over.append(message.receipt)
                continue
            if not part.fits(told):
                pauses.append(await self._settled(part, over))
                part = Part()
                if pauses[-1] == PAUSE:
                    break
            part.add(message, told)
        if part.receipts:
            pauses.append(await self._settled(part, over))
        if over:
            async with self._gates.call(way):
                await feed.acknowledge(over)
            return min(PAUSE, max(pauses))  # the next messages may well fit
        return max(pauses)

    async def _settled(self, part: Part, over: list[str]) -> float:
        """The part as a whole, or, where that does not fit, one message after the other. `over` gets the receipts of
        those that are taken. Seconds that the rest has to wait."""
        pause = await self._taken(part)
        if not pause:
            over += part.receipts
        if pause != FULL or len(part.told) == 1:
            return pause
        for one in part.told:
            if (alone := await self._settled(Part(one), over)) == PAUSE:
                return alone
        return pause

    def _told(self, message: Message) -> tuple[Change, ...]:
        """What the message says; () for nothing that could be carried out."""
        outcome = "ignored"
        if len(message.body) > MOST_MESSAGE:
            outcome = "too_large"
        else:
            try:
                reading = read(message.attributes, message.body)
            except Unreadable:
                outcome = "unreadable"
            else:
                # A handshake is for a sender that wants an answer: nothing that a queue says is visited or answered.
                if isinstance(reading, Told) and reading.changes:
                    return reading.changes
        self._count(outcome)
        return ()

    async def _taken(self, part: Part) -> float:
        """Seconds to wait; 0 when the changes are queued and written down."""
        changes = tuple(part.changes)
        cost = cost_of(changes, max(1, len(self._driven.places)))
        while not self._intakes.limits.event(self._key[0], self._driven.uid, cost, self._clock.monotonic()):
            await self._clock.sleep(LOOK)  # the queue keeps what comes after
        match await self._intakes.take(self._key, changes, self._clock.now()):
            case Taken():
                for _ in part.receipts:
                    self._count("accepted")
                return 0.0
            case Full():
                self._count("full")
                return FULL
            case Unwritten():
                self._count("unwritten")
                return PAUSE

    def _count(self, outcome: str) -> None:
        self._intakes.meter.change_event(self._key, outcome)
        self._intakes.heard(self._key, outcome)
