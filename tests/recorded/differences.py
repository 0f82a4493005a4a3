"""Where what a case shows here differs from its recording, and which of it `docs/compatibility.md` explains.

Neighbours: snapshot.py makes what is compared, accepted.py holds the table of what is explained.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from eso.gocompat.duration import parse_duration
from tests.recorded.case import Json


class Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()
OTHERS = "otherNamespaces"


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
    """`ignore` are patterns of paths that begin with a slash; that of an Event ends with its message."""
    assert len(recorded) == len(here), f"{len(recorded)} snapshots are recorded, {len(here)} were taken"
    return [
        Difference(step, prefix + path, old, new)
        for step, (left, right) in enumerate(zip(recorded, here, strict=True))
        for prefix, one, other in by_namespace(left, right)
        for path, old, new in (*values(one, other, ignore), *told(one, other, ignore))
    ]


def by_namespace(recorded: Json, here: Json) -> Iterator[tuple[str, Json, Json]]:
    """(prefix of paths, what is recorded of a namespace, what is there) for the case's own one and the others."""
    yield "", recorded, here
    left, right = recorded.get(OTHERS, {}), here.get(OTHERS, {})
    for name in sorted(left.keys() | right.keys()):
        yield f"{OTHERS}/{name}/", left.get(name, {}), right.get(name, {})


def values(recorded: Json, here: Json, ignore: Sequence[str]) -> Iterator[tuple[str, Any, Any]]:
    """(path, recorded, here) of what is no Event."""
    left, right = (
        {path: value for name, part in members(side).items() for path, value in flat(part, name)}
        for side in (recorded, here)
    )
    for path in sorted(left.keys() | right.keys()):
        old, new = left.get(path, ABSENT), right.get(path, ABSENT)
        if (old != new or type(old) is not type(new)) and not ignored(f"/{path}", ignore):
            yield path, old, new


def members(snapshot: Json) -> Json:
    """What is no Event, by name. Requests are told by method and target: one more does not move the others."""
    found = {name: part for name, part in snapshot.items() if name not in ("Events", OTHERS)}
    if requests := found.pop("http", ()):
        by_target = defaultdict[str, list[Any]](list)
        for method, target, headers, body in requests:
            by_target[f"{method} {target}"].append({"headers": headers, "body": body})
        found["http"] = dict(by_target)
    return found


def flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(path, value) of every leaf. A list of texts is a leaf."""
    match value:
        case dict() if value:
            for name, inner in value.items():
                yield from flat(inner, f"{path}/{name}")
        case list() if value and not isinstance(value[0], str):
            for place, inner in enumerate(value):
                yield from flat(inner, f"{path}/{place}")
        case _:
            yield path, value


def told(recorded: Json, here: Json, ignore: Sequence[str]) -> Iterator[tuple[str, Any, Any]]:
    """(path, recorded message, message here) of Events that are only on one side."""
    left, right = messages(recorded, ignore), messages(here, ignore)
    for path in sorted(left.keys() | right.keys()):
        for old, new in paired(left[path] - right[path], right[path] - left[path]):
            yield path, old, new


def paired(recorded: Set[str], here: Set[str]) -> Iterator[tuple[Any, Any]]:
    """Two messages of one object, type and reason are one Event that is worded differently. Those where one begins with
    the other go together first, the rest in order."""
    left, right = sorted(recorded), sorted(here)
    for old in list(left):
        if new := next((one for one in right if one.startswith(old)), None):
            left.remove(old)
            right.remove(new)
            yield old, new
    yield from zip_longest(left, right, fillvalue=ABSENT)


def messages(snapshot: Json, ignore: Sequence[str]) -> defaultdict[str, set[str]]:
    """Path of an Event → its messages."""
    found = defaultdict[str, set[str]](set)
    for about, kind, reason, message in snapshot.get("Events", ()):
        path = f"Events/{about} {kind} {reason}"
        if not ignored(f"/{path}: {message}", ignore):
            found[path].add(message)
    return found


def ignored(line: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, line) for pattern in patterns)


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


def any_of(*ways: How) -> How:
    return lambda recorded, here: any(how(recorded, here) for how in ways)


def same_time(recorded: Any, here: Any) -> bool:
    """Two spellings of one duration."""
    texts = isinstance(recorded, str) and isinstance(here, str)
    return texts and parse_duration(recorded) == parse_duration(here)


hinted = reworded(r"\Z", "")
