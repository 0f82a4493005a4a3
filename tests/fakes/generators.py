"""Generators on an API server of a test: the front door, with kinds that the test brings.

Neighbours: FakeApiServer has the objects; the informer of GeneratorStates is its truth of the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar

import msgspec
import structlog

from eso.api.generators import GENERATOR_STATES, decode_generator_state
from eso.errors import EsoError
from eso.generators.contract import Generated, Json
from eso.generators.front import Generators
from eso.generators.registry import GENERATORS, Registry, Row
from eso.generators.states import States
from eso.kube.rest import Rest
from eso.providers.contract import CredentialReader, StoreView
from eso.providers.env import Env
from eso.runtime.clock import Clock, SystemClock
from eso.runtime.offload import Offload
from eso.stores.credentials import Credentials
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.env import TestPools


class Counting:
    """A kind whose n-th value is `value-n`. Remembers what was made and what was taken back; `failure` is raised
    instead. The state is the number, or None for a kind that is `stateless`."""

    kind: ClassVar[str] = "Counting"

    def __init__(self, *, stateless: bool = False) -> None:
        self.stateless, self.made, self.taken_back = stateless, 0, list[Any]()
        self.failure: EsoError | None = None
        self.stuck: EsoError | None = None
        self.size = 0  # at least so many bytes

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        if self.failure is not None:
            raise self.failure
        self.made += 1
        state = None if self.stateless else {"number": self.made}
        return Generated({"value": f"value-{self.made}".encode().ljust(self.size)}, state)

    async def clean_up(self, resource: Json, state: Any, credentials: CredentialReader, env: Env) -> None:
        if self.stuck is not None:
            raise self.stuck
        self.taken_back.append(state["number"])


COUNTING = Row("Counting", "countingSpec", "", classed=True)


class Shown:
    """The informer of GeneratorStates, always up to date."""

    def __init__(self, api: FakeApiServer) -> None:
        self.api = api
        self._keys_of: Callable[[Any], Iterable[Hashable]] = lambda record: ()

    def index(self, name: str, keys_of: Callable[[Any], Iterable[Hashable]]) -> None:
        self._keys_of = keys_of

    def by(self, name: str, key: Hashable) -> list[Any]:
        records = (decode_generator_state(msgspec.json.encode(live)) for live in self.api.all(GENERATOR_STATES))
        return [record for record in records if key in self._keys_of(record)]

    def get(self, key: tuple[str, str]) -> Any:
        live = self.api.get(GENERATOR_STATES, *key)
        return decode_generator_state(msgspec.json.encode(live)) if live else None


class Making:
    """`counting` is the kind Counting of this front door; all real kinds are there too."""

    def __init__(
        self, api: FakeApiServer, clock: Clock | None = None, *, rest: Rest | None = None, tracked: bool = True
    ) -> None:
        self.api, self.rest, self.counting, self.shown = api, rest or api.rest(), Counting(), Shown(api)
        self.registry = Registry(GENERATORS | {"Counting": COUNTING}, {"Counting": self.counting})
        env = Env(TestPools(), Offload(threads=1, name="values"), clock or SystemClock(), structlog.get_logger())
        self.generators = Generators(
            self.rest,
            env,
            self.credentials,
            States(self.rest, self.shown),  # type: ignore[arg-type]  # two methods are enough
            registry=self.registry,
            tracked=tracked,
        )

    async def close(self) -> None:
        await self.rest.access.close()  # type: ignore[attr-defined]  # of the fake API server

    def credentials(self, namespace: str) -> Credentials:
        return Credentials(self.rest, StoreView("SecretStore", "", namespace, "", {}), namespace)

    def put(self, name: str = "counter", namespace: str = "ns", kind: str = "Counting", **spec: Any) -> None:
        row = self.registry.row(kind)
        assert row is not None
        body = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
        self.api.put(row.resource, body)
