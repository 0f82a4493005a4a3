"""Semantic versions and the constraints that users write on them.

Neighbours: none. A partial constraint means a range (`>1.2` is ≥ 1.3.0), and pre-releases match only where a constraint
names one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from eso.template.bounds import Budget
from eso.template.values import Function, FunctionError, Opaque, Param, Table, Uint64, Value

TABLE = Table()
STRING, VERSION = Param.STRING, Param.VERSION

_NUMBER_LIMIT = 1 << 64
_VERSION = re.compile(
    r"v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?",
)
_PART = (
    r"v?([0-9|xX*]+)(\.[0-9|xX*]+)?(\.[0-9|xX*]+)?"
    r"(-[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*)?(\+[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*)?"
)
_CONSTRAINT = re.compile(rf"(=>|>=|=<|<=|!=|~>|=|>|<|~|\^|)\s*({_PART})")
_RANGE = re.compile(rf"\s*({_PART})\s+-\s+({_PART})\s*")
_LONGEST = 256
"""Characters of a version or a constraint. Longer ones are refused: the patterns are matched by a backtracking
engine."""


@dataclass(frozen=True, slots=True, eq=False)
class Version(Opaque):
    """A version as `semver` returns it: a pointer."""

    major: int
    minor: int
    patch: int
    prerelease: str = ""
    metadata: str = ""
    original: str = ""
    go_type: str = "*semver.Version"
    kind: str = "ptr"

    unexported = frozenset({"major", "minor", "patch", "pre", "metadata", "original"})

    def __str__(self) -> str:
        return (
            f"{self.major}.{self.minor}.{self.patch}"
            + (f"-{self.prerelease}" if self.prerelease else "")
            + (f"+{self.metadata}" if self.metadata else "")
        )

    def text(self) -> bytes:
        return str(self).encode()

    def numbers(self) -> tuple[int, int, int]:
        return self.major, self.minor, self.patch

    def precedence(self, other: Version) -> int:
        """-1, 0 or 1; build metadata does not count, a pre-release comes before its release."""
        if self.numbers() != other.numbers():
            return 1 if self.numbers() > other.numbers() else -1
        if self.prerelease == other.prerelease:
            return 0
        if not self.prerelease or not other.prerelease:
            return 1 if other.prerelease else -1
        a, b = _identifiers(self.prerelease), _identifiers(other.prerelease)
        return (a > b) - (a < b)


@dataclass(frozen=True, slots=True, eq=False)
class VersionStruct(Version):
    """A version by value, as `IncMajor` and its like return it: methods that need a pointer are out of its reach."""

    go_type: str = "semver.Version"
    kind: str = "struct"


def _identifiers(prerelease: str) -> list[tuple[bool, int, str]]:
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in prerelease.split(".")]


def parse(text: str) -> Version:
    """One to three numbers, an optional `v` before them, pre-release and metadata behind. Raises FunctionError."""
    found = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or not text.isascii():
        raise FunctionError("invalid semantic version")
    numbers = [int((part or ".0").lstrip(".")) for part in found.group(1, 2, 3)]
    if max(numbers) >= _NUMBER_LIMIT:
        raise FunctionError("invalid semantic version")
    prerelease = found[5] or ""
    if any(part.isdigit() and len(part) > 1 and part.startswith("0") for part in prerelease.split(".")):
        raise FunctionError("version segment starts with 0")
    major, minor, patch = numbers
    return Version(major, minor, patch, prerelease, found[8] or "", text)


# --- constraints


@dataclass(frozen=True, slots=True)
class Constraint:
    """`operator` with a version whose missing parts are 0; `parts` is how many of the three numbers were given (0:
    `*`)."""

    operator: str
    version: Version
    parts: int

    def holds(self, version: Version) -> bool:
        """By the numbers that were given; `*` counts as 0.0.0. Whether a pre-release may match at all is the caller's
        question."""
        order = version.precedence(self.version)
        mine, theirs = self.version.numbers(), version.numbers()
        given = self.parts or 3
        match self.operator:
            case ">":
                return order > 0 if given == 3 else theirs[:given] > mine[:given]
            case ">=" | "=>":
                return order >= 0
            case "<":
                return order < 0
            case "<=" | "=<":
                return order <= 0 if self.parts == 3 else theirs[: self.parts or 2] <= mine[: self.parts or 2]
            case "!=":
                return order != 0 if given == 3 else theirs[:given] != mine[:given]
            case "^":
                fixed = next((n + 1 for n in range(given) if mine[n]), given)
                return order >= 0 and theirs[:fixed] == mine[:fixed]
            case "~" | "~>":
                return order >= 0 and self._same_line(theirs)
            case _:
                return order == 0 if self.parts == 3 else order >= 0 and self._same_line(theirs)

    def _same_line(self, theirs: tuple[int, int, int]) -> bool:
        """Equal major, and equal minor where one was given; `~0.0.0` and `*` accept every later version."""
        mine = self.version.numbers()
        if self.parts in (0, 3) and mine == (0, 0, 0):
            return True
        return theirs[: min(self.parts, 2)] == mine[: min(self.parts, 2)]


def parse_constraints(text: str) -> list[list[Constraint]]:
    """Alternatives, each a list of constraints that must all hold. Raises FunctionError `improper constraint: C`."""
    if len(text) > _LONGEST or not text.isascii():
        raise FunctionError(f"improper constraint: {text[:_LONGEST]}", told="improper constraint", quotes=0)
    return [_alternative(alternative, text) for alternative in _RANGE.sub(_as_pair, text).split("||")]


def _alternative(text: str, whole: str) -> list[Constraint]:
    """`text` as constraints with white space or a comma between them."""
    constraints: list[Constraint] = []
    rest = text.strip()
    while rest or not constraints:
        found = _CONSTRAINT.match(rest)
        if found is None:
            raise FunctionError(f"improper constraint: {text}", told="improper constraint", quotes=0)
        constraints.append(_constraint(found, whole))
        behind = rest[found.end() :]
        rest = behind.lstrip()
        if rest.startswith(","):
            rest = rest[1:].lstrip()
            if not rest:
                raise FunctionError(f"improper constraint: {text}", told="improper constraint", quotes=0)
        elif rest and rest == behind:
            raise FunctionError(f"improper constraint: {text}", told="improper constraint", quotes=0)
    return constraints


def _as_pair(found: re.Match[str]) -> str:
    return f">={found[1]}, <={found[7]} "


def _constraint(found: re.Match[str], whole: str) -> Constraint:
    operator, _, *numbers, prerelease, metadata = found.groups()
    parts: list[int] = []
    for number in numbers:
        if number is None or number.strip(".") in ("x", "X", "*", ""):
            break
        if not number.strip(".").isdigit():
            raise FunctionError("constraint parser error")
        parts.append(int(number.strip(".")))
    padded = parts + [0] * (3 - len(parts))
    if max(padded) >= _NUMBER_LIMIT:
        raise FunctionError(f"improper constraint: {whole}", told="improper constraint", quotes=0)
    major, minor, patch = padded
    version = Version(major, minor, patch, (prerelease or "").removeprefix("-"), (metadata or "").removeprefix("+"))
    return Constraint(operator, version, len(parts))


def satisfies(version: Version, alternatives: list[list[Constraint]]) -> bool:
    for constraints in alternatives:
        if version.prerelease and not any(constraint.version.prerelease for constraint in constraints):
            continue  # a pre-release matches only a constraint that names one
        if all(constraint.holds(version) for constraint in constraints):
            return True
    return False


# --- functions and members


@TABLE.function("semver", params=(STRING,))
def semver(text: bytes) -> Version:
    return parse(text.decode("utf-8", "surrogateescape"))


@TABLE.function("semverCompare", params=(STRING, STRING), budget=True)
def semver_compare(budget: Budget, constraint: bytes, text: bytes) -> bool:
    budget.spend(len(constraint))
    alternatives = parse_constraints(constraint.decode("utf-8", "surrogateescape"))
    return satisfies(semver(text), alternatives)


_MEMBERS = Table()


def _member(name: str, call: Callable[..., Value], params: tuple[Param, ...] = ()) -> None:
    _MEMBERS[name] = Function(name, params, call=call)


def _comparison(name: str, verdict: Callable[[int], bool]) -> None:
    _member(name, lambda mine, other: verdict(mine.precedence(_present(other))), (VERSION,))


def _present(other: Version | None) -> Version:
    if other is None:
        raise FunctionError("runtime error: invalid memory address or nil pointer dereference")
    return other


def _struct(version: Version) -> Version:
    """What Go returns by value: prints and types as a struct, and is its own original (which keeps a leading v)."""
    return VersionStruct(
        version.major, version.minor, version.patch, version.prerelease, version.metadata, version.original
    )


def _raised(version: Version, major: int, minor: int, patch: int) -> Version:
    lead = "v" if version.original.startswith("v") else ""
    raised = Version(major, minor, patch)
    return _struct(replace(raised, original=lead + str(raised)))


def _inc_patch(version: Version) -> Version:
    # 1.2.3-rc.1 grows to its own release first
    grown = version.patch if version.prerelease else (version.patch + 1) % _NUMBER_LIMIT
    return _raised(version, version.major, version.minor, grown)


def _with_prerelease(version: Version, text: bytes) -> Version:
    return _reparsed(version, text, "-", "prerelease")


def _with_metadata(version: Version, text: bytes) -> Version:
    return _reparsed(version, text, "+", "metadata")


def _reparsed(version: Version, text: bytes, sign: str, field: str) -> Version:
    value = text.decode("utf-8", "surrogateescape")
    if value:
        try:
            parse(f"1.2.3{sign}{value}")
        except FunctionError:
            raise FunctionError(
                f"invalid {'prerelease string' if field == 'prerelease' else 'metadata string'}"
            ) from None
    changed = replace(version, prerelease=value) if field == "prerelease" else replace(version, metadata=value)
    lead = "v" if version.original.startswith("v") else ""
    return _struct(replace(changed, original=lead + str(changed)))


_member("Major", lambda version: Uint64(version.major))
_member("Minor", lambda version: Uint64(version.minor))
_member("Patch", lambda version: Uint64(version.patch))
_member("Prerelease", lambda version: version.prerelease.encode())
_member("Metadata", lambda version: version.metadata.encode())
_member("Original", lambda version: version.original.encode())
_member("String", lambda version: version.text())
_member("IncMajor", lambda version: _raised(version, (version.major + 1) % _NUMBER_LIMIT, 0, 0))
_member("IncMinor", lambda version: _raised(version, version.major, (version.minor + 1) % _NUMBER_LIMIT, 0))
_member("IncPatch", _inc_patch)
_member("SetPrerelease", _with_prerelease, (STRING,))
_member("SetMetadata", _with_metadata, (STRING,))
_member("Compare", lambda mine, other: mine.precedence(_present(other)), (VERSION,))
_comparison("Equal", lambda order: order == 0)
_comparison("LessThan", lambda order: order < 0)
_comparison("LessThanEqual", lambda order: order <= 0)
_comparison("GreaterThan", lambda order: order > 0)
_comparison("GreaterThanEqual", lambda order: order >= 0)
Version.members = _MEMBERS
_ON_POINTERS = frozenset(
    {"Original", "Compare", "Equal", "LessThan", "LessThanEqual", "GreaterThan", "GreaterThanEqual"}
)
VersionStruct.members = {name: member for name, member in _MEMBERS.items() if name not in _ON_POINTERS}
