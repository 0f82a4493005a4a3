"""Oracle Cloud as far as the provider asks: one vault, sessions of machines and pods. Every signature is verified."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
    load_pem_public_key,
)
from cryptography.x509.oid import NameOID

from eso.net.http import Pool
from eso.providers.oracle.connect import Connector
from tests.fakes.backend import Asked, Backend
from tests.fakes.env import RecordingPools, Whole, env

TENANCY, USER = "ocid1.tenancy.oc1..planted", "ocid1.user.oc1..planted"
FINGERPRINT = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"
REGION, COMPARTMENT, MASTER_KEY = "eu-frankfurt-1", "ocid1.compartment.oc1..shop", "ocid1.key.oc1.fra..master"
VAULT = "ocid1.vault.oc1.fra..vault"
CLUSTER, ACCOUNT = "10.96.0.1", "planted-token-of-the-pod"
DOMAIN = "oraclecloud.com"
HOSTS = (
    f"secrets.vaults.{REGION}.oci.{DOMAIN}",
    f"vaults.{REGION}.oci.{DOMAIN}",
    f"kms.{REGION}.{DOMAIN}",
    f"auth.{REGION}.{DOMAIN}",
    "169.254.169.254",
    f"{CLUSTER}:12250",
)
AUTHORIZATION = re.compile(
    r'Signature version="1",headers="([^"]+)",keyId="([^"]+)",algorithm="rsa-sha256",signature="([^"]+)"'
)
PER_PAGE = 3
SKEW = 300.0  # seconds


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """One for each name; making one takes a while."""
    return rsa.generate_private_key(65537, 2048)


def pem(name: str) -> str:
    return key(name).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@cache
def certificate() -> x509.Certificate:
    """Of the machine."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "ocid1.instance.oc1..machine"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "opc-certtype:instance"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"opc-tenant:{TENANCY}"),
        ]
    )
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key("leaf").public_key())
    made = made.serial_number(7).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
    return made.sign(key("leaf"), hashes.SHA256())


@dataclass
class Held:
    """A secret. `leaves`: its deletion is scheduled."""

    name: str
    versions: list[bytes]
    tags: dict[str, str] = field(default_factory=dict)
    leaves: bool = False

    @property
    def id(self) -> str:
        return f"ocid1.vaultsecret.oc1.fra..{self.name}"

    @property
    def shown(self) -> dict[str, Any]:
        state = "PENDING_DELETION" if self.leaves else "ACTIVE"
        return {
            "id": self.id,
            "secretName": self.name,
            "freeformTags": self.tags,
            "lifecycleState": state,
            "timeOfDeletion": "2030-01-01T00:00:00Z" if self.leaves else None,
        }


