"""One call to a backend: session → gates → provider, with the retries that the store asks for and one new login.

Neighbours: reads.py, writes.py and front.py call through here; sessions.py lends the login, gate.py decides when.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from eso.errors import EsoError, causes
from eso.providers.contract import AuthExpired, AuthRejected, NotYet, StoreClient, Throttled, Unavailable
from eso.runtime.clock import Clock
from eso.stores.gate import GateClosed, Gates, typed
from eso.stores.plans import Store
from eso.stores.sessions import Session, Sessions, gates_of, rejected, route_of

T = TypeVar("T")
Ask = Callable[[StoreClient], Awaitable[T]]
# What a store may ask for: retries, and seconds between two. A pass that waits keeps a place.
MOST_RETRIES, LONGEST_RETRY = 10, 60.0


class LoginReplaced(EsoError):
    """The store logs in as somebody else by now: an answer under the new login is not for callers of the old one."""


class Failures(Protocol):
    """Counts refused logins."""

    def auth_failure(self, store: str, namespace: str, kind: str) -> None: ...


class Calls:
    def __init__(
        self, sessions: Sessions, gates: Gates, clock: Clock, meter: Failures, jitter: Callable[[], float]
    ) -> None:
        self.sessions, self.gates, self.clock, self.meter, self.jitter = sessions, gates, clock, meter, jitter

    async def session(self, store: Store, namespace: str) -> Session:
        return await self._again(store, namespace, lambda: self.sessions.session(store, namespace))

    async def read(self, store: Store, namespace: str, ask: Ask[T], digest: str | None = None) -> T:
        """`ask` under the gates, tried again as the store says; a login that ran out is replaced once. With `digest`
        the answer comes under that login only: raises LoginReplaced when the store has another one by now."""
        return await self._again(store, namespace, self._attempts(store, namespace, ask, digest))

    async def write(self, store: Store, namespace: str, ask: Ask[T]) -> T:
        """`ask` once: a write whose outcome is unknown is not repeated here. A refused token wrote nothing, so a login
        that ran out is replaced and `ask` is made once more."""
        return await self._attempts(store, namespace, ask, None)()

    def _attempts(self, store: Store, namespace: str, ask: Ask[T], digest: str | None) -> Callable[[], Awaitable[T]]:
        fresh = False

        async def attempt() -> T:
            nonlocal fresh
            while True:
                session = await self.sessions.session(store, namespace)
                if digest is not None and session.digest != digest:
                    raise LoginReplaced("the store's login was replaced during the call")
                with self.sessions.using(session) as client:
                    try:
                        async with self.gates.call(route_of(store, namespace, session.digest)):
                            try:
                                return await ask(client.bind(store.view))
                            except EsoError as error:
                                if fresh and ran_out(error):
                                    raise rejected(error)  # noqa: B904  # it carries the cause that the gate reads
                                raise
                    except EsoError as error:
                        if fresh or not ran_out(error):
                            raise
                fresh = True
                await self.sessions.log_in_again(store, namespace, session, client)

        return attempt

    async def _again(self, store: Store, namespace: str, call: Callable[[], Awaitable[T]]) -> T:
        """Retries failures that may pass by themselves, as long as the gates are open. A gate that closed meanwhile
        parks the caller instead of failing it."""
        left = min(MOST_RETRIES, store.plan.retries.times)
        seconds = min(LONGEST_RETRY, store.plan.retries.seconds)
        while True:
            try:
                return await call()
            except GateClosed:
                raise
            except EsoError as error:
                cause = typed(error)
                if isinstance(cause, AuthRejected):
                    self.meter.auth_failure(store.view.name, store.view.namespace, store.view.kind)
                if not isinstance(cause, Unavailable | Throttled | NotYet):
                    raise
                try:
                    self.gates.check(gates_of(store, namespace, self.sessions.identity(store, namespace)))
                except GateClosed as closed:
                    raise closed from error
                if left <= 0:
                    raise
                left -= 1
            await self.clock.sleep(seconds * (1 + 0.5 * self.jitter()))


def ran_out(error: BaseException | None) -> bool:
    """Does the backend say that the login ended, be it inside a wrapper?"""
    return any(isinstance(one, AuthExpired) for one in causes(error))
