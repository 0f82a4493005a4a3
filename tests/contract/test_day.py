"""A day in which every token ends many times, for each provider whose tokens end: no read fails.

Neighbours: the benches of test_wire.py, behind the front door of stores; a virtual clock, by which the servers count.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from eso.providers.contract import Remote
from eso.stores.registry import PROVIDERS
from tests.contract.benches import Bench, Ground, cases
from tests.contract.test_wire import write
from tests.fakes.awslogin import ROLE
from tests.fakes.clock import VirtualClock
from tests.fakes.doppler import IDENTITY
from tests.fakes.front import Front
from tests.fakes.kubernetes import AUTHORITY
from tests.fakes.pulumi import ORGANIZATION

DAY, STEP = 24 * 3600.0, 300.0
SWIFT = {"extensions.external-secrets.io/requests-per-second": "1000"}
ACCOUNT = "token-of-team-a-app"  # what the cluster answers a token request with
# Credentials of these providers are used as they stand in the Secret; the end of one is a rotation.
STATIC = {
    "beyondtrustworkloadcredentials",
    "bitwardensecretsmanager",
    "chef",
    "fake",
    "fortanix",
    "gitlab",
    "keepersecurity",
    "ngrok",
    "onboardbase",
    "onepassword",
    "onepasswordSDK",
    "oracle",
    "ovh",
    "previder",
    "scaleway",
    "volcengine",
    "webhook",
}


class Ending(set[str]):
    """Tokens that a server forgets `seconds` after it issued them. `issued` counts them."""

    def __init__(self, clock: VirtualClock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds, self.issued = clock, seconds, 0
        self.ends: dict[str, float] = {}

    def add(self, token: str) -> None:
        self.issued += 1
        self.ends[token] = self.clock.monotonic() + self.seconds
        super().add(token)

    def __contains__(self, token: object) -> bool:
        return super().__contains__(token) and self.clock.monotonic() < self.ends.get(str(token), -math.inf)

    def __iter__(self) -> Iterator[str]:
        return (token for token in super().__iter__() if token in self)


class EndingLogins(dict[str, Any]):
    """The same, for a server that knows more of its tokens; who writes one again extends it."""

    def __init__(self, clock: VirtualClock, seconds: float) -> None:
        super().__init__()
        self.live = Ending(clock, seconds)

    def __setitem__(self, token: str, told: Any) -> None:
        self.live.add(token)
        super().__setitem__(token, told)

    def __contains__(self, token: object) -> bool:
        return token in self.live


Issued = Callable[[], int]


@dataclass(frozen=True)
class Day:
    """`seconds` that a token lasts. `arrange(server, bench, clock)`: the contract server lets tokens end by this clock;
    it returns how many were issued. `account`: the store logs in with a ServiceAccount's token itself."""

    seconds: float
    arrange: Callable[[Any, Bench, VirtualClock], Issued]
    account: bool = False


def forgets(seconds: float) -> Day:
    """A server that keeps its tokens in a set, and says that they last so long."""

    def arrange(server: Any, bench: Bench, clock: VirtualClock) -> Issued:
        tokens = server.tokens = Ending(clock, seconds)
        server.today = clock.now
        return lambda: tokens.issued

    return Day(seconds, arrange)


def has_a_clock(login: str) -> Day:
    """A server that lets tokens end by itself. `login`: expression for the path of its token server."""

    def arrange(server: Any, bench: Bench, clock: VirtualClock) -> Issued:
        server.clock = clock.monotonic
        return lambda: int(server.count(login))

    return Day(3600, arrange)


def assumes_a_role() -> Day:
    def arrange(server: Any, bench: Bench, clock: VirtualClock) -> Issued:
        server.clock, server.lifetime = clock, timedelta(seconds=900)
        bench.block["role"] = ROLE
        return lambda: int(server.operations()["AssumeRole"])

    return Day(900, arrange)


def exchanges_an_account() -> Day:
    def arrange(server: Any, bench: Bench, clock: VirtualClock) -> Issued:
        server.subjects.add(ACCOUNT)
        bench.block["auth"] = {"oidcConfig": {"identity": IDENTITY, "serviceAccountRef": {"name": "app"}}}
        return forgets(3600).arrange(server, bench, clock)

    return Day(3600, arrange)


def exchanges_for_an_organization() -> Day:
    def arrange(server: Any, bench: Bench, clock: VirtualClock) -> Issued:
        server.subjects.add(ACCOUNT)
        account = {"organization": ORGANIZATION, "serviceAccountRef": {"name": "app"}}
        bench.block["auth"] = {"oidcConfig": account}
        return forgets(3600).arrange(server, bench, clock)

    return Day(3600, arrange)


def believes_an_account() -> Day:
    """Another cluster takes tokens of this one as they are, for ten minutes."""

    def arrange(server: Any, bench: Bench, clock: VirtualClock) -> Issued:
        bench.block["auth"] = {"serviceAccount": {"name": "app"}}
        return forgets(600).arrange(server, bench, clock)

    return Day(600, arrange, account=True)


