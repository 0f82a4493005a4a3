"""The rules of a `webhook` store: which server it asks, which Secrets its templates use, what makes its login.

Neighbours: connect.py reads the Secrets, client.py renders and asks. Admission checks nothing, as in the reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from eso.gocompat.duration import DurationError, parse_duration
from eso.gocompat.text import quote
from eso.providers.contract import Consumer, InvalidConfig, Place, Plan, Quota, StoreView
from eso.providers.kit.selectors import Json, Named, authorities, has, one, part, referent

SECONDS: Final = 60.0  # for a request whose store does not say; the reference waits without end
FIELD: Final = re.compile(r"\.\w+\.(?!namespace\b)\w+")
COMMENT: Final = re.compile(r"(?:-[ \t\r\n])?/\*")
# What matters between the braces: literals, closed or not, and the end.
INSIDE: Final = re.compile(r""""(?:[^"\\\n]|\\[^\n])*+"?|'(?:[^'\\\n]|\\[^\n])*+'?|`[^`]*+`?|\}\}""")
# What is left of an action without such fields: it may lead to `.remoteRef.namespace`.
LOOKS_AROUND: Final = re.compile(r"remoteRef|namespace|\$|\.(?!\w)")


class WebhookSpec:
    name: ClassVar[str] = "webhook"
    capability: ClassVar[str] = "ReadWrite"
    maintained: ClassVar[bool] = True

    def check(self, store: StoreView) -> list[str]:
        return []

    def plan(self, store: StoreView) -> Plan:
        """Stores share no login: without credentials all of one host would be one, and a path that answers 429, which
        any author can name, would hold up the stores of everybody."""
        block = store.provider_spec
        seconds(block)
        login = {name: block.get(name) for name in ("auth", "secrets", "caBundle", "caProvider")}
        return Plan(
            endpoint(block),
            {**login, "store": [store.kind, store.namespace, store.name]},
            consumer(store),
            references(store),
            quota=Quota.LOGIN,
        )


SPEC: Final = WebhookSpec()


def endpoint(block: Json) -> str:
    """Scheme, host and port of the URL as it is written, without the user: what is before the first slash, where a
    template stands in its place."""
    scheme, separator, rest = str(block.get("url") or "").partition("://")
    return f"{scheme}{separator}{re.split('[/?#]', rest, maxsplit=1)[0].rpartition('@')[2]}"[:253]


def seconds(block: Json) -> float:
    """Raises InvalidConfig."""
    text = block.get("timeout")
    if not text:
        return SECONDS
    try:
        found = parse_duration(str(text))
    except DurationError as error:
        raise InvalidConfig(f"failed to parse timeout: {error}", fix="write a Go duration such as 10s") from error
    return found if found > 0 else SECONDS


def secrets(block: Json) -> list[tuple[str, Json]]:
    """Name in the templates → selector of the Secret."""
    listed = block.get("secrets")
    entries: list[Any] = listed if isinstance(listed, list) else []
    return [(str(entry.get("name") or ""), part(entry, "secretRef")) for entry in entries if isinstance(entry, dict)]


def credentials(block: Json) -> Iterator[Named]:
    """User and password of NTLM."""
    for member in ("usernameSecret", "passwordSecret"):
        yield from one(block, "", "auth", "ntlm", member)


def by_ntlm(block: Json) -> bool:
    return has(block, "auth", "ntlm")


def references(store: StoreView) -> tuple[Place, ...]:
    """Of a SecretStore's Secrets the namespace is ignored; one of a ClusterSecretStore that has none is never read."""
    named = [Named("", selector) for _, selector in secrets(store.provider_spec)]
    if store.cluster_scoped:
        named = [found for found in named if found.namespace]
    else:
        named = [Named("", {"name": found.selector.get("name")}) for found in named]
    block = store.provider_spec
    return tuple(dict.fromkeys(found.place for found in (*named, *credentials(block), *authorities(block))))


def consumer(store: StoreView) -> Consumer:
    """A ClusterSecretStore is one login for each namespace where its templates may look at that namespace."""
    if not store.cluster_scoped:
        return Consumer.NONE
    if referent(store, credentials(store.provider_spec)):
        return Consumer.CREDENTIALS
    return Consumer.IDENTITY if any(map(looks_around, texts(store.provider_spec))) else Consumer.NONE


def texts(block: Json) -> Iterator[str]:
    """Everything that is rendered."""
    yield str(block.get("url") or "")
    yield str(block.get("body") or "")
    yield str(part(block, "result").get("jsonPath") or "")
    yield from map(str, part(block, "headers").values())


def sees(block: Json, member: str) -> bool:
    """Whether a template may look at this member of the reference."""
    return any(member in text or looks_around(text) for text in texts(block))


def looks_around(text: str) -> bool:
    return any(LOOKS_AROUND.search(FIELD.sub("", action)) for _, action in actions(text))


def actions(text: str) -> Iterator[tuple[str, str]]:
    """The plain text before each action of a template, and the action with its braces; at last the rest and ""."""
    at = 0
    while (start := text.find("{{", at)) >= 0 and (end := end_of(text, start + 2)) >= 0:
        yield text[at:start], text[start:end]
        at = end
    yield text[at:], ""


def end_of(text: str, at: int) -> int:
    """Where the action ends that begins before `at`, -1: nowhere. Braces in a literal or a comment close nothing."""
    if comment := COMMENT.match(text, at):
        closed = text.find("*/", comment.end())
        end = text.find("}}", closed) if closed >= 0 else -1
        return end + 2 if end >= 0 else -1
    return next((found.end() for found in INSIDE.finditer(text, at) if found[0] == "}}"), -1)


def address(block: Json) -> str:
    """The URL as it is written, if its host can be dialled. Raises InvalidConfig."""
    url = str(block.get("url") or "")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        half = "[" in url and "]" not in url
        fault, host, port = "missing ']' in host" if half else "invalid host or port", "", None
    else:
        wrong = re.search(r"[\s{}<>\"\\^`|]", parts.netloc)
        fault = f"invalid character {quote(wrong[0])} in host name" if wrong is not None else ""
    if fault or port == 0:
        shown = re.sub(r"//[^/]*@", "//", url)  # what stands before the host may be a password
        raise InvalidConfig(
            f'could not parse url: parse "{shown}": {fault or "invalid port"}',
            fix="the host of a webhook's url cannot be a template",
        )
    if not host:
        raise InvalidConfig("error accessing external store: the url names no host", fix="write https://host/path")
    return url
