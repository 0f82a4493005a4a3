"""YAML in and out, in the dialect of Go's yaml.v2 behind a JSON bridge: YAML 1.1 scalars, every key a string, lists not
indented.

Neighbours: jsons.py makes the tree that is written; apply.py parses rendered texts with `load`. Reading works on the
parser's events with a stack of its own: nothing in a document can name a class, and aliases are copies paid from the
budget.
"""

from __future__ import annotations

import io
import re
from base64 import b64decode
from binascii import Error as Base64DecodeError
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cmp_to_key

import orjson
import yaml
from yaml.cyaml import CSafeDumper, CSafeLoader
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from eso.gocompat import text as gotext
from eso.template.bounds import MAX_DEPTH, Budget
from eso.template.functions import jsons, layouts
from eso.template.functions.common import ELEMENT, afford
from eso.template.functions.equality import deep_copy
from eso.template.values import FunctionError, Param, Table, Value

TABLE = Table()
ANY, STRING = Param.ANY, Param.STRING

Tree = bool | int | float | bytes | list["Tree"] | dict[bytes, "Tree"] | None

_PREFIX = "tag:yaml.org,2002:"
_WORDS: dict[str, tuple[str, bool | float | None]] = {}
for _value, _spellings in (
    (True, "y Y yes Yes YES true True TRUE on On ON"),
    (False, "n N no No NO false False FALSE off Off OFF"),
):
    _WORDS |= {word: ("bool", _value) for word in _spellings.split()}
_WORDS |= {word: ("null", None) for word in ("", "~", "null", "Null", "NULL")}
_WORDS |= {word: ("float", float("nan")) for word in (".nan", ".NaN", ".NAN")}
_WORDS |= {sign + word: ("float", float("inf")) for sign in ("", "+") for word in (".inf", ".Inf", ".INF")}
_WORDS |= {"-" + word: ("float", float("-inf")) for word in (".inf", ".Inf", ".INF")}
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_BASE60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII)
_TIMESTAMPS = (
    "2006-1-2T15:4:5.999999999Z07:00",
    "2006-1-2t15:4:5.999999999Z07:00",
    "2006-1-2 15:4:5.999999999",
    "2006-1-2",
)
_LONGEST_NUMBER = 400
TIMESTAMP_STEPS = 40
"""Of trying the layouts of a date."""


class YamlError(ValueError):
    """Why a text is no YAML, in the words of Go's library, `yaml: ` included.

    `problem` is the class of the failure, which holds nothing of the text; `line` counts from 1, 0: not known. `told`
    is what may be shown of a text that is made from secrets.
    """

    def __init__(self, text: str, problem: str = "", line: int = 0, *, quotes: bool = False) -> None:
        super().__init__(text)
        self.problem = problem or text.removeprefix("yaml: ")
        self.line = line
        self.told = f"yaml: line {line}: {self.problem}" if quotes else text


# --- scalars


def resolve(text: str) -> tuple[str, bool | int | float | str | None]:
    """Type (`null bool int float timestamp merge str`) and value of a plain scalar. A timestamp's value is its text."""
    if (word := _WORDS.get(text)) is not None:
        return word
    if text == "<<":
        return "merge", text
    if text[0] in "+-0123456789":
        if _is_timestamp(text):
            return "timestamp", text
        plain = text.replace("_", "")
        if (integer := _integer(plain)) is not None:
            return "int", integer
        if (number := _float(plain)) is not None:
            return "float", number
    elif text[0] == "." and (number := _float(text)) is not None:
        return "float", number
    return "str", text


def _integer(text: str) -> int | None:
    found = _INTEGER.fullmatch(text) if len(text) < _LONGEST_NUMBER else None
    if found is None:
        return None
    sign, *digits = found.groups()
    number = next(int(part, base) for part, base in zip(digits, (16, 2, 8, 10), strict=True) if part is not None)
    if sign == "-":
        number = -number
    # Without a sign Go tries an unsigned integer too.
    return number if -(1 << 63) <= number < (1 << 63 if sign else 1 << 64) else None


