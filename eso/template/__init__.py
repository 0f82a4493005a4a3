"""Renders Go templates over secret data, within bounds.

Neighbours: apply.py renders whole template blocks, values.rewrite single keys; gotemplate.py does the work. It is
imported with the first template: a process without templates needs neither the language nor its functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from eso.template.bounds import Limits, World
from eso.template.errors import TemplateError
from eso.template.world import WORLD

__all__ = ["LIMITS", "Limits", "TemplateError", "World", "render", "rolls_dice"]

LIMITS = Limits()


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
    from eso.template import gotemplate

    return gotemplate.render(
        source, data, name=name, missing=missing, left=left, right=right, limits=limits, world=world, keep=keep
    )


def rolls_dice(source: str, *, name: str = "t", left: str = "{{", right: str = "}}", keep: bool = True) -> bool:
    """Whether the template draws random bytes or reads the clock, so that rendering it again gives another output.

    Compiles the text, unless no word of it is the name of such a function. A text that does not compile rolls no dice:
    rendering it tells why.
    """
    from eso.template import gotemplate

    return gotemplate.rolls_dice(source, name=name, left=left, right=right, keep=keep)
