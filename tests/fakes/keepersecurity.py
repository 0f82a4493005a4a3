"""Keeper's Secrets Manager as far as the provider asks, with the server's half of its protocol: the vault of one
application, whose records the server itself cannot read."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import ssl
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.fakes.backend import Asked, Backend

HOST = "keepersecurity.com"
FILES = "files.keepersecurity.test"
FOLDER = "folder-of-the-pushes-1"
API = "/api/rest/sm/v1/"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def uid() -> str:
    return base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")


def lock(plain: bytes, key: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, plain, None)


def unlock(box: bytes, key: bytes) -> bytes:
    return AESGCM(key).decrypt(box[:12], box[12:], None)


def unwrap(box: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), box[:65])
    return unlock(box[65:], hashlib.sha256(key.exchange(ec.ECDH(), point)).digest())


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


@dataclass
class Device:
    """A client of the application, and its configuration as Keeper's tools write it."""

    app_key: bytes
    owner: ec.EllipticCurvePrivateKey
    server: ec.EllipticCurvePrivateKey
    id: str = field(default_factory=lambda: b64(os.urandom(64)))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def config(self, **changes: Any) -> dict[str, Any]:
        private = self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "hostname": HOST,
            "clientId": self.id,
            "privateKey": b64(private),
            "serverPublicKeyId": "10",
            "serverPublicKey": base64.urlsafe_b64encode(point_of(self.server)).decode().rstrip("="),
            "appKey": b64(self.app_key),
            "appOwnerPublicKey": b64(point_of(self.owner)),
        } | changes

    @property
    def secret(self) -> str:
        return b64(json.dumps(self.config()).encode())


@dataclass
class Held:
    """A record as the server keeps it; `key` is what the vault's owner knows."""

    uid: str
    key: bytes
    data: bytes
    folder: str = ""
    revision: int = 1
    files: list[dict[str, str]] = field(default_factory=list)

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(unlock(self.data, self.key))
        return found


