"""The rules of an `onepasswordSDK` store: what admission refuses, whose token logs in.

Neighbours: connect.py logs in as the Plan says, client.py reads the vault or the Environment that the store names.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.selectors import Json, Named, consumer, one, part, references, refuse_loose

INVALID: Final = "received invalid 1PasswordSdk SecretStore resource: "
BLOCK: Final = "spec.provider.onepasswordsdk"
TOKEN: Final = ("auth", "serviceAccountSecretRef")
# 1Password, "Service account rate limits": 10,000 reads an hour and token on Business, 1,000 on other plans. What a
# plan allows is not known here: the larger figure is the pace, and a refusal slows it down.
PACE: Final = 10_000 / 3600


class OnePasswordSdkSpec:
    name: ClassVar[str] = "onepasswordSDK"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        for member in ("name", "key"):
            if not part(block, *TOKEN).get(member):
                raise InvalidConfig(f"{INVALID}missing: {BLOCK}.auth.secretRef.serviceAccountTokenSecretRef.{member}")
        if block.get("vault") and block.get("environment"):
            raise InvalidConfig(f"{INVALID}{BLOCK}.vault and {BLOCK}.environment are mutually exclusive")
        if not block.get("vault") and not block.get("environment"):
            raise InvalidConfig(f"{INVALID}missing: exactly one of {BLOCK}.vault or {BLOCK}.environment must be set")
        refuse_loose(store, credentials(block))
        return []

    def plan(self, store: StoreView) -> Plan:
        """The token names the server, so all tokens share this endpoint; the vault belongs to reads."""
        block = store.provider_spec
        named = credentials(block)
        return Plan(
            "https://1password.com",
            {"auth": part(block, "auth"), "integrationInfo": part(block, "integrationInfo")},
            consumer(store, named),
            references(block, named),
            quota=Quota.LOGIN,
            pace=PACE,
        )


SPEC: Final = OnePasswordSdkSpec()


def credentials(block: Json) -> tuple[Named, ...]:
    return tuple(one(block, INVALID, *TOKEN))
