"""Leader election on a Lease, as client-go does it: the candidate that renews in time leads.

Neighbours: `app.lifecycle` acquires, lives inside `keep`, releases after the last write; `kube.rest` asks `holds_for`
before each write. Needs a Rest of its own whose writes are not held back by this very lease.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from eso.api.meta import LEASES
from eso.errors import EsoError
from eso.kube.rest import AlreadyExists, ApiError, Conflict, NotFound, Rest
from eso.observe.log import SILENT, Log
from eso.runtime.clock import Clock, SystemClock

JITTER: Final = 1.2  # client-go's factor: candidates wait retry_period × (1 … 2.2)
RELEASE: Final = 3.0  # seconds


class LeaseLost(EsoError):
    """We must not write any more: another candidate leads, or may lead."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. `renew_deadline` < `recorded`, `retry_period` × 1.2 < `renew_deadline`."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0

    def __post_init__(self) -> None:
        if not min(self.duration, self.recorded) > self.renew_deadline:
            raise EsoError(
                "the lease duration must be greater than the renew deadline",
                fix="raise --leader-election-lease-duration",
            )
        if not self.renew_deadline > JITTER * self.retry_period:
            raise EsoError(
                "the renew deadline must be greater than 1.2 times the retry period",
                fix="lower --leader-election-retry-period",
            )

    @property
    def recorded(self) -> int:
        """The duration in the Lease, which other candidates wait for: whole seconds."""
        return max(1, round(self.duration))


class _Spec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    uid: str = ""


class _Lease(msgspec.Struct):
    metadata: _Meta
    spec: _Spec = msgspec.field(default_factory=_Spec)


_lease = msgspec.json.Decoder(_Lease)


def new_identity() -> str:
    """Host name and a random suffix: unique among restarts of one pod."""
    return f"{socket.gethostname()}_{secrets.token_hex(8)}"


