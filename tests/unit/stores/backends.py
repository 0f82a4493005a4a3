"""A provider whose backend is a dict that can be told to fail, wait and forget logins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from typing import Any, ClassVar

import structlog

from eso.api.meta import Condition, ObjectMeta
from eso.api.secretstore import SecretStore, SecretStoreSpec, SecretStoreStatus
from eso.errors import EsoError
from eso.net.http import Pools
from eso.observe.meter import UNCOUNTED
from eso.providers.contract import (
    AuthExpired,
    Consumer,
    CredentialReader,
    Find,
    Plan,
    Quota,
    RemoteRef,
    Retries,
    SecretNotFound,
    StoreView,
    Validation,
    turn,
)
from eso.providers.env import Compute, Env
from eso.providers.kit.retries import after_the_first
from eso.runtime.memory import CURRENT, Memory
from eso.runtime.offload import Offload
from eso.stores.front import Meter, Stores
from eso.stores.gate import Gates
from eso.stores.plans import Plans
from eso.stores.registry import Backend as Entry
from eso.stores.registry import Registry
from eso.stores.resolve import Rules
from eso.values.jsonmap import get_property
from tests.fakes.clock import VirtualClock
from tests.fakes.credentials import DictRest


class Backend:
    """What the scripted provider talks to."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {"db": b"hunter2"}
        self.calls: list[str] = []
        self.logins: list[str] = []
        self.closed: list[str] = []
        self.counted: list[tuple[str, str]] = []  # owners of the memory that renewals and logouts take
        self.renewals = 0
        self.renewable = True
        self.lifetime: float | None = None
        self.failures: list[EsoError] = []  # raised by the next calls, in order
        self.login_failures: list[EsoError] = []
        self.down: Callable[[], EsoError] | None = None
        self.hold: asyncio.Event | None = None
        self.hanging: set[str] = set()  # keys whose reads are never answered
        self.sessions: set[int] = set()
        self.in_flight = self.peak = 0


class ScriptedClient:
    def __init__(self, backend: Backend, store: StoreView, token: str, session: int) -> None:
        self.backend, self.store, self.token, self.session = backend, store, token, session

    @property
    def lifetime(self) -> float | None:
        return self.backend.lifetime

    def count(self, what: str) -> None:
        self.backend.counted.append((what, hold.owner if (hold := CURRENT.get()) is not None and hold.lead else ""))

    async def renew(self) -> bool:
        self.backend.renewals += 1
        self.count("renewal")
        await self.ask("renew")
        return self.backend.renewable

    def bind(self, store: StoreView) -> ScriptedClient:
        return self if store is self.store else ScriptedClient(self.backend, store, self.token, self.session)

    async def ask(self, what: str) -> None:
        async with turn():
            self.backend.calls.append(what)
            self.backend.in_flight += 1
            self.backend.peak = max(self.backend.peak, self.backend.in_flight)
            try:
                if self.backend.hold is not None:
                    await self.backend.hold.wait()
                if what.removeprefix("read ") in self.backend.hanging:
                    await asyncio.Event().wait()
                if self.backend.down is not None:
                    raise self.backend.down()
                if self.backend.failures:
                    raise self.backend.failures.pop(0)
                if self.session not in self.backend.sessions:
                    raise AuthExpired("the token has ended")
            finally:
                self.backend.in_flight -= 1

    def request(self, ref: RemoteRef) -> Hashable:
        return self.store.provider_spec.get("mount"), ref.key

    async def fetch(self, request: Hashable) -> bytes:
        assert isinstance(request, tuple)
        await self.ask(f"read {request[1]}")
        if request[1] not in self.backend.values:
            raise SecretNotFound
        return self.backend.values[request[1]]

    def value(self, payload: bytes, ref: RemoteRef) -> bytes:
        found = get_property(payload, ref.property) if ref.property else payload
        if found is None:
            raise SecretNotFound
        return found

    def mapping(self, payload: bytes, ref: RemoteRef) -> dict[str, bytes]:
        return {"value": payload}

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        await self.ask("find")
        yield dict(self.backend.values)

    async def validate(self) -> Validation:
        if self.session == -1:
            return Validation.READY
        await self.ask("validate")
        return Validation.READY

    async def close(self) -> None:
        self.count("logout")
        self.backend.sessions.discard(self.session)
        self.backend.closed.append(self.token)


