"""`eso notify`: tells an operator that secrets have changed, as a step after a rotation.

Neighbours: `notify.verify` signs, `net.http` sends. The exit code says what happened, so that a pipeline can act on it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson

from eso.cli.terminal import complain, refusal, safe
from eso.errors import EsoError
from eso.net.http import Pool, Proxies, Reply, Timeouts, TlsError, TransportError, tls_context
from eso.notify.formats import MOST_CHANGES, Unreadable, read
from eso.notify.verify import signed

SECRET: Final = "ESO_NOTIFY_SECRET"
BEARER: Final = "ESO_NOTIFY_BEARER"
ACCEPTED, FAILED, USAGE, REFUSED, NOT_UNDERSTOOD, BUSY = range(6)
MOST_REPLY: Final = 64 << 10

EXAMPLES: Final = """examples:
  eso notify --url https://eso.example.com/v1/changes/shop/vault --secret-file key --key shop/db
      signs the event with the key that the ChangeSource `vault` in namespace `shop` knows.
  ESO_NOTIFY_SECRET=whsec_... eso notify --url ... --key shop/db --version 7 --key shop/smtp
      the same in a pipeline; objects that are pinned to another version stay as they are.
  eso notify --url ... --bearer-file token --prefix shop/
      everything below shop/ may have changed; the ChangeSource has `auth.bearer`.
  kubectl -n external-secrets-system port-forward service/external-secrets-events 8083 &
  eso notify --url http://127.0.0.1:8083/v1/changes/shop/vault --secret-file key --key shop/db

exit codes: 0 accepted and written down, 1 no answer or the operator failed, 2 the arguments are off,
3 refused: the credential is wrong, or no store of the ChangeSource may be used, 4 the event was not understood,
5 still too busy after the last try. After 1 and 5 the same command may be run again with the same --id.
"""


class BadArguments(EsoError):
    """Exit code 2."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, ready to be sent again. `secret` and `bearer`: at most one is set."""

    url: str
    told: str
    body: bytes
    secret: bytes = field(default=b"", repr=False)
    bearer: bytes = field(default=b"", repr=False)

    def headers(self, now: float) -> dict[str, str]:
        head = {"Content-Type": "application/json"}
        if self.bearer:
            return head | {"Authorization": f"Bearer {self.bearer.decode()}"}
        return head | signed(self.secret, self.told, int(now), self.body)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="eso notify",
        description="Tells an operator that secrets have changed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--url", required=True, help="https://HOST/v1/changes/NAMESPACE/NAME of the ChangeSource")
    made.add_argument("--key", action="append", default=[], help="remote key that has changed; may be repeated")
    made.add_argument("--prefix", action="append", default=[], help="all keys below have changed; may be repeated")
    made.add_argument("--version", default="", help="version that the keys have now")
    made.add_argument("--secret-file", metavar="FILE", help=f"key to sign with; or the variable {SECRET}")
    made.add_argument("--bearer-file", metavar="FILE", help=f"token to send instead; or the variable {BEARER}")
    made.add_argument("--id", default="", help="id of the event; an event of the same id is taken once")
    made.add_argument("--ca-file", metavar="FILE", help="authorities to trust in the place of the system's")
    made.add_argument("--timeout", type=float, default=15.0, metavar="SECONDS", help="for one try (default 15)")
    made.add_argument("--tries", type=int, default=4, metavar="N", help="how often it is sent at most (default 4)")
    return made


def main(argv: Sequence[str]) -> int:
    """Returns the exit code; errors go to standard error, with the fix."""
    arguments = parser().parse_args(argv)
    try:
        event = event_of(arguments, os.environ)
        return asyncio.run(sent(event, arguments))
    except BadArguments as error:
        return told(error, USAGE)
    except EsoError as error:
        return told(error, FAILED)


def told(error: EsoError, code: int) -> int:
    complain("eso notify", refusal(error))
    return code


