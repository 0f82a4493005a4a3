"""The rules of an `ibm` store: what admission refuses, which servers it asks, what makes its login.

Neighbours: connect.py logs in as the Plan says, client.py reads at the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.providers.contract import Consumer, InvalidConfig, Plan, Quota, Retries, StoreView
from eso.providers.kit.address import parts_of
from eso.providers.kit.retries import interval
from eso.providers.kit.selectors import Json, Named, consumer, has, one, part, references, refuse_foreign

IAM: Final = "https://iam.cloud.ibm.com"
TOKEN_FILE: Final = "/var/run/secrets/tokens/vault-token"
# Hosts of IBM Cloud itself; other names below appdomain.cloud belong to its customers.
OWN_IAM: Final = re.compile(r"(?:[a-z0-9-]+\.)*iam\.cloud\.ibm\.com", re.ASCII)
OWN_SERVICE: Final = re.compile(r"(?:[a-z0-9-]+\.)+secrets-manager\.appdomain\.cloud", re.ASCII)
# Requests/s to one instance, "keep the rate below 20 req/s":
# https://cloud.ibm.com/docs/secrets-manager?topic=secrets-manager-best-practices-using
PACE: Final = 20.0
RETRIES: Final = Retries(3, 5.0)


class IbmSpec:
    name: ClassVar[str] = "ibm"
    capability: ClassVar[str] = "ReadOnly"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        block = store.provider_spec
        service(block)
        auth = part(block, "auth")
        by_key, by_container = has(auth, "secretRef"), has(auth, "containerAuth")
        if not (by_key or by_container):
            raise InvalidConfig("missing auth method", fix="set auth.secretRef")
        if by_key and by_container:
            raise InvalidConfig("too many auth methods defined", fix="leave one of them out")
        iam(block)
        if by_container:
            if not part(auth, "containerAuth").get("profile"):
                raise InvalidConfig("container auth profile cannot be empty", fix="name a trusted profile")
            return []
        selector = part(auth, "secretRef", "secretApiKeySecretRef")
        refuse_foreign(store, credentials(block))
        for member in ("name", "key"):
            if not selector.get(member):
                raise InvalidConfig(
                    f"secretAPIKey.{member} cannot be empty", fix=f"set auth.secretRef.secretApiKeySecretRef.{member}"
                )
        return []

    def plan(self, store: StoreView) -> Plan:
        block = store.provider_spec
        named = tuple(credentials(block))
        return Plan(
            service(block),
            {"auth": part(block, "auth")},
            consumer(store, named),
            references({}, named),
            retries(store.retry_settings),
            quota=Quota.ENDPOINT,
            pace=PACE,
        )


SPEC: Final = IbmSpec()


def credentials(block: Json) -> Iterator[Named]:
    return one(part(block, "auth"), "", "secretRef", "secretApiKeySecretRef")


def referent(store: StoreView) -> bool:
    """Whether each consumer logs in with an API key of its own namespace."""
    return consumer(store, tuple(credentials(store.provider_spec))) is Consumer.CREDENTIALS


def service(block: Json) -> str:
    """The address of the instance without a slash at its end. Raises InvalidConfig."""
    given = str(block.get("serviceUrl") or "")
    if not given:
        raise InvalidConfig("serviceURL is required", fix="set serviceUrl")
    return address(given, "serviceUrl")


def iam(block: Json) -> str:
    """The address of the token server. Raises InvalidConfig."""
    auth = part(block, "auth")
    method = part(auth, "containerAuth") or part(auth, "secretRef")
    return address(str(method.get("iamEndpoint") or IAM), "iamEndpoint")


def address(url: str, member: str) -> str:
    if parts_of(url) is None:
        raise InvalidConfig(f"{member} is no address", fix="write https://host")
    return url.rstrip("/")


def at_ibm(block: Json) -> bool:
    """Whether both servers are IBM's own, which may see who the operator is whoever wrote the store."""
    return _own(iam(block), OWN_IAM) and _own(service(block), OWN_SERVICE)


def _own(url: str, hosts: re.Pattern[str]) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and bool(hosts.fullmatch(parts.hostname or ""))


def retries(settings: Mapping[str, Any] | None) -> Retries:
    """`maxRetries` counts what follows the first attempt; without settings nothing is tried again."""
    if settings is None:
        return Retries()
    given = settings.get("maxRetries")
    times = RETRIES.times if given is None else max(0, int(given))
    return Retries(times, interval(settings, RETRIES.seconds))
