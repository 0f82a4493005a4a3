"""A kubeconfig out of a Secret → where its current context leads and who we are there.

Neighbours: cluster.py logs in with it. Only data inside the document counts: a plugin would run in the operator, and a
path would read the operator's files, so both are refused by name.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from eso.providers.contract import InvalidConfig
from eso.providers.kit.selectors import part

MOST_BYTES: Final = 1 << 20
MOST_EVENTS: Final = 10_000  # of the YAML parser; a cluster with its user and its context has 30
DEEPEST: Final = 32
PLAIN: Final = ("!", *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq", "null", "bool", "int", "float")))
NOTHING: Final = frozenset({"", "~", "null", "false", "no", "off"})
OUTSIDE: Final = {
    "exec": "a plugin",
    "auth-provider": "a plugin",
    "tokenFile": "a file",
    "client-certificate": "a file",
    "client-key": "a file",
    "certificate-authority": "a file",
    "username": "a password",
    "password": "a password",
    "as": "another user",
    "insecure-skip-tls-verify": "an unverified server",
    "proxy-url": "a proxy",
    "tls-server-name": "another name of the server",
}


@dataclass(frozen=True, slots=True)
class Reached:
    """A cluster and who we are there. `lifetime` in seconds, None = the credential does not end by itself."""

    server: str
    ca: bytes | None = None
    token: str = field(default="", repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    lifetime: float | None = None


def kubeconfig(document: bytes) -> Reached:
    """The cluster and user of the current context. Raises InvalidConfig, which names members and never a value."""
    if len(document) > MOST_BYTES:
        raise InvalidConfig(f"the kubeconfig is longer than {MOST_BYTES} bytes")
    try:
        config = tree(document)
    except (yaml.YAMLError, ValueError):
        raise InvalidConfig("the kubeconfig is not YAML", fix="store the whole kubeconfig under the key") from None
    if not isinstance(config, Mapping):
        raise InvalidConfig("the kubeconfig is no object", fix="store the whole kubeconfig under the key")
    current = str(config.get("current-context") or "")
    if not current:
        raise InvalidConfig("the kubeconfig has no current-context", fix="set current-context")
    context = entry(config, "contexts", "context", current)
    cluster = entry(config, "clusters", "cluster", str(context.get("cluster") or ""))
    user = entry(config, "users", "user", str(context.get("user") or ""))
    for member, what in OUTSIDE.items():
        if user.get(member) or cluster.get(member):
            raise InvalidConfig(
                f"the kubeconfig wants {what}: {member} is not supported",
                fix="use a token, or certificates as ...-data members",
            )
    server = str(cluster.get("server") or "").rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise InvalidConfig("the kubeconfig's server is no https URL", fix="set clusters[].cluster.server")
    return Reached(
        server,
        data(cluster, "certificate-authority-data"),
        str(user.get("token") or "").strip(),
        data(user, "client-certificate-data"),
        data(user, "client-key-data"),
    )


def tree(document: bytes) -> Any:
    """The first document; scalars are texts, None for those that say nothing or no. The YAML library's own trees cost
    seconds: numbers in sixties, merged keys, an object for each node. Raises YAMLError, ValueError."""
    events = iter(yaml.parse(document, yaml.CSafeLoader))
    left = MOST_EVENTS

    def following() -> yaml.Event:
        nonlocal left
        left -= 1
        event = next(events, None)
        if event is None or left < 0:
            raise ValueError
        return event

    def node(event: yaml.Event, depth: int) -> Any:
        if depth > DEEPEST or isinstance(event, yaml.AliasEvent) or (getattr(event, "tag", None) or "!") not in PLAIN:
            raise ValueError
        if isinstance(event, yaml.ScalarEvent):
            return None if event.implicit[0] and event.value.lower() in NOTHING else str(event.value)
        found: list[Any] = []
        while not isinstance(inner := following(), yaml.SequenceEndEvent | yaml.MappingEndEvent):
            found.append(node(inner, depth + 1))
        if isinstance(event, yaml.SequenceStartEvent):
            return found
        return {key: value for key, value in zip(found[::2], found[1::2], strict=True) if isinstance(key, str)}

    first = following()
    while isinstance(first, yaml.StreamStartEvent | yaml.DocumentStartEvent):
        first = following()
    return None if isinstance(first, yaml.StreamEndEvent) else node(first, 0)


def entry(config: Mapping[str, Any], family: str, member: str, name: str) -> Mapping[str, Any]:
    for found in config.get(family) or ():
        if isinstance(found, Mapping) and found.get("name") == name:
            return part(found, member)
    raise InvalidConfig(f'the kubeconfig has no entry "{name[:253]}" in {family}', fix="name one that is there")


def data(block: Mapping[str, Any], member: str) -> bytes | None:
    if not block.get(member):
        return None
    try:
        return base64.b64decode(str(block[member]), validate=False)
    except (binascii.Error, ValueError):
        raise InvalidConfig(f"the kubeconfig's {member} is not base64") from None
