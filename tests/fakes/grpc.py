"""A gRPC backend on loopback: calls of one message each, faults on a schedule, who is connected.

Neighbours: contract servers of providers that speak gRPC derive from `GrpcBackend` and write `called`; what a test
arranges and looks at is that of backend.py.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes

from tests.fakes.backend import Asked, Backend, Fault

GRPC = "application/grpc"
UNAUTHENTICATED, DENIED, NOT_FOUND, EXHAUSTED, UNAVAILABLE, INVALID = 16, 7, 5, 8, 14, 3


class Refused(Exception):
    """A status that is not OK. `told`: the server's text, which a client must not repeat."""

    def __init__(self, code: int, told: str = "") -> None:
        super().__init__(code)
        self.code, self.told = code, told


def refused(code: int, **more: str) -> Fault:
    """A status as a fault."""
    return Fault(200, body="", headers={"grpc-status": str(code), **more})


def framed(message: bytes) -> str:
    """A message as the body of a fault."""
    return (b"\0" + len(message).to_bytes(4, "big") + message).decode("latin-1")


class GrpcBackend(Backend):
    """`most`: calls at once that a connection may have. `serves`: calls until a connection is told to end, 0 = any.
    `refuses`: so many calls before they are looked at."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.most, self.serves, self.refuses = 100, 0, 0
        self.down = False
        self.tasks: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None

    async def called(self, method: str, message: bytes, token: str) -> bytes:
        """What a call without a fault gets; `token`: of its Authorization. Raises Refused."""
        raise NotImplementedError

    async def start(self) -> Self:
        if self.tls is not None:
            self.tls.set_alpn_protocols(["h2"])
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: Served(self), "127.0.0.1", 0, ssl=self.tls)
        port = self._listening.sockets[0].getsockname()[1]
        self.address = f"http{'s' if self.tls else ''}://127.0.0.1:{port}"
        return self

    async def stop(self) -> None:
        if self._listening is not None:
            self._listening.close()
        for task in list(self.tasks):
            task.cancel()
        for transport in self.connections:
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


class Served(asyncio.Protocol):
    """One connection."""

    def __init__(self, backend: GrpcBackend) -> None:
        self.backend = backend
        self.http2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self.running: dict[int, asyncio.Task[None]] = {}
        self.room = asyncio.Event()
        self.served = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.backend.connections.add(transport)
        self.http2.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = self.backend.most
        self.http2.local_settings.acknowledge()
        self.http2.initiate_connection()
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        for task in self.running.values():
            task.cancel()

    def flush(self) -> None:
        self.transport.write(self.http2.data_to_send())

    def data_received(self, data: bytes) -> None:
        try:
            events = self.http2.receive_data(data)
        except H2Error:
            self.flush()
            self.transport.close()
            return
        for event in events:
            match event:
                case RequestReceived(stream_id=int(number), headers=found):
                    headers = {str(name): str(value) for name, value in found or ()}
                    self.requests[number] = (headers, bytearray())
                case DataReceived(stream_id=int(number), data=bytes(part), flow_controlled_length=int(size)):
                    self.requests[number][1].extend(part)
                    self.http2.acknowledge_received_data(size, number)
                case StreamEnded(stream_id=int(number)):
                    headers, body = self.requests.pop(number)
                    if self.backend.refuses > 0:
                        self.backend.refuses -= 1
                        self.http2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
                        continue
                    task = asyncio.ensure_future(self.serve(number, headers, bytes(body)))
                    self.running[number] = task
                    self.backend.tasks.add(task)
                    task.add_done_callback(self.backend.tasks.discard)
                case StreamReset(stream_id=int(number)):
                    if number in self.running:
                        self.running[number].cancel()
                case WindowUpdated() | RemoteSettingsChanged():
                    self.room.set()
                case ConnectionTerminated():
                    self.transport.close()
        self.flush()

    async def serve(self, number: int, headers: dict[str, str], body: bytes) -> None:
        backend, path = self.backend, headers[":path"]
        assert headers["te"] == "trailers"
        assert headers["content-type"] == GRPC
        assert int.from_bytes(body[1:5], "big") == len(body) - 5
        asked = Asked("POST", path, {}, headers, body[5:].decode("latin-1"))
        backend.asked.append(asked)
        if backend.gate is not None:
            await backend.gate.wait()
        try:
            for fault in backend.faults:
                if fault.times > 0 and re.search(fault.path, path):
                    fault.times -= 1
                    await self.fail(number, fault, asked)
                    return
            await self.answer(number, path, body[5:], headers.get("authorization", ""))
        except H2Error:
            pass  # the client has gone
        finally:
            self.running.pop(number, None)
        self.served += 1
        if self.served == backend.serves and not self.transport.is_closing():
            self.http2.close_connection()
            self.flush()

    async def answer(self, number: int, path: str, message: bytes, login: str) -> None:
        backend = self.backend
        try:
            if backend.down:
                raise Refused(UNAVAILABLE)
            reply = await backend.called(path, message, login.removeprefix("Bearer "))
        except Refused as error:
            self.head(number, 200, {"grpc-status": str(error.code), "grpc-message": error.told}, end=True)
            return
        self.head(number, 200, {})
        await self.send(number, b"\0" + len(reply).to_bytes(4, "big") + reply)
        self.http2.send_headers(number, [("grpc-status", "0")], end_stream=True)
        self.flush()

    def head(self, number: int, status: int, headers: dict[str, str], *, end: bool = False, kind: str = GRPC) -> None:
        told = {"content-type": kind} | {name.lower(): value for name, value in headers.items()}
        self.http2.send_headers(number, [(":status", str(status)), *told.items()], end_stream=end)
        self.flush()

    async def send(self, number: int, body: bytes) -> None:
        while body:
            size = min(self.http2.local_flow_control_window(number), self.http2.max_outbound_frame_size)
            if size <= 0:
                self.room.clear()
                await self.room.wait()
                continue
            self.http2.send_data(number, body[:size])
            body = body[size:]
            self.flush()

    async def fail(self, number: int, fault: Fault, asked: Asked) -> None:
        if fault.hang:
            await asyncio.Event().wait()
        if fault.drop:
            self.transport.close()
            return
        body = fault.body.encode("latin-1")
        if fault.echo:
            body = f"cannot understand {asked.headers} {asked.text}".encode()
        kind = GRPC if body[:1] in (b"", b"\0") else "application/json"
        trailers = [("grpc-status", "0")] if kind == GRPC else []
        if fault.echo:
            sent = re.sub(r"[^ -~]", "?", body.decode("latin-1"))
            fault.headers = {"grpc-message": sent}
        self.head(number, fault.status, fault.headers, end=not body, kind=kind)
        if not body:
            return
        for part in parts(body, fault):
            await self.send(number, part)
            if fault.drip:
                await asyncio.sleep(fault.drip)
        if fault.reset:
            self.transport.abort()
        elif trailers:
            self.http2.send_headers(number, trailers, end_stream=True)
        else:
            self.http2.end_stream(number)
        if not self.transport.is_closing():
            self.flush()


def parts(body: bytes, fault: Fault) -> Sequence[bytes]:
    if fault.reset:
        return [body[: len(body) // 2]]
    return [body[at : at + 1] for at in range(len(body))] if fault.drip else [body]
