"""A provider whose answers are attributes: what a test sets is what the backend says.

Neighbours: inprocess.py runs the operator with it. Implements `eso.providers.contract` and nothing else; every call is
recorded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Any, ClassVar

from eso.errors import EsoError
from eso.providers.contract import (
    CredentialReader,
    Find,
    Plan,
    RemoteRef,
    SecretNotFound,
    StoreView,
    Validation,
    ValidationFailed,
)
from eso.providers.fake.connect import Connector
from eso.providers.fake.spec import SPEC

Answer = bytes | EsoError | None


class Scripted:
    """One backend of a test. `values`: key, or (key, property) → bytes or an error; anything else is `value`, and with
    `value` None proven not found.

    `map` and `maps` the same for extract, `found` for find. `build_error`, `validate_error` fail the constructor and
    the validation; `outage` fails every call before it is answered, as a backend that is down does.
    """

    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    name: ClassVar[str] = "fake"  # the key that stores use

    def __init__(self) -> None:
        self.value: Answer = b"some-value"
        self.values: dict[Any, Answer] = {}
        self.map: Mapping[str, bytes] | EsoError | None = None
        self.maps: dict[str, Mapping[str, bytes] | EsoError] = {}
        self.found: Mapping[str, bytes] | EsoError = {}
        self.build_error: EsoError | None = None
        self.validate_error: EsoError | None = None
        self.outage: EsoError | None = None
        self.validation = Validation.READY
        self.calls: list[tuple[str, Any]] = []
        self.opened: list[StoreView] = []
        self.closed = 0

    def count(self, *kinds: str) -> int:
        """How many calls of those kinds (`get`, `map`, `find`, `validate`); of the reading kinds when none is named."""
        return sum(kind in (kinds or ("get", "map", "find")) for kind, _ in self.calls)

    # Spec and Connector

    def check(self, store: StoreView) -> list[str]:
        return []

    def plan(self, store: StoreView) -> Plan:
        return Plan(f"scripted/{store.namespace}/{store.name}", {"store": f"{store.namespace}/{store.name}"})

    async def close(self) -> None: ...

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> ScriptedClient:
        if self.build_error is not None:
            raise again(self.build_error)
        self.opened.append(store)
        return ScriptedClient(self, store)


class ScriptedClient:
    def __init__(self, script: Scripted, store: StoreView) -> None:
        self.script, self.store = script, store

    @property
    def lifetime(self) -> float | None:
        return None

    async def renew(self) -> bool:
        return True

    def bind(self, store: StoreView) -> ScriptedClient:
        return ScriptedClient(self.script, store)

    def request(self, ref: RemoteRef) -> Hashable:
        return (self.store.uid, ref)

    async def fetch(self, request: Any) -> Any:
        if self.script.outage is not None:
            self.script.calls.append(("refused", request[1]))
            raise again(self.script.outage)
        return request[1]

    def value(self, payload: Any, ref: RemoteRef) -> bytes:
        script = self.script
        script.calls.append(("get", ref))
        answer = script.values.get((ref.key, ref.property), script.values.get(ref.key, script.value))
        if answer is None:
            raise SecretNotFound()
        if isinstance(answer, EsoError):
            raise again(answer)
        return answer

    def mapping(self, payload: Any, ref: RemoteRef) -> dict[str, bytes]:
        script = self.script
        script.calls.append(("map", ref))
        answer = script.maps.get(ref.key, script.map)
        if answer is None:
            raise SecretNotFound()
        if isinstance(answer, EsoError):
            raise again(answer)
        return dict(answer)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        script = self.script
        script.calls.append(("find", find))
        if script.outage is not None:
            raise again(script.outage)
        if isinstance(script.found, EsoError):
            raise again(script.found)
        yield dict(script.found)

    async def validate(self) -> Validation:
        script = self.script
        script.calls.append(("validate", self.store.name))
        if script.validate_error is not None:
            raise again(script.validate_error)
        return script.validation

    async def close(self) -> None:
        self.script.closed += 1


def again(error: EsoError) -> EsoError:
    """A fresh copy: an error that is raised twice would drag its first traceback along."""
    if isinstance(error, ValidationFailed):
        return ValidationFailed(error.message, error.result, fix=error.fix)
    return type(error)(error.message, fix=error.fix)


class Static(Connector):
    """The real `fake` provider, spec and connector in one."""

    name, capability, maintained = SPEC.name, SPEC.capability, SPEC.maintained
    check, plan = SPEC.check, SPEC.plan
