"""The closed set of values a template can reach, and how a function declares what it takes.

Neighbours: functions/ makes and consumes these values, evaluate.py checks arguments against `Param`, gofmt.py prints
them. Nothing else of the host language is ever a value: an attribute of a value is a member named in its own table, or
it does not exist.

| Go type                  | here                    | Go type                    | here                               |
|--------------------------|-------------------------|----------------------------|------------------------------------|
| `string`                 | `bytes`                 | `[]interface {}`           | `list`, or `NilList`               |
| `bool`                   | `bool`                  | `[]string`                 | `StringList`, or `NilStringList`   |
| `int`                    | `int`                   | `[]int`                    | `IntList`                          |
| `int64`, `uint8`, …      | subclasses of `GoInt`   | `[][]interface {}`         | `ListList`                         |
| `float64`                | `float`                 | `[]uint8`                  | `ByteList` of `Uint8`              |
| `complex128`             | `complex`               | `map[string]interface {}`  | `dict`, keys are `bytes`           |
| nil                      | `None`                  | `map[string]string`        | `StringMap`                        |
| `time.Duration`, …       | subclasses of `GoInt`   | structs and pointers       | subclasses of `Opaque`             |

Truth is Python's own: `bool(value)`. Strings never are `str`; dict keys always are `bytes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, TypeVar

Value = Any
"""Any value of the table above. An alias, because `mypy` cannot tell the closed set from `object` without a cast at
each use."""

Call = Callable[..., Value]
C = TypeVar("C", bound=Call)


class GoInt(int):
    """An integer of another Go type than `int`. Arithmetic gives plain ints: wrap and label the result again, e.g.
    `Int64(wrap64(a + b))`."""

    __slots__ = ()
    go_type: ClassVar[str] = "int"
    kind: ClassVar[str] = "int"
    signed: ClassVar[bool] = True
    members: ClassVar[Mapping[str, Function]] = {}
    unexported: ClassVar[frozenset[str]] = frozenset()

    def text(self) -> bytes | None:
        """What the Go type's own String method gives; None when it has none."""
        return None


class Int64(GoInt):
    __slots__ = ()
    go_type = kind = "int64"


class Uint8(GoInt):
    __slots__ = ()
    go_type = kind = "uint8"
    signed = False


class Uint32(GoInt):
    __slots__ = ()
    go_type = kind = "uint32"
    signed = False


class Uint64(GoInt):
    __slots__ = ()
    go_type = kind = "uint64"
    signed = False


class NilList(list[Value]):
    """A nil `[]interface {}`: always empty, prints `[]`, JSON `null`, equals nil."""

    __slots__ = ()


class StringList(list[bytes]):
    """`[]string`."""

    __slots__ = ()


class NilStringList(StringList):
    """A nil `[]string`."""

    __slots__ = ()


class IntList(list[int]):
    """`[]int`."""

    __slots__ = ()


class ListList(list[list[Value]]):
    """`[][]interface {}`."""

    __slots__ = ()


class ByteList(list[Uint8]):
    """`[]uint8`, only from methods of times."""

    __slots__ = ()


class StringMap(dict[bytes, bytes]):
    """`map[string]string`: dot, and the results of `split` and `splitn`."""

    __slots__ = ()


class StringMapMap(dict[bytes, StringMap]):
    """`map[string]map[string]string`: dot of webhook templates."""

    __slots__ = ()


class Opaque:
    """A Go struct, or a pointer to one, of which a template sees only `members` and `fields()`. Immutable.

    `members` are the Go methods (first argument of each call is the receiver); `unexported` are private Go field names,
    which have a message of their own. A subclass may set `go_type` and `kind` per instance where pointer and struct
    share a class.
    """

    __slots__ = ()
    go_type: str = "struct"
    kind: str = "struct"
    members: ClassVar[Mapping[str, Function]] = {}
    unexported: ClassVar[frozenset[str]] = frozenset()

    def text(self) -> bytes | None:
        """What the Go type's own String method gives; None when it has none (then it prints as a struct of its
        fields)."""
        return None

    def fields(self) -> tuple[tuple[str, Value], ...]:
        """Exported Go fields in order."""
        return ()

    def same(self, other: Opaque) -> bool:
        """Go's `==` between two values of this type."""
        return self is other


class FunctionError(Exception):
    """A function refuses: becomes `error calling F: MESSAGE`.

    The message may quote an argument, as Go's does. `told` is the same without anything that an argument may hold; the
    message itself where it quotes nothing. `quotes`: the position of the one argument that the message may quote.
    """

    def __init__(self, message: str | bytes, *, told: str | None = None, quotes: int | None = None) -> None:
        super().__init__(message)
        self.message = message.encode("utf-8", "surrogateescape") if isinstance(message, str) else message
        self.quotes = quotes
        self.told = told if told is not None else self.message.decode("utf-8", "replace")


