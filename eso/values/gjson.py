"""What a GJSON path names in a JSON text, found without decoding it: results keep the source text of the document.

Neighbours: jsonmap.py renders results, gjsonpath.py has the grammar, gjsonscan.py the values, gjsonmodifiers.py the `@`
functions. On text that is no JSON nothing is found. Of equal member names the first counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from eso.gocompat import jsonenc, regexp
from eso.gocompat import text as gotext
from eso.values import gjsonmodifiers, gjsonpath
from eso.values.gjsonpath import ElementStep, MemberStep, Query
from eso.values.gjsonscan import (
    LOOK,
    MISSING,
    PATH_BYTES,
    STRING,
    TEXT,
    VALUE,
    Found,
    Kind,
    PathRefused,
    Work,
    parse,
    to_float,
    truth,
    valid,
    value_at,
)


def get(document: bytes, path: bytes, work: Work | None = None) -> Found | None:
    """What `path` names; None when nothing. Raises PathRefused. `work`: what it may spend; the most, where none is
    given."""
    if len(path) > PATH_BYTES:
        raise PathRefused(f"property path is longer than {PATH_BYTES} bytes", fix="name the value by a shorter path")
    try:
        found = find(document, path, work or Work(document))
    except RecursionError:
        raise PathRefused("property path or document is nested too deeply") from None
    return found if found.exists else None


def find(document: bytes, path: bytes, work: Work) -> Found:
    """`get` within the work that is left."""
    while True:
        work.spend(len(document) + len(path) + 2 * LOOK)
        head = path[:1] if len(path) > 1 else b""
        if head in (b"@", b"!") and (made := _made(document, path, work)) is not None:
            document, path = made
            if path[:1] not in (b"|", b"."):
                return parse(document)
            path = path[1:]
            continue
        if head in (b"[", b"{"):
            selected = work.once(gjsonpath.selections, path)
            path = selected[1] if selected is not None else b""
            if selected is not None and path[:1] in (b"", b"|", b"."):
                document = _multipath(document, head, selected[0], work)
                if not path:
                    return Found(Kind.JSON, document)
                path = path[1:]
                continue
        search = _Search(document, work)
        search.run(path)
        if search.pipe is None:
            return search.value
        document, path = search.value.raw, search.pipe


QUERY: Final = 3
"""Looks that testing an element takes."""
_CONTAINER: Final = re.compile(rb"[{\[]")
_KEY: Final = re.compile(rb'["}]')
_ITEM: Final = re.compile(rb'["{\[\]ntf+\-0-9iIN]')


class _Search:
    """One walk down a document. `value` may be set without a hit: the result of a query for all, which a later member
    may still replace."""

    def __init__(self, document: bytes, work: Work) -> None:
        self.document, self.work = document, work
        self.value = MISSING
        self.pipe: bytes | None = None

    def run(self, path: bytes) -> None:
        if path.startswith(b".."):  # the text is JSON lines
            self.array(0, path[2:])
        elif (start := _CONTAINER.search(self.document)) is not None:
            self.below(start.start(), path)

    def below(self, at: int, path: bytes) -> bool:
        return self.object(at + 1, path) if self.document[at] == 0x7B else self.array(at + 1, path)

    def object(self, at: int, path: bytes) -> bool:
        (step, names), document = self.work.once(_named, path), self.document
        self.pipe = step.pipe if step.pipe is not None else self.pipe
        while (key := _KEY.search(document, at)) is not None and key[0] == b'"':
            name = STRING.match(document, key.start())
            start = VALUE.search(document, name.end()) if name else None
            if name is None or start is None:
                return False
            self.work.spend(LOOK)
            if names.match(name[0][1:-1], self.work):
                if step.rest is None:
                    return self.hit(start.start())
                if document[start.start()] in b"{[" and self.below(start.start(), step.rest):
                    return True
            end = self.end_of(start.start())
            if end is None:
                return False
            at = end
        return False

    def array(self, at: int, path: bytes) -> bool:
        step, document = self.work.once(gjsonpath.element_step, path), self.document
        self.pipe = step.pipe if step.pipe is not None else self.pipe
        chosen: list[bytes] | None = None
        starts: list[int] = []
        count = 0
        while True:
            starts.append(at)
            item = _ITEM.search(document, at)
            if item is None or item[0] == b"]":
                return self.at_end(step, chosen, starts if step.each is not None else [], count)
            if step.query is not None:
                read = value_at(document, item.start())
                if read is None:
                    return False
                self.work.spend(QUERY * LOOK + TEXT * len(read[0].raw))
                chosen = chosen if chosen is not None else []
                if self.accepts(step, step.query, read[0], chosen):
                    return True
                at = read[1]
            else:
                self.work.spend(0)
                if step.index == count:
                    if step.rest is None:
                        return self.hit(item.start())
                    if item[0] in (b"{", b"[") and self.below(item.start(), step.rest):
                        return True
                end = self.end_of(item.start())
                if end is None:
                    return False
                at = end
            count += 1

    def hit(self, at: int) -> bool:
        read = value_at(self.document, at)
        if read is not None:
            self.work.spend(TEXT * len(read[0].raw))
            self.value = read[0]
        return read is not None

    def end_of(self, at: int) -> int | None:
        """Behind the value that starts here; None for a string that is never closed."""
        first = self.document[at]
        if first in b"{[":
            end = gjsonpath.balanced(self.document, at)
            self.work.spend(TEXT * (end - at))  # once more where the search came back from below
            return end
        if first == 0x22:
            closed = STRING.match(self.document, at)
            return closed.end() if closed else None
        read = value_at(self.document, at)
        assert read is not None
        return read[1]

    def accepts(self, step: ElementStep, query: Query, element: Found, chosen: list[bytes]) -> bool:
        """Whether the search ends with this element: it holds the query, and the query is not for all."""
        if element.kind == Kind.JSON:
            tested = find(element.raw, query.path, self.work)
        elif query.path:
            return False
        else:
            tested = element
        if not holds(query, tested, self.work):
            return False
        result = element
        if step.rest is not None:
            path, pipe = self.work.once(gjsonpath.split_pipe, step.rest)
            self.pipe = pipe if pipe is not None else self.pipe
            result = find(element.raw, path, self.work)
        if not query.every:
            self.value = result
            return True
        if raw := result.raw or result.text():
            chosen.append(raw)
        return False

    def at_end(self, step: ElementStep, chosen: list[bytes] | None, starts: list[int], count: int) -> bool:
        if step.counts and step.each is not None:
            self.value = Found(Kind.JSON, b"[" + b",".join(self.from_each(step.each, starts)) + b"]")
            return True
        if step.counts:
            self.value = Found(Kind.NUMBER, str(count).encode(), number=float(count))
            return True
        if not self.value.exists and step.query is not None and step.query.every:
            self.value = Found(Kind.JSON, b"[" + b",".join(chosen or ()) + b"]")
        return False

    def from_each(self, path: bytes, starts: list[int]) -> Iterator[bytes]:
        path, pipe = self.work.once(gjsonpath.split_pipe, path)
        self.pipe = pipe if pipe is not None else self.pipe
        for at in starts:
            item = _ITEM.search(self.document, at)
            read = value_at(self.document, item.start()) if item and item[0] != b"]" else None
            self.work.spend(LOOK + (TEXT * len(read[0].raw) if read is not None else 0))
            if read is not None and (found := find(read[0].raw, path, self.work)).exists:
                yield found.raw or found.text()


class _Names:
    """Compares member names with a step."""

    __slots__ = ("_glob", "_name")

    def __init__(self, step: MemberStep) -> None:
        self._name, self._glob = step.name, glob(step.name) if step.wild else None

    def match(self, inner: bytes, work: Work) -> bool:
        """`inner` as it stands in the document, between the quotes."""
        if b"\\" in inner:
            work.spend(len(inner))
            inner = gjsonpath.unescape(inner)
        return self._name == inner if self._glob is None else globbed(self._glob, inner, work)


def _named(path: bytes) -> tuple[MemberStep, _Names]:
    step = gjsonpath.member_step(path)
    return step, _Names(step)


def globbed(pattern: regexp.Regexp, text: bytes, work: Work) -> bool:
    steps = regexp.price(pattern.size, len(text)) + regexp.MATCH
    work.spend(LOOK * steps)
    return pattern.matches(text, regexp.Allowance(2 * steps, 2 * steps))


def glob(pattern: bytes) -> regexp.Regexp:
    """`*` for any run of characters, `?` for one, a backslash before a literal one."""
    parts = []
    for found in re.finditer(rb"\\.|\*+|\?|[^\\*?]+|\\", pattern, re.DOTALL):
        match found[0][:1]:
            case b"*":
                parts.append(b".*")
            case b"?":
                parts.append(b".")
            case b"\\" if len(found[0]) == 1:
                parts.append(rb"[^\x00-\x{10FFFF}]")  # a backslash at the end matches nothing
            case b"\\":
                parts.append(regexp.quote_meta(found[0][1:]))
            case _:
                parts.append(regexp.quote_meta(found[0]))
    try:
        return regexp.compile(rb"(?s)\A" + gotext.runes(b"".join(parts)).encode() + rb"\z")
    except regexp.TooLarge:
        raise PathRefused("property path has a pattern that is too large", fix="write a shorter pattern") from None


def holds(query: Query, value: Found, work: Work) -> bool:
    wanted = query.value
    if wanted.startswith(b"~"):
        truth = _truths(value).get(wanted[1:])
        wanted = b"true" if truth is not None else b""
        value = MISSING if truth is None else Found(Kind.TRUE, b"true") if truth else Found(Kind.FALSE, b"false")
    if not value.exists:
        return False
    if not query.operator:
        return True
    match value.kind:
        case Kind.STRING:
            if query.operator in (b"%", b"!%"):
                return globbed(work.once(glob, wanted), value.string, work) == (query.operator == b"%")
            return _compares(query.operator, (value.string > wanted) - (value.string < wanted))
        case Kind.NUMBER:
            return _compares_numbers(query.operator, value.number, work.once(to_float, wanted))
        case Kind.TRUE:
            return {b"=": wanted == b"true", b"!=": wanted != b"true", b">": wanted == b"false", b">=": True}.get(
                query.operator, False
            )
        case Kind.FALSE:
            return {b"=": wanted == b"false", b"!=": wanted != b"false", b"<": wanted == b"true", b"<=": True}.get(
                query.operator, False
            )
        case _:
            return False


def _compares(operator: bytes, order: int) -> bool:
    return {
        b"=": order == 0,
        b"!=": order != 0,
        b"<": order < 0,
        b"<=": order <= 0,
        b">": order > 0,
        b">=": order >= 0,
    }.get(operator, False)


def _compares_numbers(operator: bytes, left: float, right: float) -> bool:
    if left != left or right != right:  # NaN is unequal and in no order
        return operator == b"!="
    return _compares(operator, (left > right) - (left < right))


def _truths(value: Found) -> dict[bytes, bool]:
    falseish = (
        value.kind in (Kind.NULL, Kind.FALSE)
        or (value.kind == Kind.NUMBER and value.number == 0)
        or (value.kind == Kind.STRING and value.string.lower() in (b"0", b"f", b"false"))
    )
    return {b"*": value.exists, b"null": value.kind == Kind.NULL, b"true": truth(value), b"false": falseish}


def _made(document: bytes, path: bytes, work: Work) -> tuple[bytes, bytes] | None:
    """The text that a modifier or a literal at the front of `path` makes, and the rest of the path."""
    if path.startswith(b"!"):
        return _literal(path)
    named = work.once(gjsonpath.modifier, path)
    if named is None:
        return None
    name, argument, rest = named
    work.spend(MODIFIED.get(name, TEXT) * len(document))
    made = gjsonmodifiers.apply(name, document, argument, work, find)
    work.spend(len(made))
    return made, rest


MODIFIED: Final = {b"this": 1, b"tostr": 16}
"""Units of a byte that goes through a modifier, where they are not TEXT: escaping a character is a call of the
interpreter."""


def _literal(path: bytes) -> tuple[bytes, bytes] | None:
    body = path[1:]
    if body[:1] in (b"{", b"["):
        end = gjsonpath.balanced(body, 0)
        return body[:end], body[end:]
    if (quoted := _QUOTED_OR_NUMBER.match(body)) is not None:
        return quoted[0], body[quoted.end() :]
    name = re.split(rb"[|.]", body, maxsplit=1)[0]
    if name.lower() in (b"true", b"false", b"null", b"nan", b"inf"):
        return name, body[len(name) :]
    return None


_QUOTED_OR_NUMBER: Final = re.compile(rb'["+\-0-9].*', re.DOTALL)


def _multipath(document: bytes, kind: bytes, parts: list[gjsonpath.Selection], work: Work) -> bytes:
    out = []
    for part in parts:
        found = find(document, part.path, work)
        if not found.exists:
            continue
        raw = found.raw or found.text() or b"null"
        if kind == b"{":
            quoted = part.name[:1] == b'"' and valid(part.name)
            raw = (
                (part.name if quoted else jsonenc.encode_string(part.name or gjsonpath.last_name(part.path)))
                + b":"
                + raw
            )
        work.spend(len(raw))
        out.append(raw)
    return kind + b",".join(out) + (b"}" if kind == b"{" else b"]")
