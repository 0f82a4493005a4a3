"""Provider name → its spec, and its connector once a store of the kind logs in: one explicit table.

Neighbours: plans.py reads specs, sessions.py asks for connectors. Specs are small and always imported; a connector's
module may import an SDK (up to half a second), so it is imported in a thread, once. A key that the CRDs know and this
table does not is reported, never guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from eso.errors import EsoError, Terminal
from eso.providers.akeyless.spec import SPEC as AKEYLESS
from eso.providers.aws.spec import SPEC as AWS
from eso.providers.azurekv.spec import SPEC as AZUREKV
from eso.providers.barbican.spec import SPEC as BARBICAN
from eso.providers.beyondtrust.spec import SPEC as BEYONDTRUST
from eso.providers.beyondtrustworkloadcredentials.spec import SPEC as BEYONDTRUSTWORKLOADCREDENTIALS
from eso.providers.bitwarden.spec import SPEC as BITWARDEN
from eso.providers.chef.spec import SPEC as CHEF
from eso.providers.cloudru.spec import SPEC as CLOUDRU
from eso.providers.conjur.spec import SPEC as CONJUR
from eso.providers.contract import Connector, Spec
from eso.providers.crd.spec import SPEC as CRD
from eso.providers.delinea.spec import SPEC as DELINEA
from eso.providers.doppler.spec import SPEC as DOPPLER
from eso.providers.dvls.spec import SPEC as DVLS
from eso.providers.env import Env
from eso.providers.fake.spec import SPEC as FAKE
from eso.providers.fortanix.spec import SPEC as FORTANIX
from eso.providers.gcpsm.spec import SPEC as GCPSM
from eso.providers.github.spec import SPEC as GITHUB
from eso.providers.gitlab.spec import SPEC as GITLAB
from eso.providers.ibm.spec import SPEC as IBM
from eso.providers.infisical.spec import SPEC as INFISICAL
from eso.providers.keepersecurity.spec import SPEC as KEEPERSECURITY
from eso.providers.kubernetes.spec import SPEC as KUBERNETES
from eso.providers.nebius.spec import SPEC as NEBIUS
from eso.providers.ngrok.spec import SPEC as NGROK
from eso.providers.onboardbase.spec import SPEC as ONBOARDBASE
from eso.providers.onepassword.spec import SPEC as ONEPASSWORD
from eso.providers.onepasswordsdk.spec import SPEC as ONEPASSWORDSDK
from eso.providers.oracle.spec import SPEC as ORACLE
from eso.providers.ovh.spec import SPEC as OVH
from eso.providers.passbolt.spec import SPEC as PASSBOLT
from eso.providers.passworddepot.spec import SPEC as PASSWORDDEPOT
from eso.providers.previder.spec import SPEC as PREVIDER
from eso.providers.pulumi.spec import SPEC as PULUMI
from eso.providers.scaleway.spec import SPEC as SCALEWAY
from eso.providers.secretserver.spec import SPEC as SECRETSERVER
from eso.providers.senhasegura.spec import SPEC as SENHASEGURA
from eso.providers.vault.baospec import SPEC as OPENBAO
from eso.providers.vault.spec import SPEC as VAULT
from eso.providers.volcengine.spec import SPEC as VOLCENGINE
from eso.providers.webhook.spec import SPEC as WEBHOOK
from eso.providers.yandex.spec import CERTIFICATES as YANDEXCERTIFICATEMANAGER
from eso.providers.yandex.spec import LOCKBOX as YANDEXLOCKBOX


@dataclass(frozen=True, slots=True)
class Backend:
    """`connect`: the module that exports Connector."""

    spec: Spec
    connect: str


PROVIDERS: Final[dict[str, Backend]] = {
    backend.spec.name: backend
    for backend in (
        Backend(AKEYLESS, "eso.providers.akeyless.connect"),
        Backend(AWS, "eso.providers.aws.connect"),
        Backend(AZUREKV, "eso.providers.azurekv.connect"),
        Backend(BARBICAN, "eso.providers.barbican.connect"),
        Backend(BEYONDTRUST, "eso.providers.beyondtrust.connect"),
        Backend(BEYONDTRUSTWORKLOADCREDENTIALS, "eso.providers.beyondtrustworkloadcredentials.connect"),
        Backend(BITWARDEN, "eso.providers.bitwarden.connect"),
        Backend(CHEF, "eso.providers.chef.connect"),
        Backend(CLOUDRU, "eso.providers.cloudru.connect"),
        Backend(CONJUR, "eso.providers.conjur.connect"),
        Backend(CRD, "eso.providers.crd.connect"),
        Backend(DELINEA, "eso.providers.delinea.connect"),
        Backend(DOPPLER, "eso.providers.doppler.connect"),
        Backend(DVLS, "eso.providers.dvls.connect"),
        Backend(FAKE, "eso.providers.fake.connect"),
        Backend(FORTANIX, "eso.providers.fortanix.connect"),
        Backend(GCPSM, "eso.providers.gcpsm.connect"),
        Backend(GITHUB, "eso.providers.github.connect"),
        Backend(GITLAB, "eso.providers.gitlab.connect"),
        Backend(IBM, "eso.providers.ibm.connect"),
        Backend(INFISICAL, "eso.providers.infisical.connect"),
        Backend(KEEPERSECURITY, "eso.providers.keepersecurity.connect"),
        Backend(KUBERNETES, "eso.providers.kubernetes.connect"),
        Backend(NEBIUS, "eso.providers.nebius.connect"),
        Backend(NGROK, "eso.providers.ngrok.connect"),
        Backend(ONBOARDBASE, "eso.providers.onboardbase.connect"),
        Backend(ONEPASSWORD, "eso.providers.onepassword.connect"),
        Backend(ONEPASSWORDSDK, "eso.providers.onepasswordsdk.connect"),
        Backend(OPENBAO, "eso.providers.vault.openbao"),
        Backend(ORACLE, "eso.providers.oracle.connect"),
        Backend(OVH, "eso.providers.ovh.connect"),
        Backend(PASSBOLT, "eso.providers.passbolt.connect"),
        Backend(PASSWORDDEPOT, "eso.providers.passworddepot.connect"),
        Backend(PREVIDER, "eso.providers.previder.connect"),
        Backend(PULUMI, "eso.providers.pulumi.connect"),
        Backend(SCALEWAY, "eso.providers.scaleway.connect"),
        Backend(SECRETSERVER, "eso.providers.secretserver.connect"),
        Backend(SENHASEGURA, "eso.providers.senhasegura.connect"),
        Backend(VAULT, "eso.providers.vault.connect"),
        Backend(VOLCENGINE, "eso.providers.volcengine.connect"),
        Backend(WEBHOOK, "eso.providers.webhook.connect"),
        Backend(YANDEXCERTIFICATEMANAGER, "eso.providers.yandex.certificates"),
        Backend(YANDEXLOCKBOX, "eso.providers.yandex.lockbox"),
    )
}


class Unsupported(Terminal):
    """No code for this provider key in this version."""


class NotLoaded(EsoError):
    """The connector's module cannot be imported: a package is missing, or its code is at fault."""


