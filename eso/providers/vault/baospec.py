"""The rules of an `openBao` store: fewer ways to log in than `vault`, read-only.

Neighbours: spec.py has what both share, openbao.py logs in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from eso.providers.contract import Consumer, Plan, Retries, StoreView
from eso.providers.kit.selectors import Named, has, one, part, referent, refuse_foreign
from eso.providers.vault import spec

TRIES: Final = Retries(2, 1.0)  # the settings of the store are not read


class OpenBaoSpec:
    name: ClassVar[str] = "openBao"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        refuse_foreign(store, selectors(store))
        return []

    def plan(self, store: StoreView) -> Plan:
        block, named = store.provider_spec, list(selectors(store))
        authority = [Named("", part(block, "caProvider"))] if has(block, "caProvider") else []
        who = Consumer.CREDENTIALS if referent(store, [*named, *authority]) else Consumer.NONE
        return spec.plan(store, who, named, TRIES)


SPEC: Final = OpenBaoSpec()


def selectors(store: StoreView) -> Iterator[Named]:
    auth = part(store.provider_spec, "auth")
    yield from one(auth, "invalid Auth.AppRole.RoleRef: ", "appRole", "roleRef")
    yield from one(auth, "invalid Auth.AppRole.SecretRef: ", "appRole", "secretRef")
    yield from one(auth, "invalid Auth.TokenSecretRef: ", "tokenSecretRef")
    yield from one(auth, "invalid Auth.UserPass.SecretRef: ", "userPass", "secretRef")
