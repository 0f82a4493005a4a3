"""VaultDynamicSecret on a real OpenBao: users of a real PostgreSQL that go when others have followed, TOTP codes and
certificates."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from e2e.harness.cluster import Cluster, Json
from e2e.harness.objects import thing
from e2e.harness.openbao import OpenBao
from e2e.harness.postgres import ADMIN, PASSWORD, Postgres
from e2e.harness.proxy import Fate, Lose, Refuse, Seen
from e2e.harness.waiting import eventually
from tests.harness.behind import Behind

pytestmark = pytest.mark.real
API = "generators.external-secrets.io/v1alpha1"
CREATE = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def database() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


class World:
    """A namespace whose generators log in to OpenBao with a token of their own; engines are mounted at
    `<namespace>-<engine>`."""

    def __init__(self, cluster: Cluster, openbao: OpenBao, namespace: str) -> None:
        self.cluster, self.openbao, self.namespace = cluster, openbao, namespace
        openbao.policy(
            namespace,
            {f"{namespace}-*": ["read", "create", "update"], "sys/leases/revoke": ["update"]},
        )
        made = openbao.request("POST", "auth/token/create", {"policies": [namespace], "ttl": "1h"})
        token = base64.b64encode(made["auth"]["client_token"].encode()).decode()
        cluster.api.create("secrets", namespace, {"metadata": {"name": "login"}, "data": {"token": token}})

    def mount(self, engine: str) -> str:
        path = f"{self.namespace}-{engine}"
        self.openbao.request("POST", f"sys/mounts/{path}", {"type": engine})
        return path

    def generator(self, path: str, **spec: Any) -> Json:
        login = {"tokenSecretRef": {"name": "login", "key": "token"}}
        provider = {"server": self.openbao.address, "auth": login}
        name = path.removeprefix(f"{self.namespace}-").partition("/")[0]
        body = {"path": path, "provider": provider} | spec
        return thing("VaultDynamicSecret", name, self.namespace, api=API, spec=body)

    def external_secret(self, *entries: tuple[str, str, str], name: str = "app") -> Json:
        """`entries`: kind and name of a generator, and what its keys begin with."""
        data = [
            {
                "sourceRef": {"generatorRef": {"kind": kind, "name": generator}},
                "rewrite": [{"regexp": {"source": "^", "target": prefix}}],
            }
            for kind, generator, prefix in entries
        ]
        spec = {"refreshInterval": "1h", "target": {"name": name}, "dataFrom": data}
        return thing("ExternalSecret", name, self.namespace, spec=spec)

    def secret(self) -> dict[str, str]:
        return self.cluster.secret(self.namespace, "app") or {}

    def states(self) -> list[Json]:
        return self.cluster.api.list("generatorstates", self.namespace)


@pytest.fixture
def world(cluster: Cluster, openbao: OpenBao, namespace: str) -> World:
    return World(cluster, openbao, namespace)


def dies(behind: Behind, at: Callable[[Seen], bool], *, delivered: bool) -> None:
    """From now on: the first such request ends the process, before it arrives or before its reply does."""
    hit: list[Seen] = []

    def rule(seen: Seen) -> Fate | None:
        if hit:
            return Refuse()  # what was on its way when the process died
        if not at(seen):
            return None
        hit.append(seen)
        if delivered:
            return Lose()
        behind.kill_now()
        return Refuse()

    def replied(seen: Seen, status: int) -> None:
        if seen in hit:
            behind.kill_now()

    behind.proxy.rule, behind.proxy.replied = rule, replied


def test_a_database_user_goes_once_others_have_followed_although_the_process_is_killed_twice_on_the_way(
    world: World, openbao: OpenBao, database: Postgres
) -> None:
    path, cluster = world.mount("database"), world.cluster
    connection = {
        "plugin_name": "postgresql-database-plugin",
        "allowed_roles": "*",
        "connection_url": database.connection_url(),
        "username": ADMIN,
        "password": PASSWORD,
    }
    openbao.request("POST", f"{path}/config/shop", connection)
    role = {"db_name": "shop", "creation_statements": [CREATE], "default_ttl": "1h"}
    openbao.request("POST", f"{path}/roles/shop", role)
    cluster.apply(
        [world.generator(f"{path}/creds/shop"), world.external_secret(("VaultDynamicSecret", "database", ""))]
    )

    def works() -> str:
        """The user of the Secret, which is asked who it is."""
        found = world.secret()
        assert database.ask("select current_user", found["username"], found["password"]) == [found["username"]]
        return found["username"]

    def renew(mark: str) -> None:
        patch = {"metadata": {"annotations": {"renewed": mark}}}
        cluster.api.patch("externalsecrets", world.namespace, "app", patch)

    flags = {"revoke_vault_leases": "true", "generator_gc_grace_period": "2s"}
    with Behind(cluster, world.namespace, **flags) as behind:
        behind.operator.start()
        cluster.wait_ready("externalsecrets", world.namespace, "app", 60)
        users = [works()]
        renew("once")
        eventually(lambda: world.secret()["username"] != users[0], 30, what="the second user")
        users.append(works())
        behind.settle()

        # the older lease has got its deadline
        dies(behind, lambda seen: seen.what.startswith("PATCH generatorstates/"), delivered=True)
        renew("twice")
        eventually(lambda: not behind.operator.child.alive, 30, what="the process is killed")
        users.append(works())
        assert database.users() == set(users)
        (old,) = (one["metadata"]["name"] for one in world.states() if "garbageCollectionDeadline" in one["spec"])

        behind.proxy.calm()  # the next process does not know that the third user is there, and makes another one
        dies(behind, lambda seen: seen.what == f"PATCH generatorstates/{old}", delivered=False)
        behind.operator.start()
        eventually(lambda: not behind.operator.child.alive, 60, what="the process is killed again")
        # the lease is revoked, its state still waits for that; the server may end the user after its answer
        eventually(lambda: users[0] not in database.users(), 30, what="the first user goes")
        assert old in {one["metadata"]["name"] for one in world.states()}

        behind.proxy.calm()
        behind.operator.start()
        cluster.wait_ready("externalsecrets", world.namespace, "app", 60)
        eventually(lambda: len(world.states()) == 2, 60, what="the states of superseded leases go")
        behind.settle()
        assert users[0] not in database.users()
        last = works()

        cluster.api.delete("externalsecrets", world.namespace, "app")
        eventually(lambda: world.states() == [], 60, what="the states go with their owner")
        # One that was made at the moment of the second kill ends with its own time to live.
        eventually(lambda: last not in database.users(), 30, what="the last user goes")


def test_codes_and_certificates_of_the_server_and_a_code_of_ours_that_the_server_takes(
    world: World, openbao: OpenBao
) -> None:
    codes, pki = world.mount("totp"), world.mount("pki")
    openbao.request("POST", f"{codes}/keys/door", {"key": SEED, "issuer": "shop", "account_name": "door"})
    openbao.request("POST", f"{pki}/root/generate/internal", {"common_name": "shop root", "ttl": "48h"})
    openbao.request("POST", f"{pki}/roles/web", {"allow_any_name": True, "key_type": "ec", "key_bits": 256})
    seed = {"metadata": {"name": "seed"}, "data": {"seed": base64.b64encode(SEED.encode()).decode()}}
    world.cluster.api.create("secrets", world.namespace, seed)
    wanted = {"common_name": "shop.example.com", "ttl": "1h"}
    world.cluster.apply(
        [
            world.generator(f"{codes}/code/door"),
            world.generator(f"{pki}/issue/web", method="POST", parameters=wanted),
            thing("MFA", "ours", world.namespace, api=API, spec={"secret": {"name": "seed", "key": "seed"}}),
            world.external_secret(
                ("VaultDynamicSecret", "totp", "door_"), ("VaultDynamicSecret", "pki", "web_"), ("MFA", "ours", "our_")
            ),
        ]
    )
    with Behind(world.cluster, world.namespace) as behind:
        behind.operator.start()
        world.cluster.wait_ready("externalsecrets", world.namespace, "app", 60)
    found = world.secret()
    assert found["door_code"].isdecimal() and len(found["door_code"]) == len(found["our_token"]) == 6
    certificate = x509.load_pem_x509_certificate(found["web_certificate"].encode())
    key = load_pem_private_key(found["web_private_key"].encode(), None)
    assert certificate.public_key() == key.public_key()
    assert certificate.subject.rfc4514_string() == "CN=shop.example.com"
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(found["web_issuing_ca"].encode()))
    assert found["web_serial_number"] == ":".join(f"{byte:02x}" for byte in serial(certificate))
    assert world.states() == [], "leases are forgotten unless the flag says otherwise"


def serial(certificate: x509.Certificate) -> bytes:
    number = certificate.serial_number
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
