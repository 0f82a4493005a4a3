"""A keyed digest of everything that decides a target's content, apart from the target itself.

Neighbours: compose.py takes it before it renders; targets.py and reconcile.py compare it with the last one. A digest
may prove "the same as before", never "absent".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson

from eso.api.externalsecret import ExternalSecret
from eso.reconcile.kit.texts import Texts
from eso.template.apply import Sources


def digest(key: bytes, es: ExternalSecret, data: Mapping[str, bytes], sources: Sources) -> bytes:
    """16 bytes. Without `key` nobody can try values until one fits."""
    made = hashlib.blake2b(key=key, digest_size=16)

    def add(*parts: bytes) -> None:
        for part in parts:
            made.update(b"%d:" % len(part))
            made.update(part)

    head = [es.metadata.uid, es.metadata.generation, es.metadata.labels, es.metadata.annotations]
    add(orjson.dumps(head, option=orjson.OPT_SORT_KEYS))
    for name in sorted(data):
        add(name.encode(errors="surrogateescape"), data[name])
    for kind, name in sorted(sources):
        content = sources[kind, name]
        texts = content if isinstance(content, Texts) else Texts.of(content)
        add(kind.encode(), name.encode(), texts.fingerprint)
    return made.digest()
