"""A Secret as text: YAML, JSON or a difference; values masked unless they are asked for.

Neighbours: render.py prints what comes from here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson
import yaml

from eso.api import wellknown
from eso.api.externalsecret import ExternalSecret
from eso.cli.terminal import safe
from eso.template.functions.yamls import resolve

Json = dict[str, Any]
MASK = "***"
ORDER = ("apiVersion", "kind", "metadata", "type", "immutable", "data")
NOISE = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation")


def yaml_text(es: ExternalSecret, secret: Json, *, show: bool) -> str:
    return dumped(printable(es, secret, show=show))


def json_text(es: ExternalSecret, secret: Json, *, show: bool) -> str:
    return as_json(printable(es, secret, show=show))


def as_json(document: Json) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


class _Dumper(yaml.SafeDumper):
    """Quotes every text that kubectl would read as something else: `1e3`, `0o7`, `yes`, dates."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = '"' if "\n" not in text and resolve(text)[0] != "str" else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def dumped(document: Json) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def printable(es: ExternalSecret, secret: Json, *, show: bool) -> Json:
    """The Secret in the order people read it, without what the API server adds."""
    meta = {key: value for key, value in secret["metadata"].items() if key not in NOISE and value}
    for part in ("labels", "annotations"):
        if part in meta:
            meta[part] = {k: v if show or known(es, part, k, v) else MASK for k, v in sorted(meta[part].items())}
    data = {key: value if show else masked(value) for key, value in sorted((secret.get("data") or {}).items())}
    whole = {
        **secret,
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "type": secret.get("type", "Opaque"),
        "data": data,
    }
    return {key: whole[key] for key in ORDER if key in whole}


def masked(value: str) -> str:
    return f"{MASK} ({len(base64.b64decode(value or ''))} bytes)"


def known(es: ExternalSecret, part: str, key: str, value: str) -> bool:
    """Stands in the manifest as it is, or is ours and tells nothing; everything else may have been rendered from a
    secret."""
    if key in (wellknown.LABEL_MANAGED, wellknown.LABEL_CREATED_BY):
        return True
    template = es.spec.target.template
    written = getattr(es.metadata, part) if template is None else getattr(template.metadata, part)
    return bool(written.get(key) == value)


def diff_text(es: ExternalSecret, live: Json | None, wanted: Json, *, show: bool) -> tuple[str, int]:
    """(one line per difference, exit code): `+` added, `-` removed, `~` changed; 1 when there is any."""
    old, new = flat(es, live or {"metadata": {}}), flat(es, wanted)
    lines: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        sign = "+" if before is None else "-" if after is None else "~"
        texts = [text(es, path, value, show=show) for value in (before, after) if value is not None]
        lines.append(safe(f"{sign} {path}: {' → '.join(texts)}"))
    if not lines:
        return f"Secret {es.metadata.namespace}/{es.target_name}: no difference\n", 0
    head = f"Secret {es.metadata.namespace}/{es.target_name}" + (" does not exist yet" if live is None else "")
    return "\n".join([head, *lines]) + "\n", 1


def flat(es: ExternalSecret, secret: Json) -> dict[str, str]:
    meta = secret["metadata"]
    found = {f"data.{k}": v for k, v in (secret.get("data") or {}).items()}
    for part in ("labels", "annotations"):
        # kubectl's own annotation is on the live object only: the manifest in the file cannot hold itself.
        found |= {
            f"metadata.{part}.{k}": v
            for k, v in (meta.get(part) or {}).items()
            if k != wellknown.ANNOTATION_LAST_APPLIED
        }
    for reference in meta.get("ownerReferences") or []:
        found[f"metadata.ownerReferences.{reference.get('kind')}/{reference.get('name')}"] = (
            "controller" if reference.get("controller") else "owner"
        )
    found |= {f"metadata.finalizers.{name}": "present" for name in meta.get("finalizers") or []}
    return found | {key: str(secret[key]) for key in ("type", "immutable") if key in secret}


def text(es: ExternalSecret, path: str, value: str, *, show: bool) -> str:
    if show:
        return value
    if path.startswith("data."):
        return masked(value)
    part, _, key = path.removeprefix("metadata.").partition(".")
    return value if part not in ("labels", "annotations") or known(es, part, key, value) else MASK


def bare_secret(data: Mapping[str, bytes], labels: Mapping[str, str], annotations: Mapping[str, str]) -> Json:
    """The bare Secret of the reference's template command: keys sorted, values in base64."""
    meta: Json = {
        key: dict(sorted(values.items()))
        for key, values in (("annotations", annotations), ("labels", labels))
        if values
    }
    document: Json = {"data": {key: base64.b64encode(data[key]).decode() for key in sorted(data)}} if data else {}
    return document | {"metadata": meta}
