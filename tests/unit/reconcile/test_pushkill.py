"""A process that ends at any moment loses nothing of what was pushed; many objects cost few requests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from eso.api.meta import SECRETS
from eso.api.pushsecret import PUSH_SECRETS
from eso.api.secretstore import SECRET_STORES
from tests.fakes.apiserver import FakeApiServer, Fault, Hang
from tests.fakes.clock import until
from tests.fakes.vault import ROOT, FakeVault
from tests.harness.pushable import Pushable
from tests.unit.app.operating import START, Operating, put_store
from tests.unit.reconcile.pushing import Pushing, end, entry, pushing, put_push, put_source, put_world

Point = tuple[str, int, bool]  # api or backend, which of its writes, whether it is done before the process ends


class Dying(FakeApiServer):
    """The `at`-th write of the operator is never answered; `happened`: it is done all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.at, self.happened, self.count, self.hit = 0, False, 0, False

    def arm(self, at: int, happened: bool) -> None:
        self.at, self.happened, self.count, self.hit = at, happened, 0, False

    def _fault(self, method: str, path: str, watch: bool) -> Fault | None:
        if method != "GET" and "/events" not in path:
            self.count += 1
            if self.count == self.at:
                self.hit = True
                return Hang(self.happened)
        return super()._fault(method, path, watch)


class Fragile(Pushable):
    """The same for the backend: pushes and deletions are counted together."""

    def __init__(self) -> None:
        super().__init__()
        self.stop_at, self.happened, self.count, self.hit = 0, False, 0, False

    def arm(self, at: int, happened: bool) -> None:
        self.stop_at, self.happened, self.count, self.hit = at, happened, 0, False

    async def write(self, do: Callable[[], Any]) -> None:
        self.count += 1
        if self.count == self.stop_at:
            self.hit = True
            if self.happened:
                do()
            await asyncio.Event().wait()
        do()


@asynccontextmanager
async def killable(api: FakeApiServer, backend: Pushable, start: datetime = START) -> AsyncIterator[Pushing]:
    """An operator that ends without a word: what is on its way is neither finished nor told."""
    one = Operating(api, (), {"fake": backend}, (), start)
    try:
        yield Pushing(one, backend)
    finally:
        one.task.cancel()
        with suppress(asyncio.CancelledError):
            await one.task
        await one.access.close()


def world(api: FakeApiServer, policy: str) -> None:
    put_world(api, deletionPolicy="Delete", updatePolicy=policy, data=[entry("key", "a"), entry("key", "b", "p")])


async def killed_at(point: Point, *, deletion: bool, renamed: bool = False, policy: str = "Replace") -> bool:
    """Whether the process came so far. What a later process makes of it is checked here."""
    where, number, happened = point
    backend = Fragile()
    async with Dying() as api:
        world(api, policy)
        if deletion:
            async with pushing(api, backend=backend) as one:
                await one.synced()
                await one.one.until(one.held)
            end(api, PUSH_SECRETS, "team", "ps")
        (api if where == "api" else backend).arm(number, happened)  # type: ignore[union-attr]  # both can
        async with killable(api, backend) as one:
            with suppress(TimeoutError):
                await until(lambda: api.hit or backend.hit or settled(one, deletion))
            hit = api.hit or backend.hit
        api.arm(0, False)
        backend.arm(0, False)
        if renamed and not deletion:
            api.edit(PUSH_SECRETS, "team", "ps", {"spec": {"data": [entry("key", "c")]}})
        async with pushing(api, backend=backend) as one:
            if deletion:
                await one.gone()
            else:
                await one.one.until(lambda: settled(one, deletion))
                await one.one.idle()
                keys = ["c"] if renamed else ["a", "b/p"]
                assert one.backend.keys() == keys, f"killed at {point}"
                assert one.books() == {"SecretStore/store": keys}, f"killed at {point}"
                one.delete()
                await one.gone()
            assert backend.remote == {}, f"killed at {point}"
            await one.one.until(lambda: not one.held())
    return hit


def settled(one: Pushing, deletion: bool) -> bool:
    if deletion:
        return one.get() is None and not one.held()
    version = one.status().get("syncedResourceVersion", "")
    generation = ((one.get() or {}).get("metadata") or {}).get("generation")
    return one.said()[1] == "Synced" and version.partition("-")[0] == str(generation) and one.held()


