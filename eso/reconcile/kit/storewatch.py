"""Stores as the informers know them: looked up by every room, and every change told to the front door of `eso.stores`.

Neighbours: `app.wiring` builds it between the informers and `stores.front`; rooms listen to `informers` for edits of a
store, and to `credential_news` for the Secrets, ConfigMaps and ServiceAccounts that stores log in with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

from eso.api.externalsecret import StoreRef
from eso.api.meta import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS, Resource, Undecodable
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES, SecretStore, decode_secret_store
from eso.errors import EsoError
from eso.kube.catalogue import Catalogue, Phase, Watched
from eso.kube.informer import Informer
from eso.reconcile.kit.accounts import AccountWatch
from eso.reconcile.kit.index import ReverseIndex
from eso.reconcile.kit.watched import WATCHED_NAMESPACES
from eso.stores.plans import Store

StoreKey = tuple[str, str, str]  # kind, namespace ("" for a ClusterSecretStore), name
StoreRecord = SecretStore | Undecodable
CredentialListener = Callable[[StoreKey, str], None]

STORE_KINDS = {
    "SecretStore": Watched(SECRET_STORES, decode_secret_store, Phase.STORES, essential=True, rationed=True),
    "ClusterSecretStore": Watched(CLUSTER_SECRET_STORES, decode_secret_store, Phase.STORES),
}


class FrontDoor(Protocol):
    """`stores.front`, as far as it wants to know what moved."""

    def store_changed(self, kind: str, namespace: str, name: str) -> None: ...
    def credential_changed(self, kind: str, namespace: str, name: str, *, gone: bool = False) -> None: ...
    def logins_with(self, kind: str) -> Collection[tuple[str, str]]: ...


class StoreWatch:
    """`kinds`: the store kinds that are served. Namespaces are followed only for ClusterSecretStores, whose conditions
    may look at their labels; ServiceAccounts only while a store logs in with one."""

    def __init__(self, catalogue: Catalogue, kinds: Iterable[str], accounts: AccountWatch) -> None:
        self.informers: dict[str, Informer[StoreRecord]] = {
            kind: catalogue.informer(STORE_KINDS[kind]) for kind in STORE_KINDS if kind in set(kinds)
        }
        self.namespaces = catalogue.informer(WATCHED_NAMESPACES) if "ClusterSecretStore" in self.informers else None
        self._catalogue, self.accounts = catalogue, accounts
        self._credentials: ReverseIndex[StoreKey] = ReverseIndex()
        self._listeners: list[CredentialListener] = []

    def connect(self, stores: FrontDoor) -> None:
        """From now on `stores` is told of every change, before the rooms that listen later."""
        for kind, informer in self.informers.items():
            informer.listen(lambda old, new, kind=kind: self._changed(stores, kind, old, new))  # type: ignore[misc]  # a default argument binds the loop's value
        for resource in (SECRETS, CONFIG_MAPS):
            self._catalogue.news(resource, self._watcher(stores, resource))
        self.accounts.connect(
            wanted=lambda namespace, name: self._known(SERVICE_ACCOUNTS.kind, namespace, name),
            used=lambda: stores.logins_with(SERVICE_ACCOUNTS.kind),
            news=lambda namespace, name, gone: self._credential_changed(
                stores, SERVICE_ACCOUNTS.kind, namespace, name, gone
            ),
        )
        self._catalogue.want(CONFIG_MAPS, lambda record: self._known("ConfigMap", record.namespace, record.name))

    def credential_news(self, listener: CredentialListener) -> None:
        """Calls `listener(store, within)` when a credential of that store was written or deleted. `within`: only
        objects of that namespace log in with it; "" for all."""
        self._listeners.append(listener)

    def planned(self, store: Store) -> None:
        """The credentials of the store are known: news of one of them reaches the store."""
        view = store.view
        tokens = {(kind, namespace or view.namespace, name) for kind, namespace, name in store.plan.references}
        where = (view.kind, view.namespace, view.name)
        self._credentials.put(where, tokens)
        self.accounts.uses(where, any(kind == SERVICE_ACCOUNTS.kind for kind, _, _ in tokens))

    # looked up

    def store(self, kind: str, namespace: str, name: str) -> SecretStore | None:
        informer = self.informers.get(kind)
        record = informer.get((namespace, name)) if informer else None
        return record if isinstance(record, SecretStore) else None

    def referred(self, namespace: str, ref: StoreRef) -> SecretStore | None:
        """The store that `ref` names for an object in `namespace`."""
        if ref.cluster_scoped:
            return self.store("ClusterSecretStore", "", ref.name)
        return self.store("SecretStore", namespace, ref.name)

    def store_class(self, namespace: str, ref: StoreRef) -> str | None:
        """`spec.controller` of the store, None when there is no such store. Raises for an unsupported kind."""
        if ref.kind not in ("", *STORE_KINDS):
            raise EsoError(f"unsupported secret store kind: {ref.kind}", fix="use SecretStore or ClusterSecretStore")
        found = self.referred(namespace, ref)
        return found.spec.controller if found else None

    def namespace_labels(self, namespace: str) -> Mapping[str, str] | None:
        record = self.namespaces.get(("", namespace)) if self.namespaces is not None else None
        return record.labels if record else None

    def terminating(self, namespace: str) -> bool:
        """Whether the namespace is known to be going."""
        record = self.namespaces.get(("", namespace)) if self.namespaces is not None else None
        return record is not None and record.terminating

    # news

    def going(self, listener: Callable[[str], None]) -> None:
        """Calls `listener(namespace)` when the deletion of a namespace begins."""

        def changed(old: Any, new: Any) -> None:
            if new is not None and new.terminating and (old is None or not old.terminating):
                listener(new.name)

        if self.namespaces is not None:
            self.namespaces.listen(changed)

    def _changed(self, stores: FrontDoor, kind: str, old: StoreRecord | None, new: StoreRecord | None) -> None:
        record = new or old
        assert record is not None
        where = (kind, record.namespace, record.name)
        if not isinstance(new, SecretStore):
            self._credentials.drop(where)
            self.accounts.uses(where, False)
        stores.store_changed(*where)

    def _watcher(self, stores: FrontDoor, resource: Resource) -> Callable[[Any, Any], None]:
        def changed(old: Any, new: Any) -> None:
            record = new or old
            self._credential_changed(stores, resource.kind, record.namespace, record.name, new is None)

        return changed

    def _credential_changed(self, stores: FrontDoor, kind: str, namespace: str, name: str, gone: bool) -> None:
        """A store without a namespace of its own reads the credential in the namespace of the object that uses it."""
        own, referent = self._credentials.keys((kind, namespace, name)), self._credentials.keys((kind, "", name))
        if own or referent:
            stores.credential_changed(kind, namespace, name, gone=gone)
        for store, within in (*((store, "") for store in own), *((store, namespace) for store in referent)):
            for listener in self._listeners:
                listener(store, within)

    def _known(self, kind: str, namespace: str, name: str) -> bool:
        return any((kind, where, name) in self._credentials for where in (namespace, ""))