class ScriptedProvider:
    """Spec and Connector in one."""

    name: ClassVar[str] = "scripted"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.retries = Retries()
        self.quota = Quota.LOGIN

    def check(self, store: StoreView) -> list[str]:
        return []

    def plan(self, store: StoreView) -> Plan:
        block = store.provider_spec
        token = block["token"]
        referent = store.cluster_scoped and not token.get("namespace")
        usual = Consumer.CREDENTIALS if referent else Consumer.NONE
        return Plan(
            str(block.get("server", "a:443")),
            {key: value for key, value in block.items() if key != "mount"},
            Consumer(block["consumer"]) if "consumer" in block else usual,
            (("Secret", token.get("namespace", ""), token["name"]),),
            after_the_first(store.retry_settings, self.retries),
            self.quota,
        )

    async def close(self) -> None: ...

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> ScriptedClient:
        if plan.consumer is Consumer.CREDENTIALS and not credentials.namespace:
            return ScriptedClient(self.backend, store, "", -1)
        token = (await credentials.secret(store.provider_spec["token"])).decode()
        async with turn():
            self.backend.logins.append(token)
            if self.backend.hold is not None:
                await self.backend.hold.wait()
            if self.backend.login_failures:
                raise self.backend.login_failures.pop(0)
        session = len(self.backend.logins)
        self.backend.sessions.add(session)
        return ScriptedClient(self.backend, store, token, session)


READY = Condition("Ready", "True", "Valid", "store validated")


def store(
    name: str = "main",
    namespace: str = "team-a",
    *,
    generation: int = 1,
    uid: str = "",
    ready: bool = True,
    **spec: Any,
) -> SecretStore:
    token = {"name": "token", "key": "token"}
    provider = {"scripted": {"token": token, **spec.pop("block", {})}}
    return SecretStore(
        metadata=ObjectMeta(
            name=name, namespace=namespace, uid=uid or f"uid-{namespace}-{name}", generation=generation
        ),
        spec=SecretStoreSpec(**{"provider": provider, **spec}),
        status=SecretStoreStatus(conditions=(READY,) if ready else ()),
    )


class World:
    """A reader with everything below it; `stores` and `rest` are the cluster."""

    def __init__(
        self,
        *,
        retries: Retries | None = None,
        quota: Quota = Quota.LOGIN,
        in_flight: int = 64,
        validating: tuple[str, ...] = (),
        meter: Meter = UNCOUNTED,
        compute: Compute | None = None,
    ) -> None:
        self.clock, self.rest, self.backend = VirtualClock(), DictRest(), Backend()
        self.memory: Memory | None = None
        self.stores: dict[tuple[str, str, str], SecretStore] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.released: list[tuple[str, int]] = []
        self.parked: dict[str, int] = {}
        provider = ScriptedProvider(self.backend)
        self.provider = provider
        provider.retries, provider.quota = retries or Retries(), quota
        self.rules = Rules(
            lambda *place: self.stores.get(place),
            self.namespaces.get,
            Plans(Registry({"scripted": Entry(provider, "")}, {"scripted": provider})),
        )
        self.gates = Gates(self.clock, self.release, in_flight=in_flight)
        self.budget = Memory(64 << 20, self.clock)
        env = Env(
            Pools(),
            Offload(threads=1, name="values"),
            self.clock,
            structlog.get_logger(),
            compute=compute,
            memory=self.budget,
        )
        rest: Any = self.rest  # it only reads
        self.reader = Stores(self.rules, rest, self.gates, env, jitter=lambda: 0.0, validating=validating, meter=meter)
        self.add(store())
        self.rest.secret("team-a", "token", token="t-1")

    def add(self, added: SecretStore) -> None:
        self.stores[added.kind, added.namespace, added.name] = added
        self.reader.store_changed(added.kind, added.namespace, added.name)

    def release(self, gate: str, count: int) -> int:
        freed = min(count, self.parked.get(gate, 0))
        self.parked[gate] = self.parked.get(gate, 0) - freed
        self.released.append((gate, freed))
        return freed
