"""A contract server for AWS on loopback, written from the services' API references: what moto does not do.

Neighbours: benches_aws.py breaks it, tests/unit/providers/aws asks it. It knows keys and sessions, checks the audience
of tokens, pages and bounds batches, deletes in AWS's words, throttles, denies, and has the metadata service of an
instance and the credentials endpoint of a container.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from eso.runtime.clock import Clock, SystemClock
from tests.fakes.awslogin import KEYS
from tests.fakes.backend import Asked, Backend

REGION = "eu-central-1"
HOSTS = tuple(f"{name}.{REGION}.amazonaws.com" for name in ("secretsmanager", "ssm", "acm", "tagging", "sts"))
GONE = "Secrets Manager can't find the specified secret."
DELETED = "You can't perform this operation on the secret because it was marked for deletion."
SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=.+, "
    r"Signature=[0-9a-f]{64}"
)
CONTAINER_PATH, CONTAINER_TOKEN = "/v1/credentials", "container-token"


@dataclass
class Secret:
    text: str | None = None
    binary: bytes | None = None
    tags: dict[str, str] = field(default_factory=dict)
    deleted: bool = False


@dataclass
class Certificate:
    certificate: str
    chain: str
    key: bytes
    exportable: bool = True
    tags: dict[str, str] = field(default_factory=dict)


class FakeAws(Backend):
    """`denied`: operations, or operations with an id (`GetSecretValue app`). `sessions`: token → access key, for keys
    that STS made. `audience`: what a web identity token must be for."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.secrets: dict[str, Secret] = {}
        self.parameters: dict[str, str] = {}
        self.parameter_tags: dict[str, dict[str, str]] = {}
        self.certificates: dict[str, Certificate] = {}
        self.keys: set[str] = {KEYS["keys/id"]}
        self.sessions: dict[str, str] = {}
        self.denied: set[str] = set()
        self.trusted: dict[str, str] = {}  # token of an account → its audience
        self.audience = "sts.amazonaws.com"
        self.clock: Clock = SystemClock()
        self.lifetime = timedelta(hours=1)  # of a session
        self.ends: dict[str, datetime] = {}  # token of a session → when it ends
        self.page_bytes = 1 << 20
        self.instance_region = ""
        self.metadata_v2 = True
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._numbers = itertools.count(1)

    @property
    def hosts(self) -> dict[str, str]:
        """What sends requests for AWS here."""
        return dict.fromkeys(HOSTS, self.address)

    def operations(self) -> Counter[str]:
        return Counter(name for name, _ in self.calls)

    def revoke(self) -> None:
        """Every key of every session ends."""
        self.keys.clear()
        self.sessions.clear()

    # the server

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if asked.path.startswith("/latest/"):
            return self._metadata(asked)
        if asked.path == CONTAINER_PATH:
            if asked.headers.get("Authorization") != CONTAINER_TOKEN:
                return web.Response(status=403)
            return web.json_response(self._issued("container", "Token"))
        target = asked.headers.get("X-Amz-Target")
        if not target:
            return self._sts({name: values[0] for name, values in parse_qs(asked.text).items()}, asked)
        operation = target.partition(".")[2]
        if refused := self._signature(asked):
            return refused
        body: dict[str, Any] = asked.body
        self.calls.append((operation, body))
        subject = next((body[name] for name in ("SecretId", "Name", "CertificateArn") if name in body), "")
        if operation in self.denied or f"{operation} {subject}" in self.denied:
            return error(
                "AccessDeniedException", f"User: arn:aws:iam::1:user/me is not authorized to perform: {operation}"
            )
        made: web.StreamResponse = getattr(self, f"_{operation}")(body)
        return made

    def _signature(self, asked: Asked) -> web.Response | None:
        signed = SIGNED.fullmatch(asked.headers.get("Authorization", ""))
        if signed is None:
            return error("MissingAuthenticationTokenException", "Missing Authentication Token")
        token = asked.headers.get("X-Amz-Security-Token", "")
        if token in self.ends and self.clock.now() >= self.ends[token]:
            return error("ExpiredTokenException", "The security token included in the request is expired")
        known = self.sessions.get(token) == signed[1] if token else signed[1] in self.keys
        if not known:
            return error("UnrecognizedClientException", "The security token included in the request is invalid.")
        return None

    # Secrets Manager

    def _live(self, name: str) -> Secret | web.Response:
        secret = self.secrets.get(named(name))
        if secret is None:
            return error("ResourceNotFoundException", GONE)
        return error("InvalidRequestException", DELETED) if secret.deleted else secret

    def _GetSecretValue(self, body: Mapping[str, Any]) -> web.Response:
        if " " in body["SecretId"]:
            return error("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters")
        found = self._live(body["SecretId"])
        if isinstance(found, web.Response):
            return found
        if body.get("VersionStage", "AWSCURRENT") != "AWSCURRENT":
            return error("ResourceNotFoundException", f"{GONE[:-1]} value for staging label: {body}")
        return answered(self._entry(body["SecretId"], found))

    def _entry(self, name: str, secret: Secret) -> dict[str, Any]:
        made: dict[str, Any] = {"Name": name, "ARN": f"arn:aws:secretsmanager:{REGION}:1:secret:{name}-AbCdEf"}
        if secret.text is not None:
            made["SecretString"] = secret.text
        if secret.binary is not None:
            made["SecretBinary"] = base64.b64encode(secret.binary).decode()
        return made

    def _BatchGetSecretValue(self, body: Mapping[str, Any]) -> web.Response:
        """Pages are bounded by the size of their values; an id that fails is told beside the others."""
        names = body.get("SecretIdList")
        if names is None:
            names = [name for name, secret in self.secrets.items() if self._matches(name, secret, body["Filters"])]
        elif any(" " in name for name in names):
            return error("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters")
        elif len(names) > 20 or body.get("Filters"):
            return error("InvalidParameterException", "at most 20 ids, and no filters beside them")
        start = int(body.get("NextToken") or 0)
        values, errors, size = [], [], 0
        for at, name in enumerate(names[start:], start):
            secret = self._live(name)
            if f"GetSecretValue {name}" in self.denied:
                errors.append({"SecretId": name, "ErrorCode": "AccessDeniedException", "Message": "not authorized"})
            elif isinstance(secret, web.Response):
                told = json.loads(secret.text or "")
                errors.append({"SecretId": name, "ErrorCode": told["__type"], "Message": told["message"]})
            else:
                entry = self._entry(name, secret)
                size += len(str(entry))
                if size > self.page_bytes and values:
                    return answered({"SecretValues": values, "Errors": errors, "NextToken": str(at)})
                values.append(entry)
        return answered({"SecretValues": values, "Errors": errors})

    def _matches(self, name: str, secret: Secret, filters: list[Mapping[str, Any]]) -> bool:
        def one(key: str, value: str) -> bool:
            fields = {"name": [name], "tag-key": list(secret.tags), "tag-value": list(secret.tags.values())}[key]
            return any(text.startswith(value) for text in fields)

        return not secret.deleted and all(any(one(f["Key"], value) for value in f["Values"]) for f in filters)

    def _ListSecrets(self, body: Mapping[str, Any]) -> web.Response:
        names = [
            name for name, secret in self.secrets.items() if self._matches(name, secret, body.get("Filters") or [])
        ]
        start = int(body.get("NextToken") or 0)
        more = {"NextToken": str(start + 10)} if len(names) > start + 10 else {}
        return answered({"SecretList": [{"Name": name} for name in names[start : start + 10]], **more})

    def _DescribeSecret(self, body: Mapping[str, Any]) -> web.Response:
        """A secret that was deleted can still be described."""
        name = named(body["SecretId"])
        secret = self.secrets.get(name)
        if secret is None:
            return error("ResourceNotFoundException", GONE)
        entry = {key: value for key, value in self._entry(name, secret).items() if key in ("Name", "ARN")}
        return answered({**entry, "Tags": to_list(secret.tags), "VersionIdsToStages": {"v": ["AWSCURRENT"]}})

    def _CreateSecret(self, body: Mapping[str, Any]) -> web.Response:
        if body["Name"] in self.secrets:
            return error(
                "ResourceExistsException", f"The operation failed because the secret {body['Name']} already exists."
            )
        self.secrets[body["Name"]] = Secret(tags=of_list(body["Tags"]))
        return self._PutSecretValue({**body, "SecretId": body["Name"]})

    def _PutSecretValue(self, body: Mapping[str, Any]) -> web.Response:
        name = named(body["SecretId"])
        secret = self.secrets[name]
        secret.text = body.get("SecretString")
        secret.binary = base64.b64decode(body["SecretBinary"]) if "SecretBinary" in body else None
        return answered({"ARN": self._entry(name, secret)["ARN"], "Name": name})

    def _DeleteResourcePolicy(self, body: Mapping[str, Any]) -> web.Response:
        return answered({"Name": named(body["SecretId"])})

    def _DeleteSecret(self, body: Mapping[str, Any]) -> web.Response:
        self.secrets[named(body["SecretId"])].deleted = True
        return answered({})

    # Parameter Store

    def _PutParameter(self, body: Mapping[str, Any]) -> web.Response:
        if body["Name"] in self.parameters and not body["Overwrite"]:
            return error("ParameterAlreadyExists", "The parameter already exists.")
        self.parameters[body["Name"]] = body["Value"]
        self.parameter_tags.setdefault(body["Name"], {}).update(of_list(body.get("Tags")))
        return answered({"Version": 1})

    def _ListTagsForResource(self, body: Mapping[str, Any]) -> web.Response:
        return answered({"TagList": to_list(self.parameter_tags.get(body["ResourceId"], {}))})

    def _DeleteParameter(self, body: Mapping[str, Any]) -> web.Response:
        del self.parameters[body["Name"]]
        return answered({})

    def _GetParameter(self, body: Mapping[str, Any]) -> web.Response:
        if body["Name"] not in self.parameters:
            return error("ParameterNotFound", "")
        return answered({"Parameter": {"Name": body["Name"], "Value": self.parameters[body["Name"]]}})

    def _GetParameters(self, body: Mapping[str, Any]) -> web.Response:
        names = body["Names"]
        if len(names) > 10:
            return error("ValidationException", f"1 validation error detected: Value '{names}' at 'names' is too long")
        for name in names:
            if f"GetParameter {name}" in self.denied:
                return error("AccessDeniedException", f"not authorized to perform: ssm:GetParameters on {name}")
        found = [{"Name": name, "Value": self.parameters[name]} for name in names if name in self.parameters]
        return answered({"Parameters": found, "InvalidParameters": [n for n in names if n not in self.parameters]})

    def _GetParametersByPath(self, body: Mapping[str, Any]) -> web.Response:
        names = sorted(name for name in self.parameters if f"/{name.lstrip('/')}".startswith(body["Path"]))
        start = int(body.get("NextToken") or 0)
        more = {"NextToken": str(start + 10)} if len(names) > start + 10 else {}
        page = [{"Name": name, "Value": self.parameters[name]} for name in names[start : start + 10]]
        return answered({"Parameters": page, **more})

    def _DescribeParameters(self, body: Mapping[str, Any]) -> web.Response:
        return answered({"Parameters": [{"Name": name} for name in self.parameters]})

    # Certificate Manager

    def _GetCertificate(self, body: Mapping[str, Any]) -> web.Response:
        found = self.certificates.get(body["CertificateArn"])
        if found is None:
            return error("ResourceNotFoundException", f"Could not find certificate {body['CertificateArn']}.")
        return answered({"Certificate": found.certificate, "CertificateChain": found.chain})

    def _DescribeCertificate(self, body: Mapping[str, Any]) -> web.Response:
        export = "ENABLED" if self.certificates[body["CertificateArn"]].exportable else "DISABLED"
        return answered({"Certificate": {"Options": {"Export": export}}})

    def _ExportCertificate(self, body: Mapping[str, Any]) -> web.Response:
        found = self.certificates[body["CertificateArn"]]
        phrase = base64.b64decode(body["Passphrase"])
        key = load_pem_private_key(found.key, None)
        encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(phrase)).decode()
        return answered({"Certificate": found.certificate, "CertificateChain": found.chain, "PrivateKey": encrypted})

    def _ImportCertificate(self, body: Mapping[str, Any]) -> web.Response:
        """A chain that is left out comes back as the certificate itself; tags belong to a first import."""
        arn = body.get("CertificateArn")
        if arn and (arn not in self.certificates or body.get("Tags")):
            return error("InvalidParameterException", "no such certificate, or tags at a re-import")
        made = arn or f"arn:aws:acm:{REGION}:1:certificate/{next(self._numbers):08}"
        pem = {name: base64.b64decode(body.get(name) or "").decode() for name in ("Certificate", "CertificateChain")}
        chain = pem["CertificateChain"] or pem["Certificate"]
        tags = self.certificates[made].tags if arn else of_list(body.get("Tags"))
        key = base64.b64decode(body["PrivateKey"])
        self.certificates[made] = Certificate(pem["Certificate"], chain, key, tags=tags)
        return answered({"CertificateArn": made})

    def _GetResources(self, body: Mapping[str, Any]) -> web.Response:
        """One a page."""
        assert body["ResourceTypeFilters"] == ["acm:certificate"]
        wanted = {each["Key"]: each["Values"] for each in body["TagFilters"]}
        arns = sorted(
            (arn for arn, found in self.certificates.items() if all(found.tags.get(k) in v for k, v in wanted.items())),
            reverse=True,
        )
        start = int(body.get("PaginationToken") or 0)
        page = [{"ResourceARN": arn} for arn in arns[start : start + 1]]
        token = str(start + 1) if len(arns) > start + 1 else ""
        return answered({"ResourceTagMappingList": page, "PaginationToken": token})

    def _ListTagsForCertificate(self, body: Mapping[str, Any]) -> web.Response:
        return answered({"Tags": to_list(self.certificates[body["CertificateArn"]].tags)})

    def _AddTagsToCertificate(self, body: Mapping[str, Any]) -> web.Response:
        self.certificates[body["CertificateArn"]].tags.update(of_list(body["Tags"]))
        return web.Response()

    def _RemoveTagsFromCertificate(self, body: Mapping[str, Any]) -> web.Response:
        for key in of_list(body["Tags"]):
            del self.certificates[body["CertificateArn"]].tags[key]
        return web.Response()

    def _DeleteCertificate(self, body: Mapping[str, Any]) -> web.Response:
        del self.certificates[body["CertificateArn"]]
        return web.Response()

    # STS

    def _sts(self, form: dict[str, str], asked: Asked) -> web.Response:
        action = form["Action"]
        self.calls.append((action, form))
        if action in self.denied or f"{action} {form.get('RoleArn')}" in self.denied:
            return sts_error(403, "AccessDenied", f"User: me is not authorized to perform: sts:{action}")
        if action == "AssumeRoleWithWebIdentity":
            audience = self.trusted.get(form["WebIdentityToken"])
            if "Authorization" in asked.headers or audience is None:
                return sts_error(400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account")
            if audience != self.audience:
                return sts_error(400, "InvalidIdentityToken", "Incorrect token audience")
        elif self._signature(asked):
            return sts_error(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        keys = self._issued(form["RoleArn"], "SessionToken")
        fields = "".join(f"<{name}>{value}</{name}>" for name, value in keys.items() if name != "Code")
        user = f"<AssumedRoleUser><Arn>{form['RoleArn']}/{form['RoleSessionName']}</Arn></AssumedRoleUser>"
        result = f"<{action}Result><Credentials>{fields}</Credentials>{user}</{action}Result>"
        return web.Response(text=f"<{action}Response>{result}</{action}Response>", content_type="text/xml")

    def _issued(self, to: str, token_name: str) -> dict[str, str]:
        number = next(self._numbers)
        key, token = f"ASIA{number:016}", f"planted-session-{number}-{to}"
        self.sessions[token] = key
        self.ends[token] = self.clock.now() + self.lifetime
        return {
            "Code": "Success",
            "AccessKeyId": key,
            "SecretAccessKey": f"planted-secret-{number}",
            token_name: token,
            "Expiration": self.ends[token].isoformat(),
        }

    # the metadata service of an instance

    def _metadata(self, asked: Asked) -> web.Response:
        if asked.path == "/latest/api/token":
            told = asked.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
            allowed = self.metadata_v2 and asked.method == "PUT" and told
            return web.Response(text="metadata-token") if allowed else web.Response(status=404)
        if self.metadata_v2 and asked.headers.get("X-aws-ec2-metadata-token") != "metadata-token":
            return web.Response(status=401)
        if asked.path == "/latest/meta-data/placement/region" and self.instance_region:
            return web.Response(text=f"{self.instance_region}\n")
        roles = "/latest/meta-data/iam/security-credentials/"
        if asked.path == roles:
            return web.Response(text="node-role\n")
        if asked.path == f"{roles}node-role":
            return web.json_response(self._issued("node-role", "Token"))
        return web.Response(status=404)


def named(id: str) -> str:
    """The name in an ARN, or what is none."""
    return id.partition(":secret:")[2].rpartition("-")[0] or id


def answered(body: Mapping[str, Any]) -> web.Response:
    return web.json_response(body, content_type="application/x-amz-json-1.1")


def error(code: str, message: str, status: int = 400) -> web.Response:
    body = {"__type": code, "message": message}
    return web.json_response(body, status=status, content_type="application/x-amz-json-1.1")


def sts_error(status: int, code: str, message: str) -> web.Response:
    inner = f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
    text = f"<ErrorResponse><Error>{inner}</Error><RequestId>1</RequestId></ErrorResponse>"
    return web.Response(status=status, text=text, content_type="text/xml")


def of_list(tags: list[Mapping[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


def to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
