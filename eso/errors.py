"""The one error base: a cause the user can act on, and whether trying again can help.

Neighbours: everybody raises these; only `reconcile.*.report` turns one into a condition. No message may hold a secret
value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final, TypeVar

E = TypeVar("E", bound=BaseException)
MOST_TEXT: Final = 1024  # characters of a message: names and patterns in it may be of any length
TAIL: Final = 256  # of them from its end, where the cause stands


class EsoError(Exception):
    """A failure with a text users see.

    `retryable` says whether the same pass can succeed later without an edit; `fix` is a sentence that tells what to
    change. Plain class, not a frozen dataclass: `contextlib` sets `__traceback__`.
    """

    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, fix: str = "") -> None:
        message = shortened(message)
        super().__init__(message)
        self.message = message
        self.fix = shortened(fix)

    def __str__(self) -> str:
        return self.message


def shortened(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - TAIL - 1]}…{text[-TAIL:]}"


class Terminal(EsoError):
    """Nothing will change until the object, or something it refers to, is edited."""

    retryable = False


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first. Each comes once: one raised from itself has no end."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__


def bare(error: E) -> E:
    """The error for keeping. Its frames, and theirs of the errors behind it, hold values; foreign exceptions hold the
    text that they failed on."""
    left: list[BaseException] = [error]
    seen: set[int] = set()
    while left:
        one = left.pop()
        seen.add(id(one))
        one.__traceback__ = None
        if not isinstance(one.__cause__, EsoError):
            one.__cause__ = None
        if not isinstance(one.__context__, EsoError):
            one.__context__ = None
        left += [other for other in (one.__cause__, one.__context__) if other is not None and id(other) not in seen]
    return error
