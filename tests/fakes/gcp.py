"""Google on loopback: Secret Manager, the token servers, IAM Credentials, and the metadata services of Google and AWS.

Neighbours: written from the vendors' API references, for the bench and the tests of `gcpsm`. The provider runs with the
real addresses: a Detour leads them here, where the path alone tells which server was meant.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote

import google_crc32c
from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, SecretObject, ServiceAccount
from eso.providers.gcpsm.connect import Connector
from tests.fakes.backend import Asked, Backend
from tests.fakes.credentials import StaticCredentials
from tests.fakes.env import RecordingPools, Whole, env

PROJECT, NUMBER, LOCATION = "shop", "424242", "europe-west3"
HOSTS = (
    "secretmanager.googleapis.com",
    "oauth2.googleapis.com",
    "securetoken.googleapis.com",
    "iamcredentials.googleapis.com",
    "sts.googleapis.com",
    "metadata.google.internal",
    "169.254.169.254",
    "idp.example.com",
)
EMAIL = "reader@shop.iam.gserviceaccount.com"
CODES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"} | {
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


def service_account_key(**changes: Any) -> str:
    """The JSON key of EMAIL."""
    info = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "key-1",
        "private_key": PEM,
        "client_email": EMAIL,
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }
    return json.dumps(info | changes)


@dataclass(slots=True)
class Version:
    data: bytes
    created: str
    state: str = "ENABLED"


@dataclass(slots=True)
class Secret:
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)  # as it was created
    etag: str = '"1"'
    versions: list[Version] = field(default_factory=list)


class FakeGoogle(Backend):
    """`secrets`: by name with the project's id. `subjects`: subject tokens that the token servers take."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.secrets: dict[str, Secret] = {}
        self.subjects: dict[str, str] = {}  # subject token → audience it is good for
        self.impersonable: set[str] = set()
        self.delegates: list[str] = []  # that an impersonation has to name
        self.machine = {
            "project/project-id": PROJECT,
            "instance/attributes/cluster-location": "europe-west3",
            "instance/attributes/cluster-name": "main",
        }
        self.files: dict[str, str] = {}  # what other addresses answer, by path
        self.seconds = 3600
        self.page = 1000
        self.tokens: dict[str, float] = {}  # access token → when it ends, by `clock`
        self.clock: Callable[[], float] = lambda: 0.0
        self.key_ids = {"key-1"}  # of the service account's key
        self.denied: set[str] = set()  # names that may not be read
        self.down = False
        self._issued = self._etag = 0

    @property
    def hosts(self) -> dict[str, str]:
        """Every host that this server stands for."""
        regional = f"secretmanager.{LOCATION}.rep.googleapis.com"
        names = (*HOSTS, regional)
        return dict.fromkeys(names, self.address)

    # what a test arranges

    def put(self, key: str, *values: bytes, where: str = f"projects/{PROJECT}", **marks: dict[str, str]) -> Secret:
        """A secret with one more version per value."""
        secret = self.secrets.setdefault(f"{where}/secrets/{key}", Secret())
        secret.labels |= marks.get("labels", {})
        secret.annotations |= marks.get("annotations", {})
        for value in values:
            self._add(secret, value)
        return secret

    def _add(self, secret: Secret, value: bytes) -> None:
        created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=len(secret.versions))
        secret.versions.append(Version(value, created.isoformat().replace("+00:00", "Z")))

    def issue(self) -> str:
        self._issued += 1
        token = f"ya29.token-{self._issued}"
        self.tokens[token] = self.clock() + self.seconds
        return token

    # the servers

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refused(503, "The service is currently unavailable.")
        path = asked.path
        answers = {
            "/token": self._oauth,
            "/v1/identitybindingtoken": self._binding,
            "/v1/token": self._sts,
            "/v1/oauthtoken": self._workforce,
        }
        if path in answers:
            return answers[path](asked)
        if path.startswith("/computeMetadata/v1/"):
            return self._metadata(asked)
        if path.endswith(":generateAccessToken"):
            return self._iam(asked)
        if path in self.files:
            return web.Response(text=self.files[path])
        return self._secret_manager(asked)

    def _oauth(self, asked: Asked) -> web.Response:
        form = form_of(asked)
        if form.get("grant_type") == "refresh_token":
            good = form.get("refresh_token") == "refresh-me" and form.get("client_secret") == "client-secret"
            return self._granted() if good else web.json_response({"error": "invalid_grant"}, status=400)
        head, claims, signature = (part.encode() for part in form["assertion"].split("."))
        try:
            KEY.public_key().verify(unpadded(signature), head + b"." + claims, padding.PKCS1v15(), hashes.SHA256())
            assert json.loads(unpadded(head))["kid"] in self.key_ids
        except Exception:
            return web.json_response({"error": "invalid_grant", "error_description": form["assertion"]}, status=400)
        told = json.loads(unpadded(claims))
        assert told["aud"] == "https://oauth2.googleapis.com/token"
        assert told["iss"] == EMAIL
        assert told["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        assert 0 < told["exp"] - told["iat"] <= 3600
        return self._granted()

    def _granted(self, **more: Any) -> web.Response:
        return web.json_response(
            {"access_token": self.issue(), "expires_in": self.seconds, "token_type": "Bearer", **more}
        )

    def _binding(self, asked: Asked) -> web.Response:
        good = (
            self.subjects.get(asked.body["subject_token"]) == asked.body["audience"]
            and asked.body["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
            and asked.body["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
            and asked.body["requested_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
        )
        return self._granted() if good else refused(400, f"bad token {asked.body['subject_token']}")

    def _sts(self, asked: Asked) -> web.Response:
        form = form_of(asked)
        if form["subject_token_type"] == "urn:ietf:params:aws:token-type:aws4_request":
            request = json.loads(unquote(form["subject_token"]))
            headers = {header["key"].lower(): header["value"] for header in request["headers"]}
            good = "AWS4-HMAC-SHA256 Credential=AKIA" in headers["authorization"]
            good = good and headers["x-goog-cloud-target-resource"] == form["audience"]
        else:
            good = self.subjects.get(form["subject_token"]) == form["audience"]
        if "/workforcePools/" in form["audience"]:
            # somebody has to answer for the requests of a person: a project, or the client
            paid = json.loads(form.get("options", "{}")) == {"userProject": PROJECT}
            good = good and (paid is not self._client(asked))
        if good:
            return self._granted(issued_token_type="urn:ietf:params:oauth:token-type:access_token")
        return web.json_response({"error": "invalid_grant", "error_description": form["subject_token"]}, status=400)

    def _workforce(self, asked: Asked) -> web.Response:
        """A person of a workforce pool who logged in with gcloud."""
        wanted = {"grant_type": "refresh_token", "refresh_token": "refresh-me"}
        good = form_of(asked) == wanted and self._client(asked)
        return self._granted() if good else web.json_response({"error": "invalid_grant"}, status=400)

    @staticmethod
    def _client(asked: Asked) -> bool:
        return asked.headers.get("Authorization") == "Basic " + base64.b64encode(b"id:client-secret").decode()

    def _iam(self, asked: Asked) -> web.Response:
        found = re.fullmatch(r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken", unquote(asked.path))
        if not self._known(asked) or found is None or found.group(1) not in self.impersonable:
            return refused(403, "Permission 'iam.serviceAccounts.getAccessToken' denied")
        if asked.body["delegates"] != self.delegates:
            return refused(403, "Permission 'iam.serviceAccounts.getAccessToken' denied")
        ends = datetime.now(UTC) + timedelta(seconds=int(asked.body["lifetime"].rstrip("s")))
        return web.json_response({"accessToken": self.issue(), "expireTime": ends.strftime("%Y-%m-%dT%H:%M:%SZ")})

    def _metadata(self, asked: Asked) -> web.Response:
        path = asked.path.removeprefix("/computeMetadata/v1/")
        flavor = {"Metadata-Flavor": "Google"}
        if asked.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403, text="missing header")
        if path == "instance/service-accounts/default/token":
            granted = {"access_token": self.issue(), "expires_in": self.seconds, "token_type": "Bearer"}
            return web.json_response(granted, headers=flavor)
        if path not in self.machine:
            return web.Response(status=404, headers=flavor)
        return web.Response(text=self.machine[path], headers=flavor)

    def _known(self, asked: Asked) -> bool:
        ends = self.tokens.get(asked.headers.get("Authorization", "").removeprefix("Bearer "), 0.0)
        return self.clock() < ends

    def _secret_manager(self, asked: Asked) -> web.Response:
        if not self._known(asked):
            return refused(401, "Request had invalid authentication credentials. Expected OAuth 2 access token")
        path = asked.path.removeprefix("/v1/")
        where, slash, rest = path.partition("/secrets")
        if not slash or not where.startswith("projects/"):
            return web.Response(status=404, text="<html>404. That's an error.</html>", content_type="text/html")
        rest = rest.lstrip("/")
        if not rest:
            return self._list(where, asked) if asked.method == "GET" else self._create(where, asked)
        key, _, tail = rest.partition("/")
        key, _, verb = key.partition(":")
        key = unquote(key)
        name = f"{where}/secrets/{key}"
        if re.fullmatch(r"[A-Za-z0-9_-]{1,255}", key) is None:
            return refused(400, f"Invalid resource field value in the request: {key}")
        if name in self.denied:
            return refused(403, f"Permission 'secretmanager.versions.access' denied on resource '{name}'")
        secret = self.secrets.get(name)
        if secret is None:
            return refused(404, f"Secret [{numbered(name)}] not found or has no versions.")
        if verb == "addVersion":
            return self._add_version(name, secret, asked)
        if not tail:
            return self._one(name, secret, asked)
        if tail == "versions":
            return self._versions(name, secret, asked)
        return self._access(name, secret, unquote(tail.removeprefix("versions/")))

    def _list(self, where: str, asked: Asked) -> web.Response:
        terms = asked.query.get("filter", "").split()
        names = [
            name
            for name, secret in sorted(self.secrets.items())
            if name.rpartition("/secrets/")[0] == where and all(self._matches(t, name, secret) for t in terms)
        ]
        return self._paged("secrets", [{"name": numbered(name)} for name in names], asked)

    @staticmethod
    def _matches(term: str, name: str, secret: Secret) -> bool:
        if term.startswith("name:"):
            return term.removeprefix("name:") in name
        label, _, value = term.removeprefix("labels.").partition("=")
        return secret.labels.get(label) == value

    def _paged(self, member: str, items: list[dict[str, Any]], asked: Asked) -> web.Response:
        start = int(asked.query.get("pageToken") or 0)
        end = start + min(self.page, int(asked.query.get("pageSize", 25_000)))
        following = {"nextPageToken": str(end)} if end < len(items) else {}
        return web.json_response({member: items[start:end], **following} if items else {})

    def _create(self, where: str, asked: Asked) -> web.Response:
        name = f"{where}/secrets/{asked.query['secretId']}"
        if name in self.secrets:
            return refused(409, f"Secret [{numbered(name)}] already exists.")
        regional = "/locations/" in where
        if regional is ("replication" in asked.body):
            return refused(400, "replication is required for global secrets and refused for regional ones")
        self.secrets[name] = Secret(dict(asked.body.get("labels", {})), body=asked.body, etag=self._next_etag())
        return self._shown(name, self.secrets[name])

    def _next_etag(self) -> str:
        self._etag += 1
        return f'"etag-{self._etag}"'

    def _shown(self, name: str, secret: Secret) -> web.Response:
        found: dict[str, Any] = {"name": numbered(name), "createTime": "2026-01-01T00:00:00Z", "etag": secret.etag}
        found |= {"labels": secret.labels} if secret.labels else {}
        found |= {"annotations": secret.annotations} if secret.annotations else {}
        return web.json_response(found)

    def _one(self, name: str, secret: Secret, asked: Asked) -> web.Response:
        told = asked.query.get("etag") or (asked.body.get("etag") if isinstance(asked.body, dict) else "")
        if asked.method != "GET" and told and told != secret.etag:
            return refused(409, "The etag does not match.", "ABORTED")
        if asked.method == "DELETE":
            del self.secrets[name]
            return web.json_response({})
        if asked.method == "PATCH":
            assert asked.query["updateMask"] == "labels,annotations"
            secret.labels, secret.annotations = dict(asked.body["labels"]), dict(asked.body["annotations"])
            secret.etag = self._next_etag()
        return self._shown(name, secret)

    def _add_version(self, name: str, secret: Secret, asked: Asked) -> web.Response:
        data = base64.b64decode(asked.body["payload"]["data"])
        if int(asked.body["payload"]["dataCrc32c"]) != google_crc32c.value(data):
            return refused(400, "checksum mismatch")
        self._add(secret, data)
        secret.etag = self._next_etag()
        return web.json_response({"name": f"{numbered(name)}/versions/{len(secret.versions)}"})

    def _versions(self, name: str, secret: Secret, asked: Asked) -> web.Response:
        items = [
            {"name": f"{numbered(name)}/versions/{number}", "createTime": version.created, "state": version.state}
            for number, version in reversed(list(enumerate(secret.versions, 1)))
            if asked.query.get("filter") != "state:ENABLED" or version.state == "ENABLED"
        ]
        return self._paged("versions", items, asked)

    def _access(self, name: str, secret: Secret, tail: str) -> web.Response:
        asked, _, verb = tail.partition(":")
        assert verb == "access"
        number = len(secret.versions) if asked == "latest" else int(asked) if asked.isdigit() else 0
        if not 0 < number <= len(secret.versions):
            return refused(404, f"Secret Version [{numbered(name)}/versions/{asked}] not found.")
        version, full = secret.versions[number - 1], f"{numbered(name)}/versions/{number}"
        if version.state != "ENABLED":
            text = f"Secret Version [{full}] is in {version.state} state."
            return refused(400, text, "FAILED_PRECONDITION")
        payload = {"dataCrc32c": str(google_crc32c.value(version.data))}
        payload |= {"data": base64.b64encode(version.data).decode()} if version.data else {}
        return web.json_response({"name": full, "payload": payload})


def refused(status: int, message: str, code: str = "") -> web.Response:
    told = {"code": status, "message": message, "status": code or CODES[status]}
    return web.json_response({"error": told}, status=status)


def numbered(name: str) -> str:
    """Replies name the project by its number."""
    return name.replace(f"projects/{PROJECT}/", f"projects/{NUMBER}/", 1)


def form_of(asked: Asked) -> dict[str, str]:
    return dict(parse_qsl(asked.text))


def unpadded(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


class WholeGcp(Whole):
    """The provider `gcpsm`, whose world is the fake."""

    def __init__(self, fake: FakeGoogle) -> None:
        super().__init__("gcpsm")
        self.pools = self.world = RecordingPools(fake.hosts)
        self.connector = self.gcp = Connector(env(pools=self.world), self.world.direct)


class GcpCredentials(StaticCredentials):
    """`accounts["name"]` → annotations; `maps["name/key"]` → text of a ConfigMap; `environ` None: refused."""

    def __init__(
        self,
        secrets: Mapping[str, str] = {},
        namespace: str = "team-a",
        tokens: Mapping[str, str] | None = None,
        *,
        accounts: Mapping[str, Mapping[str, str]] = {},
        maps: Mapping[str, str] = {},
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(secrets, namespace, tokens)
        self.accounts, self.maps, self.environ = accounts, maps, environ
        self.lives: list[int | None] = []
        self.asked_ambient = 0

    async def service_account(self, selector: Mapping[str, Any]) -> ServiceAccount:
        name = str(selector.get("name"))
        if name not in self.accounts:
            raise EsoError(f'cannot get Kubernetes service account "{name}": not found')
        return ServiceAccount(name, self.namespace, "uid", self.accounts[name])

    async def service_account_token(
        self, selector: Mapping[str, Any], *, audiences: tuple[str, ...] = (), expiration_seconds: int | None = 600
    ) -> str:
        self.lives.append(expiration_seconds)
        return await super().service_account_token(selector, audiences=audiences)

    async def secret_object(self, selector: Mapping[str, Any]) -> SecretObject:
        prefix = f"{selector.get('name')}/"
        return SecretObject(
            {key.removeprefix(prefix): v.encode() for key, v in self.secrets.items() if key.startswith(prefix)}
        )

    def ambient(self) -> Mapping[str, str]:
        self.asked_ambient += 1
        if self.environ is None:
            raise InvalidConfig("this store may not use the operator's own cloud identity")
        return self.environ

    async def config_map(self, selector: Mapping[str, Any]) -> Mapping[str, str]:
        prefix = f"{selector.get('name')}/"
        found = {key.removeprefix(prefix): text for key, text in self.maps.items() if key.startswith(prefix)}
        if not found:
            raise EsoError(f'configmaps "{selector.get("name")}" not found')
        return found
