"""Provider name → Provider: one explicit table, and each backend's code is loaded when a store of its kind appears.

Neighbours: resolve.py looks up here. A key that the CRDs know and this table does not is reported, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from eso.errors import Terminal
from eso.providers.contract import Provider

# provider key → module, attribute. Loading is what costs (an SDK takes up to half a second), so the table holds names.
PROVIDERS: Final[Mapping[str, tuple[str, str]]] = {
    "fake": ("eso.providers.fake.provider", "FakeProvider"),
    "openBao": ("eso.providers.vault.openbao", "OpenBaoProvider"),
    "vault": ("eso.providers.vault.provider", "VaultProvider"),
}


class Unsupported(Terminal):
    """No code for this provider key in this version."""


class Registry:
    """The providers of this process, each made once. `table`: as PROVIDERS; tests bring their own.

    `proxies` (a net.http.Proxies): how backends are reached, if not directly.

    `resolved` is resolve.py's: kind, namespace and name of a store → what was made of its record last. `forget` when a
    store is gone.
    """

    def __init__(
        self,
        table: Mapping[str, tuple[str, str]] = PROVIDERS,
        ready: Mapping[str, Provider] | None = None,
        proxies: object = None,
    ) -> None:
        self._table, self._made, self._proxies = table, dict(ready or {}), proxies
        self.resolved: dict[tuple[str, str, str], Any] = {}

    def forget(self, kind: str, namespace: str, name: str) -> None:
        self.resolved.pop((kind, namespace, name), None)

    def loaded(self, key: str) -> bool:
        """False where `provider` would import code first: worth a thread."""
        return key in self._made or key not in self._table

    def provider(self, key: str, store_name: str) -> Provider:
        """Raises Unsupported, with the reference's text."""
        if key not in self._made:
            if key not in self._table:
                text = f"failed to find registered store backend for type: {key}, name: {store_name}"
                raise Unsupported(text, fix=f"this version has no provider {key}")
            module, attribute = self._table[key]
            made: Provider = getattr(import_module(module), attribute)(proxies=self._proxies)
            self._made[key] = made
        return self._made[key]