@pytest.mark.parametrize(
    ("deletion", "renamed", "policy"),
    [
        pytest.param(False, False, "Replace", id="a first push"),
        pytest.param(False, False, "IfNotExists", id="a first push of what is not there yet"),
        pytest.param(False, True, "Replace", id="a first push, and an edit before the next process starts"),
        pytest.param(True, False, "Replace", id="a deletion"),
    ],
)
@pytest.mark.parametrize("happened", [pytest.param(False, id="before"), pytest.param(True, id="after")])
@pytest.mark.parametrize("where", ["api", "backend"])
async def test_a_process_that_ends_at_any_write_leaves_nothing_that_the_next_one_does_not_finish(
    where: str, happened: bool, deletion: bool, renamed: bool, policy: str
) -> None:
    reached = 0
    for number in range(1, 20):
        if not await killed_at((where, number, happened), deletion=deletion, renamed=renamed, policy=policy):
            break
        reached = number
    assert reached >= 2, "the writes were met"


# --- random edits

NAMES, SOURCES = ["one", "two", "three"], ["alpha", "beta"]
LAST = 4  # edits at the end that no process sees being made


@dataclass
class Edits:
    """A seeded list of edits that can be made in several worlds. Every object has the policy Delete, so that the end
    does not depend on what came before."""

    seed: int
    made: list[tuple[str, str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        for n in range(24):
            what = chance.choices(["push", "source", "unpush", "lose", "relabel"], [6, 6, 2, 1, 2])[0]
            match what:
                case "push":
                    name = chance.choice(NAMES)
                    labelled = chance.random() < 0.4
                    ref = {"labelSelector": {"matchLabels": {"tier": "a"}}} if labelled else {"name": "store"}
                    keys = [entry("key", f"{name}-{chance.randint(0, 3)}"), entry("key", "shared", name)]
                    self.made.append((what, name, (chance.choice(SOURCES), [ref], keys)))
                case "source" | "lose":
                    self.made.append((what, chance.choice(SOURCES), f"value-{n}"))
                case "relabel":
                    self.made.append((what, chance.choice(["store", "other"]), chance.choice(["a", "b"])))
                case _:
                    self.made.append((what, chance.choice(NAMES), None))

    def make(self, api: FakeApiServer, n: int, now: datetime) -> None:
        what, name, value = self.made[n]
        at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        found = api.get(PUSH_SECRETS, "team", name)
        going = found is not None and "deletionTimestamp" in found["metadata"]
        match what:
            case "push" if not going:
                source, stores, data = value
                spec = {"selector": {"secret": {"name": source}}, "secretStoreRefs": stores, "data": data}
                if found is None:
                    put_push(api, name, source=source, stores=stores, data=data, deletionPolicy="Delete")
                else:
                    api.edit(PUSH_SECRETS, "team", name, {"spec": spec})
            case "unpush" if found is not None and not going:
                end(api, PUSH_SECRETS, "team", name)
            case "source":
                put_source(api, name, at=at, key=value)
            case "lose" if api.get(SECRETS, "team", name) is not None:
                api.remove(SECRETS, "team", name)
            case "relabel":
                api.edit(SECRET_STORES, "team", name, {"metadata": {"labels": {"tier": value}}})


async def run(seed: int, *, calm: bool) -> tuple[Any, Any, Any]:
    """(remote contents, what is recorded, which stores are held) after all edits."""
    edits, backend, chance = Edits(seed), Pushable(), random.Random(seed + 1000)
    async with FakeApiServer() as api:
        for name in ("store", "other"):
            put_store(api, name, ready=True, labels={"tier": "a"})
        for name in SOURCES:
            put_source(api, name, at="2026-05-01T11:00:00Z")
        now, n = START, 0
        while n < len(edits.made):
            async with killable(api, backend, now) as one:
                await one.one.running()
                for _ in range(len(edits.made) if calm else chance.randint(1, 4)):
                    if n == len(edits.made) or (n >= len(edits.made) - LAST and not calm):
                        break
                    edits.make(api, n, one.clock.now())
                    n += 1
                    if calm or chance.random() < 0.5:
                        await one.one.idle()
                    await one.clock.advance(20.0)
                now = one.clock.now()
            while n < len(edits.made) and not calm:
                edits.make(api, n, now)  # while no process runs
                n += 1
                now += timedelta(seconds=20)
                if n < len(edits.made) - LAST:
                    break
        async with killable(api, backend, now) as one:
            await one.one.running()
            for _ in range(10):
                await one.clock.advance(60.0)  # far from the interval, which would heal everything
                await one.one.idle()
            books = {name: one.books(name) for name in NAMES if one.get(name) is not None}
            held = [name for name in ("store", "other") if one.held(name)]
            return backend.remote, books, held


@pytest.mark.parametrize("seed", range(6))
async def test_random_edits_with_kills_in_between_end_as_a_calm_run_does(seed: int) -> None:
    calm = await run(seed, calm=True)
    wild = await run(seed, calm=False)
    assert wild == calm


# --- how much it costs


async def test_a_thousand_objects_on_fifty_remote_keys() -> None:
    """Each value is sent once; each object costs a read of its source and a write of its status."""
    async with FakeApiServer() as api:
        put_store(api, "shared", "", ready=True)
        stores = [{"name": "shared", "kind": "ClusterSecretStore"}]
        for n in range(20):
            put_source(api, namespace=f"team-{n}")
            for m in range(50):
                put_push(api, f"ps-{m}", f"team-{n}", stores=stores, data=[entry("key", f"key-{m}")])
        async with pushing(api) as one:
            every = [(f"ps-{m}", f"team-{n}") for n in range(20) for m in range(50)]
            await one.one.until(lambda: all(one.said(*each)[1] == "Synced" for each in every[-50:]))
            await one.one.until(lambda: all(one.said(*each)[1] == "Synced" for each in every))
            await one.one.idle()
            assert len(one.backend.pushes) == 50
            reads = [r for r in api.requests if r.method == "GET" and "/secrets/" in r.path]
            writes = [r for r in api.writes if "/pushsecrets/" in r.path]
            assert (len(reads), len(writes)) == (1000, 1000)


async def test_properties_of_few_remote_keys_are_written_once_each_and_none_is_lost() -> None:
    """Twenty namespaces push a property each to every one of ten keys of a Vault server, where a write takes the whole
    key: requests are counted there. At the interval they are compared, and nothing is written."""
    spaces, keys = [f"team-{n}" for n in range(20)], [f"key-{m}" for m in range(10)]
    async with FakeApiServer() as api, FakeVault() as vault:
        login = {"name": "login", "key": "token", "namespace": "team-0"}
        provider = {"vault": {"server": vault.address, "path": "secret", "auth": {"tokenSecretRef": login}}}
        put_store(api, "shared", "", ready=True, provider=provider)
        put_source(api, "login", "team-0", token=ROOT)
        stores = [{"name": "shared", "kind": "ClusterSecretStore"}]
        for space in spaces:
            put_source(api, namespace=space, key=f"of {space}")
            for key in keys:
                put_push(api, key, space, stores=stores, data=[entry("key", key, space)])

        def asked(method: str, since: int = 0) -> list[str]:
            return [one.path for one in vault.asked[since:] if one.method == method and "/secret/data/" in one.path]

        async with pushing(api) as one:
            await one.one.until(lambda: all(one.said(key, space)[1] == "Synced" for key in keys for space in spaces))
            await one.one.idle()
            for key in keys:
                versions = vault.kv["secret"][1][key]
                assert [len(version or {}) for version in versions] == list(range(1, 21)), "none is lost on the way"
                assert versions[-1] == {space: f"of {space}" for space in spaces}
            assert len(asked("PUT")) == len(asked("GET")) == 200
            mark = len(vault.asked)
            await one.clock.advance(3700.0)
            await one.one.idle()
            assert asked("PUT", mark) == [] and len(asked("GET", mark)) == 200
            mark = len(vault.asked)
            put_source(api, namespace="team-7", key="another one")
            await one.one.until(
                lambda: all((vault.kv["secret"][1][key][-1] or {})["team-7"] == "another one" for key in keys)
            )
            await one.one.idle()
            assert sorted(asked("PUT", mark)) == [f"/v1/secret/data/{key}" for key in keys]
