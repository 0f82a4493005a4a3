"""The process that keeps certificates, on the fake API server: from an empty Secret on, and back after any damage."""

from __future__ import annotations

import asyncio
import base64
import functools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import eso.certs.keep as keep
from eso.api.meta import CRDS, EVENTS, LEASES, SECRETS
from eso.app.certcontroller import CertController, run
from eso.app.flags import CertControllerSettings, parse
from eso.app.main import run as command
from eso.app.tasks import Stop
from eso.certs.keep import decoded, new_key
from eso.certs.mint import Kept, authority, needed, server
from eso.certs.passes import CONFIGURATIONS
from eso.certs.room import ENDPOINT_SLICES
from eso.kube.config import FixedAccess
from tests.fakes.apiserver import FakeApiServer, Json, Request, Status, UnhurriedAccess
from tests.fakes.clock import VirtualClock, until
from tests.harness.inprocess import Log

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
NAMESPACE, HOOK = "system", "external-secrets-webhook"
NAME = f"{HOOK}.{NAMESPACE}.svc"
CRD = "secretstores.external-secrets.io"
INTERVAL, DAY = 300.0, 86_400.0
FLAGS = (
    f"--service-namespace={NAMESPACE}",
    f"--secret-namespace={NAMESPACE}",
    f"--crd-names={CRD}",
    "--metrics-addr=0",
    "--healthz-addr=0",
)


@functools.cache
def spare(number: int) -> rsa.RSAPrivateKey:
    return new_key()


