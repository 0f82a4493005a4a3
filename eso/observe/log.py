"""One JSON object per line on stderr, as operators know it: level, ts, logger, msg, then free fields. Never a value.

Neighbours: lifecycle.py calls `configure` once; every other part is handed a logger. redact.py sees every line last.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import MutableMapping
from datetime import UTC, datetime
from time import time_ns
from typing import Any, Final, Protocol

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

from eso.errors import EsoError
from eso.observe import redact
from eso.observe.echo import closed

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "dpanic": logging.CRITICAL,
    "panic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}
_NAMES: Final = {"warning": "warn", "critical": "fatal", "exception": "error"}
_OPTIONS: Final = (
    orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_UTC_Z
)
PLACE: Final = re.compile(r"%(?:\([^)]{0,60}\))?[-+ #0-9.*]{0,8}[a-zA-Z]")  # of an argument of a library's text
_SECRET_FIELDS: Final = frozenset(
    (
        "password",
        "passphrase",
        "token",
        "secret_id",
        "secretid",
        "client_secret",
        "clientsecret",
        "private_key",
        "privatekey",
        "authorization",
        "jwt",
        "value",
    )
)


class Log(Protocol):
    """What every part of the process is given to log with: a message and fields. `get` makes one for a name."""

    def debug(self, event: str, **fields: Any) -> Any: ...
    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...
    def error(self, event: str, **fields: Any) -> Any: ...


class _Silent:
    def debug(self, event: str, **fields: Any) -> None: ...
    def info(self, event: str, **fields: Any) -> None: ...
    def warning(self, event: str, **fields: Any) -> None: ...
    def error(self, event: str, **fields: Any) -> None: ...


SILENT: Final[Log] = _Silent()  # for parts that are built without a log


class Stream(Protocol):
    def write(self, data: bytes, /) -> Any: ...
    def flush(self) -> Any: ...


class _Out:
    """Where lines go. Loggers keep this object for ever; `configure` only changes what is behind it."""

    def __init__(self) -> None:
        self.target: Stream | None = None

    def write(self, data: bytes) -> None:
        (self.target or sys.stderr.buffer).write(data)

    def flush(self) -> None:
        (self.target or sys.stderr.buffer).flush()


_OUT: Final = _Out()


def configure(level: str = "info", time_encoding: str = "epoch", stream: Stream | None = None) -> None:
    """Set up logging for the process: our own loggers, the libraries' loggers, and uncaught exceptions.

    `level` and `time_encoding` are the values of --loglevel and --zap-time-encoding; `stream` takes bytes, stderr if
    None. Raises KeyError for a level that does not exist.
    """
    _OUT.target = stream
    stamp = _Stamp(time_encoding)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, stamp, render],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(file=_OUT),  # type: ignore[arg-type]  # it only writes and flushes
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Bridge)]:
        root.removeHandler(handler)
    root.addHandler(_Bridge(logging.WARNING))  # whatever level a library gives to a logger of its own
    root.setLevel(max(logging.WARNING, LEVELS[level]))
    warnings.showwarning = _warned
    sys.excepthook = lambda kind, error, trace: (
        None if issubclass(kind, KeyboardInterrupt) else _uncaught(error.with_traceback(trace))
    )
    threading.excepthook = lambda args: _uncaught(args.exc_value)
    sys.unraisablehook = lambda args: _uncaught(args.exc_value)


def get(name: str, **fields: Any) -> FilteringBoundLogger:
    """A logger called `name` (dotted, as in the reference: `controllers.ExternalSecret`, `provider.vault`)."""
    logger: FilteringBoundLogger = structlog.get_logger(logger_name=name, **fields)
    return logger


class _Stamp:
    """Puts `ts` on the line, in zap's spelling of the time."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["ts"] = timestamp(time_ns(), self._encoding)
        return event


