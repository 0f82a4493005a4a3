"""Renders Go templates over secret data, within bounds.

Neighbours: __init__.py imports this with the first template, because the language and its 230 functions take a tenth of
a second; lexer → parser → evaluate is the way of one text. See values.py for all that a template can reach.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from eso.template import LIMITS
from eso.template.bounds import BoundsExceeded, Budget, Limits, World, code
from eso.template.cache import Cache, compile_template
from eso.template.errors import TemplateError
from eso.template.functions import FUNCTIONS
from eso.template.values import StringMap, StringMapMap
from eso.template.world import WORLD

DICE = re.compile(rf"\b(?:{'|'.join(sorted(name for name, of in FUNCTIONS.items() if of.dice or of.moment >= 0))})\b")
"""The name of a function that may draw random bytes or read the clock."""
_CACHE = Cache()
KEYS = 8
"""Keys of the data that cost a step: each rendering makes a map of them."""


def render(
    source: str | bytes,
    data: Mapping[str, bytes] | Mapping[str, Mapping[str, bytes]],
    *,
    name: str = "t",
    missing: Literal["error", "default"] = "error",
    left: str = "{{",
    right: str = "}}",
    limits: Limits = LIMITS,
    world: World = WORLD,
    keep: bool = True,
) -> bytes:
    """The output of one template over `data` (a map of maps for webhooks); in a `str`, bytes that are not UTF-8 are
    surrogates.

    `missing`: what a field that dot does not have is: an error, or nil that prints `<no value>`. `left`, `right`:
    delimiters, empty means the default. `keep=False` for a text that itself holds secrets: it is compiled anew and not
    cached. Raises TemplateError and nothing else.
    """
    try:
        text = source if isinstance(source, str) else source.decode("utf-8", "surrogateescape")
        left, right = left or "{{", right or "}}"
        program = _CACHE.known(name, text, left, right) if keep else None
        if program is None:
            if code(text, left, right) > limits.code_bytes:
                raise BoundsExceeded("code_bytes", limits.code_bytes)
            program = _CACHE.get(name, text, left, right) if keep else compile_template(name, text, left, right)
        with Budget(limits, world) as budget:
            budget.spend(sum(1 + len(of) if isinstance(of, Mapping) else 1 for of in data.values()) // KEYS)
            return program.run(dot(data), budget, strict=missing == "error")
    except BoundsExceeded as error:
        raise TemplateError(f"template: {name}: {error.message}", phase="bounds") from None
    except RecursionError:
        raise TemplateError(f"template: {name}: template exceeds the limit of nesting", phase="bounds") from None
    except MemoryError:
        raise TemplateError(f"template: {name}: template exceeds the memory there is", phase="bounds") from None


def rolls_dice(source: str, *, name: str = "t", left: str = "{{", right: str = "}}", keep: bool = True) -> bool:
    """Whether the template draws random bytes or reads the clock, so that rendering it again gives another output.

    Compiles the text, unless no word of it is the name of such a function. A text that does not compile rolls no dice:
    rendering it tells why.
    """
    if not DICE.search(source):
        return False
    left, right = left or "{{", right or "}}"
    try:
        return (_CACHE.get(name, source, left, right) if keep else compile_template(name, source, left, right)).dice
    except (TemplateError, RecursionError, MemoryError):
        return False


def dot(data: Mapping[str, bytes] | Mapping[str, Mapping[str, bytes]]) -> StringMap | StringMapMap:
    """`map[string]string`, or a map of those, from plain mappings."""
    flat, nested = StringMap(), StringMapMap()
    for key, value in data.items():
        name = key.encode("utf-8", "surrogateescape")
        if type(value) is bytes:
            flat[name] = value
        elif isinstance(value, Mapping):
            nested[name] = StringMap({k.encode("utf-8", "surrogateescape"): v for k, v in value.items()})
        else:
            flat[name] = bytes(value)
    return nested or flat
