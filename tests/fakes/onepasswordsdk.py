"""1Password behind the vendor's library: its native core in memory, which takes and gives the core's JSON.

The vendor's own Python code runs above it. Written from the messages of onepassword-sdk 0.4 and the reference of the
SDK's functions; what the real core computes (logins, decryption) is not done.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from onepassword.errors import raise_typed_exception

WHEN = "2026-01-02T03:04:05Z"
VAULT, VAULT_ID = "Shop", "v" * 26
ENVIRONMENT = "e" * 26
Json = dict[str, Any]


def token(address: Any = "my.1password.com", mark: str = "") -> str:
    body = base64.urlsafe_b64encode(json.dumps({"signInAddress": address, "mark": mark}).encode()).decode()
    return f"ops_{body.rstrip('=')}"


TOKEN = token()


class CoreError(Exception):
    """As the library's native part raises it: the text is in `msg`."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.msg = json.dumps({"name": name, "message": message}) if name else message


class Account:
    """What lies at 1Password. `asked`: the names of the calls. `fault`: takes the next calls' names, may raise.
    `stalled`: calls come to no end; `reached` is set by the first that does not."""

    def __init__(self) -> None:
        self.tokens = {TOKEN}
        self.vaults = {VAULT_ID: VAULT}
        self.items: dict[str, Json] = {}
        self.files: dict[str, bytes] = {}
        self.variables: dict[str, str] = {}
        self.asked: list[str] = []
        self.clients: dict[int, Json] = {}
        self.fault: Callable[[str], object] = lambda name: None
        self.reply: Callable[[str, Any], Any] = lambda name, reply: reply
        self.stalled, self.reached = False, threading.Event()

    def put(self, title: str, fields: dict[str, str] | list[tuple[str, str]], **more: Any) -> str:
        number = len(self.items)
        entries = list(fields.items()) if isinstance(fields, dict) else fields
        made = {
            "id": f"{number:026d}",
            "title": title,
            "category": "Server",
            "vaultId": VAULT_ID,
            "fields": [field(name, value, at) for at, (name, value) in enumerate(entries)],
            "sections": [],
            "notes": "",
            "tags": [],
            "websites": [],
            "version": 1,
            "files": [],
            "createdAt": WHEN,
            "updatedAt": WHEN,
        }
        self.items[made["id"]] = made | more
        return str(made["id"])

    def attach(self, item: str, name: str, content: bytes, *, size: int | None = None, document: bool = False) -> None:
        attributes = {"name": name, "id": f"file-{len(self.files)}", "size": len(content) if size is None else size}
        self.files[attributes["id"]] = content
        if document:
            self.items[item] |= {"document": attributes, "category": "Document"}
        else:
            self.items[item]["files"].append({"attributes": attributes, "sectionId": "s", "fieldId": "f"})

    def titled(self, title: str) -> list[Json]:
        return [item for item in self.items.values() if item["title"] == title]

    def invoke(self, name: str, given: Json) -> Any:
        match name:
            case "VaultsList":
                return [overview(id, title) for id, title in self.vaults.items()]
            case "SecretsResolveAll":
                return {"individualResponses": {uri: self.resolved(uri) for uri in given["secret_references"]}}
            case "ItemsList":
                return [listed(item) for item in self.items.values() if item["vaultId"] == given["vault_id"]]
            case "ItemsGet":
                return self.item(given["item_id"])
            case "ItemsGetAll":
                found = [self.items.get(id) for id in given["item_ids"]]
                gone = {"error": {"type": "itemNotFound"}}
                return {"individualResponses": [gone if item is None else {"content": item} for item in found]}
            case "ItemsCreate":
                made = {name: value for name, value in given["params"].items() if value is not None}
                id = self.put(made["title"], {})
                self.items[id] |= made
                return self.items[id]
            case "ItemsPut":
                self.items[given["item"]["id"]] = given["item"] | {"version": given["item"]["version"] + 1}
                return self.items[given["item"]["id"]]
            case "ItemsDelete":
                del self.items[self.item(given["item_id"])["id"]]
                return None
            case "ItemsFilesRead":
                return list(self.files[given["attr"]["id"]])
            case "EnvironmentsGetVariables":
                return {"variables": [{"name": n, "value": v, "masked": True} for n, v in self.variables.items()]}
        raise AssertionError(name)

    def item(self, id: str) -> Json:
        if id not in self.items:
            raise CoreError("resource not found")
        return self.items[id]

    def resolved(self, uri: str) -> Json:
        """`op://vault/item/[section/]field`."""
        parts = uri.removeprefix("op://").split("/")
        if len(parts) not in (3, 4):
            return {"error": {"type": "parsing", "message": f"the reference {uri} is no reference"}}
        if parts[0] not in (*self.vaults, *self.vaults.values()):
            return {"error": {"type": "vaultNotFound"}}
        items = [item for item in self.items.values() if parts[1] in (item["id"], item["title"])]
        if len(items) != 1:
            return {"error": {"type": "tooManyItems" if items else "itemNotFound"}}
        sections = [entry["id"] for entry in items[0]["sections"] if len(parts) == 4 and parts[2] == entry["title"]]
        if len(parts) == 4 and not sections:
            return {"error": {"type": "noMatchingSections"}}
        fields = [entry for entry in items[0]["fields"] if parts[-1] in (entry["id"], entry["title"])]
        fields = [entry for entry in fields if not sections or entry.get("sectionId") in sections]
        if len(fields) != 1:
            return {"error": {"type": "tooManyMatchingFields" if fields else "fieldNotFound"}}
        return {"content": {"secret": fields[0]["value"], "itemId": items[0]["id"], "vaultId": VAULT_ID}}


