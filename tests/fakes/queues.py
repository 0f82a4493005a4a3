"""Queues of the clouds on loopback: Amazon SQS, Google Pub/Sub and Azure Service Bus, each with its cloud's login.

Neighbours: written from the services' API references, for the tests of `eso.notify`. A message that was handed out is
locked until it is deleted or its lock is ended by a test; its receipt is good for one lock only.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_plus

from aiohttp import web

from tests.fakes import gcp
from tests.fakes.aws import REGION, FakeAws
from tests.fakes.azurekv import FakeAzure
from tests.fakes.backend import Asked
from tests.fakes.clock import until
from tests.fakes.gcp import FakeGoogle

SQS_URL = f"https://sqs.{REGION}.amazonaws.com/123456789012/changes"
SUBSCRIPTION = "projects/shop/subscriptions/eso"
BUS, QUEUE = "shop.servicebus.windows.net", "changes"
KEY_NAME, KEY = "eso", "planted-shared-access-key"


@dataclass(slots=True)
class Entry:
    body: Any
    number: int
    receipt: str = ""  # of the present lock
    taken: int = 0


class Shelf:
    """`patient`: a request for messages waits until there is one."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.patient = False
        self.waiting = 0  # requests
        self.arrived = asyncio.Event()
        self._count = 0

    def put(self, *bodies: Any) -> None:
        for body in bodies:
            self._count += 1
            self.entries.append(Entry(body, self._count))
        self.arrived.set()

    async def take(self, most: int) -> list[Entry]:
        self.waiting += 1
        while self.patient and not self._free():
            self.arrived.clear()
            await self.arrived.wait()
        self.waiting -= 1
        found = self._free()[:most]
        for entry in found:
            entry.receipt, entry.taken = str(uuid.uuid4()), entry.taken + 1
        return found

    async def hurry(self) -> None:
        """No request waits any longer, those of a client that has hung up included."""
        self.patient = False
        self.arrived.set()
        await until(lambda: not self.waiting)

    def _free(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.receipt]

    def delete(self, receipt: str) -> bool:
        before = len(self.entries)
        self.entries = [entry for entry in self.entries if entry.receipt != receipt]
        return len(self.entries) < before

    def unlock(self) -> None:
        """Every lock ends."""
        for entry in self.entries:
            entry.receipt = ""
        self.arrived.set()


class FakeSqs(FakeAws):
    """`queues`: by URL. `stuck`: code with which each deletion of a batch fails."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.queues = {SQS_URL: self.shelf}
        self.stuck = ""

    @property
    def hosts(self) -> dict[str, str]:
        return super().hosts | {f"sqs.{REGION}.amazonaws.com": self.address}

    async def answer(self, asked: Asked) -> web.StreamResponse:
        target = asked.headers.get("X-Amz-Target", "")
        if not target.startswith("AmazonSQS."):
            return await super().answer(asked)
        if refused := self._signature(asked):
            return refused
        operation, body = target.partition(".")[2], asked.body
        self.calls.append((operation, body))
        if operation in self.denied:
            text = f"User: arn:aws:iam::1:user/me is not authorized to perform: sqs:{operation.lower()}"
            return failed("AccessDeniedException", text, 403)
        shelf = self.queues.get(body["QueueUrl"])
        if shelf is None:
            text, code = "The specified queue does not exist.", "AWS.SimpleQueueService.NonExistentQueue"
            return failed("com.amazonaws.sqs#QueueDoesNotExist", text, 400, code)
        return await self._received(shelf, body) if operation == "ReceiveMessage" else self._deleted(shelf, body)

    async def _received(self, shelf: Shelf, body: Mapping[str, Any]) -> web.Response:
        assert 1 <= body["MaxNumberOfMessages"] <= 10
        assert body["WaitTimeSeconds"] in (1, 20)
        assert 30 <= body["VisibilityTimeout"] <= 43200
        messages = [
            {
                "MessageId": str(uuid.UUID(int=entry.number)),
                "ReceiptHandle": entry.receipt,
                "MD5OfBody": hashlib.md5(entry.body.encode(), usedforsecurity=False).hexdigest(),
                "Body": entry.body,
            }
            for entry in await shelf.take(body["MaxNumberOfMessages"])
        ]
        return said({"Messages": messages} if messages else {})

    def _deleted(self, shelf: Shelf, body: Mapping[str, Any]) -> web.Response:
        entries = body["Entries"]
        assert 1 <= len(entries) <= 10
        assert len({entry["Id"] for entry in entries}) == len(entries)
        answer: dict[str, list[Any]] = {"Successful": [], "Failed": []}
        for entry in entries:
            code = self.stuck or ("" if shelf.delete(entry["ReceiptHandle"]) else "ReceiptHandleIsInvalid")
            told = {"Id": entry["Id"]} | ({"SenderFault": True, "Code": code, "Message": "no"} if code else {})
            answer["Failed" if code else "Successful"].append(told)
        return said(answer)


def said(body: Any) -> web.Response:
    return web.json_response(body, content_type="application/x-amz-json-1.0")


def failed(kind: str, message: str, status: int = 400, query_code: str = "") -> web.Response:
    headers = {"x-amzn-query-error": f"{query_code};Sender"} if query_code else {}
    return web.json_response({"__type": kind, "message": message}, status=status, headers=headers)


class FakePubSub(FakeGoogle):
    """`exactly_once`: receipts that are too old are refused. `pushes`: the subscription has an endpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.exactly_once = self.pushes = self.forbidden = False

    @property
    def hosts(self) -> dict[str, str]:
        return super().hosts | {"pubsub.googleapis.com": self.address}

    async def answer(self, asked: Asked) -> web.StreamResponse:
        found = re.fullmatch(r"/v1/(projects/[^/]+/subscriptions/[^/:]+):(pull|acknowledge)", unquote(asked.path))
        if found is None:
            return await super().answer(asked)
        if not self._known(asked):
            return gcp.refused(401, "Request had invalid authentication credentials.")
        if self.forbidden:
            return gcp.refused(403, f"User not authorized to perform this action. {asked.text}")
        if found[1] != SUBSCRIPTION:
            return gcp.refused(404, f"Resource not found (resource={found[1].rpartition('/')[2]}).")
        if found[2] == "acknowledge":
            good = [self.shelf.delete(receipt) for receipt in asked.body["ackIds"]]
            if self.exactly_once and not all(good):
                return gcp.refused(400, "Some acknowledgement ids in the request were invalid.")
            return web.json_response({})
        if self.pushes:
            text = "This method is not supported for this subscription type"
            return gcp.refused(400, text, "FAILED_PRECONDITION")
        assert set(asked.body) == {"maxMessages"}  # returnImmediately is deprecated
        messages = [
            {"ackId": entry.receipt, "message": entry.body | {"messageId": str(entry.number)}}
            for entry in await self.shelf.take(asked.body["maxMessages"])
        ]
        return web.json_response({"receivedMessages": messages} if messages else {})


