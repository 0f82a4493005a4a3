"""Change events on the real API server, with values from a real OpenBao: from its audit device into the Secret."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests

from e2e.harness.cluster import REPO, ApiRefused, Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, secret_store, thing
from e2e.harness.openbao import OpenBao, block
from e2e.harness.operator import LocalOperator
from e2e.harness.process import free_port
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real

TOKEN = "what the audit device sends"
API = "extensions.external-secrets.io/v1alpha1"


def change_source(namespace: str, name: str, auth: Json, **spec: Json) -> Json:
    body = {"storeRefs": [{"name": "store"}], "webhook": {"auth": auth}, **spec}
    return thing("ChangeSource", name, namespace, api=API, spec=body)


def from_secret(name: str) -> Json:
    return {"secretRefs": [{"name": "senders", "key": name}]}


class World:
    """One namespace, an OpenBao of its own, and an operator that is told of every change there."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane, self.namespace, self.port = plane, namespace, free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1/changes/{namespace}"
        self.bao = OpenBao()
        config = self.bao.folder / "config.hcl"
        device = {
            "uri": f"{self.url}/audit",
            "headers": json.dumps({"Authorization": [f"Bearer {TOKEN}"], "Content-Type": ["application/json"]}),
        }
        with config.open("a") as file:
            file.write(f'audit "http" "events" {{\n{block("options", device)}}}\n')
        args = {"change-events-addr": f"127.0.0.1:{self.port}", "enable-leader-election": "false"}
        self.operator = LocalOperator(plane, args=args, name=f"events-{namespace}")

    def __enter__(self) -> World:
        try:
            self.furnish()
        except BaseException:
            self.__exit__()
            raise
        return self

    def furnish(self) -> None:
        """First whoever listens: an OpenBao whose audit device is refused does not unseal."""
        provider = {
            "openBao": {
                "server": self.bao.address,
                "path": "secret",
                "version": "v2",
                "auth": {"tokenSecretRef": {"name": "login", "key": "token"}},
            }
        }
        self.plane.apply(
            [
                self.secret("senders", audit=TOKEN, hand="the key of the hand"),
                secret_store(self.namespace, provider),
                change_source(self.namespace, "audit", {"bearer": from_secret("audit")}),
                change_source(self.namespace, "hand", {"hmac": from_secret("hand")}),
            ]
        )
        self.operator.start()
        self.operator.wait_ready()
        for name in ("audit", "hand"):
            self.plane.wait_ready("changesources", self.namespace, name)
        eventually(self.listens, 60, what="the port of change events")  # it opens once every source is known
        self.bao.start()
        self.bao.mount_kv("secret")
        self.bao.put("secret", "db", {"password": "one"})
        self.plane.apply(
            [
                self.secret("login", token=self.bao.root_token),
                external_secret(self.namespace, "app", {"password": ("db", "password")}, interval="24h"),
            ]
        )
        self.plane.wait_ready("externalsecrets", self.namespace, "app")

    def listens(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/", timeout=180).status_code == 404
        except requests.ConnectionError:
            return False

    def secret(self, name: str, **data: str) -> Json:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        return thing("Secret", name, self.namespace, api="v1", data=encoded)

    def __exit__(self, *_: object) -> None:
        self.operator.stop()
        self.bao.stop()

    def password(self) -> str:
        return (self.plane.secret(self.namespace, "app") or {}).get("password", "")

    def notify(self, *arguments: str, source: str = "hand", secret: str = "the key of the hand") -> tuple[int, str]:
        """`eso notify` as a pipeline runs it."""
        program = [sys.executable, "-c", "from eso.app.main import main; main()"]
        done = subprocess.run(
            [*program, "notify", "--url", f"{self.url}/{source}", *arguments],
            cwd=REPO,
            env={"PATH": os.environ["PATH"], "ESO_NOTIFY_SECRET": secret},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def status(self, source: str) -> Json:
        found = self.plane.api.get("changesources", self.namespace, source) or {}
        status: Json = found.get("status") or {}
        return status


@pytest.fixture(scope="module")
def world(controlplane: ControlPlane) -> Iterator[World]:
    namespace = controlplane.create_namespace("change-events")
    try:
        with World(controlplane, namespace) as made:
            yield made
    finally:
        controlplane.delete_namespace(namespace)


def test_a_write_in_openbao_is_in_the_secret_without_any_poll(world: World) -> None:
    """Its own audit device tells us: the refresh interval is a day."""
    world.bao.put("secret", "db", {"password": "two"})
    eventually(lambda: world.password() == "two", 30, what="the new value is in the Secret")
    assert world.operator.metrics().sum("externalsecrets_change_events_total", outcome="accepted") >= 1


def test_an_event_by_hand(world: World) -> None:
    before = world.bao.counts()
    code, text = world.notify("--key", "secret/db")
    assert (code, text) == (0, "accepted: 1 keys, 1 objects\n")
    eventually(lambda: world.status("hand").get("accepted", 0) >= 1, 30, what="the status says so")
    read = ("read", "secret/data/db")
    eventually(lambda: world.bao.counts()[read] > before[read], 30, what="the key is read")
    assert world.notify("--key", "secret/db", secret="a guess")[0] == 3
    assert world.notify("--key", "secret/db", source="nothing")[0] == 3


def test_what_was_accepted_survives_the_end_of_the_process(world: World) -> None:
    """Killed after the answer and before the write: the backend is sealed in between."""
    world.bao.put("secret", "db", {"password": "three"})
    eventually(lambda: world.password() == "three", 30, what="the value before")
    quiet = world.plane.api
    quiet.patch("changesources", world.namespace, "audit", {"metadata": {"annotations": {SUSPEND: "true"}}})
    eventually(lambda: ready(world, "audit") == "Suspended", 30, what="the audit device is not listened to")
    world.bao.put("secret", "db", {"password": "four"})
    world.bao.seal()
    assert world.notify("--key", "db")[0] == 0
    world.operator.kill()
    assert world.password() == "three"
    world.bao.unseal()
    world.operator.start()
    world.operator.wait_ready()
    eventually(lambda: world.password() == "four", 60, what="the next process writes it")
    eventually(lambda: "pending" not in world.status("hand"), 60, what="nothing is pending any more")


SUSPEND = "extensions.external-secrets.io/suspend"


def ready(world: World, source: str) -> str:
    conditions = world.status(source).get("conditions") or []
    return next((one["reason"] for one in conditions if one["type"] == "Ready"), "")


def tokens_of(issuer: str, claims: Json) -> Json:
    return {"issuer": issuer, "audience": "a", "claims": claims, "jwks": {"url": "https://keys.example"}}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"storeRefs": []}, "storeRefs", id="no store"),
        pytest.param({"webhook": {"auth": {}}}, "auth", id="no proof of the sender"),
        pytest.param(
            {"webhook": {"auth": {"hmac": from_secret("a"), "bearer": from_secret("a")}}}, "auth", id="two proofs"
        ),
        pytest.param({"webhook": {"auth": {"hmac": {"secretRefs": []}}}}, "secretRefs", id="no key"),
        pytest.param({"webhook": {"auth": {"sns": {"topicArns": []}}}}, "topicArns", id="no topic"),
        pytest.param(
            {"webhook": {"auth": {"jwt": tokens_of("https://accounts.google.com", {"azp": "1"})}}},
            "Google signs tokens for every customer",
            id="anybody at Google",
        ),
        pytest.param(
            {"webhook": {"auth": {"jwt": tokens_of("https://token.actions.githubusercontent.com", {"ref": "main"})}}},
            "claims must name this one",
            id="any repository at GitHub",
        ),
        pytest.param(
            {"webhook": {"auth": {"jwt": tokens_of("https://gitlab.com", {"sub": ""})}}},
            "claims must name this one",
            id="any project at GitLab",
        ),
        pytest.param(
            {"webhook": {"auth": {"jwt": tokens_of("https://own", {})}}}, "claims must name this", id="anybody"
        ),
        pytest.param(
            {"webhook": {"auth": {"jwt": tokens_of("i", {"sub": "a"}) | {"jwks": {"url": "http://i"}}}}},
            "jwks.url",
            id="keys in clear",
        ),
    ],
)
def test_what_could_let_a_stranger_in_is_refused(controlplane: ControlPlane, spec: Json, message: str) -> None:
    body = change_source("default", "refused", {"hmac": from_secret("a")}, **spec)
    path = f"/apis/{API}/namespaces/default/changesources?dryRun=All"
    with pytest.raises(ApiRefused, match=message):
        controlplane.api.request("POST", path, body)


