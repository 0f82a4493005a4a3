"""The rules of an `onboardbase` store: what admission refuses, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads the project and the environment.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.selectors import Json, consumer, one, part, references, refuse_loose

BASE: Final = "https://public.onboardbase.com/api/v1"
INVALID: Final = "invalid store: "
KEYS: Final = (("apiKeyRef", "onboardbaseAPIKey"), ("passcodeRef", "onboardbasePasscode"))  # member, name in texts


class OnboardbaseSpec:
    name: ClassVar[str] = "onboardbase"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        for member, shown in KEYS:
            refuse_loose(store, one(block, INVALID, "auth", member))
            if not part(block, "auth", member).get("name"):
                raise InvalidConfig(f"{INVALID}{shown}.name cannot be empty", fix=f"set auth.{member}.name")
        host = str(block.get("apiHost") or "").rstrip("/")
        return [] if host in ("", BASE) else [f"apiHost has no effect: {BASE} is asked"]

    def plan(self, store: StoreView) -> Plan:
        """Project and environment belong to reads. The vendor publishes no limit of requests."""
        block = store.provider_spec
        named = tuple(one(block, INVALID, "auth", "apiKeyRef"))
        return Plan(
            BASE,
            {"apiKeyRef": part(block, "auth", "apiKeyRef"), "passcode": passcode(block)},
            consumer(store, named),
            references({}, named),
            quota=Quota.LOGIN,
        )


SPEC: Final = OnboardbaseSpec()


def passcode(block: Json) -> Json:
    """The passcode stands in the Secret of the API key, whatever `passcodeRef.name` says: only its key is used, as in
    the reference."""
    return {**part(block, "auth", "apiKeyRef"), "key": part(block, "auth", "passcodeRef").get("key") or ""}