def has_roles() -> Day:
    """Tokens that cannot be renewed."""

    def arrange(server: Any, bench: Bench, clock: VirtualClock) -> Issued:
        tokens = server.tokens = EndingLogins(clock, server.ttl)
        server.renewable = False
        server.approles["role"] = bench.secrets["login/secret"] = "planted-secret-id"
        ref = {"name": "login", "key": "secret"}
        bench.block["auth"] = {"appRole": {"path": "approle", "roleId": "role", "secretRef": ref}}
        return lambda: tokens.live.issued

    return Day(3600, arrange)


DAYS = {  # by the id of the bench
    "akeyless": forgets(3600),
    "aws ParameterStore against the contract server": assumes_a_role(),
    "aws SecretsManager against the contract server": assumes_a_role(),
    "azurekv": has_a_clock("/oauth2/v2.0/token"),
    "azurekv with useAzureSDK": has_a_clock("/oauth2/v2.0/token"),
    "barbican": forgets(3600),
    "beyondtrust": forgets(1200),
    "cloudrusm": forgets(3600),
    "conjur": forgets(480),
    "crd": believes_an_account(),
    "delinea": forgets(3600),
    "doppler": exchanges_an_account(),
    "dvls": forgets(1800),
    "gcpsm": has_a_clock("/token$"),
    "github": forgets(3600),
    "ibm": forgets(3600),
    "infisical": forgets(7200),
    "kubernetes on the contract server": believes_an_account(),
    "nebiusmysterybox": forgets(3600),
    "openBao KV v2 against the fake": has_roles(),
    "passworddepot": forgets(1800),
    "pulumi": exchanges_for_an_organization(),
    "passbolt": forgets(1200),
    "secretserver": forgets(1200),
    "senhasegura": forgets(3600),
    "vault KV v2 against the fake": has_roles(),
    "yandexcertificatemanager": forgets(3600),
    "yandexlockbox": forgets(3600),
}
BENCHES = {case.id: case for case in cases()}


def test_every_provider_has_a_day_or_credentials_without_an_end() -> None:
    here = {id.split()[0] for id in DAYS}
    assert here | STATIC == set(PROVIDERS)
    assert not here & STATIC


@pytest.mark.parametrize("id", sorted(STATIC))
async def test_credentials_without_an_end_are_not_replaced(id: str, ground: Ground) -> None:
    async with BENCHES[id].make(ground) as bench:
        client = await bench.open()
        assert client.lifetime is None
        await client.close()


@pytest.mark.parametrize("id", sorted(DAYS))
async def test_no_read_fails_in_a_day_of_tokens_that_end(id: str, ground: Ground) -> None:
    day = DAYS[id]
    async with BENCHES[id].make(ground) as bench:
        clock = VirtualClock(datetime.now(UTC))  # certificates and signatures go by the real day
        issued = day.arrange(bench.server, bench, clock)
        bench.put("app", {"user": "me"})
        front = front_of(bench, clock)
        if day.account:
            believe(front, bench)
        async with front.running():
            await asked(front, clock, bench)
            for _ in range(int(DAY / STEP)):
                clock.jump(STEP)
                await asked(front, clock, bench)
        assert issued() >= DAY / day.seconds, "tokens end"
        if day.seconds >= 4 * STEP:
            assert issued() < DAY / STEP, "and serve more than one read before that"


def front_of(bench: Bench, clock: VirtualClock) -> Front:
    """A cluster with the bench's store and its credentials. A vendor's pace would stretch the day."""
    meta = {"name": "store", "namespace": "team-a", "annotations": SWIFT}
    store = {"kind": "SecretStore", "metadata": meta, "spec": {"provider": {bench.provider.name: bench.block}}}
    front = Front(bench.provider, [{"apiVersion": "external-secrets.io/v1", **store}], clock=clock)
    write(front, bench)
    return front


def believe(front: Front, bench: Bench) -> None:
    """Tokens that the cluster issues are good at the bench's server."""
    front.rest.objects[f"configmaps/team-a/{AUTHORITY['name']}"] = {"data": {AUTHORITY["key"]: "of an https server"}}
    issue, server = front.rest.create, bench.server

    async def issued(*place: Any, **more: Any) -> bytes:
        server.tokens.add(ACCOUNT)  # type: ignore[union-attr]  # see `forgets`
        return await issue(*place, **more)

    front.rest.create = issued  # type: ignore[method-assign]  # the cluster of this test


async def asked(front: Front, clock: VirtualClock, bench: Bench) -> None:
    """One read, or one look where nothing can be read. A gate waits for this clock, the sockets for the real one."""
    calls = front.stores
    making = front.read("app") if bench.reads else calls.exists("team-a", front.store, Remote("app"))
    call = asyncio.ensure_future(making)
    while not call.done():
        await clock.advance(0.01)
        await asyncio.wait([call], timeout=0.001)
    assert call.result() is True or b"me" in call.result()
