"""Two namespaces, one of them hostile: what it can take from the other one, and from the operator."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from e2e.harness.cluster import Json
from e2e.harness.controlplane import ControlPlane
from e2e.harness.objects import external_secret, fake_provider, secret_store, thing
from e2e.harness.operator import LocalOperator
from e2e.harness.waiting import eventually

pytestmark = pytest.mark.real
MANY = 300  # more than there are passes in flight


class Hostile(ThreadingHTTPServer):
    """A Vault of the attacker's: logs everybody in, answers no read until `released`, and nonsense to renewals."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.released = threading.Event()
        self.bodies: list[str] = []
        self.renewals = 0
        self.reading = 0

    def handle_error(self, *_: object) -> None:
        """Nobody waits for those answers any more."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hostile

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.bodies.append(self.rfile.read(length).decode())
        body: Json = {"data": {"type": "service", "ttl": 3600, "expire_time": None}}
        if self.path.endswith("/login"):
            body = {"auth": {"client_token": "hostile", "lease_duration": 6, "renewable": True}}
        elif self.path.endswith("/renew-self"):
            self.server.renewals += 1
            body = {"auth": {"lease_duration": "abc"}}
        elif "/data/" in self.path:
            self.server.reading += 1
            self.server.released.wait(50)
        sent = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to say."""


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


def vault(server: Hostile, auth: Json) -> Json:
    return {"vault": {"server": server.address, "path": "kv", "version": "v2", "auth": auth}}


def test_a_hostile_namespace_gets_neither_the_operators_token_nor_its_time_nor_its_life(
    controlplane: ControlPlane, namespace: str, hostile: Hostile
) -> None:
    victim = controlplane.create_namespace(f"{namespace}-victim")
    account = {"kubernetes": {"role": "r", "serviceAccountRef": {"name": "default"}}}
    with LocalOperator(controlplane, args={"enable-leader-election": "false"}, name=namespace) as operator:
        controlplane.apply([secret_store(namespace, vault(hostile, {"kubernetes": {"role": "r"}}), name="greedy")])
        controlplane.wait_ready("secretstores", namespace, "greedy", status="False")
        assert hostile.bodies == [], "nothing was sent, least of all a token"

        controlplane.apply([secret_store(namespace, vault(hostile, account))])
        controlplane.wait_ready("secretstores", namespace, "store")
        controlplane.apply([external_secret(namespace, f"slow-{n}", {"value": f"key-{n}"}) for n in range(MANY)])
        eventually(lambda: hostile.reading >= 40, 60, what="the hostile server holds as many reads as it gets")

        controlplane.apply(
            [
                thing("Secret", "unrelated", victim, api="v1", stringData={"a": "b"}),
                secret_store(victim, fake_provider({"k": "v"})),
                external_secret(victim, "mine", {"value": "k"}),
            ]
        )
        controlplane.wait_ready("externalsecrets", victim, "mine", 20)
        assert not hostile.released.is_set(), "while all those reads still hang"
        assert controlplane.secret(victim, "mine") == {"value": "v"}

        hostile.released.set()
        eventually(lambda: hostile.reading >= MANY // 2, 60, what="the rest of the slow ones has its turn")
        eventually(lambda: hostile.renewals >= 1, 60, what="a renewal answered with nonsense")
        assert operator.ended() == ""
        assert operator.probe("healthz") == 200
        assert "Observed a panic" not in operator.logs()
