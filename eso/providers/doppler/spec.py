"""The rules of a `doppler` store: what admission refuses, what makes its login.

Neighbours: connect.py logs in as the Plan says. The server is the operator's choice (DOPPLER_BASE_URL), never a
store's.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from eso.providers.contract import Consumer, InvalidConfig, Plan, Quota, StoreView
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_loose

INVALID: Final = "invalid store: "
ENDPOINT: Final = "doppler"  # one server for all stores of the process
# Requests/s: 240 reads a minute and token on the plan Team (Developer 120, Enterprise 480),
# https://docs.doppler.com/docs/platform-limits. A smaller plan's 429 with Retry-After slows the store down.
PACE: Final = 4.0


class DopplerSpec:
    name: ClassVar[str] = "doppler"
    capability: ClassVar[str] = "ReadOnly"  # what the reference's status says, though pushes work
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        auth = part(store.provider_spec, "auth")
        named = credentials(store.provider_spec)
        if has(auth, "secretRef"):
            refuse_loose(store, named)
            refuse_empty(part(auth, "secretRef", "dopplerToken").get("name"), "dopplerToken.name")
        elif has(auth, "oidcConfig"):
            refuse_empty(part(auth, "oidcConfig").get("identity"), "oidcConfig.identity")
            refuse_empty(part(auth, "oidcConfig", "serviceAccountRef").get("name"), "oidcConfig.serviceAccountRef.name")
            refuse_loose(store, named)
        else:
            raise InvalidConfig(
                f"{INVALID}either auth.secretRef or auth.oidcConfig must be specified", fix="set auth.secretRef"
            )
        return []

    def plan(self, store: StoreView) -> Plan:
        block = store.provider_spec
        named = credentials(block)
        return Plan(
            ENDPOINT,
            login(store),
            asking(store, named),
            references(block, named),
            quota=Quota.LOGIN,
            pace=PACE,
        )


SPEC: Final = DopplerSpec()


def refuse_empty(value: Any, place: str) -> None:
    if not value:
        raise InvalidConfig(f"{INVALID}{place} cannot be empty", fix=f"set auth.{place}")


def credentials(block: Json) -> tuple[Named, ...]:
    """The credential that counts: a token in a Secret before an account."""
    auth = part(block, "auth")
    if has(auth, "secretRef"):
        return tuple(one(auth, INVALID, "secretRef", "dopplerToken"))
    return tuple(one(auth, INVALID, "oidcConfig", "serviceAccountRef", kind="ServiceAccount"))


def by_account(block: Json) -> bool:
    """Whether a ServiceAccount's token is exchanged for Doppler's."""
    auth = part(block, "auth")
    return has(auth, "oidcConfig") and not has(auth, "secretRef")


def asking(store: StoreView, named: tuple[Named, ...]) -> Consumer:
    """An account's token names the namespace and the SecretStore that it is for."""
    if by_account(store.provider_spec) and not store.cluster_scoped:
        return Consumer.IDENTITY
    return consumer(store, named)


def login(store: StoreView) -> dict[str, Any]:
    """Project, config, transformer and format belong to reads. The audience of an account's token has the store's name,
    so two stores are two logins."""
    block = store.provider_spec
    made: dict[str, Any] = {"auth": part(block, "auth")}
    if by_account(block):
        made["store"] = [store.kind, store.name]
    return made


def audience(store: StoreView, namespace: str) -> str:
    """What an account's token is for, beside the server."""
    return f"clusterSecretStore:{store.name}" if store.cluster_scoped else f"secretStore:{namespace}:{store.name}"
