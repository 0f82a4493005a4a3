"""The door of the rooms: values made for one object in one pass, which are either kept or cleaned up, never lost.

Neighbours: `reconcile.externalsecret` and `reconcile.pushsecret` open a Batch per pass; resolve.py, registry.py and
states.py do its steps. Failures of a backend close no gate: the queue's back-off decides about the next try.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Final

from eso.api.externalsecret import GeneratorRef
from eso.errors import EsoError, Terminal
from eso.generators.contract import Json, Stateless
from eso.generators.registry import CLUSTER_GENERATORS, Registry, Row
from eso.generators.resolve import UNRESOLVED, NoGenerator, Resolved, Unresolved, resolve
from eso.generators.states import Owner, States, check_size
from eso.kube.rest import Rest
from eso.observe import redact
from eso.providers.contract import CredentialReader, naming
from eso.providers.env import Env
from eso.runtime.memory import reserve, volume

CLEAN_UP_SECONDS: Final = 20.0  # of a pass that failed, and perhaps is being cancelled
PUSH_SECRET: Final = "__pushsecret"


class StateNotKept(EsoError):
    """The values are made, but the object that remembers them cannot be stored: they are taken back."""


class Unexpected(EsoError):
    """The generator's spec has a form that its schema does not allow, or its code is at fault."""


@contextmanager
def told(log: Any, kind: str, namespace: str) -> Iterator[None]:
    """An exception that is no EsoError becomes one. The text of a foreign exception may quote a value."""
    try:
        yield
    except EsoError:
        raise
    except Exception as error:
        log.error(
            "a generator failed unexpectedly",
            kind=kind,
            namespace=namespace,
            error=type(error).__name__,
            stacktrace=redact.stack(error),
        )
        text = f"the generator {kind} failed unexpectedly: {type(error).__name__}"
        raise Unexpected(text, fix="give its spec the form of its schema") from error


@dataclass(slots=True)
class Pending:
    """Values of one entry. `name`: the GeneratorState that remembers them, "" before it is stored."""

    state_key: str
    row: Row
    resource: Json = field(repr=False)
    state: Any = field(repr=False)
    name: str = ""


class Generators:
    """`credentials(namespace)` reads what generators refer to, in that namespace alone. `tracked`: whether
    ExternalSecrets remember what their generators left behind; `forgotten`: kinds whose values nobody takes back."""

    def __init__(
        self,
        rest: Rest,
        env: Env,
        credentials: Callable[[str], CredentialReader],
        states: States,
        *,
        registry: Registry | None = None,
        tracked: bool = True,
        forgotten: frozenset[str] = frozenset(),
    ) -> None:
        self.rest, self.env, self.credentials, self.states = rest, env, credentials, states
        self.registry, self.tracked, self.forgotten = registry or Registry(), tracked, forgotten

    def batch(self, owner: Owner, *, tracked: bool = True) -> Batch:
        """What one pass makes for `owner`. Leaving its block cleans up whatever was not settled."""
        return Batch(self, owner, tracked=tracked)

    async def for_push(self, owner: Owner, ref: GeneratorRef, pushed_at: datetime | None) -> dict[str, bytes]:
        """The values of a PushSecret. A state is stored before anything is pushed, and
        stays if the push fails: a part of it may have arrived. `pushed_at`: the start of the pass whose values the
        backend has for sure; they do not expire before others have arrived. Raises EsoError."""
        async with self.batch(owner) as batch:
            values = await batch.generate(ref, PUSH_SECRET)
            await batch.keep()
            await batch.settle([PUSH_SECRET], pushed_at)
            return values

    async def after_push(self, owner: Owner) -> None:
        """A PushSecret whose source is a Secret has succeeded: what a generator made for it before expires, but the
        latest."""
        await self.batch(owner).settle([PUSH_SECRET])

    async def clean_up(self, row: Row, resource: Json, state: Any, namespace: str) -> None:
        """Takes values back. Raises EsoError: what was stored of the generator may be of any form."""
        generator = await self.registry.generator(row)
        with told(self.env.log, row.kind, namespace):
            credentials = self.credentials(namespace)
            with naming(credentials):
                await generator.clean_up(resource, state, credentials, self.env)


