"""A small Vault on loopback that remembers what it was asked and fails when told to.

Neighbours: the contract tests run the same sentences against it and against a real server.
"""

from __future__ import annotations

import re
import secrets
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.fakes.backend import Asked, Backend, Fault

__all__ = ["ROOT", "Asked", "FakeVault", "Fault"]

ROOT = "root-token"


class FakeVault(Backend):
    """`kv[mount]` is (version, {path: [versions]}); a version is a dict, or None when deleted."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.kv: dict[str, tuple[int, dict[str, list[dict[str, Any] | None]]]] = {"secret": (2, {}), "kv1": (1, {})}
        self.metadata: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, dict[str, Any]] = {ROOT: {"ttl": 0, "expire_time": None, "type": "service"}}
        self.approles: dict[str, str] = {}
        self.users: dict[str, str] = {}
        self.knows_user: Callable[[str, str], bool] = lambda name, password: self.users.get(name) == password
        self.jwts: dict[str, str] = {}  # jwt → role
        self.knows_aws: Callable[[Any], bool] = lambda body: False  # what STS would say to the signed question
        self.ttl = 3600
        self.renewable = True
        self.token_type = "service"
        self.denied: set[str] = set()
        self.cas_required = False
        self.leader = ""  # the active node of the cluster
        self.sealed = False

    # what a test arranges

    def put(self, mount: str, path: str, *versions: dict[str, Any] | None) -> None:
        self.kv[mount][1].setdefault(path, []).extend(versions)

    # the server

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.sealed:
            return refused(503, "Vault is sealed")
        path = asked.path.removeprefix("/v1/")
        if path == "sys/leader":
            return web.json_response({"ha_enabled": bool(self.leader), "leader_address": self.leader})
        if "/login" in path and path.startswith("auth/"):
            return self._login(path, asked)
        token = asked.headers.get("X-Vault-Token", "")
        if token not in self.tokens:
            return refused(403, "permission denied", "invalid token") if token else refused(403, "missing client token")
        if path.startswith("auth/token/"):
            return self._token(path.removeprefix("auth/token/"), token)
        if path in self.denied:
            return refused(403, "1 error occurred:\n\t* permission denied\n\n")
        if path.startswith("sys/mounts/"):
            mount = path.removeprefix("sys/mounts/")
            if mount not in self.kv:
                return refused(400, f"No secret engine mount at {mount}/")
            return answered({"type": "kv", "options": {"version": str(self.kv[mount][0])}})
        match asked.method:
            case "PUT" | "POST":
                return self._write(path, asked)
            case "DELETE":
                return self._delete(path)
        return self._read(path, asked)

    def _login(self, path: str, asked: Asked) -> web.Response:
        body = asked.body or {}
        if path == "auth/approle/login":
            allowed = (
                self.approles.get(str(body.get("role_id"))) == body.get("secret_id")
                and body.get("role_id") in self.approles
            )
            if not allowed:
                return refused(400, "invalid role or secret ID")
        elif match := re.fullmatch(r"auth/(?:userpass|ldap)/login/(.+)", path):
            if not self.knows_user(unquote(match[1]), str(body.get("password"))):
                return refused(400, "invalid username or password")
        elif path in ("auth/jwt/login", "auth/kubernetes/login"):
            if self.jwts.get(str(body.get("jwt"))) != body.get("role"):
                return refused(400, "error validating token: invalid audience (aud) claim")
        elif path == "auth/aws/login":
            if not self.knows_aws(body):
                return refused(400, "error making upstream request: received error code 403 from STS")
        elif path == "auth/gcp/login":
            if self.jwts.get(str(body.get("jwt"))) != body.get("role"):
                return refused(400, "role is not authorized")
        else:
            return refused(404, f"no handler for route {path!r}")
        token = "s." + secrets.token_hex(8)
        self.tokens[token] = {"ttl": self.ttl, "expire_time": "2030-01-01T00:00:00Z", "type": self.token_type}
        auth = {
            "client_token": token,
            "lease_duration": self.ttl,
            "renewable": self.renewable,
            "token_type": self.token_type,
        }
        return web.json_response({"auth": auth})

    def _token(self, action: str, token: str) -> web.Response:
        match action:
            case "lookup-self":
                return answered(self.tokens[token])
            case "renew-self":
                return web.json_response(
                    {"auth": {"client_token": token, "lease_duration": self.ttl, "renewable": self.renewable}}
                )
            case "revoke-self":
                del self.tokens[token]
                return web.Response(status=204)
        return refused(404)

    def _place(self, path: str) -> tuple[str, str, str]:
        """The mount, then on version 2 `data` or `metadata`, then the key."""
        mount = max((m for m in self.kv if path.startswith(m + "/")), key=len, default="")
        rest = path.removeprefix(mount).strip("/")
        if not mount or self.kv[mount][0] == 1:
            return mount, "", rest
        kind, _, key = rest.partition("/")
        return mount, kind, key

    def _write(self, path: str, asked: Asked) -> web.Response:
        mount, kind, key = self._place(path)
        if not mount:
            return refused(404, f'no handler for route "{path}". route entry not found.')
        entries = self.kv[mount][1]
        if kind == "metadata":
            self.metadata[f"{mount}/{key}"] = asked.body.get("custom_metadata") or {}
            entries.setdefault(key, [])
            return web.Response(status=204)
        if kind == "data":
            versions = entries.setdefault(key, [])
            wanted = (asked.body.get("options") or {}).get("cas")
            if wanted is None and self.cas_required:
                return refused(400, "check-and-set parameter required for this call")
            if wanted is not None and wanted != len(versions):
                return refused(400, "check-and-set parameter did not match the current version")
            versions.append(asked.body["data"])
            return answered({"version": len(versions)})
        entries[key] = [asked.body]
        return web.Response(status=204)

    def _delete(self, path: str) -> web.Response:
        mount, kind, key = self._place(path)
        entries = self.kv[mount][1]
        if kind == "data" and entries.get(key):
            entries[key][-1] = None
        elif kind != "data":
            entries.pop(key, None)
            self.metadata.pop(f"{mount}/{key}", None)
        return web.Response(status=204)

    def _read(self, path: str, asked: Asked) -> web.Response:
        mount = max((m for m in self.kv if path == m or path.startswith(m + "/")), key=len, default="")
        if not mount:
            return refused(404, f'no handler for route "{path}". route entry not found.')
        version, entries = self.kv[mount]
        rest = path.removeprefix(mount).strip("/")
        if version == 1:
            if asked.query.get("list"):
                return self._list(entries, rest)
            found = entries.get(rest)
            return answered(found[-1]) if found else refused(404)
        kind, _, key = rest.partition("/")
        if kind == "metadata" and asked.query.get("list"):
            return self._list(entries, key)
        versions = entries.get(key)
        if versions is None or kind not in ("data", "metadata") or (kind == "data" and not versions):
            return refused(404)
        if kind == "metadata":
            custom = self.metadata.get(f"{mount}/{key}")
            return answered(
                {
                    "created_time": "2024-01-01T00:00:00Z",
                    "current_version": len(versions),
                    "delete_version_after": "0s",
                    "custom_metadata": custom,
                }
            )
        asked_version = asked.query.get("version", "0")
        if not asked_version.isdigit():
            return refused(400, f'Failed to parse: strconv.ParseInt: parsing "{asked_version}": invalid syntax')
        number = int(asked_version) or len(versions)
        if number > len(versions):
            return refused(404)
        value = versions[number - 1]
        payload = {
            "data": {
                "data": value,
                "metadata": {"version": number, "deletion_time": "" if value is not None else "2024-01-01T00:00:00Z"},
            }
        }
        return web.json_response(payload, status=200 if value is not None else 404)

    def _list(self, entries: dict[str, Any], folder: str) -> web.Response:
        prefix = f"{folder}/" if folder else ""
        names = set()
        for path in entries:
            if path.startswith(prefix):
                first, slash, _ = path.removeprefix(prefix).partition("/")
                names.add(first + slash)
        return answered({"keys": sorted(names)}) if names else refused(404)


def answered(data: Any) -> web.Response:
    return web.json_response({"data": data})


def refused(status: int, *errors: str) -> web.Response:
    return web.json_response({"errors": list(errors)}, status=status)
