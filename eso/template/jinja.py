"""`engineVersion: jinja2`: the extra engine, loaded when the first template of it is rendered.

Neighbours: apply.py calls `render` like the other engine's; jinjasandbox.py has the sandbox. Nothing here ends a
template that runs for ever: apply.py calls every one of them costly, so the operator renders it in a process that can
be killed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from eso.template.bounds import BoundsExceeded, Budget, Limits
from eso.template.errors import TemplateError
from eso.template.world import WORLD

RANDOM: Final = re.compile(
    r"""\brandom\b | \bmap \s* \( \s* (?! attribute \s* = | (['"]) \w* \1 \s* [,)] )""", re.VERBOSE
)
"""The one filter that draws random numbers, or `map` with a filter whose name is computed."""


def rolls_dice(source: str, *, name: str, left: str, right: str, keep: bool) -> bool:
    """Whether rendering again may give another output. There is no clock in the sandbox; `random` is what draws."""
    return RANDOM.search(source) is not None


def render(
    source: str, data: Mapping[str, bytes], *, name: str, left: str, right: str, keep: bool, limits: Limits
) -> bytes:
    """The output of one Jinja2 template; the data's keys are its variables, and `data["my-key"]` reaches every key.
    Raises TemplateError.

    The delimiters are Jinja2's own, whatever the flags say: `left`, `right` and `keep` are the other engine's. Bytes
    that are not UTF-8 pass through.
    """
    from eso.template.jinjasandbox import rendered  # most operators never need it

    try:
        Budget(limits, WORLD)  # the sandbox counts no steps, but a pass that is over starts no further rendering
    except BoundsExceeded as error:
        raise TemplateError(f"template: {name}: jinja2 {error}", phase="bounds") from None
    return rendered(name, source, data, limits.output_bytes)


def warm() -> None:
    """Loads the engine now: later, no file may be opened any more."""
    from eso.template.jinjasandbox import compiled

    compiled("{{ 'warm' | toJson }}").render()
