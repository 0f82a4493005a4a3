"""May this backend be called now? Closed gates refuse, open ones pace, and parked keys come back at the gate's pace.

Neighbours: breaker.py and budget.py decide, call.py calls through a gate, the work queue asks `admit` and is told
`release`. Every call goes through the gates of its Route, and each kind of failure closes the gate where it belongs:

  endpoint  no connection        the path to the server, for one namespace; also where several logins get no answer
  service   5xx, or no answer    one login, for one namespace
  use       429, a refused use   one login, for one namespace
  identity  a refused login      one login, for everybody who uses it
  quota     429                  what the backend counts requests by; it also keeps the declared pace

An endpoint that was closed because some logins got no answer stays open for logins that have met no such failure: one
of them that is answered opens it. A namespace closes only gates of its own, except where the login itself is refused.
A 429, or a login that was made and is refused afterwards, closes the gate that all share once several namespaces have
met it, and evidence.py says how many; one that has not may probe it all the same. The places for requests in flight
belong to the server and are shared fairly by all namespaces.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import Protocol

from eso.errors import EsoError, causes
from eso.providers.contract import TURN, AuthRejected, Denied, NotYet, SecretNotFound, Throttled, Unavailable
from eso.runtime.aside import keeping
from eso.runtime.clock import Clock
from eso.runtime.fair import FairSlots, Group, alone
from eso.stores.breaker import (
    FIRST_LOGIN,
    Closed,
    Elapsed,
    Failed,
    HalfOpen,
    Held,
    Open,
    Passed,
    Rejected,
    Signal,
    State,
    advance,
)
from eso.stores.budget import RAMP, Budget, backlog, declared, grown, observed, ramped, take, throttled
from eso.stores.evidence import Evidence
from eso.stores.flight import in_line

TICK = 0.1  # seconds between two looks at a gate that is not freely open
PATIENCE = 1.0  # seconds in which an admitted key must make its call, or another one may probe
QUEUE = 1.0  # seconds of reserved requests above which no further key is let in
WAIT = 5.0  # seconds that a call in hand waits for its place; then its key parks
LONGEST_HOLD = 3600.0  # seconds that a backend may ask us to stay away
LOOK = 1.0  # seconds between two looks at a closed gate, or at a half-open one that nobody waits for
SLOW = 5.0  # seconds without an answer after which a request lends its slot to namespaces that have none
IDLE = 600.0  # seconds after which a gate that nobody called through is forgotten
ALL = 1_000_000


class CallMeter(Protocol):
    def provider_call(self, provider: str, call: str, status: str, seconds: float | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Route:
    """The gates of one call, by name. `server`: what the requests in flight are bounded by; `owner`: the namespace that
    asks ("" for a ClusterSecretStore's own validation); `pace`: declared requests per second of the quota gate."""

    server: str
    owner: str
    endpoint: str
    service: str
    use: str
    identity: str
    quota: str
    pace: float | None = None

    @property
    def names(self) -> tuple[str, str, str, str, str]:
        return self.endpoint, self.service, self.use, self.identity, self.quota


def route(provider: str, plan_endpoint: str, owner: str, digest: str, counted: str, pace: float | None) -> Route:
    """`digest`: the login; `counted`: what the quota gate is named after. Names are for people and metrics: nothing
    takes them apart."""
    server = f"{provider}:{plan_endpoint}"
    return Route(
        server,
        owner,
        endpoint_gate(server, owner),
        f"service:{server}:{digest}{AT}{owner}",
        f"use:{server}:{digest}{AT}{owner}",
        identity_gate(digest),
        f"quota:{server}:{counted}",
        pace,
    )


class GateClosed(EsoError):
    """The gate `gate` refused at `epoch`; the text is the store's cause. Park, do not count a failure."""

    def __init__(self, message: str, gate: str = "", epoch: int = 0, *, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.gate = gate
        self.epoch = epoch
        self.store = ""

    def of(self, store: str) -> GateClosed:
        """The same for an object that reads from several stores: `store` is the one that it waits for."""
        named = copy(self)
        named.store = store
        return named


class Waiting(GateClosed):
    """The store has never been validated, and its first validation is on its way: nothing failed, nothing is told."""


class Retrying(Waiting):
    """A call failed in a way that may pass by itself, and is made again after the store's own interval: nothing is told
    before its last try."""


class StoreSuspended(GateClosed):
    """The store is paused on purpose: an object that was synced stays as it is, and no slot counts as missed."""


AT = "@"


def endpoint_gate(server: str, owner: str) -> str:
    return f"endpoint:{server}{AT}{owner}"


def identity_gate(digest: str) -> str:
    return f"identity:{digest}"


def foreign(closed: GateClosed, own: Route, retry: str = "") -> bool:
    """True if a gate of another namespace or store refused. A caller that joined that one's flight sees this; its own
    gate may be open, so it must make its own call. `retry`: the gate at which the caller's own retries wait."""
    if isinstance(closed, Retrying):
        return closed.gate != retry
    return closed.gate.startswith(("endpoint:", "service:", "use:")) and closed.gate not in own.names


def retry_gate(kind: str, namespace: str, name: str, owner: str, what: str) -> str:
    """Of one call (`what`) of a store for consumers in `owner`."""
    return f"retry:{kind}/{namespace}/{name}:{what}{AT}{owner}"


class Gate:
    """One gate. Only `Gates` touches it."""

    def __init__(self, name: str, epoch: int, family: Family | None, budget: Budget, now: float) -> None:
        self.name, self.epoch, self.family, self.budget = name, epoch, family, budget
        self.state: State = Open()
        self.cause = ""
        self.held: type[GateClosed] | None = None  # closed by `hold`, not by failures: what it raises
        self.users, self.used = 0, now  # calls in hand, and when the last one began or ended
        self.ticket_at: float | None = None  # when a probe was promised to an admitted key
        self.offered_at = -math.inf  # when a parked key was let out to probe
        self.probing = False
        self.moved = asyncio.Event()  # replaced on every change of state
        self.tended = False
        # service gates of the logins that connected and got no answer since the endpoint answered last
        self.doubts: set[str] = set()
        self.evidence: Evidence | None = None  # of a gate that several consumers share
        self.early = False  # half-open before its time, for a consumer that has met no failure
        self.before = budget  # the pace until it closed


class Family:
    """What the endpoint and service gates of one server share."""

    def __init__(self, name: str, in_flight: int, group: Group) -> None:
        self.name = name
        self.slots = FairSlots(in_flight, group)
        self.gates: dict[str, Gate] = {}


class Gates:
    """All gates of this process. `release(gate, count)` lets parked keys out, by lane, and says how many it found.

    `in_flight`: requests at a time per server, shared fairly by namespaces, or by the groups they belong to.
    """

    def __init__(
        self,
        clock: Clock,
        release: Callable[[str, int], int] = lambda gate, count: 0,
        *,
        in_flight: int = 64,
        meter: CallMeter | None = None,
        group: Group = alone,
    ) -> None:
        self.clock, self.release, self.in_flight, self.meter = clock, release, in_flight, meter
        self.group = group
        self._gates: dict[str, Gate] = {}
        self._families: dict[str, Family] = {}
        self._epochs = itertools.count(1)
        self._now_epoch = 0  # the newest one given out: what an unknown gate answers
        self._untended: asyncio.Queue[Gate] = asyncio.Queue()

    # what the work queue asks; nothing here waits

    def epoch(self, name: str) -> int:
        gate = self._gates.get(name)
        return gate.epoch if gate else self._now_epoch

    def admit(self, names: Iterable[str]) -> GateClosed | None:
        """None: the key may run. In a half-open gate exactly one key gets that answer: the probe."""
        now = self.clock.monotonic()
        probes = []
        names = tuple(names)
        for gate in [self._gates[name] for name in names if name in self._gates]:
            if beyond_doubt(gate, names):
                continue
            if shut(gate, names, now):
                return self._refusal(gate, names)
            if isinstance(gate.state, Closed | HalfOpen):
                if gate.probing or (gate.ticket_at is not None and now - gate.ticket_at < PATIENCE):
                    return self._refusal(gate, names)
                probes.append(gate)
            elif backlog(gate.budget, now) > QUEUE:
                self._tend(gate)
                return self._refusal(gate, ())
        for gate in probes:
            gate.ticket_at = now
        return None

    def states(self) -> dict[str, str]:
        """Gate name → open, paced, closed, half-open: for metrics and `why`."""
        return {
            name: "paced" if isinstance(g.state, Open) and g.budget.paced else STATES[type(g.state)]
            for name, g in self._gates.items()
        }

    def forget(self, name: str) -> None:
        """The gate protects nothing any more (the credential was replaced): the keys parked at it run again."""
        gate = self._drop(name)
        if gate is not None:
            gate.state = Open()
            self._bump(gate)
            gate.moved.set()
            self.release(name, ALL)

    def hold(self, name: str, until: float, cause: str, why: type[GateClosed] = Waiting) -> GateClosed:
        """A gate that is closed until `forget`, or until the monotonic time `until`, when it disappears by itself. What
        it refuses with is a `why`."""
        gate = self._gates.get(name)
        if gate is None:
            gate = self._gate(name)
            gate.state, gate.cause, gate.held = Closed(until, cause), cause, why
            self._tend(gate)
        return why(cause, name, gate.epoch)

    # what a call does

    def check(self, names: Iterable[str]) -> None:
        """Raises GateClosed when one of them is closed: before work that only prepares a call."""
        names, now = tuple(names), self.clock.monotonic()
        for name in names:
            gate = self._gates.get(name)
            if gate is not None and not beyond_doubt(gate, names) and shut(gate, names, now):
                raise self._refusal(gate, names)

    @asynccontextmanager
    async def call(self, route: Route, *, login: bool = False) -> AsyncIterator[None]:
        """Around one call (login, read, find, write, validation). Raises GateClosed instead of entering; learns from
        how the body ends.

        In a half-open gate the first caller is the probe and the others wait for its outcome: a pass that reads five
        values is one probe. `login`: the call makes a login, or renews one. It proves nothing unless a request was
        sent, since a login with a ready-made token asks nobody; a refusal is one of the login itself.
        """
        family = self._family(route.server)
        endpoint, service = self._gate(route.endpoint, family), self._gate(route.service, family)
        gates = [endpoint, service, self._gate(route.use), self._gate(route.identity), self._quota(route)]
        for gate in gates:
            gate.users, gate.used = gate.users + 1, self.clock.monotonic()
        try:
            async with self._learning(gates, route, family, login=login):
                yield
        finally:
            for gate in gates:
                gate.users, gate.used = gate.users - 1, self.clock.monotonic()

    @asynccontextmanager
    async def _learning(self, gates: list[Gate], route: Route, family: Family, *, login: bool) -> AsyncIterator[None]:
        mine = await self._enter(gates)
        began = self.clock.monotonic()
        requests = itertools.count()
        token = TURN.set(lambda provider, name: self._turn(gates, route.owner, family, requests, provider, name))
        try:
            with keeping(_Probing(self, mine)):
                yield
        except EsoError as error:
            signals = self._doubted(gates, verdict(error, login=login), error)
            self._learn(gates, mine, self._shared(gates, mine, signals))
            raise
        except BaseException:
            self._learn(gates, mine, NOTHING)
            raise
        else:
            signals = NOTHING if login and not next(requests) else ALL_PASSED
            self._answered(gates, signals, began)
            self._learn(gates, mine, signals)
        finally:
            TURN.reset(token)

    async def run(self) -> None:
        """Tends the gates that are not freely open, until cancelled."""
        async with asyncio.TaskGroup() as tending:
            tending.create_task(self._sweep(), name="gates-sweep")
            while True:
                gate = await self._untended.get()
                tending.create_task(self._watch(gate), name=f"gate-{gate.name}")

    # inside

    def _family(self, name: str) -> Family:
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = Family(name, self.in_flight, self.group)
        return family

    def _gate(self, name: str, family: Family | None = None) -> Gate:
        gate = self._gates.get(name)
        if gate is None:
            gate = self._gates[name] = Gate(name, self._next_epoch(), family, Budget(), self.clock.monotonic())
            if family is not None:
                family.gates[name] = gate
                self._families[family.name] = family
        return gate

    def _quota(self, route: Route) -> Gate:
        """The quota gate, with the pace that is declared now."""
        gate = self._gate(route.quota)
        if gate.budget.quota != (route.pace or math.inf):
            gate.budget = declared(route.pace) if route.pace else Budget()
        return gate

    def _drop(self, name: str) -> Gate | None:
        gate = self._gates.pop(name, None)
        if gate is not None and gate.family is not None:
            gate.family.gates.pop(name, None)
            if not gate.family.gates and self._families.get(gate.family.name) is gate.family:
                del self._families[gate.family.name]
        return gate

    async def _sweep(self) -> None:
        """Forgets gates without calls for a long time: their stores are gone, or have another server by now."""
        while True:
            await self.clock.sleep(IDLE / 10)
            for gate in list(self._gates.values()):
                if isinstance(gate.state, Open) and not gate.tended and self._idle(gate):
                    self._drop(gate.name)

    def _idle(self, gate: Gate) -> bool:
        return not gate.users and self.clock.monotonic() - gate.used >= IDLE

    def _next_epoch(self) -> int:
        self._now_epoch = next(self._epochs)
        return self._now_epoch

    def _bump(self, gate: Gate) -> None:
        gate.epoch = self._next_epoch()

    def _refusal(self, gate: Gate, names: tuple[str, ...]) -> GateClosed:
        """`names`: the gates of the one that is refused. One that has met the failure waits at its own gate: at the
        shared one it would be before those that may probe."""
        evidence = gate.evidence
        own = next((name for name in names if evidence is not None and not evidence.healthy(name)), None)
        if own is not None and own in self._gates and not isinstance(gate.state, Open):
            until = gate.state.until if isinstance(gate.state, Closed) else self.clock.monotonic()
            gate = self._held_back(self._gates[own], until + LOOK, gate.state)
        cause = gate.state.cause if isinstance(gate.state, Closed | HalfOpen) else gate.cause
        return (gate.held or GateClosed)(cause or "too many requests to this store", gate.name, gate.epoch)

    async def _enter(self, gates: list[Gate]) -> list[Gate]:
        """Waits for probes of others, refuses at closed gates. Returns the gates for which this call is the probe."""
        names = tuple(gate.name for gate in gates)
        while True:
            heeded, now = [gate for gate in gates if not beyond_doubt(gate, names)], self.clock.monotonic()
            for gate in heeded:
                if shut(gate, names, now):
                    raise self._refusal(gate, names)
            waiting = next((g for g in heeded if isinstance(g.state, HalfOpen) and g.probing), None)
            if waiting is None:
                break
            with in_line():
                await waiting.moved.wait()
        for gate in heeded:
            if isinstance(gate.state, Closed):
                gate.state, gate.early = HalfOpen(gate.state.cause, gate.state.times), True
        mine = [gate for gate in heeded if isinstance(gate.state, HalfOpen)]
        for gate in mine:
            gate.probing = True
        return mine

    @asynccontextmanager
    async def _turn(
        self, gates: list[Gate], owner: str, family: Family, requests: Iterator[int], provider: str, name: str
    ) -> AsyncIterator[None]:
        """One request: a free slot, then its place in every budget. The slot is kept while waiting, else slots would
        burst."""
        async with AsyncExitStack() as kept:
            with in_line():
                slot = await kept.enter_async_context(family.slots.slot(owner))
            now = self.clock.monotonic()
            self._still_open(gates)  # one may have closed while this request waited for its slot
            for gate in gates:
                if backlog(gate.budget, now) > WAIT:
                    self._tend(gate)
                    raise self._refusal(gate, ())
            seconds = 0.0
            for gate in gates:
                gate.budget, wait = take(gate.budget, now)
                seconds = max(seconds, wait)
            if seconds > 0:
                await self.clock.sleep(seconds)
                self._still_open(gates)
            next(requests)
            kept.callback(self.clock.call_later(SLOW, slot.only_waits).cancel)
            began, status = self.clock.monotonic(), "error"
            try:
                yield
                status = "success"
            finally:
                if provider and self.meter is not None:
                    self.meter.provider_call(provider, name, status, self.clock.monotonic() - began)

    def _still_open(self, gates: list[Gate]) -> None:
        names = tuple(gate.name for gate in gates)
        for gate in gates:
            if isinstance(gate.state, Closed) and not beyond_doubt(gate, names):
                raise self._refusal(gate, names)

    def _doubted(self, gates: list[Gate], signals: Signals, error: EsoError) -> Signals:
        """A connection that brought no answer speaks against the login first; against the endpoint once two logins have
        met it, or where the call was its probe."""
        cause, endpoint, service = typed(error), gates[0], gates[1]
        if not isinstance(cause, Unavailable) or cause.answered or not cause.connected:
            return signals
        endpoint.doubts.add(service.name)
        failed = Failed(str(cause))
        shared = len(endpoint.doubts) > 1 or endpoint.probing
        return failed if shared else None, failed, None, None, None

    def _shared(self, gates: list[Gate], mine: list[Gate], signals: Signals) -> Signals:
        """A 429, and a use that was refused, hold the consumer that met them; and everybody who shares the quota, or
        the login, once the evidence is enough."""
        endpoint, service, met, identity, quota = signals
        if not isinstance(met, Held | Rejected):
            return signals
        use, gate = gates[2], gates[4] if isinstance(met, Held) else gates[3]
        now, evidence = self.clock.monotonic(), gate.evidence or Evidence()
        gate.evidence, healthy = evidence, evidence.healthy(use.name)
        away = met.seconds if isinstance(met, Held) else FIRST_LOGIN
        enough = evidence.met(use.name, away, now, observed(gate.budget, now))
        if gate in mine and healthy:
            evidence.confirmed(now)
        probed = gate in mine and evidence.counts(use.name)
        if not (enough if isinstance(gate.state, Open) else probed or healthy):
            return signals
        evidence.closed(now)
        if isinstance(met, Held):
            return endpoint, service, met, identity, met
        return endpoint, service, met, met, quota

    def _answered(self, gates: list[Gate], signals: Signals, began: float) -> None:
        for gate, signal in zip(gates, signals, strict=True):
            if gate.evidence is not None and isinstance(signal, Passed) and isinstance(gate.state, Open):
                gate.evidence.answered(gates[2].name, began)

    def _learn(self, gates: list[Gate], mine: list[Gate], signals: Signals) -> None:
        for gate, signal in zip(gates, signals, strict=True):
            if gate in mine:
                gate.probing = False
                gate.ticket_at = None
                if signal is None:
                    self._wake(gate)  # nothing learnt: the next caller probes
            if signal is not None:
                self._signal(gate, signal, probe=gate in mine)
        mine.clear()  # a task that outlives the call has this list, and another call may be the probe by now

    def _step_aside(self, mine: list[Gate]) -> None:
        """The call is the probe of `mine` no more: it waits, for what no server can give it."""
        for gate in mine:
            gate.probing = False
            gate.ticket_at = None
            self._wake(gate)
        mine.clear()

    def _signal(self, gate: Gate, signal: Signal, *, probe: bool = False) -> None:
        now = self.clock.monotonic()
        if isinstance(signal, Passed) and gate.doubts:
            if isinstance(gate.state, Closed):
                gate.state = HalfOpen(gate.state.cause, gate.state.times)  # no straggler: a login beyond doubt
            gate.doubts.clear()
        before, gate.state = gate.state, advance(gate.state, signal, now)
        if isinstance(before, Open) and isinstance(gate.state, Closed):
            gate.before = gate.budget
        if isinstance(signal, Held):
            asked = gate.evidence.asked if gate.evidence is not None else math.inf
            gate.budget = throttled(gate.budget, now, asked)
        if gate.evidence is not None:
            self._tell_consumers(gate, gate.evidence, before, refuted=probe and gate.early)
        if isinstance(gate.state, Closed | HalfOpen):
            gate.cause = gate.state.cause
        if isinstance(signal, Passed) and isinstance(gate.state, Open):
            if isinstance(before, HalfOpen):
                gate.budget = ramped(gate.budget, now) if gate.family is not None else gate.budget
                self._bump(gate)
                self._news(gate, now)
            gate.budget = grown(gate.budget, now)
        if type(before) is not type(gate.state):
            gate.offered_at = -math.inf
            self._wake(gate)
        if not isinstance(gate.state, Open):
            self._tend(gate)

    def _tell_consumers(self, gate: Gate, evidence: Evidence, before: State, *, refuted: bool) -> None:
        """A gate that several consumers share changed: those that met the failure stay away for as long as it is
        closed, and a little longer, so that another one probes it."""
        now = self.clock.monotonic()
        if isinstance(gate.state, Open) and not isinstance(before, Open):
            evidence.opened(now, refuted=refuted)
            if refuted:
                gate.budget = replace(gate.before, next_at=now)
        if isinstance(gate.state, Closed):
            for one in (self._gates.get(name) for name in evidence.consumers):
                if one is not None and isinstance(one.state, Closed):
                    self._held_back(one, gate.state.until + LOOK, one.state)
        gate.early = gate.early and isinstance(gate.state, HalfOpen)

    def _held_back(self, gate: Gate, until: float, why: Closed | HalfOpen) -> Gate:
        """The own gate of a consumer is closed until then at least."""
        times = 1 if isinstance(gate.state, Open) else gate.state.times
        until = max(until, gate.state.until) if isinstance(gate.state, Closed) else until
        gate.state, gate.cause = Closed(until, why.cause, times), why.cause
        self._tend(gate)
        return gate

    def _news(self, opened: Gate, now: float) -> None:
        """The server answers one namespace again: gates that failures of other namespaces closed probe soon instead of
        after their own wait."""
        peers = opened.family.gates.values() if opened.family is not None else ()
        down = [gate for gate in peers if isinstance(gate.state, Closed)]
        for place, gate in enumerate(down, 1):
            assert isinstance(gate.state, Closed)
            gate.state = replace(gate.state, until=min(gate.state.until, now + place / RAMP))

    def _wake(self, gate: Gate) -> None:
        gate.moved.set()
        gate.moved = asyncio.Event()

    def _tend(self, gate: Gate) -> None:
        if not gate.tended:
            gate.tended = True
            self._untended.put_nowait(gate)

    async def _watch(self, gate: Gate) -> None:
        """From closed back to freely open: one probe per interval, then the rest at the gate's pace."""
        owed = 0.0
        while self._gates.get(gate.name) is gate:
            now = self.clock.monotonic()
            if isinstance(gate.state, Closed):
                if gate.held and gate.state.until <= now:
                    self.forget(gate.name)
                    break
                if gate.state.until > now:
                    if may_try(gate, (), now) and now - max(gate.offered_at, gate.ticket_at or -math.inf) >= PATIENCE:
                        gate.ticket_at = None
                        gate.offered_at = now if self.release(gate.name, 1) else -math.inf
                    await self.clock.sleep(min(gate.state.until - now, LOOK))
                    continue
                self._signal(gate, Elapsed())
                continue
            if isinstance(gate.state, HalfOpen):
                if not gate.probing and now - max(gate.offered_at, gate.ticket_at or -math.inf) >= PATIENCE:
                    gate.ticket_at = None
                    found = self.release(gate.name, 1)
                    gate.offered_at = now if found else -math.inf
                    if not found and self._idle(gate):
                        self.forget(gate.name)  # what it protected is gone; whoever comes again finds out anew
                        break
                    if not found:
                        await self.clock.sleep(LOOK)
                        continue
            elif not gate.budget.paced or (gate.budget.rate >= gate.budget.quota and backlog(gate.budget, now) <= 0):
                self._bump(gate)
                if not gate.budget.paced:
                    self.release(gate.name, ALL)
                    break
                if self.release(gate.name, 1) == 0:
                    break
            else:
                gate.budget = grown(gate.budget, now)
                if not gate.budget.paced:
                    continue
                owed = min(owed + gate.budget.rate * TICK, max(1.0, gate.budget.rate))
                if backlog(gate.budget, now) <= QUEUE and owed >= 1:
                    owed = 0.0 if self.release(gate.name, int(owed)) == 0 else owed - int(owed)
            await self.clock.sleep(TICK)
        gate.tended = False


class _Probing:
    """The gates that wait for the outcome of one call. While it waits for memory somebody else probes them."""

    def __init__(self, gates: Gates, mine: list[Gate]) -> None:
        self._gates, self._mine = gates, mine

    def give_back(self) -> None:
        self._gates._step_aside(self._mine)

    async def take_again(self) -> None:
        """What the call finds out counts all the same."""

    def take_back(self) -> None:
        """As above."""


def beyond_doubt(gate: Gate, names: tuple[str, ...]) -> bool:
    """Whether the gate of an endpoint is closed for other logins than those of `names`. One that is not named yet has
    met no failure."""
    return bool(gate.doubts) and not isinstance(gate.state, Open) and gate.doubts.isdisjoint(names)


def shut(gate: Gate, names: tuple[str, ...], now: float) -> bool:
    """Whether the gate is closed for the one whose gates are `names`."""
    return isinstance(gate.state, Closed) and not may_try(gate, names, now)


def may_try(gate: Gate, names: tuple[str, ...], now: float) -> bool:
    """Whether a closed gate that several consumers share may be probed by the one whose gates are `names`."""
    evidence = gate.evidence
    if evidence is None or evidence.early is None or gate.probing or not isinstance(gate.state, Closed):
        return False
    if not evidence.early <= now < gate.state.until:
        return False
    return all(evidence.healthy(name) for name in names)


STATES: dict[type[State], str] = {Open: "open", Closed: "closed", HalfOpen: "half-open"}


Signals = tuple[Signal | None, Signal | None, Signal | None, Signal | None, Signal | None]
NOTHING: Signals = (None, None, None, None, None)
ALL_PASSED: Signals = (Passed(), Passed(), Passed(), Passed(), Passed())


def verdict(error: EsoError, *, login: bool = False) -> Signals:
    """What the end of a call says to the gates (endpoint, service, use, identity, quota); None = nothing."""
    match typed(error):
        case Throttled(retry_after=seconds) as cause:
            hold = min(LONGEST_HOLD, max(0.1, seconds if seconds is not None else 1.0))
            return Passed(), None, Held(str(cause), hold), None, None
        case Unavailable(answered=True) as cause:
            return Passed(), Failed(str(cause)), None, None, None
        case Unavailable() as cause:
            return Failed(str(cause)), None, None, None, None
        case AuthRejected() as cause if login:
            return Passed(), Passed(), None, Rejected(str(cause)), Passed()
        case AuthRejected() as cause:
            return Passed(), Passed(), Rejected(str(cause)), None, Passed()
        case SecretNotFound() | Denied() | NotYet():
            return ALL_PASSED
        case _:
            return NOTHING  # our own refusal, a credential that is missing, an answer that nobody understands


def typed(error: BaseException | None) -> BaseException | None:
    """The backend's typed error behind `error`: itself, or the cause that a wrapper was raised from."""
    return next((one for one in causes(error) if isinstance(one, TYPED)), None)


TYPED = (Throttled, Unavailable, AuthRejected, SecretNotFound, Denied, NotYet)
