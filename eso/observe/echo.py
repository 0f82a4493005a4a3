"""What of a text from outside may be shown. `told`: whole values are masked; a text that still shares a part with one,
in any common spelling, is not shown at all. `closed`: every word is masked that is not in a fixed vocabulary, whatever
was sent.

Neighbours: everything that shows the words of an API server, a webhook or a backend asks here; vocabulary.py has the
words. Templates do not ask: their messages are built from the author's own literals.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import quote

import re2  # type: ignore[import-untyped,unused-ignore]  # the package ships no type information

from eso.observe.redact import MASK, without
from eso.observe.vocabulary import COMMON, NUMBERS, PHRASES, VOCABULARY

LEAST: Final = 6  # bytes of a value, and characters of a part, that tell something
MOST: Final = 8 << 10  # bytes of values that are looked through, 20 ms at most; a text beside more is not shown
BYTES: Final = re2.Options()  # a part may end inside of a letter
BYTES.encoding = re2.Options.Encoding.LATIN1
BYTES.log_errors = False
WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
CUT: Final = 1 << 10  # characters of a text that are kept
PIECE: Final = re.compile(r"\*{3}|[^\W_]+(?:'(?:t|s|re|ve|ll)\b)?|[^\S ]+|  +|[^\w\s*]+|[*]|_")
NAMED: Final = re.compile(r"[^\W_]{3,}")
MOST_NAMED: Final = 32 << 10  # characters of names whose words are known
LONGEST_NAME: Final = 4 << 10
CHUNK: Final = re.compile(r"\w(?:[\w./-]*\w)?")  # a name as Kubernetes writes it
MEMBER: Final = re.compile(r"[A-Z]?[a-z]{2,}")
JOINED: Final = re.compile(r"[./_-]+")
MARKS: Final = frozenset(" .,:;'\"()[]{}/-_*=<>`")
# Masks and numbers side by side become one mask: digit by digit could spell a value.
MASKS: Final = re.compile(
    r"(?:\*{3}|\b[0-9]+\b)(?:[^\w*\[]{0,3}(?:\*{3}|\b[0-9]+\b))+|\b[0-9]+\b(?:[^\w*]{0,3}\b[0-9]+\b)+"
)
QUOTES: Final = frozenset("\"'[](){}`/.:")
# What the cluster's own API server puts around the names of its objects; what follows is the words of others.
HEADS: Final = re.compile(
    r"""\A(?P<front>(?:failed to [a-z]{1,10} target resource: )?"""
    r"""(?:[\w.-]{1,253}(?: "[^"]{0,253}")? is forbidden: )?)(?P<head>"""
    r"""admission webhook "[a-z0-9.-]{1,253}" denied the request"""
    r"""|Internal error occurred: failed calling webhook "[a-z0-9.-]{1,253}":"""
    r"""|ValidatingAdmissionPolicy '[a-z0-9.-]{1,253}' with binding '[a-z0-9.-]{1,253}' denied request"""
    r"""|exceeded quota: [a-z0-9.-]{1,253}, requested: [a-z0-9.,/=-]{1,200}, used: [a-z0-9.,/=-]{1,200},"""
    r""" limited: [a-z0-9.,/=-]{1,200}"""
    r"""|User "(?P<user>[\w:.@/-]{1,253})" cannot [a-z]{1,20} resource)"""
)


def told(text: str, sent: Iterable[bytes], *, trusted: bool = False) -> str | None:
    """`text` without the values that were sent; None where a part of one, written backwards, in base64, base32 or hex,
    in other case or cut, may still be in it. `trusted`: the text is made of phrases that are known, so it is shown
    beside more values than are looked through."""
    values = [value for value in dict.fromkeys(sent) if len(value) >= LEAST]
    shown = without(text[:CUT], values)
    if not values:
        return shown
    if sum(map(len, values)) > MOST:
        return shown if trusted else None
    parts = _parts(shown)
    if not parts:
        return shown
    pattern = re2.compile(b"|".join(re2.escape(part) for part in sorted(parts)), BYTES)
    return None if pattern.search(b"\0".join(form for value in values for form in _forms(value))) else shown


def closed(text: str, names: Iterable[str] = (), *, own: bool = False) -> str:
    """`text` with a mask for each word that is neither in the vocabulary nor one of `names`, which the reader knows
    anyway. Nothing that was fetched or sent gets through, in no spelling. `own`: the text is that of the cluster's own
    API server, which names its users, policies and quotas."""
    known = names if isinstance(names, frozenset | set) else frozenset(names)
    words = _words_in(known)
    text, head = text[:CUT], ""
    found = HEADS.match(text)
    if found is not None and (own or found["user"] in known):
        head, text = _words(found["front"], known, words) + found["head"], text[found.end() :]
    return head + _words(text, known, words)


def _words_in(names: Iterable[str]) -> frozenset[str]:
    """The words of names, as far as looking for them holds nobody up."""
    words: set[str] = set()
    left = MOST_NAMED
    for name in names:
        if len(name) > LONGEST_NAME:
            continue
        left -= len(name) + 1
        if left < 0:
            break
        words.update(word.lower() for word in NAMED.findall(name))
    return frozenset(words)


def _words(text: str, known: Collection[str], words: Collection[str]) -> str:
    shown: list[str] = []
    at = 0
    while at < len(text):
        phrase = next((one for one in PHRASES if text.startswith(one, at)), None)
        chunk = CHUNK.match(text, at)
        if phrase is not None:
            shown.append(phrase)
            at += len(phrase)
        elif chunk is not None and chunk[0] in known and _is_name(text, chunk):
            shown.append(chunk[0])
            at = chunk.end()
        elif chunk is not None and JOINED.search(chunk[0]):
            shown.append(_chunk(chunk[0], known, words))
            at = chunk.end()
        else:
            piece = PIECE.match(text, at)
            end = piece.end() if piece is not None else at + 1
            shown.append(_piece(text[at:end], words))
            at = end
    return MASKS.sub(MASK, "".join(shown))


def _chunk(chunk: str, known: Collection[str], words: Collection[str]) -> str:
    """Words that are joined stand or fall together: some of a value's may be in the vocabulary."""
    parts = [part for part in JOINED.split(chunk) if part]
    return chunk if all(part in known or _piece(part, words) == part for part in parts) else MASK


def _is_name(text: str, chunk: re.Match[str]) -> bool:
    """A single letter is a name only where it is marked as one: letters with blanks between them could spell one
    that nobody may see."""
    if len(chunk[0]) > 1:
        return True
    before, after = text[chunk.start() - 1 : chunk.start()], text[chunk.end() : chunk.end() + 1]
    return before in QUOTES and after in QUOTES and before != "" != after


def _piece(piece: str, words: Collection[str]) -> str:
    if piece.isspace():
        return " "
    if not any(letter.isalnum() for letter in piece):
        return piece if len(piece) <= 3 and MARKS.issuperset(piece) else MASK
    lower = piece.lower().partition("'")[0]
    if lower in VOCABULARY or lower in NUMBERS or lower in words:
        return piece
    parts = MEMBER.findall(piece)  # `secretKeys`: a member that is made of known words
    known = len(parts) > 1 and "".join(parts) == piece and all(part.lower() in VOCABULARY for part in parts)
    return piece if known else MASK


def _parts(text: str) -> set[bytes]:
    """Every run of LEAST bytes of `text`, in lower case, outside of what is masked and of words that are known."""
    found: set[bytes] = set()
    bare = WORD.sub(lambda word: MASK if word[0].lower() in COMMON else word[0], text)
    for piece in bare.split(MASK):
        raw = piece.encode("utf-8", "replace").lower()
        found.update(raw[at : at + LEAST] for at in range(len(raw) - LEAST + 1))
    return found


def _forms(value: bytes) -> Iterable[bytes]:
    """The value as it could be written, forwards and backwards, in lower case. Base64 and base32 of a part depend on
    where it begins, so there is one form for each place."""
    for raw in (value, value[::-1]):
        text = raw.decode("utf-8", "replace")
        yield text.encode().lower()
        yield json.dumps(text).encode().lower()
        yield html.escape(text).encode().lower()
        yield html.escape(text).encode().lower().replace(b"&#x27;", b"&#39;").replace(b"&quot;", b"&#34;")
        yield quote(raw, safe="").encode().lower()
        spelt = raw.hex(" ")
        yield from (form.encode() for form in (raw.hex(), spelt, spelt.replace(" ", ":"), spelt.replace(" ", "%")))
        yield "\\u00".join(spelt.split()).encode()
        yield ";&#x".join(spelt.split()).encode()
        yield ";&#".join(map(str, raw)).encode()
        for shift in range(3):
            plain = base64.b64encode(bytes(shift) + raw).lower()
            yield plain
            if b"+" in plain or b"/" in plain:
                yield plain.translate(_URL_SAFE)
        for shift in range(5):
            yield base64.b32encode(bytes(shift) + raw).lower()


_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
