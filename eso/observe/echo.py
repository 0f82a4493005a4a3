"""Does a text from outside repeat what was sent? Whole values are masked; a text that still shares a part with one, in
any common spelling, is not shown at all.

Neighbours: whoever shows the words of an API server, a webhook or a backend asks here. Templates do not: their messages
are built from the author's own literals.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

import re2  # type: ignore[import-untyped,unused-ignore]  # the package ships no type information

from eso.observe.redact import MASK, without

LEAST: Final = 6  # bytes of a value, and characters of a part, that tell something
MOST: Final = 8 << 10  # bytes of values that are looked through, 20 ms at most; a text beside more is not shown
BYTES: Final = re2.Options()  # a part may end inside of a letter
BYTES.encoding = re2.Options.Encoding.LATIN1
BYTES.log_errors = False
# Words of refusals: a value may hold one by chance, and tells nothing by it.
WORDS: Final = """
    access accessed account admission allowed already alphanumeric and annotation annotations api apps are because been
    before being belongs body bytes cannot case certificate changed characters client cluster code config configmap
    configuration configured consist constraint contain contains controller create created credential credentials data
    database default delete deleted denied deployment does domain duplicate either empty end environment error exceed
    exceeded exist exists expected expired external externalsecret failed failure field fields file finalizers for
    forbidden format found from group has have header host http https immutable integer internal invalid key keys kind
    kubernetes label labels least length letters limit limited line login long longer lower lowercase match matches
    maximum message metadata method minimum missing more most must name names namespace namespaces not null number
    object only operation owner parameter parse part password path pattern permission permissions policy port prefix
    private production project property provided public quota read refused regex regexp registry region repository
    request requested required requires reserved resource resources response role rules rule scope secret secrets
    server service serviceaccount should spec staging start status store string subdomain suffix supported tenant test
    than that the this time token too type unable unauthorized unknown unsupported update url used user username valid
    validating validation value values version vault webhook when which with without write
"""
VOCABULARY: Final = frozenset(WORDS.split())
WORD: Final = re.compile(r"[A-Za-z]+")
CUT: Final = 1 << 10  # characters of a text that are kept


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


def _parts(text: str) -> set[bytes]:
    """Every run of LEAST bytes of `text`, in lower case, outside of what is masked and of words that are known."""
    found: set[bytes] = set()
    bare = WORD.sub(lambda word: MASK if word[0].lower() in VOCABULARY else word[0], text)
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