class Lease:
    """One candidate. `told(message)` gets the texts of the Events on the Lease."""

    def __init__(
        self,
        rest: Rest,
        namespace: str,
        name: str,
        identity: str,
        times: LeaseTimes,
        *,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        told: Callable[[str], None] = lambda _: None,
        log: Log = SILENT,
    ) -> None:
        self._rest, self._namespace, self._name, self.identity, self._times = rest, namespace, name, identity, times
        self._clock, self._jitter, self._told, self._log = clock or SystemClock(), jitter, told, log
        self._seen: _Lease | None = None
        self._seen_at = float("-inf")
        # When the last successful renewal was *sent*. Other candidates count from when they see it, which is later.
        self._renewed_at = float("-inf")
        self._leading = False
        self._turn = asyncio.Lock()  # a renewal in flight must not overtake the release and take the lease back

    @property
    def leading(self) -> bool:
        return self.holds_for(0.0)

    @property
    def holder(self) -> str:
        """Identity of the last known leader, "" when there is none."""
        return (self._seen.spec.holder_identity or "") if self._seen is not None else ""

    @property
    def uid(self) -> str:
        """Of the Lease object, for its Events."""
        return self._seen.metadata.uid if self._seen is not None else ""

    def holds_for(self, seconds: float) -> bool:
        """True when no other candidate can lead for `seconds` from now, even if no further renewal succeeds.

        Counts the shorter of the configured and the recorded duration: other candidates only know the recorded one.
        """
        lasts = min(self._times.duration, self._times.recorded)
        return self._leading and self._clock.monotonic() + seconds <= self._renewed_at + lasts

    async def acquire(self) -> None:
        """Returns once we lead; tries for ever. Errors of the API server are logged and waited out."""
        while not await self._try():
            await self._clock.sleep(self._times.retry_period * (1.0 + JITTER * self._jitter()))
        self._leading = True
        self._told(f"{self.identity} became leader")

    async def keep(self) -> None:
        """Renews until released. Raises LeaseLost when another candidate holds the lease, or it was not renewed within
        the deadline."""
        while True:
            await self._clock.sleep(self._times.retry_period)
            renewed = self._leading and await self._try()
            if not self._leading:
                return
            if renewed:
                continue
            taken = self.holder not in ("", self.identity)
            if taken or self._clock.monotonic() - self._renewed_at >= self._times.renew_deadline:
                self._leading = False
                self._told(f"{self.identity} stopped leading")
                raise LeaseLost(
                    f"lease {self._namespace}/{self._name} lost"
                    + (f" to {self.holder}" if taken else ": not renewed in time")
                )

    async def release(self) -> None:
        """Gives the lease away, so that the next candidate need not wait for it to run out. Call after the last write.
        Errors of the API server are logged, not raised."""
        if not self._leading or self._seen is None:
            return
        self._leading = False  # first: nothing may be written from here on, whether the release arrives or not
        try:
            # Short and bounded: a process that is told to stop has seconds.
            async with asyncio.timeout(RELEASE), self._turn:
                stamp = micro_time(self._clock.now())
                await self._write(_Spec("", 1, stamp, stamp, self._seen.spec.lease_transitions))
        except (ApiError, TimeoutError) as error:
            self._warn("could not release the lease", error)
        self._told(f"{self.identity} stopped leading")

    async def _try(self) -> bool:
        """One attempt to get or renew. True when the lease is ours from the moment the request was sent."""
        sent = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._patience(sent)), self._turn:
                ours = await self._attempt()
        except (Conflict, AlreadyExists, NotFound):
            await self._look_again()
            return False
        except (ApiError, TimeoutError) as error:
            self._warn("could not get or renew the lease", error)
            return False
        if ours:
            self._renewed_at = sent
        return ours

    def _patience(self, now: float) -> float:
        """Seconds one attempt may take: a leader's must be over when its deadline is."""
        return (
            max(0.1, self._renewed_at + self._times.renew_deadline - now)
            if self._leading
            else self._times.renew_deadline
        )

    async def _look_again(self) -> None:
        """Another client wrote or deleted the Lease: read it, and leave the decision to the next attempt."""
        try:
            async with asyncio.timeout(self._times.retry_period):
                await self._read()
        except (ApiError, TimeoutError) as error:
            self._warn("could not read the lease", error)

    async def _attempt(self) -> bool:
        stamp = micro_time(self._clock.now())
        duration = self._times.recorded
        ours = self._seen is not None and self._seen.spec.holder_identity == self.identity and self._leading
        if not ours:
            await self._read()
        seen = self._seen
        if seen is None:
            await self._create(_Spec(self.identity, duration, stamp, stamp, 0))
            return True
        spec = seen.spec
        if spec.holder_identity == self.identity:
            await self._write(
                _Spec(self.identity, duration, spec.acquire_time or stamp, stamp, spec.lease_transitions or 0)
            )
            return True
        valid_for = float(spec.lease_duration_seconds or self._times.duration)
        if spec.holder_identity and self._clock.monotonic() < self._seen_at + valid_for:
            return False
        await self._write(_Spec(self.identity, duration, stamp, stamp, (spec.lease_transitions or 0) + 1))
        return True

    async def _read(self) -> None:
        raw = await self._rest.get(LEASES, self._namespace, self._name)
        if raw is None:
            self._seen = None
        else:
            self._observe(raw)

    def _observe(self, raw: bytes) -> None:
        """Takes the record, and the time if it changed. The holder's clock is never compared with ours: a lease runs
        out a duration after we last saw it change."""
        try:
            seen = _lease.decode(raw)
        except msgspec.MsgspecError as error:
            raise ApiError(f"lease {self._namespace}/{self._name} is not a Lease") from error
        if self._seen is None or seen.spec != self._seen.spec:
            self._seen_at = self._clock.monotonic()
        self._seen = seen

    async def _create(self, spec: _Spec) -> None:
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": _json(spec),
        }
        self._observe(await self._rest.create(LEASES, self._namespace, body))

    async def _write(self, spec: _Spec) -> None:
        """A merge patch, so that labels and members we do not know stay. The resourceVersion makes it fail if another
        client was faster."""
        assert self._seen is not None
        body = {"metadata": {"resourceVersion": self._seen.metadata.resource_version}, "spec": _json(spec)}
        self._observe(await self._rest.patch(LEASES, self._namespace, self._name, body))

    def _warn(self, text: str, error: Exception) -> None:
        self._log.warning(text, lease=f"{self._namespace}/{self._name}", error=str(error) or "no answer in time")


def micro_time(time: datetime) -> str:
    """RFC 3339 with six decimals, the only form in which the API server takes a Lease's times."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _json(spec: _Spec) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(spec)
    return made