def _float(text: str) -> float | None:
    if not _FLOAT.fullmatch(text):
        return None
    number = float(text)
    return None if number in (float("inf"), float("-inf")) else number


def _is_timestamp(text: str) -> bool:
    if len(text) > _LONGEST_NUMBER or not re.match(r"[0-9]{4}-", text):
        return False
    for layout in _TIMESTAMPS:
        try:
            layouts.read(layout, text)
            return True
        except layouts.LayoutError:
            continue
    return False


# --- in


@dataclass(slots=True)
class _Open:
    """A container whose events are still coming."""

    value: list[Tree] | dict[bytes, Tree]
    anchor: str | None
    key: bytes | None = None
    """Of a mapping: the key whose value comes next; None where a key comes next."""
    merging: bool = False
    """The next value is that of a `<<` key."""
    merge_list: bool = field(default=False)
    """A list of mappings to merge."""


def load(budget: Budget, document: bytes) -> Tree:
    """The first document as a JSON-like tree: integers stay integers, keys are text, nothing is None. Raises
    YamlError."""
    budget.spend(len(document) // 16 + min(document.count(b"[") + document.count(b"{"), MAX_DEPTH) // 2)
    budget.check_size(
        len(document) + 5 * ELEMENT * sum(document.count(sign) for sign in (b",", b"[", b"{", b"\n", b":"))
    )
    try:
        text = document.decode()
    except UnicodeDecodeError:
        raise YamlError("yaml: invalid leading UTF-8 octet") from None
    while True:
        try:
            return _Loading(budget).load(text)
        except yaml.MarkedYAMLError as error:
            repaired = _with_plain_apostrophes(text, error)
            if repaired is None:
                raise _failure(error) from None
            budget.spend(len(text) // 16)
            text = repaired
        except yaml.YAMLError:
            raise YamlError("yaml: control characters are not allowed") from None


class _Loading:
    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.stack: list[_Open] = []
        self.anchors: dict[str, Tree] = {}
        self.names: set[str | None] = set()
        self.result: Tree = None

    def load(self, text: str) -> Tree:
        """Raises YamlError for what the text means, and the parser's own error for what it cannot read."""
        parser = CSafeLoader(io.StringIO(text))
        try:
            failure = self._take_all(parser, text if "\\/" in text else "")
        finally:
            parser.dispose()
        if failure is not None:
            raise failure
        return self.result

    def _take_all(self, parser: CSafeLoader, escapes: str) -> YamlError | None:
        """The first document's events; what is wrong with its values is told only if its syntax is right to the end.
        `escapes`: the text, where it has an escape that this parser knows and Go's does not."""
        failure: YamlError | None = None
        for event in _events(parser):
            self.budget.spend()
            if escapes and isinstance(event, ScalarEvent) and event.style == '"':
                _refuse_escaped_slash(event, escapes)
            if isinstance(event, DocumentEndEvent | StreamEndEvent):
                break
            anchor = getattr(event, "anchor", None)
            if not isinstance(event, AliasEvent):
                self.names.add(anchor)
            elif anchor not in self.names:
                raise _unknown_anchor(event)
            if failure is None:
                try:
                    self._take(event)
                except YamlError as error:
                    failure = error
        return failure

    def _take(self, event: Event) -> None:
        if isinstance(event, ScalarEvent):
            self._scalar(event)
        elif isinstance(event, MappingStartEvent):
            self._open(event, {})
        elif isinstance(event, SequenceStartEvent):
            self._open(event, [])
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            done = self.stack.pop()
            if done.anchor is not None:
                self.anchors[done.anchor] = done.value
            self._add(done.value)
        elif isinstance(event, AliasEvent):
            self._alias(event)

    def _open(self, event: MappingStartEvent | SequenceStartEvent, value: list[Tree] | dict[bytes, Tree]) -> None:
        parent = self.stack[-1] if self.stack else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None and not parent.merging:
            raise YamlError("yaml: invalid map key")
        self.budget.deeper(len(self.stack) + 1)
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)
        self.stack.append(_Open(value, event.anchor))

    def _alias(self, event: AliasEvent) -> None:
        name = event.anchor or ""
        if name not in self.anchors:
            if any(part.anchor == name for part in self.stack):
                text = f"yaml: anchor '{name}' value contains itself"
                raise YamlError(text, "anchor value contains itself", line_of(event), quotes=True)
            raise _unknown_anchor(event)
        self._add(deep_copy(self.budget, self.anchors[name]), alias=True)

    def _scalar(self, event: ScalarEvent) -> None:
        kind, value = _typed(event)
        if kind == "timestamp" or event.value[:5].endswith("-"):
            self.budget.spend(TIMESTAMP_STEPS)
        parent = self.stack[-1] if self.stack else None
        is_key = parent is not None and isinstance(parent.value, dict) and parent.key is None and not parent.merging
        if is_key and kind == "merge":
            assert parent is not None
            parent.merging = True
            return
        tree = value.encode() if isinstance(value, str) else value
        if event.anchor is not None:
            self.anchors[event.anchor] = tree
        self._add(tree)

    def _add(self, value: Tree, *, alias: bool = False) -> None:
        if not self.stack:
            self.result = value
            return
        parent = self.stack[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.merging:
            parent.merging = False
            _merge(parent.value, value)
        elif parent.key is None:
            parent.key = key_text(value)
        else:
            parent.value[parent.key] = value
            parent.key = None


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LINE_BREAK = re.compile("\r\n?|[\n\x85\u2028\u2029]")
_UNKNOWN_ESCAPE = "found unknown escape character"


def _refuse_escaped_slash(event: ScalarEvent, text: str) -> None:
    """`\\/` in double quotes is an escape of JSON and of YAML 1.2, but none of Go's parser."""
    assert event.start_mark is not None and event.end_mark is not None
    start, end = event.start_mark.index, event.end_mark.index
    for found in _ESCAPE.finditer(text, start, end):
        if found[1] == "/":
            line = event.start_mark.line + len(_LINE_BREAK.findall(text, start, found.start()))
            where = f"line {line + 1}: " if line else ""
            raise YamlError(f"yaml: {where}{_UNKNOWN_ESCAPE}", _UNKNOWN_ESCAPE, line + 1)


def _with_plain_apostrophes(text: str, error: yaml.MarkedYAMLError) -> str | None:
    """The text with the apostrophes of one double-quoted scalar unescaped: `\\'` is an escape of Go's parser, but none
    of this one. None where something else is wrong."""
    if error.problem != _UNKNOWN_ESCAPE or error.problem_mark is None:
        return None
    at: int = error.problem_mark.index
    if text[at : at + 2] != "\\'":
        return None
    closing = _REST_OF_QUOTED.match(text, at)
    end = closing.end() if closing else len(text)
    inner = _ESCAPE.sub(lambda found: "'" if found[1] == "'" else found[0], text[at:end])
    return text[:at] + inner + text[end:]


_REST_OF_QUOTED = re.compile(r'(?:[^"\\]|\\.)*+', re.DOTALL)


def _events(parser: CSafeLoader) -> Iterator[Event]:
    while True:
        event = parser.get_event()
        if event is None:
            return
        yield event


def _typed(event: ScalarEvent) -> tuple[str, bool | int | float | str | bytes | None]:
    """Type and value of a scalar event; explicit tags convert or fail as in Go."""
    tag, text = event.tag, event.value
    if not tag:
        return resolve(text) if event.implicit[0] else ("str", text)
    if not tag.startswith(_PREFIX):
        return "str", text
    wanted = tag.removeprefix(_PREFIX)
    if wanted == "binary":
        try:
            return "str", b64decode(re.sub(r"\s", "", text), validate=True)
        except (Base64DecodeError, ValueError):
            raise YamlError("yaml: !!binary value contains invalid base64 data") from None
    if wanted not in ("bool", "int", "float", "null", "timestamp", "merge"):
        return "str", text
    found, value = resolve(text)
    if wanted == "float" and isinstance(value, int) and found == "int":
        return "float", float(value)
    if found != wanted:
        raise YamlError(f"yaml: cannot decode !!{found} as a !!{wanted}")
    return found, value


def key_text(value: Tree) -> bytes:
    """A mapping key as JSON has it: `yes` is true, 010 is 8, 1.10 is 1.1 (at single precision)."""
    match value:
        case bytes():
            return value
        case bool():
            return b"true" if value else b"false"
        case int():
            return b"%d" % value
        case float():
            text = gotext.format_float(value, bits=32)
            return {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(text, text).encode()
    raise YamlError("unsupported map key of type: <nil>" if value is None else "yaml: invalid map key")


def _merge(target: dict[bytes, Tree], value: Tree) -> None:
    """`<<`: in the order of the text, so it overwrites what stands before it; of a list the earlier mappings win."""
    for source in reversed(value) if isinstance(value, list) else [value]:
        if not isinstance(source, dict):
            raise YamlError("yaml: map merge requires map or sequence of maps as the value")
        target.update(source)


def line_of(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


def _unknown_anchor(event: AliasEvent) -> YamlError:
    text = f"yaml: unknown anchor '{event.anchor}' referenced"
    return YamlError(text, "unknown anchor referenced", line_of(event), quotes=True)


def _failure(error: yaml.MarkedYAMLError) -> YamlError:
    """The parser's error in Go's words, whose line is one too small where the parser and not the scanner found it."""
    scanner = isinstance(error, yaml.scanner.ScannerError)
    line = 0
    if error.problem_mark is not None and error.problem_mark.line:
        line = error.problem_mark.line + scanner
    elif error.context_mark is not None and error.context_mark.line:
        line = error.context_mark.line + scanner
    problem = error.problem or "unknown problem parsing YAML content"
    mark = error.problem_mark or error.context_mark
    return YamlError(f"yaml: {f'line {line}: ' if line else ''}{problem}", problem, mark.line + 1 if mark else 0)


@TABLE.function("fromYaml", params=(STRING,), budget=True)
def from_yaml(budget: Budget, text: bytes) -> dict[bytes, Value]:
    """The mapping in the text with every number a float64; for what is none, a dict with the key `Error`."""
    try:
        tree = load(budget, text)
    except YamlError as error:
        return {b"Error": f"error converting YAML to JSON: {error}".encode()}
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        kind = {list: "array", bytes: "string", bool: "bool"}.get(type(tree), "number")
        found = f"cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        return {b"Error": f"error unmarshaling JSON: while decoding JSON: json: {found}".encode()}
    try:
        return _with_floats(budget, tree)
    except YamlError as error:
        return {b"Error": f"error converting YAML to JSON: {error}".encode()}


def _with_floats(budget: Budget, tree: dict[bytes, Tree]) -> dict[bytes, Value]:
    pending: list[list[Tree] | dict[bytes, Tree]] = [tree]
    while pending:
        part = pending.pop()
        budget.spend(len(part))
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            if isinstance(value, dict | list):
                pending.append(value)
            elif isinstance(value, bytes) and not value.isascii():
                part[key] = gotext.runes(value).encode()  # type: ignore[index]  # the key came from this part
            elif isinstance(value, int | float) and not isinstance(value, bool):
                number = float(value)
                if number != number or number in (float("inf"), float("-inf")):
                    raise YamlError(f"json: unsupported value: {gotext.format_float(number)}")
                part[key] = number  # type: ignore[index]  # the key came from this part
    return tree


# --- out


class _Writer:
    def __init__(self, budget: Budget, stream: io.StringIO) -> None:
        self.budget = budget
        self.emitter = CSafeDumper(stream, allow_unicode=True, width=80, indent=2)

    def document(self, tree: object) -> None:
        try:
            self.emitter.emit(StreamStartEvent())
            self.emitter.emit(DocumentStartEvent(explicit=False))
            self._node(tree)
            self.emitter.emit(DocumentEndEvent(explicit=False))
            self.emitter.emit(StreamEndEvent())
        finally:
            self.emitter.dispose()

    def _node(self, tree: object) -> None:
        self.budget.spend()
        if isinstance(tree, dict):
            self.emitter.emit(MappingStartEvent(None, None, True, flow_style=False))
            self.budget.spend(8 * len(tree))
            for key in sorted(tree, key=_by_natural_order):
                self._scalar(key, "merge")
                self._node(tree[key])
            self.emitter.emit(MappingEndEvent())
        elif isinstance(tree, list):
            self.emitter.emit(SequenceStartEvent(None, None, True, flow_style=False))
            for value in tree:
                self._node(value)
            self.emitter.emit(SequenceEndEvent())
        else:
            self._scalar(tree)

    def _scalar(self, value: object, quoted: str = "") -> None:
        """`quoted`: a type besides the others whose look-alikes need quotes: `<<` does as a key, and is plain text
        elsewhere."""
        style = None
        match value:
            case None:
                text = "null"
            case bool():
                text = "true" if value else "false"
            case int():
                text = str(value)
            case float():
                text = gotext.format_float(value)
            case _:
                text = str(value)
                found = resolve(text)[0]
                plain = found in ("str", "merge") and found != quoted and not _BASE60.fullmatch(text)
                style = "|" if "\n" in text else None if plain else '"'
        self.budget.check_size(ELEMENT)
        self.emitter.emit(ScalarEvent(None, None, (True, True), text, style=style))


def _natural_order(left: str, right: str) -> int:
    """Letters by code point, behind everything else; runs of digits by their number."""
    at = _common_length(left, right)
    if at == min(len(left), len(right)):
        return len(left) - len(right)
    a, b = left[at], right[at]
    letter_a, letter_b = gotext.is_letter(a), gotext.is_letter(b)
    if letter_a and letter_b:
        return -1 if a < b else 1
    if letter_a or letter_b:
        return -1 if letter_b else 1
    # Inside a number a zero counts as a digit of it.
    lead = "1" if "0" in (a, b) and _has_number_before(left, at) else ""
    digits_a, digits_b = _digits(left, at), _digits(right, at)
    number_a, number_b = int(lead + digits_a or "0"), int(lead + digits_b or "0")
    return -1 if (number_a, len(digits_a), a) < (number_b, len(digits_b), b) else 1


def _common_length(left: str, right: str) -> int:
    """How many characters the two share at the start; by halving, so that long keys are compared in C."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _has_number_before(text: str, at: int) -> bool:
    before = text[max(at - _LONGEST_NUMBER, 0) : at]
    digits = before[len(before.rstrip("0123456789")) :]
    return digits.strip("0") != ""


def _digits(text: str, at: int) -> str:
    end = at
    while end < len(text) and end - at < _LONGEST_NUMBER and text[end].isdecimal():
        end += 1
    return text[at:end]


_by_natural_order = cmp_to_key(_natural_order)


def dump(budget: Budget, value: Value) -> bytes:
    """YAML with its final newline. Raises FunctionError for what JSON cannot hold."""
    document = jsons.encode(budget, value, html=False)
    afford(budget, 4 * len(document))
    stream = io.StringIO()
    tree = orjson.loads(document)
    _Writer(budget, stream).document(tree)
    text = stream.getvalue()
    if text.endswith("\n...\n"):
        # the emitter ends a lone scalar, and text that keeps its line ends, with a document marker
        text = text.removesuffix("...\n")
    return text.encode()


@TABLE.function("toYaml", params=(ANY,), budget=True)
def to_yaml(budget: Budget, value: Value) -> bytes:
    """Without the final newline; empty for what JSON cannot hold."""
    try:
        return dump(budget, value).removesuffix(b"\n")
    except FunctionError:
        return b""
