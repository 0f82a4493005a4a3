"""The rules of an `openBao` store: fewer ways to log in than `vault`, read-only.

Neighbours: spec.py has what both share, openbao.py logs in.
"""

from __future__ import annotations

from typing import ClassVar, Final

from eso.providers.contract import Consumer, Plan, StoreView
from eso.providers.vault import spec

# Admission text, where the selector stands.
SELECTORS: Final = (
    ("Auth.AppRole.RoleRef", ("appRole", "roleRef")),
    ("Auth.AppRole.SecretRef", ("appRole", "secretRef")),
    ("Auth.TokenSecretRef", ("tokenSecretRef",)),
    ("Auth.UserPass.SecretRef", ("userPass", "secretRef")),
)


class OpenBaoSpec:
    name: ClassVar[str] = "openBao"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        auth = spec.part(store.provider_spec, "auth")
        for label, place in SELECTORS:
            spec.refuse_foreign(store, spec.one(auth, label, "Secret", True, *place))
        return []

    def plan(self, store: StoreView) -> Plan:
        return spec.plan(store, Consumer.CREDENTIALS if referent(store) else Consumer.NONE)


SPEC: Final = OpenBaoSpec()


def referent(store: StoreView) -> bool:
    block = store.provider_spec
    named = [spec.part(block, "auth", *place) for _, place in SELECTORS if spec.has(block, "auth", *place)]
    named += [spec.part(block, "caProvider")] if spec.has(block, "caProvider") else []
    return store.cluster_scoped and any(not selector.get("namespace") for selector in named)
