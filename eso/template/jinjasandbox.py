"""Jinja2 in its sandbox: only the filters below and the data are in reach of a template, no file, variable or network.

Neighbours: jinja.py calls it. The sandbox bounds neither time nor memory; whoever renders for tenants does so in a
process that can be killed (`runtime.pool`).
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import jinja2
import jinja2.debug  # imported late otherwise, when no file may be opened any more
import yaml
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from eso.template.errors import Phase, TemplateError

CACHED: Final = 256  # compiled templates
MEMORY: Final = "jinja2 template exceeds the memory there is"
BY_NAME: Final = frozenset(
    [
        "attr",
        "format",
        "groupby",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "select",
        "selectattr",
        "sort",
        "sum",
        "unique",
    ]
)
"""Filters that look attributes up by a name that may be computed."""
TYPES: Final = ("str", "int", "float", "bool", "dict", "list", "tuple", "None")


class Refused(Exception):
    """A filter cannot do what it was asked for; the text holds no value."""


def b64enc(value: Any) -> str:
    return base64.b64encode(raw(value)).decode()


def b64dec(value: Any) -> str:
    try:
        return text(base64.b64decode(re.sub(r"[\r\n]", "", str(value)), validate=True))
    except (binascii.Error, ValueError):
        raise Refused("b64dec: illegal base64 data") from None


def to_json(value: Any) -> str:
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_json(value: Any) -> Any:
    try:
        return json.loads(str(value))
    except ValueError:
        raise Refused("fromJson: the value is not JSON") from None


def to_yaml(value: Any) -> str:
    return (
        yaml.safe_dump(plain(value), allow_unicode=True, default_flow_style=False).removesuffix("\n...\n").rstrip("\n")
    )


def from_yaml(value: Any) -> Any:
    try:
        return yaml.safe_load(str(value))
    except (yaml.YAMLError, RecursionError):
        raise Refused("fromYaml: the value is not YAML") from None


def plain(value: Any) -> Any:
    """Mappings and lists of the template as the encoders want them."""
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def raw(value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogateescape")


def text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


FILTERS: Final = {
    "b64enc": b64enc,
    "b64dec": b64dec,
    "toJson": to_json,
    "fromJson": from_json,
    "toYaml": to_yaml,
    "fromYaml": from_yaml,
    "quote": lambda value: json.dumps(str(value), ensure_ascii=False),
    "squote": lambda value: f"'{value}'",
    "sha256sum": lambda value: hashlib.sha256(raw(value)).hexdigest(),
    "sha1sum": lambda value: hashlib.sha1(raw(value), usedforsecurity=False).hexdigest(),
    "nindent": lambda value, width: "\n" + "\n".join(" " * int(width) + line for line in str(value).split("\n")),
    "trimPrefix": lambda value, prefix: str(value).removeprefix(str(prefix)),
    "trimSuffix": lambda value, suffix: str(value).removesuffix(str(suffix)),
    "splitList": lambda value, separator: str(value).split(str(separator)),
}


@functools.cache
def environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True, cache_size=0
    )
    made.filters |= FILTERS
    made.filters.pop("pprint", None)
    made.globals = {name: made.globals[name] for name in ("range", "dict", "namespace")}
    return made


@functools.lru_cache(maxsize=CACHED)
def compiled(source: str) -> jinja2.Template:
    return environment().from_string(source)


def rendered(name: str, source: str, data: Mapping[str, bytes], output_bytes: int) -> bytes:
    """The output of one template. Raises TemplateError; no text shows a value."""

    def failed(reason: str, phase: Phase) -> TemplateError:
        return TemplateError(f"template: {name}: {reason}", phase=phase)

    try:
        template = compiled(source)
    except jinja2.TemplateSyntaxError as error:
        # Jinja2's text may quote the template, which is in the manifest for everybody to read.
        raise failed(f"line {error.lineno}: {error.message}", "parse") from None
    except (RecursionError, MemoryError):
        raise failed(MEMORY, "bounds") from None
    variables = {key: text(value) for key, value in data.items()}
    out, size = [], 0
    try:
        for part in template.generate({**variables, "data": variables}):
            encoded = part.encode("utf-8", "surrogateescape")
            size += len(encoded)
            if size > output_bytes:
                break
            out.append(encoded)
    except (MemoryError, RecursionError, OverflowError):
        raise failed(MEMORY, "bounds") from None
    except Refused as error:
        raise failed(str(error), "execute") from None
    except (jinja2.UndefinedError, SecurityError) as error:
        raise failed(told(error, source), "execute") from None
    except Exception as error:  # its text may quote a value
        raise failed(f"{type(error).__name__} while the template ran", "execute") from None
    if size > output_bytes:
        raise failed(f"jinja2 template exceeds the limit of {output_bytes} bytes of output", "bounds")
    return b"".join(out)


def told(error: Exception, source: str) -> str:
    """The error's text, as long as everything it quotes stands in the template anyway and names were not computed: a
    quoted value must not come out."""
    if computes_names(environment().parse(source)):
        return f"{type(error).__name__} while the template ran"
    quoted = re.findall(r"'([^']*)'", str(error))
    shown = all(word in source or word in TYPES for word in quoted) and len(quoted) * 2 == str(error).count("'")
    return str(error) if shown else f"{type(error).__name__} while the template ran"


def computes_names(tree: nodes.Template) -> bool:
    """Whether a name that an error would quote may come from a value: `d[key]`, `x | attr(name)`, `"…".format(…)`."""
    return (
        any(not isinstance(item.arg, nodes.Const) for item in tree.find_all(nodes.Getitem))
        or any(item.name in BY_NAME for item in tree.find_all(nodes.Filter))
        or any(item.attr in ("format", "format_map") for item in tree.find_all(nodes.Getattr))
    )
