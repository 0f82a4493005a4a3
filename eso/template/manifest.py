"""A template block + the data map → a whole object without a schema: the counterpart of apply.py for
`spec.target.manifest`.

Neighbours: reconcile.externalsecret.manifest brings the object and adds ownership; place.py knows paths. Each text is
rendered once: what a secret holds never becomes a template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eso.api.externalsecret import Template, TemplateFrom
from eso.errors import EsoError
from eso.gocompat.text import runes
from eso.template.apply import DEFAULT_TERMS, QUOTE_IT, ApplyFailed, Block, Sources, Terms, decoded, items, pairs
from eso.template.bounds import BoundsExceeded, Budget, Limits
from eso.template.place import Json, member, place
from eso.template.world import WORLD

if TYPE_CHECKING:
    from eso.template.functions.yamls import Tree  # as in apply.py

METADATA = ("labels", "annotations")


def render_manifest(
    template: Template, data: Mapping[str, bytes], sources: Sources, obj: Json, terms: Terms = DEFAULT_TERMS
) -> None:
    """Renders into `obj`, in place: `templateFrom` in order, then `data`. Raises EsoError; `obj` is then half done and
    worth nothing."""
    block = Block(template, data, terms)
    for entry in template.template_from:
        if entry.literal is not None:
            try:
                whole(block, entry, entry.literal, obj)
            except EsoError as error:
                raise ApplyFailed(f"failed to execute literal template: {error}", fix=error.fix) from error
        source = "configmap" if entry.config_map else "secret"
        try:
            for item, text, secret in items(entry, sources):
                if item.template_as == "KeysAndValues":
                    whole(block, entry, text, obj, label=item.key if secret else "", secret=secret)
                else:
                    one(
                        entry.target,
                        item.key,
                        decoded(
                            item.key,
                            block.value(item.key, text, secret=secret),
                            entry.values_decoding_strategy,
                            block.terms.limits,
                        ),
                        obj,
                        block.terms.limits,
                    )
        except EsoError as error:
            raise ApplyFailed(f"failed to merge {source} template: {error}", fix=error.fix) from error
    for key in sorted(template.data):
        try:
            one("Data", key, block.value(key, template.data[key]), obj, block.terms.limits)
        except EsoError as error:
            raise ApplyFailed(f"failed to execute template.data: {error}", fix=error.fix) from error


def whole(block: Block, entry: TemplateFrom, text: str, obj: Json, *, label: str = "", secret: bool = False) -> None:
    """Scope KeysAndValues: pairs for labels, annotations and data; any YAML for everything else."""
    from eso.template.functions.yamls import YamlError, load

    rendered = block.text(text, label=label, secret=secret)
    target = entry.target or "Data"
    if target.casefold() in ("data", *METADATA):
        for key, value in pairs(rendered, entry.values_decoding_strategy, block.terms.limits, None if secret else text):
            one(target, key, value, obj, block.terms.limits)
        return
    try:
        with Budget(block.terms.limits, WORLD) as budget:
            tree = load(budget, rendered)
    except YamlError as error:
        raise ApplyFailed(f"could not unmarshal template YAML: {error.told}", fix=QUOTE_IT) from None
    except BoundsExceeded as error:
        raise ApplyFailed(f"could not unmarshal template YAML: {error}") from error
    place(obj, "spec" if target.casefold() == "spec" else target, plain(tree), merge=True)


def one(target: str, key: str, value: bytes, obj: Json, limits: Limits) -> None:
    """Scope Values: text under its key for what has keys; at a path the key does not count, and the text is YAML if it
    can be."""
    from eso.template.functions.yamls import YamlError, load

    match (target or "Data").casefold():
        case "labels" | "annotations" as part:
            member(member(obj, "metadata"), part)[key] = runes(value)
        case "data" | "spec" as part:
            member(obj, part)[key] = runes(value)
        case _:
            try:
                with Budget(limits, WORLD) as budget:
                    parsed = plain(load(budget, value))
            except YamlError:
                parsed = runes(value)
            place(obj, target, parsed, merge=False)


def plain(tree: Tree) -> Any:
    """The tree as JSON with text instead of bytes."""
    match tree:
        case bytes():
            return runes(tree)
        case dict():
            return {runes(key): plain(value) for key, value in tree.items()}
        case list():
            return [plain(value) for value in tree]
    return tree