class Param(Enum):
    """A parameter's Go type: (type name, family). The family decides which constants are accepted; see the argument
    table."""

    ANY = ("interface {}", "any")
    STRING = ("string", "string")
    HASH_ALGORITHM = ("sprig.HashAlgorithm", "string")  # a named string: no computed value has it, constants do
    BOOL = ("bool", "bool")
    INT = ("int", "int")
    INT64 = ("int64", "int")
    DURATION = ("time.Duration", "int")
    UINT32 = ("uint32", "uint")
    FLOAT64 = ("float64", "float")
    DICT = ("map[string]interface {}", "container")
    LIST = ("[]interface {}", "container")
    TIME = ("time.Time", "struct")
    LOCATION = ("*time.Location", "pointer")
    VERSION = ("*semver.Version", "pointer")
    CERTIFICATE = ("sprig.certificate", "struct")

    def __init__(self, go_type: str, family: str) -> None:
        self.go_type = go_type
        self.family = family


@dataclass(frozen=True, slots=True)
class Function:
    """One template function, or one method of a value.

    `params` are the fixed parameters followed, when `variadic`, by the type of each further argument. `call` gets the
    checked arguments positionally: after the `Budget` when `budget` is set, after the receiver for a method (budget
    first, then receiver). ANY, DICT, LIST and pointer parameters may be None; INT arrives as plain `int`, FLOAT64 as
    `float`. It returns a value and raises FunctionError; any other ordinary exception becomes `error calling F` too,
    with a fixed text. `pace`: bytes of its texts for which it pays one step; 0: what is usual. `refuse`: the call
    always fails with this text after the count check.

    `dice`: equal arguments may give another result at the next call, because the function draws random bytes or reads
    the clock. `picks`: the result is a part of an argument, and not made anew. `moment`: the position of an argument
    that means the current time unless it is a time; -1 for none.
    """

    name: str
    params: tuple[Param, ...] = ()
    variadic: bool = False
    call: Call = field(default=lambda: None, repr=False)
    budget: bool = False
    refuse: str = ""
    dice: bool = False
    moment: int = -1
    picks: bool = False
    pace: int = 0


class Table(dict[str, Function]):
    """Name → Function, filled by its decorator; functions/__init__ joins the tables of the modules."""

    def function(
        self,
        *names: str,
        params: tuple[Param, ...] = (),
        variadic: bool = False,
        budget: bool = False,
        dice: bool = False,
        moment: int = -1,
        picks: bool = False,
        pace: int = 0,
    ) -> Callable[[C], C]:
        """Adds the decorated callable under every name (aliases show their own name in messages)."""

        def add(call: C) -> C:
            for name in names:
                self[name] = Function(
                    name, params, variadic, call, budget, dice=dice, moment=moment, picks=picks, pace=pace
                )
            return call

        return add

    def refuse(self, name: str, text: str, params: tuple[Param, ...] = ()) -> None:
        """Adds a name that exists in Go but cannot be called from a template."""
        self[name] = Function(name, params, refuse=text)


_TYPE_NAMES: dict[type, str] = {
    bytes: "string",
    bool: "bool",
    int: "int",
    float: "float64",
    complex: "complex128",
    type(None): "<nil>",
    list: "[]interface {}",
    NilList: "[]interface {}",
    StringList: "[]string",
    NilStringList: "[]string",
    IntList: "[]int",
    ListList: "[][]interface {}",
    ByteList: "[]uint8",
    dict: "map[string]interface {}",
    StringMap: "map[string]string",
    StringMapMap: "map[string]map[string]string",
}
_KINDS: dict[type, str] = {
    bytes: "string",
    bool: "bool",
    int: "int",
    float: "float64",
    complex: "complex128",
    type(None): "invalid",
    list: "slice",
    NilList: "slice",
    StringList: "slice",
    NilStringList: "slice",
    IntList: "slice",
    ListList: "slice",
    ByteList: "slice",
    dict: "map",
    StringMap: "map",
    StringMapMap: "map",
}


def type_name(value: Value) -> str:
    """Go's name of the value's dynamic type, as `%T` and `typeOf` show it; `<nil>` for nil."""
    name = _TYPE_NAMES.get(type(value))
    return str(value.go_type) if name is None else name


def kind(value: Value) -> str:
    """Go's reflect kind: `string`, `int64`, `slice`, `map`, `struct`, `ptr`, …; `invalid` for nil."""
    name = _KINDS.get(type(value))
    return str(value.kind) if name is None else name


def is_nil(value: Value) -> bool:
    """nil itself, or a nil list: what `eq X nil` finds equal."""
    return value is None or isinstance(value, NilList | NilStringList)


def is_integer(value: Value) -> bool:
    """An integer of any Go type, named ones included; not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def text_of(value: Value) -> bytes | None:
    """The value's own String method, where its Go type has one: times, durations, months, weekdays, locations,
    versions."""
    return value.text() if isinstance(value, GoInt | Opaque) else None


def wrap64(number: int) -> int:
    """The 64-bit two's complement value of any Python int."""
    return ((number + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)
