"""The one error of rendering.

Neighbours: __init__.py raises it, apply.py puts the key in front. Internal errors of the room never leave it.
"""

from __future__ import annotations

from typing import Literal

from eso.errors import EsoError
from eso.template.bounds import DO_LESS

Phase = Literal["parse", "execute", "bounds"]


class TemplateError(EsoError):
    """`template: NAME:LINE…: TEXT`. `phase` says where it failed; `bounds`: a limit was hit while it executed.

    The message masks values; `full` is the language's own text, which may hold one. It is for a
    reader who has the data anyway, never for a log or Event. `place` is the beginning of the message: name, line,
    column.
    """

    def __init__(self, message: str, *, phase: Phase, fix: str = "", full: str = "", place: str = "template") -> None:
        super().__init__(message, fix=fix or (DO_LESS if phase == "bounds" else ""))
        self.phase: Phase = phase
        self.full = full or message
        self.place = place

    @property
    def verb(self) -> str:
        """The word of `unable to … template`."""
        return "parse" if self.phase == "parse" else "execute"
