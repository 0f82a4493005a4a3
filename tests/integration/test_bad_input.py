"""What users get wrong and what backends refuse, on a real API server and a real OpenBao: the condition says that, the
Event says why, the Secret stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from e2e.harness.cluster import Cluster, Json
from e2e.harness.objects import allow_namespace, external_secret, secret_store, vault_provider
from e2e.harness.openbao import OpenBao
from e2e.harness.waiting import always, eventually
from tests.harness.behind import Behind

pytestmark = pytest.mark.real

GOOD = {"password": "the last good one"}
FETCH_FAILED = ("SecretSyncedError", "could not get secret data from provider")


@dataclass
class Synced:
    """A namespace whose ExternalSecret `app` has synced once; what happens to it next is the case."""

    cluster: Cluster
    bao: OpenBao
    namespace: str

    @property
    def key(self) -> str:
        return f"{self.namespace}/db"

    def patch(self, plural: str, name: str, *operations: tuple[str, object]) -> None:
        """`(path, value)` are replaced, or added where nothing is."""
        body = [{"op": "add", "path": path, "value": value} for path, value in operations]
        self.cluster.api.patch(plural, self.namespace, name, body, content_type="application/json-patch+json")

    def ref(self, **ref: str) -> None:
        """The ExternalSecret asks for something else."""
        self.patch("externalsecrets", "app", ("/spec/data/0/remoteRef", {"key": self.key, **ref}))

    def provider(self, **vault: object) -> None:
        """The store's provider is configured differently."""
        self.patch("secretstores", "store", *((f"/spec/provider/vault/{name}", value) for name, value in vault.items()))

    def told(self, name: str) -> list[str]:
        return [event["message"] for event in self.cluster.events(self.namespace, name) if event["type"] == "Warning"]


@pytest.fixture
def synced(cluster: Cluster, openbao: OpenBao, namespace: str) -> Iterator[Synced]:
    role = allow_namespace(cluster, openbao, namespace)
    openbao.put("secret", f"{namespace}/db", {"password": GOOD["password"], "text": "{no json"})
    with Behind(cluster, namespace) as behind:
        cluster.apply([secret_store(namespace, vault_provider(openbao, role=role, account="default"))])
        cluster.apply([external_secret(namespace, "app", {"password": (f"{namespace}/db", "password")}, interval="3s")])
        behind.operator.start()
        cluster.wait_ready("externalsecrets", namespace, "app", 60)
        made = Synced(cluster, openbao, namespace)
        assert cluster.secret(namespace, "app") == GOOD
        yield made


def unknown_store(case: Synced) -> None:
    case.patch("externalsecrets", "app", ("/spec/secretStoreRef/name", "nobody-made-it"))


def wrong_role(case: Synced) -> None:
    auth: Json = {
        "kubernetes": {"mountPath": "kubernetes", "role": "no-such-role", "serviceAccountRef": {"name": "default"}}
    }
    case.provider(auth=auth)


def no_serviceaccount(case: Synced) -> None:
    auth: Json = {
        "kubernetes": {"mountPath": "kubernetes", "role": case.namespace, "serviceAccountRef": {"name": "nobody"}}
    }
    case.provider(auth=auth)


def not_allowed(case: Synced) -> None:
    case.ref(key="somebody-elses/db", property="password")


def unreachable(case: Synced) -> None:
    case.provider(server="http://127.0.0.1:1")


def sealed(case: Synced) -> None:
    case.bao.seal()


@pytest.mark.parametrize(
    ("break_it", "where", "cause"),
    [
        pytest.param(
            unknown_store,
            "app",
            'SecretStore.external-secrets.io "nobody-made-it" not found',
            id="a store that nobody made",
        ),
        pytest.param(
            lambda case: case.ref(key="nothing/here", property="x"),
            "app",
            "nothing/here",
            id="a path that the policy does not open",
        ),
        pytest.param(
            lambda case: case.ref(key=f"{case.namespace}/nothing"),
            "app",
            "Secret does not exist",
            id="a key that does not exist",
        ),
        pytest.param(
            lambda case: case.ref(property="nothing"),
            "app",
            'cannot find secret data for key: "nothing"',
            id="a property that does not exist",
        ),
        pytest.param(
            lambda case: case.ref(property="text.inside"),
            "app",
            'cannot find secret data for key: "text.inside"',
            id="a property inside something that is no JSON",
        ),
        pytest.param(not_allowed, "app", "permission denied", id="a key of somebody else"),
        pytest.param(wrong_role, "store", "invalid role name", id="a role that does not exist"),
        pytest.param(
            no_serviceaccount, "store", 'serviceaccounts "nobody" not found', id="a ServiceAccount that does not exist"
        ),
        pytest.param(unreachable, "store", "connection refused", id="a server that does not answer"),
        pytest.param(sealed, "app", "sealed", id="a sealed server"),
    ],
)
def test_what_is_wrong_is_told_with_its_cause_and_the_last_good_secret_stays(
    synced: Synced, break_it: Callable[[Synced], None], where: str, cause: str
) -> None:
    try:
        break_it(synced)
        condition = synced.cluster.wait_ready("externalsecrets", synced.namespace, "app", 30, status="False")
        assert (condition["reason"], condition["message"]) == FETCH_FAILED
        if where == "store":
            condition = synced.cluster.wait_ready("secretstores", synced.namespace, "store", 30, status="False")
            assert condition["reason"] == "InvalidProviderConfig"
            # the first attempt fails while it logs in; later ones find the gate closed and are refused before
            assert condition["message"] in ("unable to create client", "unable to validate store")

        def told() -> bool:
            messages = synced.told(where)
            assert any(cause in message for message in messages), f"no Event of {where} names {cause!r}: {messages}"
            return True

        eventually(told, 15, what=f"an Event that names {cause!r}")
        always(lambda: synced.cluster.secret(synced.namespace, "app") == GOOD, 1.0, what="the last good Secret")
    finally:
        synced.bao.unseal()


def test_a_backend_that_comes_back_turns_everything_ready_without_anybodys_help(synced: Synced) -> None:
    synced.bao.seal()
    try:
        synced.cluster.wait_ready("externalsecrets", synced.namespace, "app", 30, status="False")
    finally:
        synced.bao.unseal()
    synced.cluster.wait_ready("externalsecrets", synced.namespace, "app", 60)
    assert synced.cluster.secret(synced.namespace, "app") == GOOD
