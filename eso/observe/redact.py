"""Takes secret values out of texts, and tells where an exception came from without what it carried.

Neighbours: log.py sends every line through here; whoever must show a backend's own words to a user does too. This is the second line of
defence: the first is that no value gets into a text.
"""

from __future__ import annotations

import base64
import json
import re
import traceback
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from eso.secretbytes import SecretBytes

MASK: Final = "***"

# All patterns hold for plain text and for text inside a JSON string: a value ends before a quote, a backslash only comes with its pair.
_TOKEN: Final = r"[A-Za-z0-9_.~+/=:-]"
_PATTERNS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # a private key, cut off or not
        (r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)(?:[^\"\\]|\\.)*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|(?=\")|\Z)", rf"\1{MASK}\2"),
        # scheme://user:password@host
        (r"([a-z][a-z0-9+.-]*://)[^\s/@\"\\?#]*@", rf"\1{MASK}@"),
        # Authorization: Bearer …, also as a header map printed by Python or JSON
        (
            rf"((?:proxy-)?authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:\[\\?[\"']?)?)(?:(basic|bearer|negotiate|token|digest|aws4-hmac-sha256)\s+)?(?!\s)[^\"'\\\r\n,;]+",
            rf"\1{MASK}",
        ),
        (rf"\b(bearer|basic)\s+{_TOKEN}{{8,}}", rf"\1 {MASK}"),
        # X-Vault-Token: …, client_secret=…, "password": "…"
        (
            r"(\b(?:x-[a-z0-9-]*(?:token|secret|key|signature|credential)|x-amz-security-token|(?:access|auth|client|id|refresh|session|security)[_-]?token"
            r"|client[_-]?(?:secret|key)|secret[_-]?(?:id|key|access[_-]?key)|(?:secret)?access[_-]?key|api[_-]?key|private[_-]?key"
            r"|passw(?:or)?d|passphrase|token|sig|signature|jwt|set-cookie|cookie)"
            r"\\?[\"']?\s*[:=]\s*\\?[\"']?(?:\[\\?[\"']?)?)(?!\s)[^\s\"'\\,;&}\]]+",
            rf"\1{MASK}",
        ),
        # tokens that say what they are: Vault and OpenBao, JWT, GitHub, GitLab, Slack, AWS access keys
        (r"\b(?:hv[sbr]|s|b)\.[A-Za-z0-9_-]{20,}", MASK),
        (r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?", MASK),
        (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{10,}", MASK),
    )
)
# Nothing above can match without one of these: most lines are done after one look.
_HINT: Final = re.compile(
    r"private key|://|authorization|bearer|basic|token|secret|key|passw|passphrase|sig|jwt|cookie|x-[a-z]|hv[sbr]\.|\b[sb]\.|eyJ|gh[pousr]_|github_pat_|glpat-|xox",
    re.IGNORECASE,
)

Planted = str | bytes | SecretBytes


def scrub(text: str, values: Iterable[Planted] = ()) -> str:
    """`text` without credentials that can be recognised, and without `values` in any common spelling (base64, URL, JSON). Never raises."""
    for spelling in _spellings(values):
        text = text.replace(spelling, MASK)
    if _HINT.search(text):
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
    return text


def stack(error: BaseException) -> str:
    """The type and the frames of `error` and of what caused it, innermost last. No message, no source line, no variable."""
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
    return traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False, capture_locals=False)


def _spellings(values: Iterable[Planted]) -> list[str]:
    """Every form of every value, longest first so that no value is hidden by a part of it."""
    found: set[str] = set()
    for value in values:
        raw = value.reveal() if isinstance(value, SecretBytes) else value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        if not raw:
            continue
        text = raw.decode("utf-8", "replace")
        encoded = (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode())
        found.update((text, quote(raw, safe=""), quote(raw), json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], raw.hex(), repr(raw)[2:-1]))
        found.update(encoded)
        found.update(form.rstrip("=") for form in encoded)
    return sorted(found, key=len, reverse=True)
