"""The hashes in labels, annotations, the status and managedFields.

Neighbours: reconcile.externalsecret compares them. Each is SHA3-224 in lower-case hex over the text dump of the
reference: a cluster that is taken over needs no refresh and no write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from eso.api.meta import ObjectMeta
from eso.api.wellknown import FIELD_MANAGER_PREFIX
from eso.gocompat.text import format_float

FIELD_MANAGER_BYTES = 63


def sha3(text: str) -> str:
    # The API server sends no lone surrogates, but a template may name a key with one. Its hash must not fail.
    return hashlib.sha3_224(text.encode("utf-8", "surrogatepass")).hexdigest()


def data_hash(data: Mapping[str, bytes]) -> str:
    """`reconcile.external-secrets.io/data-hash`: over all data of the target, also keys of other owners."""
    # `str(list(value))` makes the decimal dump in C; a generator over the bytes takes ten times as long.
    entries = (f"{key}:{str(list(data[key])).replace(',', '')}" for key in sorted(data))
    return sha3(f"map[{' '.join(entries)}]")


def content_hash(content: object) -> str:
    """The same annotation on a target of another kind: over its `spec`, or its `data`, as plain JSON."""
    return sha3(dumped(content))


def dumped(value: object) -> str:
    """JSON as Go prints it: `map[a:1 b:[x y]]`."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return format_float(value)
        case list():
            return f"[{' '.join(map(dumped, value))}]"
        case dict():
            return f"map[{' '.join(f'{key}:{dumped(value[key])}' for key in sorted(value))}]"
        case _:
            return str(value)


def owner_hash(namespace: str, name: str) -> str:
    """`reconcile.external-secrets.io/created-by`: names the ExternalSecret that a target belongs to."""
    return sha3(f"{namespace}/{name}")


def synced_resource_version(meta: ObjectMeta) -> str:
    """`<generation>-<hash of annotations and labels>`: differs once an ExternalSecret has changed."""
    return f"{meta.generation}-{sha3(f'{{annotations:{dump(meta.annotations)} labels:{dump(meta.labels)}}}')}"


def field_manager(name: str) -> str:
    """The field manager of the ExternalSecret `name`; hashed where the plain form is too long for the API server."""
    plain = FIELD_MANAGER_PREFIX + name
    return plain if len(plain.encode()) <= FIELD_MANAGER_BYTES else f"{FIELD_MANAGER_PREFIX}sha3/{sha3(name)}"


def dump(values: Mapping[str, str]) -> str:
    return f"map[{' '.join(f'{key}:{values[key]}' for key in sorted(values))}]"
