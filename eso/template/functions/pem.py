"""PEM texts: blocks in and out, and the filters on them.

Neighbours: x509.py reads the certificates inside, keys.py the private keys. Damaged blocks are skipped, as Go's reader
does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from eso.gocompat import base64
from eso.template.bounds import Budget
from eso.template.values import FunctionError, Param, Table

TABLE = Table()
STRING = Param.STRING

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_END_LINE = b"\n" + _END
_WHITE = b" \t"
COLUMNS = 64


@dataclass(frozen=True, slots=True)
class Block:
    kind: bytes
    """The text behind BEGIN, e.g. `CERTIFICATE`."""
    data: bytes = field(repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = ()


def decode(text: bytes, start: int = 0) -> tuple[Block, int] | None:
    """The first whole block at or behind `start` and the offset behind it; None when there is none."""
    while (end := text.find(_END_LINE, start)) >= 0:
        begin = text.rfind(_BEGIN, start, end)
        behind = end + len(_END_LINE)
        if begin == start or (begin > start and text[begin - 1] == 0x0A):
            block = _block(text, begin, behind)
            if block is not None:
                return block
        start = behind  # never look in front of an END twice: the search stays linear whatever the text
    return None


def _line(text: bytes, at: int) -> tuple[bytes, int]:
    """The line at `at` without its end and trailing blanks, and where the next one starts."""
    newline = text.find(b"\n", at)
    if newline < 0:
        return text[at:].rstrip(_WHITE), len(text)
    return text[at:newline].removesuffix(b"\r").rstrip(_WHITE), newline + 1


def _block(text: bytes, begin: int, behind_end: int) -> tuple[Block, int] | None:
    """The block between a BEGIN at `begin` and the END whose type starts at `behind_end`; None when it is damaged."""
    end = behind_end - len(_END)
    title, at = _line(text, begin + len(_BEGIN))
    if not title.endswith(_DASHES) or at > end:
        return None
    kind = title[: -len(_DASHES)]
    headers: dict[bytes, bytes] = {}
    while at < end:
        line, following = _line(text, at)
        name, colon, value = line.partition(b":")
        if not colon:
            break
        headers[name.strip()] = value.strip()
        at = following
    closing, rest = _line(text, behind_end)
    if closing != kind + _DASHES or at > end:
        return None
    try:
        data = base64.decode(text[at:end].translate(None, _WHITE))
    except base64.Base64Error:
        return None
    return Block(kind, data, tuple(headers.items())), rest


def price(text: bytes) -> int:
    """Steps of looking for the blocks of a text: each line of a header is a turn of the interpreter."""
    return 1 + len(text) // 64 + text.count(b"\n")


def blocks(text: bytes) -> Iterator[Block]:
    """All whole blocks in order."""
    at = 0
    while (found := decode(text, at)) is not None:
        block, at = found
        yield block


def encode(kind: bytes, data: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    """64 columns, a newline at the end; headers sorted, `Proc-Type` first."""
    lines = [_BEGIN + kind + _DASHES]
    if headers:
        lines += [
            name + b": " + value
            for name, value in sorted(headers, key=lambda header: (header[0] != b"Proc-Type", header[0]))
        ]
        lines.append(b"")
    body = base64.encode(data)
    lines += [body[at : at + COLUMNS] for at in range(0, len(body), COLUMNS)]
    lines.append(_END + kind + _DASHES)
    return b"\n".join(lines) + b"\n"


def without_lead(text: bytes) -> bytes:
    """From the first `-----BEGIN` on."""
    return text[max(text.find(b"-----BEGIN"), 0) :]


@TABLE.function("filterPEM", params=(STRING, STRING), budget=True)
def filter_pem(budget: Budget, wanted: bytes, text: bytes) -> bytes:
    """The blocks of one type, re-encoded. Text that is left over matters only when there is none."""
    budget.spend(2 * price(text) + len(wanted) // 8)
    text = without_lead(text)
    kept: list[bytes] = []
    at = 0
    while (found := decode(text, at)) is not None:
        block, at = found
        budget.spend(1 + len(block.kind) // 8 + len(wanted) // 8)
        if (
            block.kind.decode("utf-8", "surrogateescape").casefold()
            == wanted.decode("utf-8", "surrogateescape").casefold()
        ):
            kept.append(encode(block.kind, block.data, block.headers))
    if not kept and at < len(text):
        raise FunctionError("error filtering pem: found junk")
    return b"".join(kept)
