"""Logs in to an `aws` store and makes the client of its service.

Neighbours: stores.registry makes the Connector, in a thread; spec.py has the rules, login.py finds the credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final
from weakref import WeakValueDictionary

import orjson

from eso.errors import EsoError
from eso.providers.aws.certificatepush import CertificateClient
from eso.providers.aws.certificates import LABEL as CERTIFICATES_LABEL
from eso.providers.aws.client import Batching, Connection
from eso.providers.aws.exports import Exports
from eso.providers.aws.login import NO_SESSION, log_in
from eso.providers.aws.parameterpush import ParameterStoreClient
from eso.providers.aws.parameterstore import LABEL as PARAMETER_STORE_LABEL
from eso.providers.aws.sdk import Sdk
from eso.providers.aws.secretpush import SecretsManagerClient
from eso.providers.aws.secretsmanager import LABEL as SECRETS_MANAGER_LABEL
from eso.providers.aws.spec import CERTIFICATES, PARAMETER_STORE, SECRETS_MANAGER, referent, region_of, service_of
from eso.providers.contract import CredentialReader, InvalidConfig, Plan, StoreClient, StoreView, prefixed
from eso.providers.env import Env
from eso.providers.kit.awsidentity import Keys

Make = Callable[[StoreView, Connection | None], StoreClient]
# service → its client, and (service of the SDK, label of the metrics) of each API that it calls
CLIENTS: Final[dict[str, tuple[Make, tuple[tuple[str, str], ...]]]] = {
    SECRETS_MANAGER: (SecretsManagerClient, (("secretsmanager", SECRETS_MANAGER_LABEL),)),
    PARAMETER_STORE: (ParameterStoreClient, (("ssm", PARAMETER_STORE_LABEL),)),
    CERTIFICATES: (
        CertificateClient,
        (("acm", CERTIFICATES_LABEL), ("resourcegroupstaggingapi", CERTIFICATES_LABEL)),
    ),
}
EARLY: Final = 60.0  # seconds that a login ends before its credentials do: a request in hand must not outlive them


class Connector:
    def __init__(self, env: Env) -> None:
        self.env = env
        self.sdk = Sdk(env, env.environ)
        self.exports = Exports(env.clock)
        self.batching: WeakValueDictionary[Hashable, Batching] = WeakValueDictionary()  # by principal

    async def close(self) -> None:
        await self.sdk.close()

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> StoreClient:
        client, services = CLIENTS[service_of(store)]
        if referent(store) and not credentials.namespace:
            return client(store, None)
        region = region_of(store) or self._own_region()
        keys = await log_in(self.sdk, region, store, credentials)
        try:
            apis = {service: await self.sdk.api(service, region, keys, label) for service, label in services}
        except EsoError as error:
            raise prefixed(NO_SESSION, error) from error
        login = orjson.dumps([plan.endpoint, dict(plan.login)], option=orjson.OPT_SORT_KEYS)
        principal = (login, credentials.namespace, keys.principal or keys.access_key)
        batching = self.batching.setdefault(principal, Batching())
        lifetime = self._lifetime(keys)
        return client(store, Connection(apis, lifetime, principal, self.env.offload, self.exports, batching))

    def _own_region(self) -> str:
        environ: Mapping[str, str] = self.env.environ
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
        if not region:
            raise InvalidConfig(f"{NO_SESSION}Invalid Configuration: Missing Region", fix="set the store's region")
        return region

    def _lifetime(self, keys: Keys) -> float | None:
        if keys.expires is None:
            return None
        return max(1.0, (keys.expires - self.env.clock.now()).total_seconds() - EARLY)
