"""One call to a backend: session → gates → provider, with the retries that the store asks for and one new login.

Neighbours: reads.py, writes.py and front.py call through here; sessions.py lends the login, gate.py decides when.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from eso.errors import EsoError, causes
from eso.providers.contract import AuthExpired, AuthRejected, NotYet, StoreClient, Throttled, Unavailable, blame
from eso.runtime.clock import Clock
from eso.stores.gate import GateClosed, Gates, Retrying, retry_gate, typed
from eso.stores.plans import Store
from eso.stores.sessions import Session, Sessions, gates_of, rejected, route_of

T = TypeVar("T")
Ask = Callable[[StoreClient], Awaitable[T]]
# What a store may ask for: retries, and seconds between two.
MOST_RETRIES, LONGEST_RETRY = 10, 60.0
IN_PLACE = 5.0  # seconds of all waits of one call; for longer ones the pass gives up its place and comes back
LOGIN = "login"
MOST_KNOWN = 10_000  # calls that are to be made again


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
        self.parks = False  # while the gates are tended: a caller may wait at one, and is woken
        self._tried: OrderedDict[str, int] = OrderedDict()  # retry gate → how often the call was made again

    async def session(self, store: Store, namespace: str) -> Session:
        return await self._again(store, namespace, lambda: self.sessions.session(store, namespace), LOGIN)

    async def read(self, store: Store, namespace: str, ask: Ask[T], digest: str | None = None, what: str = "") -> T:
        """`ask` under the gates, tried again as the store says; a login that ran out is replaced once. With `digest`
        the answer comes under that login only: raises LoginReplaced when the store has another one by now. `what`
        tells this call from others of the store; without it, it is tried again without giving up its place."""
        return await self._again(store, namespace, self._attempts(store, namespace, ask, digest), what)

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
                                answer = await ask(client.bind(store.view))
                                session.trailing = ()
                                return answer
                            except EsoError as error:
                                blame(error, session.trailing)
                                if fresh and ran_out(error):
                                    raise rejected(error)  # noqa: B904  # it carries the cause that the gate reads
                                raise
                    except EsoError as error:
                        if fresh or not ran_out(error):
                            raise
                fresh = True
                await self.sessions.log_in_again(store, namespace, session, client)

        return attempt

    async def _again(self, store: Store, namespace: str, call: Callable[[], Awaitable[T]], what: str) -> T:
        """Retries failures that may pass by themselves, as long as the gates are open. A gate that closed meanwhile
        parks the caller instead of failing it, and so does the store's interval if it is a long one: raises Retrying,
        and the caller's next call goes on counting."""
        gate = retry_gate(store.view.kind, store.view.namespace, store.view.name, namespace, what)
        left = min(MOST_RETRIES, store.plan.retries.times) - self._tried.pop(gate, 0)
        seconds, waited = min(LONGEST_RETRY, store.plan.retries.seconds), 0.0
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
                pause = seconds * (1 + 0.5 * self.jitter())
                waited += pause
                if what and self.parks and waited > IN_PLACE:
                    self._remember(gate, min(MOST_RETRIES, store.plan.retries.times) - left)
                    raise self.gates.hold(gate, self.clock.monotonic() + pause, str(error), Retrying) from error
            await self.clock.sleep(pause)

    def _remember(self, gate: str, tried: int) -> None:
        self._tried[gate] = tried
        if len(self._tried) > MOST_KNOWN:
            self._tried.popitem(last=False)  # its caller is gone, or begins anew


def ran_out(error: BaseException | None) -> bool:
    """Does the backend say that the login ended, be it inside a wrapper?"""
    return any(isinstance(one, AuthExpired) for one in causes(error))
