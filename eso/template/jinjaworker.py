"""The process that renders Jinja2: its memory is bounded before the first template arrives, its time by whoever waits
for it.

Neighbours: jinja.py starts it and talks through two pipes: 8 bytes of length, then JSON. Only the sandbox and the
filters below are in reach of a template; no file, environment variable or network is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import resource
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

import jinja2
import jinja2.debug  # imported late otherwise, when no file may be opened any more
import yaml
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MEMORY: Final = 256 << 20  # bytes on top of what the process has when it is ready
MAX_CACHED: Final = 256  # compiled templates


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


def environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True, cache_size=0
    )
    made.filters |= FILTERS
    made.filters.pop("pprint", None)
    made.globals = {name: made.globals[name] for name in ("range", "dict", "namespace")}
    return made


def rendered(
    jinja: jinja2.Environment, cache: dict[str, jinja2.Template], request: Mapping[str, Any]
) -> dict[str, str]:
    source = text(base64.b64decode(request["source"]))
    data = {key: text(base64.b64decode(value)) for key, value in request["data"].items()}
    try:
        template = cache.get(source)
        if template is None:
            template = jinja.from_string(source)
            if len(cache) >= MAX_CACHED:
                cache.clear()
            cache[source] = template
    except jinja2.TemplateSyntaxError as error:
        # Jinja2's text may quote the template, which is in the manifest for everybody to read.
        return {"error": f"line {error.lineno}: {error.message}", "phase": "parse"}
    except (RecursionError, MemoryError):
        return {"error": "jinja2 template exceeds the memory there is", "phase": "bounds"}
    out, size = [], 0
    try:
        for part in template.generate({**data, "data": data}):
            encoded = part.encode("utf-8", "surrogateescape")
            size += len(encoded)
            if size > request["output_bytes"]:
                return {
                    "error": f"jinja2 template exceeds the limit of {request['output_bytes']} bytes of output",
                    "phase": "bounds",
                }
            out.append(encoded)
        return {"out": base64.b64encode(b"".join(out)).decode()}
    except (MemoryError, RecursionError, OverflowError):
        return {"error": "jinja2 template exceeds the memory there is", "phase": "bounds"}
    except Refused as error:
        return {"error": str(error), "phase": "execute"}
    except (jinja2.UndefinedError, SecurityError) as error:
        return {"error": told(error, source, jinja), "phase": "execute"}
    except Exception as error:  # its text may quote a value
        return {"error": f"{type(error).__name__} while the template ran", "phase": "execute"}


def told(error: Exception, source: str, jinja: jinja2.Environment) -> str:
    """The error's text, as long as everything it quotes stands in the template anyway and names were not computed: a
    quoted value must not come out."""
    if computes_names(jinja.parse(source)):
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


def bound_memory() -> None:
    """No more than MEMORY on top of what is mapped now, no core file to leave values in, no further file, socket or
    process."""
    with open("/proc/self/statm") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # the three that are open: a template that got out of the sandbox could open nothing
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def send(out: BinaryIO, reply: bytes) -> None:
    out.write(len(reply).to_bytes(8, "big") + reply)
    out.flush()


def main() -> None:
    jinja, cache = environment(), dict[str, jinja2.Template]()
    taken, given = sys.stdin.buffer, sys.stdout.buffer
    jinja.from_string("{{ 'warm' | toJson }}").render()
    bound_memory()
    os.nice(10)
    send(given, b"{}")
    while head := taken.read(8):
        request = json.loads(taken.read(int.from_bytes(head, "big")))
        send(given, json.dumps(rendered(jinja, cache, request)).encode())


if __name__ == "__main__":
    main()
