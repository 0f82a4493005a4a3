"""Reads the ConfigMaps and Secrets that `templateFrom` names, in the object's own namespace.

Neighbours: compose.py asks before it renders; readplan.py lists them.
"""

from __future__ import annotations

import base64
from functools import partial

import orjson

from eso.api.externalsecret import ExternalSecret
from eso.api.meta import CONFIG_MAPS, SECRETS
from eso.errors import EsoError
from eso.kube.rest import Rest
from eso.reconcile.externalsecret.readplan import sources_of
from eso.reconcile.kit.texts import Texts
from eso.runtime.loopshare import on_loop
from eso.runtime.memory import scratch, volume

MOST_BYTES = 16 << 20  # of all template sources of one object


class SourceMissing(EsoError):
    """A source is not there, or all of them are too much."""


async def read_sources(rest: Rest, es: ExternalSecret) -> dict[tuple[str, str], Texts]:
    """(kind, name) → key → text. Raises SourceMissing or the API's errors."""
    found: dict[tuple[str, str], Texts] = {}
    size = 0
    for kind, name in sources_of(es.spec):
        with scratch() as spare:
            resource = CONFIG_MAPS if kind == "ConfigMap" else SECRETS
            raw = await rest.get(resource, es.metadata.namespace, name)
            if raw is None:
                raise SourceMissing(
                    f'{resource.plural} "{name}" not found',
                    fix=f"create the {kind} in namespace {es.metadata.namespace}",
                )
            size += len(raw)
            if size > MOST_BYTES:
                raise SourceMissing(
                    f"the sources of templateFrom are more than {MOST_BYTES} bytes", fix="name fewer, or smaller ones"
                )
            found[kind, name] = await on_loop(es.metadata.namespace, partial(texts_of, kind, raw))
            spare.keep(volume(found[kind, name].contents))
    return found


def texts_of(kind: str, raw: bytes) -> Texts:
    """The contents of a ConfigMap or Secret, with their fingerprint: a few milliseconds for a megabyte."""
    data = orjson.loads(raw).get("data") or {}
    texts = (
        Texts.of(data) if kind == "ConfigMap" else Texts({key: base64.b64decode(text) for key, text in data.items()})
    )
    _ = texts.fingerprint  # now, while nobody waits for the other sources
    return texts
