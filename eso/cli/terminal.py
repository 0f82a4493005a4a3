"""What may be printed where a person looks: texts that others wrote, without anything that a terminal obeys.

Neighbours: doctor.py, notify.py, render.py and inputs.py print through it.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

from eso.errors import EsoError

LIBRARIES: Final = ("kubernetes_asyncio",)


def safe(text: str) -> str:
    """One line: names of objects, replies and conditions hold what their authors like. What cannot be printed is
    written as Python writes it, `\\x1b` or `\\n`."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def complain(program: str, text: str) -> None:
    """A line on standard error."""
    print(safe(f"{program}: {text}"), file=sys.stderr)


def refusal(error: EsoError) -> str:
    """What is wrong, with the fix."""
    return f"{error} ({error.fix})" if error.fix else str(error)


def quiet() -> None:
    """Libraries tell nothing by themselves: what they would tell is told as an error."""
    for name in LIBRARIES:
        logging.getLogger(name).addHandler(logging.NullHandler())
