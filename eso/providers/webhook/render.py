"""The templates of a webhook → one request: what each of them sees, what is escaped, what their faults are called.

Neighbours: client.py says what is asked, apart.py runs this where it holds up nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote_plus

from eso.providers.contract import InvalidConfig
from eso.providers.kit.selectors import Json, part
from eso.providers.webhook.spec import actions
from eso.template import Limits, TemplateError
from eso.template.gotemplate import render  # the language itself: this module is imported in a thread
from eso.template.world import WORLD

NAME: Final = "webhooktemplate"
REMOTE: Final = "remoteRef"
LIMITS: Final = Limits(steps=200_000, pass_steps=400_000, output_bytes=4 << 20, value_bytes=16 << 20, seconds=5.0)
"""Of one request: it is made for each read."""
Texts = Mapping[str, Mapping[str, bytes]]

# An action that inserts a field and does nothing else: `.name.key`, or `index .name "key"`.
_FIELD: Final = re.compile(r"\{\{(-?\s*+)(\.(\w+)\.(\w+))(\s*+-?)\}\}")
_INDEX: Final = re.compile(r'\{\{(-?\s*+)(index\s++\.(\w+)\s++"([^"\\{}]*+)")(\s*+-?)\}\}')
# A segment of a URL's path that stands for this folder or the one above, also where a server reads an escaped slash,
# or a backslash, as a slash.
_DOTS: Final = re.compile(r"(?:(?<=[/\\])|(?<=%2f)|(?<=%5c))(?:\.|%2e){1,2}(?=[/\\]|%2f|%5c|\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Templates:
    """The texts of one request. `path`: the JSONPath; `body` None: the payload itself."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: str | None
    path: str

    @classmethod
    def of(cls, block: Json) -> Templates:
        headers = tuple((str(name), str(text)) for name, text in part(block, "headers").items())
        path = str(part(block, "result").get("jsonPath") or "")
        return cls(str(block.get("url") or ""), headers, str(block.get("body") or ""), path)

    def dynamic(self) -> bool:
        """Whether there is anything to render."""
        return any("{{" in text for text in (self.url, self.body or "", self.path, *(text for _, text in self.headers)))

    def size(self) -> int:
        return len(self.url) + len(self.body or "") + len(self.path) + sum(len(text) for _, text in self.headers)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the templates see: of the reference or the push, and of the Secrets. Values never print."""

    remote: Mapping[str, bytes] = field(repr=False)
    secrets: Texts = field(repr=False)
    payload: bytes = field(default=b"", repr=False)

    def texts(self) -> Texts:
        """For headers, body and path: everything as it is."""
        own = {**self.remote, **self.secrets.get(REMOTE, {})}
        return {**self.secrets, **({REMOTE: own} if own else {})}

    def escaped(self) -> Texts:
        """For the URL: no sign of the reference's own members has a meaning there."""
        remote = {name: value if name == "namespace" else escaped(value) for name, value in self.remote.items()}
        return replace(self, remote=remote).texts()


@dataclass(frozen=True, slots=True)
class Rendered:
    """`fault`: why the path could not be rendered within the limits, "" if it could."""

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    path: str = field(default="", repr=False)
    fault: str = ""


def request(templates: Templates, seen: Seen, limits: Limits) -> Rendered:
    """Raises InvalidConfig with the reference's words; OutOfBounds where a limit ended it."""
    limits = limits.together(WORLD)
    texts = seen.texts()
    url = made("failed to parse url: ", safe(templates.url, seen.secrets), seen.escaped(), limits)
    if dots(text_of(url)) > dots("x".join(between for between, _ in actions(templates.url))):
        raise InvalidConfig("the url leaves its place: a part of its path is '.' or '..'", fix="correct remoteRef")
    headers = tuple(
        (name, text_of(made(f"failed to parse header {name}: ", text, texts, limits)))
        for name, text in templates.headers
    )
    body = seen.payload if templates.body is None else made("failed to parse body: ", templates.body, texts, limits)
    try:
        path, fault = text_of(made("", templates.path, texts, limits)), ""
    except OutOfBounds:
        raise  # where there is more time it may be made
    except InvalidConfig as error:
        path, fault = "", str(error)
    return Rendered(text_of(url), headers, body, path, fault)


def made(failed: str, template: str, texts: Texts, limits: Limits) -> bytes:
    if "{{" not in template:
        return template.encode("utf-8", "surrogateescape")
    try:
        return render(template, texts, name=NAME, missing="default", limits=limits)
    except TemplateError as error:
        if error.phase == "bounds":
            raise OutOfBounds(f"{failed}{error}", fix=error.fix) from error
        raise InvalidConfig(f"{failed}{error}", fix=error.fix) from error


class OutOfBounds(InvalidConfig):
    """A limit ended it."""


def safe(url: str, secrets: Texts) -> str:
    """The URL's template with the bare fields of Secrets behind the `?` escaped, so that no value can add a parameter.
    A template that calls a function there knows what it does."""
    parts: list[str] = []
    query = False
    for between, action in actions(url):
        query = query or "?" in between
        found = (_FIELD.fullmatch(action) or _INDEX.fullmatch(action)) if query else None
        if found is not None and found[3] != REMOTE and found[4] in secrets.get(found[3], {}):
            action = f"{{{{{found[1]}urlquery ({found[2]}){found[5]}}}}}"
        parts += (between, action)
    return "".join(parts)


def dots(url: str) -> int:
    """How many segments of the path lead elsewhere: no escape keeps the client library, or a server, from following
    them."""
    return len(_DOTS.findall(re.split("[?#]", url, maxsplit=1)[0]))


def escaped(value: bytes) -> bytes:
    return quote_plus(value).encode()


def text_of(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
