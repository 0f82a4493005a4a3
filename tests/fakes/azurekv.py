"""Azure on loopback: Entra's token endpoint, the metadata service of a machine, and a key vault.

Neighbours: written from the vendor's API reference, for the bench and the tests of `azurekv`. The provider runs with
the real addresses: a Detour leads them here, where the path alone tells which server was meant.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from eso.providers.azurekv.connect import Connector
from tests.fakes.backend import Asked, Backend
from tests.fakes.env import RecordingPools, Whole, env

VAULT, TENANT, CLIENT, SECRET = "https://shop.vault.azure.net", "tenant-1", "client-1", "secret-1"
HOSTS = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.chinacloudapi.cn",
    "login.microsoftonline.de",
    "adfs.example.com",
    "169.254.169.254",
    "shop.vault.azure.net",
    "shop.vault.usgovcloudapi.net",
    "shop.vault.azure.cn",
    "shop.vault.microsoftazure.de",
    "shop.managedhsm.azure.net",
    "shop.vault.adfs.example.com",
    "evil.example.com",
)
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
VERSIONS = ("7.0", "7.4")
CODES = {"secrets": "SecretNotFound", "certificates": "CertificateNotFound", "keys": "KeyNotFound"}


@dataclass(slots=True)
class Version:
    """`body`: what the vault answers beside the attributes: value, cer or key."""

    body: dict[str, Any]
    tags: dict[str, str | None] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Object:
    name: str
    versions: list[Version] = field(default_factory=list)


class FakeAzure(Backend):
    """`objects`: by collection and name without case. `clients`: id → secret. `assertions`: federated token → id of the
    client that it speaks for. `certificates`: id → certificate of the client."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.objects: dict[tuple[str, str], Object] = {}
        self.clients = {CLIENT: SECRET}
        self.assertions: dict[str, str] = {}
        self.certificates: dict[str, x509.Certificate] = {}
        self.identities: set[str] = {""}  # of the machine: client ids and resource ids
        self.resource = "https://vault.azure.net"
        self.told_resource = ""  # what the challenge says instead
        self.vault = f"{VAULT}:443"  # how the vault names itself
        self.tokens: dict[str, tuple[str, float]] = {}  # token → its resource, and when it ends, by `clock`
        self.clock: Callable[[], float] = lambda: 0.0
        self.seconds = 3599
        self.deleted: set[tuple[str, str]] = set()
        self.denied: set[str] = set()  # names that may not be read
        self.down = False
        self._issued = self._made = 0

    @property
    def hosts(self) -> dict[str, str]:
        """Every host that this server stands for."""
        return dict.fromkeys(HOSTS, self.address)

    # what a test arranges

    def put(self, name: str, value: str, tags: dict[str, str | None] | None = None, **attributes: Any) -> Version:
        """One more version of a secret. `contentType` among the attributes is its own member."""
        body = {"value": value} | (
            {"contentType": attributes.pop("contentType")} if "contentType" in attributes else {}
        )
        return self.keep("secrets", name, body, tags, **attributes)

    def keep(
        self, where: str, name: str, body: dict[str, Any], tags: dict[str, str | None] | None = None, **attributes: Any
    ) -> Version:
        self._made += 1
        told = {"enabled": True, "created": 1_700_000_000, "updated": 1_700_000_000 + self._made} | attributes
        version = Version(body, tags, {key: value for key, value in told.items() if value is not None})
        self.objects.setdefault((where, name.lower()), Object(name)).versions.append(version)
        return version

    def remove(self, name: str) -> None:
        self.objects.pop(("secrets", name.lower()), None)

    def live(self, name: str, where: str = "secrets") -> Version:
        return self.objects[where, name.lower()].versions[-1]

    def issue(self, resource: str) -> web.Response:
        self._issued += 1
        token = f"eyJ.token-{self._issued}"
        self.tokens[token] = resource, self.clock() + self.seconds
        return web.json_response({"token_type": "Bearer", "expires_in": self.seconds, "access_token": token})

    # the servers

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refused(503, "ServiceUnavailable", "The service is unavailable.")
        if asked.path.endswith(("/oauth2/v2.0/token", "/adfs/oauth2/token")):
            return self._entra(asked)
        if asked.path == "/metadata/identity/oauth2/token":
            return self._machine(asked)
        return self._vault(asked)

    def _entra(self, asked: Asked) -> web.Response:
        form = dict(parse_qsl(asked.text))
        assert form["grant_type"] == "client_credentials"
        tenant = unquote(asked.path.split("/")[1])
        if tenant not in (TENANT, "adfs"):
            return unauthorized("invalid_request", 90002, tenant)
        client, scope = form["client_id"], form["scope"]
        if "client_secret" in form:
            good = self.clients.get(client) == form["client_secret"]
        else:
            assert form["client_assertion_type"] == ASSERTION
            text = form["client_assertion"]
            good = self.assertions.get(text) == client or self._signed(text, client)
        if not good:
            return unauthorized("invalid_client", 7000215, asked.text)
        assert scope.endswith("/.default")
        return self.issue(scope.removesuffix("/.default"))

    def _signed(self, text: str, client: str) -> bool:
        """Whether the assertion is signed by the certificate that the client registered."""
        certificate = self.certificates.get(client)
        if certificate is None:
            return False
        head, claims, signature = (part.encode() for part in text.split("."))
        der = certificate.public_bytes(Encoding.DER)
        told = json.loads(unpadded(head))
        assert told["alg"] == "RS256"
        assert unpadded(told["x5t"].encode()) == hashlib.sha1(der).digest()
        assert base64.b64decode(told["x5c"][0]) == der
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(unpadded(signature), head + b"." + claims, padding.PKCS1v15(), hashes.SHA256())
        body = json.loads(unpadded(claims))
        assert body["aud"].endswith(f"/{TENANT}/oauth2/v2.0/token")
        assert body["iss"] == body["sub"] == client
        assert body["jti"]
        assert 0 < body["exp"] - body["nbf"] <= 3600
        return True

    def _machine(self, asked: Asked) -> web.Response:
        identity = asked.query.get("client_id") or asked.query.get("msi_res_id") or ""
        if asked.headers.get("Metadata") != "true" or asked.query["api-version"] != "2018-02-01":
            return web.json_response({"error": "invalid_request"}, status=400)
        if identity not in self.identities:
            told = {"error": "invalid_request", "error_description": f"Identity not found {identity}"}
            return web.json_response(told, status=400)
        found = json.loads(self.issue(asked.query["resource"]).text or "")
        return web.json_response(found | {"expires_in": str(found["expires_in"]), "client_id": "own"})

    def _vault(self, asked: Asked) -> web.Response:
        resource, ends = self.tokens.get(asked.headers.get("Authorization", "").removeprefix("Bearer "), ("", 0.0))
        if resource != self.resource or self.clock() >= ends:
            told = self.told_resource or self.resource
            challenge = f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{told}"'
            return refused(
                401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.", challenge=challenge
            )
        if asked.query.get("api-version") not in VERSIONS:
            return refused(400, "BadParameter", "api-version is not supported")
        where, _, rest = asked.path.lstrip("/").partition("/")
        if where not in CODES:
            return web.Response(status=404, text="<html>404</html>", content_type="text/html")
        if not rest:
            return self._list(asked)
        name, _, tail = rest.partition("/")
        key = where, name.lower()
        if name in self.denied:
            text = f"The user, group or application 'appid=planted' does not have {where} get permission on key vault"
            return refused(403, "Forbidden", text, "AccessDenied")
        if asked.method in ("PUT", "POST"):
            return self._write(where, name, tail, asked)
        found = self.objects.get(key)
        if found is None:
            return refused(404, CODES[where], f"A {where[:-1]} with (name/id) {name} was not found in this key vault.")
        if asked.method == "DELETE":
            del self.objects[key]
            self.deleted.add(key)
            return web.json_response(self._shown(where, found, len(self.deleted)) | {"recoveryId": "r"})
        if tail and not (tail.isdigit() and 0 < int(tail) <= len(found.versions)):
            return refused(404, CODES[where], f"A {where[:-1]} with (name/id) {name}/{tail} was not found")
        number = int(tail) if tail else len(found.versions)
        if not found.versions[number - 1].attributes["enabled"] and where == "secrets":
            return refused(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return web.json_response(self._shown(where, found, number) | found.versions[number - 1].body)

    def _shown(self, where: str, found: Object, number: int) -> dict[str, Any]:
        version = found.versions[min(number, len(found.versions)) - 1]
        told = {"attributes": version.attributes | {"recoveryLevel": "Recoverable+Purgeable"}, "tags": version.tags}
        return {"id": f"{self.vault}/{where}/{found.name}/{number}", **told}

    def _list(self, asked: Asked) -> web.Response:
        where = asked.path.strip("/")
        names = sorted(name for place, name in self.objects if place == where)
        start, size = int(asked.query.get("$skiptoken", "0")), min(25, int(asked.query.get("maxresults", "25")))
        items = []
        for name in names[start : start + size]:
            found = self.objects[where, name]
            shown = self._shown(where, found, len(found.versions))
            items.append(shown | {"kid" if where == "keys" else "id": f"{self.vault}/{where}/{found.name}"})
        more = (
            f"{self.vault}/{where}?api-version={asked.query['api-version']}&$skiptoken={start + size}&maxresults={size}"
        )
        return web.json_response({"value": items, "nextLink": more if start + size < len(names) else None})

    def _write(self, where: str, name: str, tail: str, asked: Asked) -> web.Response:
        if (where, name.lower()) in self.deleted:
            text = f"{where[:-1]} {name} is currently in a deleted but recoverable state"
            return refused(409, "Conflict", text, "ObjectIsDeletedButRecoverable")
        body = dict(asked.body)
        tags, attributes = body.pop("tags", None), body.pop("attributes", {})
        match where, asked.method, tail:
            case "secrets", "PUT", "":
                assert isinstance(body["value"], str)
            case "certificates", "POST", "import":
                body = {"cer": base64.b64encode(certificate_in(base64.b64decode(body["value"]))).decode()}
            case "keys", "PUT", "":
                secret = ("d", "dp", "dq", "qi", "p", "q", "k")
                key = {member: value for member, value in body["key"].items() if member not in secret}
                body = {"key": {"kid": f"{self.vault}/keys/{name}/1", **key, "key_ops": ["sign"]}}
            case _:
                return refused(405, "BadParameter", "Method not allowed")
        self.keep(where, name, body, tags, **attributes)
        found = self.objects[where, name.lower()]
        return web.json_response(self._shown(where, found, len(found.versions)) | body)


def certificate_in(value: bytes) -> bytes:
    if value.startswith(b"-----BEGIN"):
        return x509.load_pem_x509_certificate(value).public_bytes(Encoding.DER)
    try:
        return x509.load_der_x509_certificate(value).public_bytes(Encoding.DER)
    except ValueError:
        found = pkcs12.load_key_and_certificates(value, None)[1]
        assert found is not None
        return found.public_bytes(Encoding.DER)


def refused(status: int, code: str, message: str, inner: str = "", challenge: str = "") -> web.Response:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    return web.json_response({"error": error}, status=status, headers=headers)


def unauthorized(code: str, number: int, sent: str) -> web.Response:
    told = {"error": code, "error_description": f"AADSTS{number}: {sent}", "error_codes": [number], "trace_id": "t"}
    return web.json_response(told, status=401)


def unpadded(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


class WholeAzure(Whole):
    """The provider `azurekv`, whose world is the fake."""

    def __init__(self, fake: FakeAzure) -> None:
        super().__init__("azurekv")
        self.pools = self.world = RecordingPools(fake.hosts)
        self.connector = self.azure = Connector(env(pools=self.world), self.world.direct)