class FakeKeeper(Backend):
    """`records` by UID. `contents`: files by the path they lie at. `wants`: the number of the key that letters have to
    be sealed for, "" for any. `garble`: what the server answers instead of a listing, sealed as ever."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.app_key = os.urandom(32)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.owner = ec.generate_private_key(ec.SECP256R1())
        self.folders = {FOLDER: os.urandom(32)}
        self.records: dict[str, Held] = {}
        self.contents: dict[str, bytes] = {}
        self.device = Device(self.app_key, self.owner, self.key)
        self.devices = {self.device.id: self.device}
        self.wants = ""
        self.garble: bytes | None = None
        self.deletes = "ok"
        self.down = False
        self.payloads: list[dict[str, Any]] = []

    @property
    def hosts(self) -> dict[str, str]:
        return {HOST: self.address, FILES: self.address}

    # what a test arranges

    def put(self, title: str, *, id: str = "", folder: str = "", own_key: bool = True, **data: Any) -> Held:
        """A record; of one with this UID the data are replaced."""
        document = json.dumps({"title": title, "type": "login", "fields": [], "custom": []} | data).encode()
        held = self.records.get(id)
        if held is None:
            held = Held(id or uid(), os.urandom(32) if own_key else self.above(folder), b"", folder)
            self.records[held.uid] = held
        held.data = lock(document, held.key)
        return held

    def above(self, folder: str) -> bytes:
        return self.folders[folder] if folder else self.app_key

    def attach(self, held: Held, title: str, content: bytes) -> dict[str, str]:
        key, place = os.urandom(32), f"/files/{uid()}"
        about = json.dumps({"title": title, "name": title, "type": "text/plain", "size": len(content)}).encode()
        entry = {
            "fileUid": uid(),
            "fileKey": b64(lock(key, held.key)),
            "data": b64(lock(about, key)),
            "url": f"https://{FILES}{place}",
        }
        self.contents[place] = lock(content, key)
        held.files.append(entry)
        return entry

    def new_device(self) -> Device:
        """The only device from now on."""
        self.device = Device(self.app_key, self.owner, self.key)
        self.devices = {self.device.id: self.device}
        return self.device

    # the server

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "unknown_error")
        if asked.path.startswith("/files/"):
            assert not [name for name in ("Authorization", "TransmissionKey") if name in asked.headers]
            content = self.contents.get(asked.path)
            return web.Response(body=content) if content is not None else web.Response(status=404)
        if asked.method != "POST" or not asked.path.startswith(API):
            return web.Response(status=404)
        if self.wants not in ("", asked.headers["PublicKeyId"]):
            return web.json_response({"error": "key", "key_id": int(self.wants)}, status=401)
        wrapped = base64.b64decode(asked.headers["TransmissionKey"])
        key = unwrap(wrapped, self.key)
        payload = json.loads(unlock(asked.raw, key))
        device = self.devices.get(payload["clientId"])
        scheme, _, signature = asked.headers["Authorization"].partition(" ")
        assert (scheme, asked.headers["Content-Type"]) == ("Signature", "application/octet-stream")
        if device is None:
            return refusal(403, "access_denied")
        try:
            device.key.public_key().verify(base64.b64decode(signature), wrapped + asked.raw, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return refusal(403, "access_denied")
        if payload["clientVersion"] != "mp17.3.0":
            return refusal(403, "invalid_client_version")
        self.payloads.append(payload)
        answer = getattr(self, f"_{asked.path.removeprefix(API)}")(payload)
        return answer if isinstance(answer, web.Response) else web.Response(body=lock(answer, key) if answer else b"")

    def _get_secret(self, payload: dict[str, Any]) -> bytes:
        if self.garble is not None:
            return self.garble
        wanted = payload.get("requestedRecords")
        shown = [one for one in self.records.values() if wanted is None or one.uid in wanted]
        folders = [
            {
                "folderUid": id,
                "folderKey": b64(lock(key, self.app_key)),
                "records": [self._shown(one) for one in shown if one.folder == id],
            }
            for id, key in self.folders.items()
            if any(one.folder == id for one in shown)
        ]
        alone = [self._shown(one) for one in shown if not one.folder]
        return json.dumps({"records": alone, "folders": folders, "expiresOn": 0, "warnings": None}).encode()

    def _shown(self, held: Held) -> dict[str, Any]:
        above = self.above(held.folder)
        shown = {
            "recordUid": held.uid,
            "data": b64(held.data),
            "revision": held.revision,
            "isEditable": True,
            "files": held.files,
        }
        return shown if held.key == above else shown | {"recordKey": b64(lock(held.key, above))}

    def _create_secret(self, payload: dict[str, Any]) -> bytes:
        key = unwrap(base64.b64decode(payload["recordKey"]), self.owner)
        folder = payload["folderUid"]
        assert unlock(base64.b64decode(payload["folderKey"]), self.folders[folder]) == key
        assert len(base64.urlsafe_b64decode(payload["recordUid"] + "==")) == 16
        self.records[payload["recordUid"]] = Held(payload["recordUid"], key, base64.b64decode(payload["data"]), folder)
        return b""

    def _update_secret(self, payload: dict[str, Any]) -> bytes | web.Response:
        held = self.records[payload["recordUid"]]
        if payload["revision"] != held.revision:
            return refusal(400, "bad_request")
        held.data, held.revision = base64.b64decode(payload["data"]), held.revision + 1
        return b""

    def _delete_secret(self, payload: dict[str, Any]) -> bytes:
        if self.deletes == "ok":
            for id in payload["recordUids"]:
                del self.records[id]
        told = [{"recordUid": id, "responseCode": self.deletes, "errorMessage": ""} for id in payload["recordUids"]]
        return json.dumps({"records": told}).encode()


def refusal(status: int, kind: str) -> web.Response:
    return web.json_response({"error": kind, "message": "it is refused", "path": "/"}, status=status)