class Batch:
    """Generate, keep, write, settle: the order in which a pass calls it.

    `keep` stores the states before the write, because a process may end at any point: a state without values in a
    Secret is flagged by the next success, values without a state would stay valid for ever.
    """

    def __init__(self, generators: Generators, owner: Owner, *, tracked: bool) -> None:
        self._generators, self._owner, self._tracked = generators, owner, tracked
        self._resolved: dict[GeneratorRef, Resolved] = {}
        self._pending: list[Pending] = []
        self._settled = False
        self._class: str | None = None  # of this controller, once it was asked for

    async def foreign(self, refs: Iterable[GeneratorRef], controller_class: str) -> bool:
        """Does one of them belong to another controller? One that cannot be resolved tells so when it is used, and one
        that can be by then is asked again. Raises EsoError where nobody knows."""
        self._class = controller_class
        for ref in refs:
            row = self._generators.registry.row(ref.kind)
            if ref.kind != CLUSTER_GENERATORS.kind and (row is None or not row.classed):
                continue
            try:
                controller = (await self._resolve(ref)).controller
            except (Unresolved, NoGenerator):
                continue
            if controller and controller != controller_class:
                return True
        return False

    async def generate(self, ref: GeneratorRef, state_key: str) -> dict[str, bytes]:
        """Fresh values. Raises EsoError; SecretNotFound is among its causes where the backend proved that there is
        nothing."""
        generators = self._generators
        found = await self._resolve(ref)
        if self._class is not None and found.controller not in ("", self._class):
            raise Unresolved(f"{UNRESOLVED}it belongs to the controller {found.controller} since a moment ago")
        try:
            generator = await generators.registry.generator(found.row)
            if not isinstance(generator, Stateless):
                check_size(found.resource)  # before values are made that could not be remembered
            namespace = self._owner.meta.namespace
            credentials = generators.credentials(namespace)
            with told(generators.env.log, found.row.kind, namespace), naming(credentials):
                made = await generator.generate(found.resource, credentials, generators.env)
        except EsoError as error:
            failed = EsoError if error.retryable else Terminal
            raise failed(f"error using generator: {error}", fix=error.fix) from error
        if made.state is not None and self._tracked and found.row.kind not in generators.forgotten:
            self._pending.append(Pending(state_key, found.row, found.resource, made.state))
        await reserve(volume(made.values))  # after that: whoever gets no memory has the values taken back
        return dict(made.values)

    async def keep(self) -> None:
        """Remembers what was made. Raises StateNotKept."""
        for pending in self._pending:
            try:
                pending.name = await self._generators.states.create(
                    self._owner, pending.state_key, pending.resource, pending.state, self._generators.env.clock.now()
                )
            except EsoError as error:
                raise StateNotKept(f"unable to store generator state: {error}", fix=error.fix) from error

    async def settle(self, state_keys: Iterable[str], in_use_since: datetime | None = None) -> None:
        """The values are where they belong: they stay, and older ones of these entries expire, also of an entry that
        is no generator any more. The first ones that were made at `in_use_since` or later do not. A failure to say so
        is repaired by the next success, so it fails nothing."""
        self._settled = True
        if not self._tracked:
            return
        generators = self._generators
        made = {pending.state_key: pending.name for pending in self._pending}
        for state_key in state_keys:
            try:
                await generators.states.flag(
                    self._owner, state_key, generators.env.clock.now(), made.get(state_key, ""), in_use_since
                )
            except EsoError as error:
                self._log("cannot flag old generator states", error)

    async def __aenter__(self) -> Batch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._settled or not self._pending:
            return
        try:
            # Bounded: the pass may have been cancelled because the process ends.
            async with asyncio.timeout(CLEAN_UP_SECONDS):
                for pending in self._pending:
                    await self._take_back(pending)
        except TimeoutError:
            self._log("values of a generator are left behind", EsoError("no time to clean up"))

    async def _resolve(self, ref: GeneratorRef) -> Resolved:
        if ref not in self._resolved:
            generators = self._generators
            self._resolved[ref] = await resolve(ref, self._owner.meta.namespace, generators.rest, generators.registry)
        return self._resolved[ref]

    async def _take_back(self, pending: Pending) -> None:
        """A stored state expires now, and its controller cleans up; another one is cleaned up here, and stored as
        expired if that fails."""
        generators, owner, now = self._generators, self._owner, self._generators.env.clock.now()
        try:
            if pending.name:
                await generators.states.expire(owner.meta.namespace, pending.name, now)
                return
            try:
                await generators.clean_up(pending.row, pending.resource, pending.state, owner.meta.namespace)
            except EsoError:
                await generators.states.create(owner, pending.state_key, pending.resource, pending.state, now, now)
        except EsoError as error:
            self._log("values of a generator are left behind", error)

    def _log(self, text: str, error: EsoError) -> None:
        self._generators.env.log.warning(
            text, namespace=self._owner.meta.namespace, name=self._owner.meta.name, error=str(error)
        )
