"""The words of an API server that refused a target, without anything that a value may have become: those of a fixed
vocabulary, and what the author wrote.

Neighbours: reconcile.py raises them. The server, or a webhook behind it, knows what it was sent: keys and values that
templates made. What the author wrote into the spec is no secret and stays readable.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from eso.api.externalsecret import ExternalSecret
from eso.errors import EsoError
from eso.kube.rest import ApiError
from eso.observe.echo import closed, told
from eso.observe.redact import MASK
from eso.reconcile.externalsecret.desired import Change, Create, Patch
from eso.reconcile.kit.difference import Json
from eso.runtime.loopshare import in_slices

BRACKET: Final = re.compile(
    r"(?<=\w)\[([^\]]*)\]"
)  # the index of a path, and no character class of a quoted expression
OURS: Final = "reconcile.external-secrets.io/"  # labels and annotations that we write on every target
# keys that the server asks for by itself, for the types of Secrets that it knows
REQUIRED: Final = frozenset(
    {".dockercfg", ".dockerconfigjson", "password", "ssh-privatekey", "tls.crt", "tls.key", "username"}
)
ENCODED: Final = frozenset({"data", "binaryData"})


TEXTS: Final = 1_000  # that are looked at in one turn of the loop: an object may hold tens of thousands


async def refused(es: ExternalSecret, error: EsoError, change: Change, data: Mapping[str, bytes]) -> str:
    """The server's own words where they repeat nothing that was sent, else what kind of refusal it is and where."""
    body = change.body if isinstance(change, Create | Patch) else {}
    literals = {*data, *REQUIRED}  # keys that were fetched are names in the store, and no secret
    async for some in in_slices(words(es), TEXTS):
        literals.update(some)
    sent: list[bytes] = []
    async for some in in_slices(contents(body), TEXTS):
        sent += [text.encode() for text in some if text not in literals]
    said = error.said if isinstance(error, ApiError) else str(error)
    shown = told(said, (*sent, *data.values()))
    if shown is not None:
        shown = BRACKET.sub(lambda found: found[0] if plain(found[1], literals) else f"[{MASK}]", shown)
        return closed(shown, literals | names(error), own=True)
    if not isinstance(error, ApiError):
        return f"{type(error).__name__}: its words may repeat a value and are not shown"
    where = f" at {', '.join(error.fields)}" if error.fields else ""
    return f"the API server refused it with {error.status or 'no status'}{where}: its words may repeat a value"


def names(error: EsoError) -> frozenset[str]:
    """How the request called its object."""
    return frozenset(error.names) if isinstance(error, ApiError) else frozenset()


def plain(index: str, literals: AbstractSet[str]) -> bool:
    """Whether the index of a field path, or a list in a sentence, is no key that a template made."""
    return index in literals or index.isdigit() or index == MASK


def words(es: ExternalSecret) -> Iterator[str]:
    """What the author wrote, and what everybody may read of the object."""
    yield "data"
    for entry in es.spec.data:
        yield from strings(msgspec.to_builtins(entry))
    yield from strings(msgspec.to_builtins(msgspec.structs.replace(es.spec, data=())))
    yield from strings(msgspec.to_builtins(es.metadata))
    yield es.target_name


def contents(body: Json) -> Iterator[str]:
    """What a template may have made of a body: not its kind, its members, or what says whose it is."""
    for name, value in body.items():
        if name == "metadata":
            for part in ("labels", "annotations"):
                found = value.get(part) or {}
                yield from strings({name: text for name, text in found.items() if not name.startswith(OURS)})
            yield from strings(value.get("finalizers"))
        elif name not in ("apiVersion", "kind"):
            yield from strings(value, name)


def strings(value: Any, under: str = "") -> Iterator[str]:
    """Every text of a JSON tree, names of members included; values of a Secret's `data` as they are when decoded."""
    match value:
        case str() if under in ENCODED:
            yield decoded(value)
        case str():
            yield value
        case Mapping():
            for name, each in value.items():
                yield str(name)
                yield from strings(each, under if under in ENCODED else str(name))
        case list() | tuple():
            for each in value:
                yield from strings(each, under)


def decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text