STORE = {"storeRefs": [{"name": "store"}]}
SQS = {"queueURL": "https://sqs.eu-west-1.amazonaws.com/123456789012/changes", "region": "eu-west-1"}
PUBSUB = {"subscription": "projects/p/subscriptions/changes"}
BUS = {"host": "shop.servicebus.windows.net", "topic": "changes", "subscription": "operator"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({}, "exactly one of the fields", id="none"),
        pytest.param({"poll": {}, "sqs": SQS}, "exactly one of the fields", id="two"),
        pytest.param({"poll": {"interval": "9s"}}, "at least 10s", id="a poll that never rests"),
        pytest.param({"poll": {"interval": "soon"}}, "duration", id="no duration"),
        pytest.param({"sqs": {**SQS, "queueURL": "http://sqs"}}, "queueURL", id="a queue in clear"),
        pytest.param({"pubsub": {"subscription": "changes"}}, "subscription", id="a subscription without project"),
        pytest.param({"servicebus": {**BUS, "queue": "q"}}, "exactly one of the fields", id="queue and topic"),
        pytest.param({"servicebus": {"host": "h", "topic": "t"}}, "go together", id="a topic without subscription"),
    ],
)
def test_exactly_one_way_of_hearing_is_demanded(controlplane: ControlPlane, spec: Json, message: str) -> None:
    body = thing("ChangeSource", "refused", "default", api=API, spec=STORE | spec)
    path = f"/apis/{API}/namespaces/default/changesources?dryRun=All"
    with pytest.raises(ApiRefused, match=message):
        controlplane.api.request("POST", path, body)


@pytest.mark.parametrize("spec", [{"poll": {}}, {"sqs": SQS}, {"pubsub": PUBSUB}, {"servicebus": BUS}])
def test_each_way_of_hearing_is_accepted(controlplane: ControlPlane, spec: Json) -> None:
    body = thing("ChangeSource", "accepted", "default", api=API, spec=STORE | spec)
    path = f"/apis/{API}/namespaces/default/changesources?dryRun=All"
    assert controlplane.api.request("POST", path, body)["spec"]["debounce"] == "0s"


def test_a_complete_source_is_accepted_and_shown(controlplane: ControlPlane) -> None:
    claims = {"email": "pusher@project.iam.gserviceaccount.com"}
    url = "https://www.googleapis.com/oauth2/v3/certs"
    rule = {"issuer": "https://accounts.google.com", "audience": "a", "claims": claims, "jwks": {"url": url}}
    path = f"/apis/{API}/namespaces/default/changesources?dryRun=All"
    made = controlplane.api.request("POST", path, change_source("default", "google", {"jwt": rule}))
    assert made["spec"]["debounce"] == "0s"
