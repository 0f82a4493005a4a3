"""The rules of a `fake` store.

Neighbours: connect.py serves the values.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, StoreView


class FakeSpec:
    name: ClassVar[str] = "fake"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = False

    def check(self, store: StoreView) -> list[str]:
        for i, item in enumerate(store.provider_spec.get("data") or ()):
            if not item.get("key"):
                raise InvalidConfig(f"key must be set in data {i}")
            if not item.get("value"):
                raise InvalidConfig(f"at least one value must be set in data {i}")
        return []

    def plan(self, store: StoreView) -> Plan:
        return Plan(f"{store.kind}/{store.namespace}/{store.name}", store.provider_spec)


SPEC: Final = FakeSpec()