def event_of(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Event:
    """Raises BadArguments."""
    secret = credential(arguments.secret_file, environ.get(SECRET, "") if not arguments.bearer_file else "")
    bearer = credential(arguments.bearer_file, environ.get(BEARER, "") if not secret else "")
    if bool(secret) == bool(bearer):
        raise BadArguments("one credential is needed", fix=f"give --secret-file or --bearer-file, or {SECRET}")
    try:
        url = urlsplit(arguments.url)
        url.port  # noqa: B018  # read for its check
    except ValueError:  # half a bracket, or a port that is none
        raise BadArguments("--url is no address", fix="https://HOST/v1/changes/NAMESPACE/NAME") from None
    if url.scheme not in ("http", "https") or not url.hostname or not url.path.startswith("/v1/changes/"):
        raise BadArguments("--url is no address of a ChangeSource", fix="https://HOST/v1/changes/NAMESPACE/NAME")
    if bearer and url.scheme == "http" and url.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise BadArguments("a token may not travel unencrypted", fix="use https, or sign with --secret-file")
    if not all(32 <= byte < 127 for byte in bearer):
        raise BadArguments("the token must be one line of printable ASCII", fix="give the token alone, without quotes")
    if not arguments.key and not arguments.prefix:
        raise BadArguments("nothing has changed", fix="give --key or --prefix")
    if arguments.tries < 1 or not 0 < arguments.timeout <= 600:
        raise BadArguments("--tries or --timeout is out of range", fix="for example --tries=4 --timeout=15")
    version = {"version": arguments.version} if arguments.version else {}
    body: dict[str, object] = {"keys": [{"key": key} | version for key in arguments.key]}
    if arguments.prefix:
        body["prefixes"] = arguments.prefix
    content = orjson.dumps(body)
    try:
        read({}, content)
    except Unreadable as error:
        raise BadArguments(str(error), fix=f"at most {MOST_CHANGES} keys that can be shown") from None
    return Event(arguments.url, arguments.id or f"evt_{uuid.uuid4().hex}", content, secret, bearer)


def credential(file: str | None, variable: str) -> bytes:
    """Raises BadArguments."""
    if file is None:
        return variable.strip().encode()
    try:
        found = Path(file).read_bytes().strip()
    except OSError as error:
        raise BadArguments(f"cannot read {file}: {error.strerror}") from None
    if not found:
        raise BadArguments(f"{file} is empty")
    return found


async def sent(event: Event, arguments: argparse.Namespace) -> int:
    """Sends until there is an answer that another try could not change. Raises BadArguments, or EsoError without any
    answer."""
    try:
        tls = tls_context(ca_file=arguments.ca_file) if event.url.startswith("https") else None
    except TlsError as error:
        raise BadArguments(f"--ca-file: {error}", fix=error.fix) from None
    pool = Pool(tls=tls, proxies=Proxies.from_environ(os.environ))
    try:
        for tried in range(1, arguments.tries + 1):
            last = tried == arguments.tries
            try:
                reply = await pool.request(
                    "POST",
                    event.url,
                    headers=event.headers(time.time()),
                    body=event.body,
                    timeouts=Timeouts(total=arguments.timeout),
                    max_body=MOST_REPLY,
                )
            except TransportError:
                if last:
                    raise
            else:
                if last or reply.status not in (429, 500, 502, 503, 504):
                    return outcome(reply)
            await asyncio.sleep(min(8.0, 2.0 ** (tried - 1)))
    finally:
        await pool.close()
    raise AssertionError("the last try returns or raises")


def outcome(reply: Reply) -> int:
    """Tells what happened; returns the exit code."""
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        body = {}
    body = body if isinstance(body, dict) else {}
    if reply.status in (200, 202):
        parts = [f"{body[name]} {name}" for name in ("keys", "objects") if isinstance(body.get(name), int)]
        print(safe(f"{body.get('outcome', 'accepted')}"[:200] + (f": {', '.join(parts)}" if parts else "")))
        return ACCEPTED
    reason = body.get("error") or body.get("outcome") or "no reason given"
    complain("eso notify", f"refused with status {reply.status}: {str(reason)[:200]}")
    match reply.status:
        case 401 | 403:
            return REFUSED
        case 429 | 503:
            return BUSY
        case status if 400 <= status < 500:
            return NOT_UNDERSTOOD
        case _:
            return FAILED
