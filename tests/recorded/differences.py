"""Where what a case shows here differs from its recording, and which of it `docs/compatibility.md` explains.

Neighbours: snapshot.py makes what is compared, accepted.py holds the table of what is explained.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.recorded.case import Json


class Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class Difference:
    """One path of one snapshot. The path of an Event is `Events/Kind/name Type Reason`, its value is the message."""

    step: int
    path: str
    recorded: Any
    here: Any

    def __str__(self) -> str:
        return f"step {self.step} {self.path}\n    recorded {self.recorded!r}\n    here     {self.here!r}"


How = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A difference on purpose. `row` is how the first cell of its row in docs/compatibility.md begins, `path` has to
    match the whole path, `how` is asked with (recorded, here). No `steps`: all of them; no `cases`: all of them."""

    row: str
    path: str
    how: How
    cases: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()

    def explains(self, case: str, found: Difference) -> bool:
        return (
            (not self.cases or case in self.cases)
            and (not self.steps or found.step in self.steps)
            and re.fullmatch(self.path, found.path) is not None
            and self.how(found.recorded, found.here)
        )


def compare(recorded: Sequence[Json], here: Sequence[Json], ignore: Sequence[str] = ()) -> list[Difference]:
    """`ignore` are patterns of paths; that of an Event ends with its message."""
    assert len(recorded) == len(here), f"{len(recorded)} snapshots are recorded, {len(here)} were taken"
    return [
        found
        for step, (left, right) in enumerate(zip(recorded, here, strict=True))
        for found in (*values(step, left, right), *told(step, left, right))
        if not any(re.search(pattern, line) for pattern in ignore for line in lines(found))
    ]


def lines(found: Difference) -> list[str]:
    return [f"/{found.path}: {value}" for value in (found.recorded, found.here)]


def values(step: int, recorded: Json, here: Json) -> Iterator[Difference]:
    left, right = dict(flat(recorded)), dict(flat(here))
    for path in sorted(left.keys() | right.keys()):
        old, new = left.get(path, ABSENT), right.get(path, ABSENT)
        if old != new or type(old) is not type(new):
            yield Difference(step, path, old, new)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of every leaf but the Events. A list of texts is a leaf."""
    match value:
        case dict() if value:
            for name, inner in value.items():
                if name != "Events":
                    yield from flat(inner, f"{path}/{name}" if path else name)
        case list() if value and not isinstance(value[0], str):
            for place, inner in enumerate(value):
                yield from flat(inner, f"{path}/{place}")
        case _ if path:
            yield path, value


def told(step: int, recorded: Json, here: Json, prefix: str = "") -> Iterator[Difference]:
    """Events that are only on one side. Two of one object, type and reason are one Event with another message; those
    where one message begins with the other go together first."""
    left, right = messages(recorded), messages(here)
    for about in sorted(left.keys() | right.keys()):
        missing, more = sorted(left[about] - right[about]), sorted(right[about] - left[about])
        pairs = [(old, new) for old in missing for new in more if new.startswith(old)]
        rest = (
            [old for old in missing if old not in dict(pairs)],
            [new for new in more if new not in {new for _, new in pairs}],
        )
        for place in range(max(map(len, rest))):
            pairs.append(tuple(side[place] if place < len(side) else ABSENT for side in rest))  # type: ignore[arg-type]
        for old, new in pairs:
            yield Difference(step, f"{prefix}Events/{about}", old, new)
    for name in recorded.get("otherNamespaces", {}).keys() | here.get("otherNamespaces", {}).keys():
        sides = [side.get("otherNamespaces", {}).get(name, {}) for side in (recorded, here)]
        yield from told(step, *sides, prefix=f"{prefix}otherNamespaces/{name}/")


def messages(snapshot: Json) -> defaultdict[str, set[str]]:
    """`Kind/name Type Reason` → messages."""
    found = defaultdict[str, set[str]](set)
    for about, kind, reason, message in snapshot.get("Events", ()):
        found[f"{about} {kind} {reason}"].add(message)
    return found


# -- how two values may differ ----------------------------------------------------------------------------------------


def appears(recorded: Any, here: Any) -> bool:
    return recorded is ABSENT


def is_missing(recorded: Any, here: Any) -> bool:
    return here is ABSENT


def without(value: str) -> How:
    """A list lacks that value here and is the same otherwise."""

    def how(recorded: Any, here: Any) -> bool:
        rest = [] if here is ABSENT else here
        return recorded is not ABSENT and value in recorded and [one for one in recorded if one != value] == rest

    return how


def reworded(recorded_text: str, here_text: str) -> How:
    """The message says `here_text` where it said `recorded_text` (patterns); here a hint may follow."""

    def how(recorded: Any, here: Any) -> bool:
        if not isinstance(recorded, str) or not isinstance(here, str):
            return False
        old = re.search(recorded_text, recorded)
        if old is None:
            return False
        before, after = recorded[: old.start()], recorded[old.end() :]
        wanted = re.escape(before) + here_text + re.escape(after) + r"(?: \(.+\))?"
        return re.fullmatch(wanted, here, re.DOTALL) is not None

    return how


def changes(recorded_value: Any, here_value: Any) -> How:
    """From exactly this to exactly that."""
    return lambda recorded, here: bool(recorded == recorded_value and here == here_value)


hinted = reworded(r"\Z", "")