class FakeBus(FakeAzure):
    """A namespace of Service Bus. `path`: of the one queue that there is."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.resource = "https://servicebus.azure.net"
        self.keys = {KEY_NAME: KEY}
        self.path = QUEUE
        self.host = BUS
        self.forbidden = False

    @property
    def hosts(self) -> dict[str, str]:
        more = (BUS, "shop.servicebus.chinacloudapi.cn", "bus.example.com")
        return super().hosts | dict.fromkeys(more, self.address)

    async def answer(self, asked: Asked) -> web.StreamResponse:
        path, found, rest = unquote(asked.path).lstrip("/").partition("/messages/")
        if not found:
            return await super().answer(asked)
        if not self._admitted(asked):
            return web.Response(status=401, text=f"<Error><Code>401</Code><Detail>{asked.headers}</Detail></Error>")
        if self.forbidden:
            return web.Response(status=403)
        if path != self.path:
            return web.Response(status=404 if "/" in path else 410)
        if asked.method == "DELETE":
            return web.Response(status=200 if self.shelf.delete(rest.partition("/")[2]) else 404)
        assert (asked.method, rest) == ("POST", "head")
        assert 1 <= int(asked.query["timeout"]) <= 60
        entries = await self.shelf.take(1)
        if not entries:
            return web.Response(status=204)
        entry = entries[0]
        broker = {"DeliveryCount": entry.taken, "LockToken": entry.receipt, "SequenceNumber": entry.number}
        headers = {
            "BrokerProperties": json.dumps(broker),
            "Location": f"https://evil.example.com/{path}/messages/{entry.number}/{entry.receipt}",
        }
        return web.Response(status=201, body=entry.body, headers=headers, content_type="application/json")

    def _admitted(self, asked: Asked) -> bool:
        shown = asked.headers.get("Authorization", "")
        if shown.startswith("Bearer "):
            resource, ends = self.tokens.get(shown.removeprefix("Bearer "), ("", 0.0))
            return resource == self.resource and self.clock() < ends
        fields = {name: values[0] for name, values in parse_qs(shown.removeprefix("SharedAccessSignature ")).items()}
        signed = dict(part.split("=", 1) for part in shown.removeprefix("SharedAccessSignature ").split("&"))
        key = self.keys.get(fields["skn"], "").encode()
        text = f"{signed['sr']}\n{fields['se']}".encode()
        good = base64.b64encode(hmac.digest(key, text, "sha256")).decode() == unquote_plus(signed["sig"])
        return good and fields["sr"] == f"https://{self.host}/{self.path}" and int(fields["se"]) > self.clock()