@pytest.fixture(autouse=True)
def keys_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key takes a tenth of a second. Each call gets another one, out of a dozen."""
    numbers = iter(range(1_000_000))
    monkeypatch.setattr(keep, "new_key", lambda: spare(next(numbers) % 12))


class World:
    """The API server as the manifests leave it; `at`: the time of day."""

    def __init__(self, api: FakeApiServer) -> None:
        self.api, self.clock = api, VirtualClock(START)
        self.put_secret({})
        self.put_configuration("externalsecret-validate", "validate.externalsecret.external-secrets.io")
        self.put_crd({"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "x", "namespace": "y"}}}})
        self.put_slice(ready=True)

    def put_secret(self, data: dict[str, bytes]) -> None:
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        meta = {"name": HOOK, "namespace": NAMESPACE}
        self.api.put(SECRETS, {"metadata": meta, "type": "Opaque"} | ({"data": encoded} if data else {}))

    def put_configuration(self, name: str, hook: str, **service: str) -> None:
        at = {"name": "elsewhere", "namespace": "elsewhere", "path": "/p"} | service
        labels = {"external-secrets.io/component": "webhook"}
        hooks = [{"name": hook, "clientConfig": {"service": at}}]
        self.api.put(CONFIGURATIONS, {"metadata": {"name": name, "labels": labels}, "webhooks": hooks})

    def put_crd(self, conversion: Json) -> None:
        labels = {"external-secrets.io/component": "controller"}
        self.api.put(CRDS, {"metadata": {"name": CRD, "labels": labels}, "spec": {"conversion": conversion}})

    def put_slice(self, *, ready: bool) -> None:
        meta = {"name": f"{HOOK}-1", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": HOOK}}
        self.api.put(ENDPOINT_SLICES, {"metadata": meta, "endpoints": [{"conditions": {"ready": ready}}]})

    @property
    def data(self) -> dict[str, bytes]:
        return decoded(self.api.get(SECRETS, NAMESPACE, HOOK) or {})

    def bundle(self, name: str = "externalsecret-validate") -> bytes:
        hook = (self.api.get(CONFIGURATIONS, "", name) or {})["webhooks"][0]
        return base64.b64decode(hook["clientConfig"].get("caBundle", ""))

    @property
    def client(self) -> Json:
        conversion = (self.api.get(CRDS, "", CRD) or {})["spec"]["conversion"]
        found: Json = conversion["webhook"]["clientConfig"]
        return found

    def whole(self) -> bool:
        """A client of the API server could ask the webhook."""
        good = needed(self.data, NAME, self.clock.now()) == Kept()
        hook = (self.api.get(CONFIGURATIONS, "", "externalsecret-validate") or {})["webhooks"][0]["clientConfig"]
        at = (hook["service"]["name"], hook["service"]["namespace"])
        return good and at == (HOOK, NAMESPACE) and self.bundle() == self.data["ca.crt"]

    def writes(self, pattern: str = "") -> list[Request]:
        return [one for one in self.api.sent("PATCH", pattern) if "leases" not in one.path]


class Process:
    def __init__(self, world: World, flags: Iterable[str] = ()) -> None:
        self.world, self.log, self.stop = world, Log(), Stop()
        self.access = UnhurriedAccess(world.api.url)
        settings = parse(CertControllerSettings, [*FLAGS, *flags])
        self.process = CertController(settings, self.access, world.clock, self.log)
        self.task = asyncio.ensure_future(run(self.process, self.stop))

    def ready(self, name: str = "") -> tuple[int, str]:
        return self.process.health.ask("readyz", name)

    async def until(self, what: Callable[[], bool]) -> None:
        await until(lambda: self.task.done() or what())
        if self.task.done():
            self.task.result()
        assert what()

    async def end(self) -> None:
        self.stop.asked.set()
        self.stop.now.set()
        await asyncio.wait([self.task])
        await self.access.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as api:
        yield World(api)


@asynccontextmanager
async def running(world: World, *flags: str) -> AsyncIterator[Process]:
    made = Process(world, flags)
    try:
        yield made
    finally:
        await made.end()


async def idle(world: World, *processes: Process) -> None:
    """Nothing is in hand and nothing waits."""

    def rests() -> bool:
        return all(
            one.in_flight == 0 and not any(one.queue.snapshot().ready.values())
            for process in processes
            for one in process.process.certs.controllers
        )

    for _ in range(20):
        await until(rests)
        await asyncio.sleep(0.005)


# --- the start


async def test_an_empty_secret_is_filled_and_both_kinds_of_objects_name_the_ca(world: World):
    async with running(world) as one:
        await one.until(lambda: world.whole() and one.ready()[0] == 200)
        assert set(world.data) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
        assert world.client["service"] == {"name": HOOK, "namespace": NAMESPACE}
        assert base64.b64decode(world.client["caBundle"]) == world.data["ca.crt"]
    assert one.task.done() and one.task.exception() is None


async def test_a_secret_that_the_reference_filled_is_kept(world: World):
    ca = authority(spare(0), 1, START - timedelta(days=900))
    before = ca | server(ca, spare(1), 2, NAME, START - timedelta(days=900))
    world.put_secret(before)
    async with running(world) as one:
        await one.until(world.whole)
        assert world.data == before and not world.writes("/secrets/")


async def test_nothing_is_written_again_while_all_is_well(world: World):
    async with running(world) as one:
        await one.until(lambda: world.whole() and one.ready()[0] == 200)
        await idle(world, one)
        before = len(world.writes())
        for _ in range(5):
            await world.clock.advance(INTERVAL)
            await idle(world, one)
        assert len(world.writes()) == before
        looks = [request for request in world.api.sent("GET", f"/{CRD}$")]
        assert len(looks) >= 5


async def test_a_crd_that_converts_nothing_is_left_alone_and_counts_as_done(world: World):
    world.put_crd({"strategy": "None"})
    async with running(world) as one:
        await one.until(lambda: world.whole() and one.ready()[0] == 200)
        assert not world.writes("/customresourcedefinitions/")


async def test_configurations_without_our_label_are_not_touched(world: World):
    hooks = [{"name": "validate.x.external-secrets.io", "clientConfig": {"service": {"name": "a", "namespace": "b"}}}]
    world.api.put(CONFIGURATIONS, {"metadata": {"name": "foreign"}, "webhooks": hooks})
    async with running(world) as one:
        await one.until(world.whole)
        await idle(world, one)
        assert world.bundle("foreign") == b""


# --- readiness


async def test_it_is_ready_once_the_webhook_has_an_address(world: World):
    world.put_slice(ready=False)
    async with running(world) as one:
        await one.until(world.whole)
        await one.until(lambda: "no address of service" in one.ready("crd-inject")[1])
        world.put_slice(ready=True)
        await one.until(lambda: one.ready()[0] == 200)


async def test_a_crd_that_is_not_there_is_named_and_holds_up_nothing_else(world: World):
    async with running(world, "--crd-names=nope.external-secrets.io") as one:
        await one.until(world.whole)
        await one.until(lambda: one.ready("validation-webhook-inject")[0] == 200)
        assert "resource not ready: nope.external-secrets.io" in one.ready("crd-inject")[1]
        text = 'customresourcedefinitions "nope.external-secrets.io" not found'
        await one.until(lambda: any(fields.get("error") == text for _, _, fields in one.log.lines))


async def test_without_a_configuration_it_is_not_ready(world: World):
    world.api.remove(CONFIGURATIONS, "", "externalsecret-validate")
    async with running(world) as one:
        await one.until(lambda: one.ready("crd-inject")[0] == 200)
        assert "there is no ValidatingWebhookConfiguration" in one.ready()[1]
        world.put_configuration("externalsecret-validate", "validate.externalsecret.external-secrets.io")
        await one.until(lambda: world.whole() and one.ready()[0] == 200)


async def test_a_secret_that_is_not_there_is_waited_for(world: World):
    world.api.remove(SECRETS, NAMESPACE, HOOK)
    async with running(world) as one:
        await one.until(lambda: any(fields.get("error", "").startswith('secrets "') for _, _, fields in one.log.lines))
        assert one.ready()[0] == 500
        world.put_secret({})
        await one.until(world.whole)


# --- damage


async def rests(one: Process, world: World) -> None:
    await one.until(lambda: world.whole() and one.ready()[0] == 200)
    await idle(world, one)


def emptied(world: World) -> None:
    world.put_secret({})


def swapped(world: World) -> None:
    ca = authority(spare(20), 1, world.clock.now())
    world.put_secret(world.data | ca)


def half_swapped(world: World) -> None:
    world.put_secret(world.data | {"ca.crt": authority(spare(20), 1, world.clock.now())["ca.crt"]})


def unbundled(world: World) -> None:
    world.put_configuration("externalsecret-validate", "validate.externalsecret.external-secrets.io")


def rubbish(world: World) -> None:
    world.api.edit(SECRETS, NAMESPACE, HOOK, {"data": {"tls.crt": "bm90IGEgY2VydA==", "ca.key": "%%%"}})


def expired(world: World) -> None:
    world.clock.jump(3651 * DAY)


def set_back(world: World) -> None:
    world.clock._start -= timedelta(days=3)


DAMAGES = (emptied, swapped, half_swapped, unbundled, rubbish, expired, set_back)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_damage_is_mended_within_one_interval(world: World, damage: Callable[[World], None]):
    async with running(world) as one:
        await rests(one, world)
        damage(world)
        await world.clock.advance(INTERVAL + 1)
        await one.until(world.whole)
        await idle(world, one)
        assert base64.b64decode(world.client["caBundle"]) == world.data["ca.crt"]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_damage_is_mended_within_one_interval_although_no_watch_tells_of_it(
    world: World, damage: Callable[[World], None]
):
    async with running(world) as one:
        await rests(one, world)
        world.api.fail(Status(500, "InternalError"), times=100_000, watch=True)
        world.api.break_watches()
        damage(world)
        await world.clock.advance(INTERVAL + 1)
        await one.until(world.whole)


async def test_an_api_server_that_was_away_is_caught_up_with_within_one_interval(world: World):
    async with running(world) as one:
        await rests(one, world)
        emptied(world)
        world.api.fail(Status(503, "ServiceUnavailable"), times=1_000_000, path="secrets|crd|validating|custom")
        for _ in range(12):  # long enough for a back-off of seven minutes
            await world.clock.advance(INTERVAL)
            await asyncio.sleep(0.01)
        await one.until(lambda: one.ready()[0] == 500)
        world.api._rules.clear()
        await world.clock.advance(INTERVAL + 1)
        await one.until(world.whole)


async def test_a_configuration_that_cannot_be_patched_gets_an_event(world: World):
    world.api.forbidden = {("patch", "validatingwebhookconfigurations")}
    async with running(world) as one:
        await one.until(lambda: bool(world.api.all(EVENTS)))
        event = world.api.all(EVENTS)[0]
        assert (event["reason"], event["type"]) == ("UpdateFailed", "Warning")
        assert event["source"]["component"] == "validating-webhook-configuration"
        assert event["involvedObject"]["name"] == "externalsecret-validate"
        assert one.ready("validation-webhook-inject")[0] == 500


# --- several replicas


async def test_two_replicas_make_one_ca_and_do_not_undo_each_other(world: World):
    async with running(world) as one, running(world) as other:
        await rests(one, world)
        await rests(other, world)
        await idle(world, one, other)
        assert world.whole()
        secrets, before = world.data, len(world.writes())
        for _ in range(3):
            await world.clock.advance(INTERVAL)
            await idle(world, one, other)
        assert world.data == secrets and len(world.writes()) == before


async def test_two_replicas_mend_an_emptied_secret_together(world: World):
    async with running(world) as one, running(world) as other:
        await rests(one, world)
        for _ in range(5):
            emptied(world)
            await world.clock.advance(INTERVAL + 1)
            await idle(world, one, other)
            await one.until(world.whole)


async def test_who_is_later_takes_what_the_other_one_made(world: World):
    ca = authority(spare(0), 1, START)
    theirs = ca | server(ca, spare(1), 2, NAME, START)
    async with running(world) as one:
        world.api.fail(Status(409, "Conflict"), method="PATCH", path="/secrets/")
        await one.until(lambda: bool(world.writes("/secrets/")))
        world.put_secret(theirs)
        await one.until(world.whole)
        await idle(world, one)
        assert len(world.writes("/secrets/")) <= 2


async def test_only_the_leader_works_and_a_standby_is_ready(world: World):
    elected = "--enable-leader-election=true"
    async with running(world, elected) as one:
        await rests(one, world)
        assert world.api.get(LEASES, NAMESPACE, "crd-certs-controller") is not None
        async with running(world, elected) as other:
            await world.clock.advance(5)
            assert other.ready() == (200, "ok")
            assert not any(text == "keeping certificates" for _, text, _ in other.log.lines)
            one.stop.signal()
            await until(one.task.done)
            emptied(world)
            for _ in range(500):  # the standby asks for the Lease every few seconds
                await world.clock.advance(2)
                await asyncio.sleep(0.01)
                if world.whole():
                    break
            assert world.whole() and not other.task.done()


# --- the command line


def test_a_missing_cluster_exits_with_1(monkeypatch: pytest.MonkeyPatch, capfd: Any, tmp_path: Any):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert command(["certcontroller", *FLAGS]) == 1
    assert "KUBECONFIG" in capfd.readouterr().err


def test_help_shows_the_cert_controller_s_own_flags(capsys: pytest.CaptureFixture[str]):
    assert command(["certcontroller", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--crd-names" in out and "--tls-ciphers" not in out


def test_what_is_logged_and_counted_has_the_reference_s_names(tmp_path: Any):
    async def names() -> str:
        process = CertController(
            parse(CertControllerSettings, FLAGS), FixedAccess("http://127.0.0.1:1"), VirtualClock(START), Log()
        )
        return process.metrics.render(process.metrics.freeze()).decode()

    text = asyncio.run(names())
    for controller in ("customresourcedefinition", "validatingwebhookconfiguration"):
        assert f'controller_runtime_reconcile_total{{controller="{controller}",result="success"}} 0' in text
        assert f'workqueue_depth{{name="{controller}",controller="{controller}"}} 0' in text