def timestamp(nanos: int, encoding: str) -> float | int | str:
    """`nanos` since 1970 as --zap-time-encoding says, in either case; anything unknown is epoch."""
    match encoding.lower():
        case "millis":
            return nanos / 1e6
        case "nano":
            return nanos
        case "iso8601":
            return f"{_utc(nanos)}.{nanos // 1_000_000 % 1000:03d}Z"
        case "rfc3339":
            return f"{_utc(nanos)}Z"
        case "rfc3339nano":
            fraction = f"{nanos % 1_000_000_000:09d}".rstrip("0")
            return f"{_utc(nanos)}.{fraction}Z" if fraction else f"{_utc(nanos)}Z"
        case _:
            return nanos / 1e9


def _utc(nanos: int) -> str:
    return datetime.fromtimestamp(nanos // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def render(logger: Any, method: str, event: MutableMapping[str, Any]) -> bytes:
    """Event dict → one line of JSON, scrubbed. Last processor."""
    name = event.pop("logger_name", None)
    line: dict[str, Any] = {"level": _NAMES.get(method, method), "ts": event.pop("ts", None)}
    if name:
        line["logger"] = name
    line["msg"] = event.pop("event", "")
    caught = event.pop("exc_info", None)
    for key, value in event.items():
        line[key] = redact.MASK if key.lower() in _SECRET_FIELDS else value
    if caught:
        error = (
            caught
            if isinstance(caught, BaseException)
            else caught[1]
            if isinstance(caught, tuple)
            else sys.exc_info()[1]
        )
        if error is not None:
            line.setdefault("error", _text(error))
            line["stacktrace"] = redact.stack(error)
    return redact.scrub(_json(line)).encode()


def _json(line: dict[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=_plain, option=_OPTIONS).decode()
    except TypeError:  # half a surrogate pair, an integer beyond 64 bits: rare, and a log call must not raise
        return json.dumps(line, default=_plain, skipkeys=True)


def _text(error: BaseException) -> str:
    """Our own errors promise to hold no value; of all others only the type is told."""
    return str(error) if isinstance(error, EsoError) else type(error).__name__


def _plain(value: Any) -> Any:
    """What JSON does not know. Contents are shown only where they cannot be a secret."""
    match value:
        case BaseException():
            return _text(value)
        case bytes() | bytearray() | memoryview():
            return redact.MASK
        case str():
            return str.__str__(value)
        case dict():
            return dict(value)
        case set() | frozenset():
            return sorted(map(str, value))
        case tuple() | list():
            return list(value)
        case int() | float():
            return value + 0
    return f"<{type(value).__name__}>"


class _Bridge(logging.Handler):
    """The libraries' own log lines, in our form."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.is_finalizing():
            return  # at exit: nothing can be imported any more
        # What a library puts into its text may be anything, and the event loop prints the exception of a forgotten
        # task, message and all, below the first line: only known words are told, and where they were said.
        text = closed(PLACE.sub(redact.MASK, str(record.msg).split("\n", 1)[0]))
        at = f"{record.module}:{record.lineno}"
        method = (
            "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= logging.WARNING else "info"
        )
        caught = {"exc_info": record.exc_info} if record.exc_info else {}
        getattr(get(record.name), method)(text, at=at, **caught)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """A library's warning: its text may be anything, and Python would print the source line below it."""
    get("warnings").warning(category.__name__, at=f"{filename}:{lineno}")


def _uncaught(error: BaseException | None) -> None:
    """The crash report. Written without detours: a hook that fails would make the interpreter print the exception
    itself."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:  # the group's own stack only shows the wait for its tasks
            _uncaught(one)
    elif error is not None:
        event = {
            "logger_name": "setup",
            "event": "uncaught exception",
            "ts": time_ns() / 1e9,
            "error": _text(error),
            "stacktrace": redact.stack(error),
        }
        _OUT.write(render(None, "critical", event) + b"\n")
        _OUT.flush()
