"""A template block + the data map → the parts of a Secret: `templateFrom`, `data`, labels, annotations, type.

Neighbours: reconcile.externalsecret.desired puts the parts into the live object; manifest.py does the same for other
kinds with the pieces at the end of this module. Merging is decided here, ownership is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeVar

from eso import template as engine_v2
from eso.api.externalsecret import Template, TemplateFrom, TemplateItem
from eso.errors import EsoError
from eso.gocompat import base64
from eso.gocompat.text import format_float, runes
from eso.observe.redact import without
from eso.template import LIMITS, Limits, TemplateError, jinja
from eso.template.bounds import Account, BoundsExceeded, Budget, code
from eso.template.world import WORLD

R = TypeVar("R")

if TYPE_CHECKING:
    from eso.template.functions.yamls import Tree  # the functions are imported with the first template

Sources = Mapping[tuple[str, str], Mapping[str, str]]
"""("ConfigMap" or "Secret", name) → its data as text; bytes that are not UTF-8 are surrogates (`surrogateescape`)."""


class Engine(Protocol):
    """Renders one text over the data map. Raises TemplateError. `keep`: the text holds no secret, so its compiled form
    may stay in memory."""

    def __call__(
        self, source: str, data: Mapping[str, bytes], *, name: str, left: str, right: str, keep: bool, limits: Limits
    ) -> bytes: ...


class Chance(Protocol):
    """Tells whether a text that is rendered again may give another output for the same data. Never raises."""

    def __call__(self, source: str, *, name: str, left: str, right: str, keep: bool) -> bool: ...


ENGINES: dict[str, Engine] = {"v2": engine_v2.render, "jinja2": jinja.render}
"""`engineVersion` → what renders."""
CHANCE: dict[str, Chance] = {"v2": engine_v2.rolls_dice, "jinja2": jinja.rolls_dice}

DECODED_PER_STEP = 32  # bytes
TELLING = 6  # bytes from which on a value is looked for in messages
FROM_SECRET = {"parse": "it does not parse", "execute": "it fails", "bounds": "it exceeds a limit"}


class ApplyFailed(EsoError):
    """Rendering, decoding or merging failed; the text is what follows `could not apply template: `. `bounds`: a limit
    ended it."""

    def __init__(self, message: str, *, fix: str = "", bounds: bool = False) -> None:
        super().__init__(message, fix=fix)
        self.bounds = bounds


@dataclass(frozen=True, slots=True)
class Terms:
    """How every template of the process is rendered: delimiters (empty means the default) and what one rendering may
    cost."""

    left: str = "{{"
    right: str = "}}"
    limits: Limits = LIMITS


DEFAULT_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Parts:
    """What the Secret should hold. `type` empty: leave it as it is."""

    data: dict[str, bytes] = field(repr=False)
    labels: dict[str, str] = field(repr=False)
    annotations: dict[str, str] = field(repr=False)
    type: str = ""


def apply(
    template: Template | None,
    data: Mapping[str, bytes],
    sources: Sources,
    values: Mapping[str, bytes],
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    terms: Terms = DEFAULT_TERMS,
) -> Parts:
    """Renders `template` over `data`; results go on top of `values`, `labels` and `annotations`, none of which is
    touched.

    Without a template the data itself goes on top of `values`. Maps are walked in sorted order, so that the reported
    error is stable. Raises ApplyFailed; never a partial result.
    """
    parts = Parts(dict(values), dict(labels), dict(annotations), template.type if template else "")
    if template is None:
        parts.data.update(data)
        return parts
    block = Block(template, data, terms)
    if template.merge_policy == "Merge" or not (template.data or template.template_from):
        parts.data.update(data)
    try:
        for entry in template.template_from:
            for key, value in block.entry(entry, sources):
                store(parts, entry.target, key, value)
    except EsoError as error:
        raise ApplyFailed(f"error fetching templateFrom data: {error}", fix=error.fix) from error
    try:
        for target, texts in (
            ("Data", template.data),
            ("Labels", template.metadata.labels),
            ("Annotations", template.metadata.annotations),
        ):
            for key in sorted(texts):
                store(parts, target, key, block.value(key, texts[key]))
    except EsoError as error:
        raise ApplyFailed(f"could not execute template: could not execute template: {error}", fix=error.fix) from error
    return parts


def store(parts: Parts, target: str, key: str, value: bytes) -> None:
    """Letter case of `target` does not matter. A path has no place in a Secret: its results are dropped."""
    match target.casefold():
        case "data" | "":
            parts.data[key] = value
        case "labels":
            parts.labels[key] = runes(value)
        case "annotations":
            parts.annotations[key] = runes(value)


# --- pieces, shared with manifest.py


class Block:
    """One template block over one data map: picks the engine, words the errors. Raises ApplyFailed when there is no
    such engine."""

    def __init__(self, template: Template, data: Mapping[str, bytes], terms: Terms = DEFAULT_TERMS) -> None:
        engine = ENGINES.get(template.engine_version)
        if engine is None:
            raise ApplyFailed(
                f"unsupported template engine version: {template.engine_version}",
                fix=f"set engineVersion to one of {', '.join(sorted(ENGINES))}",
            )
        self.engine = engine
        self.data = data
        self.left = terms.limits.output_bytes
        # a thousand values may not take a thousand times as long
        self.terms = Terms(terms.left, terms.right, terms.limits.together(WORLD))

    def value(self, key: str, text: str, *, secret: bool = False) -> bytes:
        """One value template; `secret`: its text is not to be remembered. Raises ApplyFailed."""
        try:
            terms = self.terms
            out = self.engine(
                text, self.data, name=key, left=terms.left, right=terms.right, keep=not secret, limits=terms.limits
            )
        except TemplateError as error:
            # The messages of both engines hold no value. Should one slip in, it is masked if it is long enough not to
            # be a word of the message. A text that comes from a Secret is a value itself.
            told = (
                f"{error.place}: {FROM_SECRET[error.phase]}, and its text is that of a Secret"
                if secret
                else without(str(error), [value for value in self.data.values() if len(value) >= TELLING])
            )
            text = f"unable to execute template at key {key}: unable to {error.verb} template at key {key}: {told}"
            raise ApplyFailed(text, fix=error.fix, bounds=error.phase == "bounds") from None
        self.left -= len(out)
        if self.left < 0:
            raise ApplyFailed(
                f"the templates exceed the limit of {self.terms.limits.output_bytes} bytes of output", bounds=True
            )
        return out

    def text(self, text: str, *, label: str = "", secret: bool = False) -> bytes:
        """A text of scope KeysAndValues, rendered once. It is its own name, unless a `label` stands in for it."""
        return self.value(label or text, text, secret=secret)

    def entry(self, entry: TemplateFrom, sources: Sources) -> Iterator[tuple[str, bytes]]:
        """(key, decoded value) of everything one `templateFrom` entry gives, in order: configMap, secret, literal.
        Raises ApplyFailed."""
        strategy = entry.values_decoding_strategy
        for item, text, secret in items(entry, sources):
            match item.template_as:
                case "Values":
                    yield (
                        item.key,
                        decoded(item.key, self.value(item.key, text, secret=secret), strategy, self.terms.limits),
                    )
                case "KeysAndValues":
                    # A Secret's text must not show up in a message, so its key names it.
                    whole = self.text(text, label=item.key if secret else "", secret=secret)
                    yield from pairs(whole, strategy, self.terms.limits, None if secret else text)
                case unknown:
                    raise ApplyFailed(f"unknown scope '{unknown}': expected 'Values' or 'KeysAndValues'")
        if entry.literal is not None:
            yield from pairs(self.text(entry.literal), strategy, self.terms.limits, entry.literal)


QUOTE_IT = "let the template quote its values: {{ .password | toJson }}"
"""Most texts that are no YAML have a value in them that YAML reads as something else."""


def items(entry: TemplateFrom, sources: Sources) -> Iterator[tuple[TemplateItem, str, bool]]:
    """(item, its text, whether it comes from a Secret) of the objects that an entry names. Raises ApplyFailed for what
    is missing."""
    for kind, plural, source in (("ConfigMap", "configmaps", entry.config_map), ("Secret", "secrets", entry.secret)):
        if source is None:
            continue
        content = sources.get((kind, source.name))
        if content is None:
            raise ApplyFailed(f'{plural} "{source.name}" not found', fix=f"create the {kind}")
        for item in source.items:
            if item.key not in content:
                raise ApplyFailed(
                    f"error in {kind.lower()} {source.name}: missing key {item.key}", fix=f"add the key to the {kind}"
                )
            yield item, content[item.key], kind == "Secret"


def pairs(
    rendered: bytes, strategy: str, limits: Limits = LIMITS, source: str | None = None
) -> Iterator[tuple[str, bytes]]:
    """The key-value pairs of a text in YAML, each value as text, decoded. Raises ApplyFailed, which names a key only
    where a line of the template `source` begins with it: another one was rendered from a value."""
    from eso.template.functions.yamls import YamlError, load

    prefix = "could not unmarshal template to 'map[string][]byte': "
    unmarshal = prefix + "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal"
    try:
        with Budget(limits, WORLD) as budget:
            tree = load(budget, rendered)
    except YamlError as error:
        raise ApplyFailed(f"{prefix}error converting YAML to JSON: {error.told}", fix=QUOTE_IT) from None
    except BoundsExceeded as error:
        raise ApplyFailed(f"{prefix}error converting YAML to JSON: {error}") from error
    if tree is None:
        return
    if not isinstance(tree, dict):
        raise ApplyFailed(f"{unmarshal} {json_kind(tree)} into Go value of type map[string]string")
    for key in sorted(tree):
        if isinstance(tree[key], dict | list):
            raise ApplyFailed(f"{unmarshal} {json_kind(tree[key])} into Go value of type string")
    for index, key in enumerate(sorted(tree)):
        name = runes(key)
        written = source is not None and re.search(rf"""^\s*["']?{re.escape(name)}["']?\s*:""", source, re.MULTILINE)
        yield name, decoded(name if written else f"number {index + 1}", scalar_text(tree[key]), strategy, limits)


def json_kind(tree: Tree) -> str:
    match tree:
        case dict():
            return "object"
        case list():
            return "array"
        case bytes():
            return "string"
        case bool():
            return "bool"
    return "number"


def scalar_text(value: Tree) -> bytes:
    """A YAML scalar where a string is wanted: integers in decimal, floats at single precision, null as nothing."""
    match value:
        case None:
            return b""
        case bytes():
            return runes(value).encode()
        case bool():
            return b"true" if value else b"false"
        case int():
            return b"%d" % value
        case float():
            return format_float(value, bits=32).encode()
    raise AssertionError("not a scalar")


def decoded(key: str, value: bytes, strategy: str, limits: Limits) -> bytes:
    """`valuesDecodingStrategy`. Raises ApplyFailed."""
    try:
        if strategy not in ("", "None"):
            with Budget(limits, WORLD) as budget:
                budget.spend(1 + len(value) // DECODED_PER_STEP)
        match strategy:
            case "" | "None":
                return value
            case "Base64" | "Base64URL":
                return base64.decode(value, url=strategy == "Base64URL")
            case "Auto":
                return guessed(value)
    except BoundsExceeded as error:
        raise ApplyFailed(
            f"failed to decode rendered template value for key {key}: {error}", fix=error.fix, bounds=True
        ) from error
    except base64.Base64Error as error:
        raise ApplyFailed(
            f"failed to decode rendered template value for key {key}: {error}",
            fix="set valuesDecodingStrategy: None, or Auto",
        ) from error
    raise ApplyFailed(
        f"failed to decode rendered template value for key {key}: decoding strategy {strategy} is not supported"
    )


def guessed(value: bytes) -> bytes:
    """The first base 64 alphabet that fits; else the value as it is."""
    for url in (False, True):
        try:
            return base64.decode(value, url=url)
        except base64.Base64Error:
            continue
    return value


def rolls_dice(template: Template | None, sources: Sources, terms: Terms = DEFAULT_TERMS) -> bool:
    """Whether rendering the block again may give other parts for the same data and sources: one of its texts draws
    random bytes or reads the clock. Missing objects and keys count for nothing; `apply` reports them."""
    chance = CHANCE.get(template.engine_version) if template else None
    if template is None or chance is None:
        return False

    def rolls(text: str, name: str, *, secret: bool = False) -> bool:
        return chance(text, name=name, left=terms.left, right=terms.right, keep=not secret)

    metadata = template.metadata
    if any(
        rolls(text, key)
        for texts in (template.data, metadata.labels, metadata.annotations)
        for key, text in texts.items()
    ):
        return True
    for entry in template.template_from:
        if entry.literal is not None and rolls(entry.literal, entry.literal):
            return True
        for kind, source in (("ConfigMap", entry.config_map), ("Secret", entry.secret)):
            content = sources.get((kind, source.name), {}) if source else {}
            for item in source.items if source else ():
                text = content.get(item.key, "")
                # the name under which `Block` renders the text, so that both use one compiled program
                name = text if item.template_as == "KeysAndValues" and kind == "ConfigMap" else item.key
                if rolls(text, name, secret=kind == "Secret"):
                    return True
    return False


# --- what rendering costs, for a caller that must not wait for it

CHEAP = Limits(
    steps=1_000, code_bytes=1 << 10, pass_steps=2_500, output_bytes=256 << 10, value_bytes=1 << 20, seconds=0.005
)
"""What may be computed for one object between two events of a loop: a few milliseconds."""


def cheaply(desk: Callable[[Limits], R], limits: Limits | None) -> R:
    """What `desk` gives within CHEAP; the steps that it takes are those of the pass whose `limits` these are. Raises
    what the desk raises, and `out_of_bounds` tells whether it has to run elsewhere."""
    account = limits.account if limits is not None else None
    if account is None:
        return desk(CHEAP)
    before = min(CHEAP.pass_steps, account.left)
    mine = Account(before)
    try:
        return desk(replace(CHEAP, account=mine))
    finally:
        account.left = max(0, account.left - before + mine.left)


LARGE = 64 << 10  # bytes of template text: parsing alone takes a while


@cache
def slow() -> re.Pattern[str]:
    """The name of a function that computes for long."""
    from eso.template.functions import SLOW

    return re.compile(rf"\b(?:{'|'.join(sorted(SLOW))})\b")


def costly(template: Template | None, sources: Sources, terms: Terms = DEFAULT_TERMS) -> bool:
    """True when the text alone tells that rendering takes longer than CHEAP allows: another engine, key generation,
    sheer size."""
    if template is None:
        return False
    texts = [*template.data.values(), *template.metadata.labels.values(), *template.metadata.annotations.values()]
    texts += [entry.literal or "" for entry in template.template_from]
    texts += [text for content in sources.values() for text in content.values()]
    return (
        template.engine_version != "v2"
        or sum(map(len, texts)) > LARGE
        or sum(code(text, terms.left or "{{", terms.right or "}}") for text in texts) > CHEAP.code_bytes
        or any(slow().search(text) for text in texts)
    )


def out_of_bounds(error: BaseException | None) -> bool:
    """Did a limit end it? With CHEAP that only means: not here."""
    while error is not None:
        match error:
            case BoundsExceeded() | ApplyFailed(bounds=True) | TemplateError(phase="bounds"):
                return True
        error = error.__cause__
    return False