def field(name: str, value: str, at: int = 0, **more: Any) -> Json:
    return {"id": f"f{at}", "title": name, "sectionId": None, "fieldType": "Concealed", "value": value} | more


def overview(id: str, title: str) -> Json:
    counted = {"activeItemCount": 1, "contentVersion": 1, "attributeVersion": 1}
    made = {"id": id, "title": title, "description": "", "vaultType": "userCreated"}
    return made | counted | {"createdAt": WHEN, "updatedAt": WHEN}


def listed(item: Json) -> Json:
    taken = ("id", "title", "category", "vaultId", "websites", "tags", "createdAt", "updatedAt")
    return {name: item[name] for name in taken} | {"state": "active"}


class FakeCore:
    """Stands where the vendor's code expects its native core."""

    def __init__(self, account: Account) -> None:
        self.account = account

    async def init_client(self, config: Json) -> str:
        self.account.asked.append("init_client")
        with worded():
            self.account.fault("init_client")
            if config["serviceAccountToken"] not in self.account.tokens:
                raise CoreError("authentication error: bad service account token, please rotate it")
        number = len(self.account.clients) + 1
        self.account.clients[number] = config
        return str(number)

    async def invoke(self, message: Json) -> str:
        invocation = json.loads(json.dumps(message))["invocation"]
        name, given = invocation["parameters"]["name"], invocation["parameters"]["parameters"]
        self.account.asked.append(name)
        if self.account.stalled:
            self.account.reached.set()
            await asyncio.Event().wait()
        with worded():
            self.account.fault(name)
            if self.account.clients[invocation["clientId"]]["serviceAccountToken"] not in self.account.tokens:
                raise CoreError("you are not authenticated")
            return json.dumps(self.account.reply(name, self.account.invoke(name, given)))
        raise AssertionError("the core answers or raises")

    def release_client(self, number: int) -> None:
        self.account.clients.pop(number, None)


@contextmanager
def worded() -> Iterator[None]:
    """As the vendor's wrapper of its core does it."""
    try:
        yield
    except CoreError as error:
        raise_typed_exception(error)


@contextmanager
def served(account: Account) -> Iterator[Account]:
    """The vendor's library works on `account`."""
    with patch("onepassword.client.UniffiCore", lambda: FakeCore(account)):
        yield account
