"""A text as a careless or hostile server could spell it, and the bodies in which it could repeat it."""

from __future__ import annotations

import base64
import codecs
import html
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

SPELLINGS: Final[dict[str, Callable[[str], str]]] = {
    "as it is": str,
    "upper case": str.upper,
    "backwards": lambda text: text[::-1],
    "cut": lambda text: text[2:14],
    "base64": lambda text: base64.b64encode(b"x" + text.encode()).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "address": lambda text: quote(text, safe="") + "%2F",
    "JSON": lambda text: json.dumps(f'"{text}"'),
    "HTML": html.escape,
    "shifted": lambda text: codecs.encode(text, "rot13"),
    "quoted for mail": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "letter by letter": " ".join,
    "over many lines": lambda text: "\n".join(text[at : at + 4] for at in range(0, len(text), 4)),
    "in numbers": lambda text: ", ".join(map(str, text.encode())),
    "octal": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "HTML, in numbers": lambda text: "".join(f"&#{byte};" for byte in text.encode()),
    "every other letter": lambda text: text[::2] + text[1::2],
    "its end": lambda text: text[-8:],
}
NAMES: Final = [
    *("message", "Message", "error", "error_description", "errorMessage", "detail", "details", "msg", "title"),
    *("reason", "code", "__type", "status", "type", "errorCode", "errorType", "Code", "context", "resource", "id"),
]
STATUSES: Final = (400, 401, 403, 404, 409, 422, 429, 500)


def bodies(spelt: str) -> list[str]:
    """A refusal that says `spelt` wherever backends say something."""
    members = dict.fromkeys(NAMES, spelt)
    status = {"kind": "Status", "apiVersion": "v1", "details": {"name": spelt, "kind": spelt, "causes": []}}
    return [
        json.dumps(members | {"errors": [spelt, members], "error": error} | more)
        for error, more in ((spelt, {}), (members, {}), (members, status | {"status": "Failure", "code": 403}))
    ]


def repeated(spelt: str, told: str, usual: str) -> list[str]:
    """Parts of `spelt` that are in `told`, but not in what is `usual`."""
    parts = {spelt[at : at + 8] for at in range(max(1, len(spelt) - 7))}
    return [part for part in parts if part in told and part not in usual]