class Registry:
    """The providers of this process. `made`: connectors that are there already; tests bring their own."""

    def __init__(self, table: Mapping[str, Backend] = PROVIDERS, made: Mapping[str, Connector] | None = None) -> None:
        self._table = table
        self._made: dict[str, Connector] = dict(made or {})
        self._loading: dict[str, asyncio.Future[Connector]] = {}

    def spec(self, key: str, store_name: str) -> Spec:
        """Raises Unsupported, with the reference's text."""
        if key not in self._table:
            text = f"failed to find registered store backend for type: {key}, name: {store_name}"
            raise Unsupported(text, fix=f"this version has no provider {key}")
        return self._table[key].spec

    async def connector(self, key: str, env: Env) -> Connector:
        """The connector for `key`, imported and made by the first caller; the others wait for that import. Raises
        NotLoaded."""
        while key not in self._made:
            if key in self._loading:
                await asyncio.wait([self._loading[key]])
                continue
            loading = self._loading[key] = asyncio.get_running_loop().run_in_executor(None, load, self._table[key], env)
            loading.add_done_callback(lambda done: self._loaded(key, done))
            await asyncio.wait([loading])
            if error := loading.exception():
                raise not_loaded(key, error) from error
        return self._made[key]

    def _loaded(self, key: str, done: asyncio.Future[Connector]) -> None:
        del self._loading[key]
        if not done.cancelled() and done.exception() is None:
            self._made[key] = done.result()

    async def close(self) -> None:
        for connector in self._made.values():
            await connector.close()


def load(backend: Backend, env: Env) -> Connector:
    made: Any = import_module(backend.connect)
    return made.Connector(env)  # type: ignore[no-any-return]  # the module's promise


def not_loaded(key: str, error: BaseException) -> NotLoaded:
    missing = f"No module named {error.name!r}" if isinstance(error, ModuleNotFoundError) else type(error).__name__
    return NotLoaded(f"the provider {key} cannot be loaded: {missing}", fix="install what the provider needs")
