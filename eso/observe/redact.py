"""Takes secret values out of texts, and tells where an exception came from without its text.

Neighbours: log.py sends every line through here; so does every part that shows a backend's own words to a user. This is
the second line of defence: the first is that no value gets into a text.
"""

from __future__ import annotations

import base64
import json
import re
import traceback
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

import re2  # type: ignore[import-untyped,unused-ignore]  # the package ships no type information

from eso.secretbytes import SecretBytes

MASK: Final = "***"

# All patterns hold for plain text and for text inside a JSON string: a value ends before a quote, a backslash only
# comes with its pair.
# What may repeat in front of the decisive part is bounded: otherwise a long text from outside could cost the square of
# its length.
_QUOTE: Final = r"\\*[\"']"  # at any depth of JSON in JSON
_NAMES: Final = (
    r"x-[a-z0-9-]{0,60}(?:token|secret|key|signature|credential)"
    r"|(?:access|auth|client|id|refresh|session|security)[_-]?token|client[_-]?(?:secret|key)"
    r"|secret[_-]?(?:id|key|access[_-]?key)|access[_-]?key|api[_-]?key|private[_-]?key"
    r"|passw(?:or)?d|passphrase|token|sig|signature|jwt|(?:set-)?cookie"
)
_PATTERNS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # a private key, cut off or not
        (
            r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)(?:[^\"\\]|\\.)*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|(?=\")|\Z)",
            rf"\1{MASK}\2",
        ),
        # scheme://user:password@host
        (r"([a-z][a-z0-9+.-]{0,30}://)[^\s/\"\\?#]*@", rf"\1{MASK}@"),
        # Authorization: Bearer …, also in a header map as Python or JSON print it
        (
            rf"(authorization(?:{_QUOTE})?\s*[:=]\s*\[?(?:{_QUOTE})?)"
            r"(?:(?:basic|bearer|negotiate|token|digest)\s+|aws4-hmac-sha256\s[^\"\\\n]*)?[^\s\"'\\,;]*",
            rf"\1{MASK}",
        ),
        (
            r"\b(bearer|basic)\s+(?=[A-Za-z_.~+/-]{0,100}(?:[0-9=]|(?-i:[a-z][A-Z])))[A-Za-z0-9_.~+/=-]{8,}",
            rf"\1 {MASK}",
        ),
        # client_secret=…, "password": "…", X-Vault-Token: …; in prose a colon proves little, so there the value must
        # look like one
        (rf"(\b(?:{_NAMES})(?:{_QUOTE}\s*[:=]|=)\s*\[?(?:{_QUOTE})?)[^\s\"'\\,;&}}\]]+", rf"\1{MASK}"),
        (r"(\bx-[a-z0-9-]{0,60}(?:token|secret|key|signature|credential):\s*)[^\s\"'\\,;&}\]]+", rf"\1{MASK}"),
        (rf"(\b(?:{_NAMES}):\s*)(?=[^\s\"'\\,;&}}\]]{{0,100}}[0-9])[^\s\"'\\,;&}}\]]{{6,}}", rf"\1{MASK}"),
        # tokens that say what they are: Vault and OpenBao, JWT, GitHub, GitLab, Slack
        (r"\b(?:hv[sbr]|s|b)\.[A-Za-z0-9_-]{20,}", MASK),
        (r"\beyJ[A-Za-z0-9_-]{5,1000}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?", MASK),
        (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{10,}", MASK),
    )
)
# One linear pass that says whether any of the patterns could match: nearly all lines are done after it.
_HINT: Final = re2.compile(
    r"(?i)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|://[^\s/\"\\?#]*@|authorization(?:\\*[\"'])?\s*[:=]"
    r"|\b(?:bearer|basic)\s|\bx-[a-z0-9-]+:"
    rf"|\b(?:{_NAMES})(?:\\*[\"']\s*)?[:=]|\b(?:hv[sbr]|s|b)\.[A-Za-z0-9_-]{{20}}|\beyJ[A-Za-z0-9_-]{{5}}"
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-)"
)

Planted = str | bytes | SecretBytes


def scrub(text: str, values: Iterable[Planted] = ()) -> str:
    """`text` without credentials that can be recognised, and without `values` in any common spelling (base64, URL,
    JSON). Never raises."""
    text = without(text, values)
    if _suspicious(text):
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
    return text


def without(text: str, values: Iterable[Planted]) -> str:
    """`text` without `values` in any common spelling; everything else stays as it is. Never raises."""
    # A character has four bytes at most, and no spelling is shorter: what is longer is not in it, and spelling a
    # megabyte takes half a second.
    for spelling in _spellings(value for value in values if len(value) <= 4 * len(text)):
        text = text.replace(spelling, MASK)
    return text


def _suspicious(text: str) -> bool:
    try:
        return _HINT.search(text) is not None
    except UnicodeEncodeError:  # half a surrogate pair: try every pattern
        return True


def stack(error: BaseException) -> str:
    """The type and the frames of `error` and of its causes, innermost last. No message, no source line, no
    variable."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = "".join(f"\n\t{frame.filename}:{frame.lineno} {frame.name}" for frame in _frames(current))
        parts.append(f"{type(current).__module__}.{type(current).__qualname__}{frames}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\ncaused by ".join(parts)


def _frames(error: BaseException) -> traceback.StackSummary:
    return traceback.StackSummary.extract(
        traceback.walk_tb(error.__traceback__), lookup_lines=False, capture_locals=False
    )


def _spellings(values: Iterable[Planted]) -> list[str]:
    """Every form of every value, longest first so that no value is hidden by a part of it."""
    found: set[str] = set()
    for value in values:
        raw = (
            value.reveal()
            if isinstance(value, SecretBytes)
            else value.encode("utf-8", "surrogatepass")
            if isinstance(value, str)
            else value
        )
        if not raw:
            continue
        text = raw.decode("utf-8", "replace")
        encoded = (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode())
        found.update(
            (
                text,
                quote(raw, safe=""),
                quote(raw),
                json.dumps(text)[1:-1],
                json.dumps(text, ensure_ascii=False)[1:-1],
                raw.hex(),
                repr(raw)[2:-1],
            )
        )
        found.update(encoded)
        found.update(form.rstrip("=") for form in encoded)
    return sorted(found, key=len, reverse=True)