class FakeOracle(Backend):
    """`keys`: public keys by key id. `now`: its clock."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.user = "user"
        self.secrets: dict[str, Held] = {}
        self.sessions: dict[str, tuple[rsa.RSAPublicKey, float]] = {}
        self.seconds = 3600.0
        self.region = "fra"
        self.accounts = {ACCOUNT}
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.skew = SKEW
        self.down = False

    @property
    def hosts(self) -> dict[str, str]:
        """The vendor's hosts that this server stands for."""
        return dict.fromkeys(HOSTS, self.address)

    def put(self, name: str, value: bytes, **tags: str) -> None:
        if name in self.secrets:
            self.secrets[name].versions.append(value)
        else:
            self.secrets[name] = Held(name, [value], tags)

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "ServiceUnavailable")
        if asked.path.startswith("/opc/v2/"):
            return self._metadata(asked)
        if asked.path == "/resourcePrincipalSessionTokens":
            return self._workload(asked)
        id = f"{TENANCY}/fed-x509-sha256/{certificate().fingerprint(hashes.SHA256()).hex(':')}"
        if asked.path == "/v1/x509":
            return self._instance(asked) if self._verified(asked, {id}, "") == id else refusal(401, "NotAuthenticated")
        known = {f"{TENANCY}/{USER}/{FINGERPRINT}", *self.sessions}
        if not self._verified(asked, known, " host"):
            return refusal(401, "NotAuthenticated")
        return self._served(asked)

    def _verified(self, asked: Asked, known: set[str], host: str) -> str:
        """The key id of a request that is signed as the vendor wants it, else ""."""
        found = AUTHORIZATION.fullmatch(asked.headers.get("Authorization", ""))
        if found is None or found[2] not in known:
            return ""
        wanted = f"date (request-target){host}"
        values = {"(request-target)": f"{asked.method.lower()} {asked.target}"}
        if asked.method in ("POST", "PUT", "PATCH"):
            wanted += " content-length content-type x-content-sha256"
            body = asked.text.encode()
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            if asked.headers["x-content-sha256"] != digest or asked.headers["content-length"] != str(len(body)):
                return ""
        if found[1] != wanted or (asked.headers["host"] not in HOSTS):
            return ""
        if abs((parsedate_to_datetime(asked.headers["date"]) - self.now()).total_seconds()) > self.skew:
            return ""
        text = "\n".join(f"{name}: {values.get(name) or asked.headers[name]}" for name in wanted.split())
        try:
            public = self._public(found[2])
            public.verify(base64.b64decode(found[3]), text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, KeyError):
            return ""
        return found[2]

    def _public(self, id: str) -> rsa.RSAPublicKey:
        if id.startswith("ST$"):
            public, ends = self.sessions[id]
            if self.now().timestamp() >= ends:
                raise KeyError(id)
            return public
        return key("leaf" if "/fed-x509-sha256/" in id else self.user).public_key()

    # logins

    def _session(self, public: Any) -> str:
        ends = self.now().timestamp() + self.seconds
        claims = base64.urlsafe_b64encode(json.dumps({"exp": int(ends), "n": len(self.asked)}).encode()).decode()
        token = f"e30.{claims.rstrip('=')}.planted"
        self.sessions[f"ST${token}"] = (public, ends)
        return token

    def _metadata(self, asked: Asked) -> web.Response:
        if asked.headers.get("Authorization") != "Bearer Oracle":
            return web.Response(status=401)
        leaf = certificate().public_bytes(Encoding.PEM).decode()
        told = {"instance/region": self.region, "identity/cert.pem": leaf, "identity/key.pem": pem("leaf")}
        told["identity/intermediate.pem"] = leaf
        found = told.get(asked.path.removeprefix("/opc/v2/"))
        return web.Response(text=found) if found is not None else web.Response(status=404)

    def _instance(self, asked: Asked) -> web.Response:
        body = asked.body
        der = base64.b64encode(certificate().public_bytes(Encoding.DER)).decode()
        assert (body["certificate"], body["intermediateCertificates"]) == (der, [der])
        assert body["fingerprintAlgorithm"] == "SHA256"
        public = load_der_public_key(base64.b64decode(body["publicKey"]))
        return web.json_response({"token": self._session(public)})

    def _workload(self, asked: Asked) -> web.Response:
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.accounts:
            return web.Response(status=403, text="planted words")
        token = self._session(load_pem_public_key(asked.body["podKey"].encode()))
        found = base64.b64encode(json.dumps({"token": f"ST${token}"}).encode()).decode()
        return web.Response(text=f'"{found}"')

    # the vault

    def _served(self, asked: Asked) -> web.Response:
        match asked.method, asked.path:
            case "POST", "/20190301/secretbundles/actions/getByName":
                return self._bundle(asked)
            case "GET", "/20180608/secrets":
                return self._listed(asked)
            case "POST", "/20180608/secrets":
                return self._created(asked)
            case "GET", path if path == f"/20180608/vaults/{VAULT}":
                return web.json_response({"id": VAULT})
        found = re.fullmatch(r"/20180608/secrets/([^/]+)(/actions/scheduleDeletion)?", asked.path)
        held = next((one for one in self.secrets.values() if found and one.id == found[1]), None)
        if found is None or held is None:
            return refusal(404, "NotAuthorizedOrNotFound")
        if found[2] and asked.method == "POST":
            if held.leaves:
                return refusal(409, "IncorrectState")
            held.leaves = True
            return web.Response()
        assert asked.method == "PUT"
        held.versions.append(content_of(asked))
        return web.json_response(held.shown)

    def _bundle(self, asked: Asked) -> web.Response:
        assert asked.text == ""
        held = self.secrets.get(asked.query["secretName"])
        if held is None or held.leaves or asked.query["vaultId"] != VAULT:
            return refusal(404, "NotAuthorizedOrNotFound")
        back = {"": 1, "CURRENT": 1, "LATEST": 1, "PREVIOUS": 2}[asked.query.get("stage", "")]
        if back > len(held.versions):
            return refusal(404, "NotAuthorizedOrNotFound")
        content = {"contentType": "BASE64", "content": base64.b64encode(held.versions[-back]).decode()}
        told = {"secretId": held.id, "versionNumber": len(held.versions), "secretBundleContent": content}
        return web.json_response(told | {"stages": ["CURRENT"], "timeOfDeletion": None})

    def _listed(self, asked: Asked) -> web.Response:
        assert (asked.query["compartmentId"], asked.query["vaultId"]) == (COMPARTMENT, VAULT)
        start = int(asked.query.get("page", "0/+").partition("/")[0])
        shown = [held.shown for held in self.secrets.values()]
        more = {"opc-next-page": f"{start + PER_PAGE}/+"} if start + PER_PAGE < len(shown) else {}
        return web.json_response(shown[start : start + PER_PAGE], headers=more)

    def _created(self, asked: Asked) -> web.Response:
        body = asked.body
        assert (body["compartmentId"], body["keyId"], body["vaultId"]) == (COMPARTMENT, MASTER_KEY, VAULT)
        if body["secretName"] in self.secrets:
            return refusal(400, "InvalidParameter")
        self.put(body["secretName"], content_of(asked))
        return web.json_response(self.secrets[body["secretName"]].shown)


def content_of(asked: Asked) -> bytes:
    content = asked.body["secretContent"]
    assert content["contentType"] == "BASE64"
    return base64.b64decode(content["content"])


def refusal(status: int, code: str) -> web.Response:
    return web.json_response({"code": code, "message": "planted words"}, status=status)


class WholeOracle(Whole):
    """The provider `oracle`, whose world is the fake. `authorities`: what direct connections were made to trust."""

    def __init__(self, fake: FakeOracle, **environ: str) -> None:
        super().__init__("oracle")
        self.pools = self.world = RecordingPools(fake.hosts)
        self.authorities: list[bytes | None] = []
        self.environ = environ
        self.connector = Connector(replace(env(pools=self.world), environ=self.environ), self.direct)

    def direct(self, ca: bytes | None) -> Pool:
        self.authorities.append(ca)
        return self.world.direct()
