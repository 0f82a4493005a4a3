"""Log lines: the shape that operators parse, and canaries that must not be in it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import subprocess
import sys
import warnings
from datetime import UTC, datetime

import msgspec
import orjson
import pytest

from eso.errors import EsoError
from eso.observe import log
from eso.runtime.outcome import Lane
from eso.secretbytes import SecretBytes
from tests.fakes.logs import Captured, restored

CANARY = "Pl4nted0Canary7f3aQwErTy"
NANOS = 1_704_110_400_123_456_000  # 2024-01-01T12:00:00.123456Z


@pytest.fixture(autouse=True)
def hooks():
    with restored():
        yield


def test_a_line_has_the_known_keys_first_and_nested_references():
    captured = Captured()
    log.get("controllers.ExternalSecret").info("reconciled secret", ExternalSecret={"name": "x", "namespace": "y"})
    (line,) = captured.lines()
    assert list(line) == ["level", "ts", "logger", "msg", "ExternalSecret"]
    assert line | {"ts": 0} == {
        "level": "info",
        "ts": 0,
        "logger": "controllers.ExternalSecret",
        "msg": "reconciled secret",
        "ExternalSecret": {"name": "x", "namespace": "y"},
    }
    assert captured.out.getvalue().endswith(b"}\n")


def test_bound_fields_come_along():
    captured = Captured()
    log.get("provider.vault", region="eu").bind(store="main").info("logged in", ttl=3)
    (line,) = captured.lines()
    assert (line["region"], line["store"], line["ttl"]) == ("eu", "main", 3)


@pytest.mark.parametrize(
    ("method", "level"),
    [
        ("debug", "debug"),
        ("info", "info"),
        ("warning", "warn"),
        ("warn", "warn"),
        ("error", "error"),
        ("exception", "error"),
        ("critical", "fatal"),
        ("fatal", "fatal"),
    ],
)
def test_levels_have_the_names_that_operators_filter_by(method, level):
    captured = Captured("debug")
    getattr(log.get("x"), method)("said")
    assert [line["level"] for line in captured.lines()] == [level]


@pytest.mark.parametrize(
    ("level", "said"),
    [
        pytest.param("debug", ["d", "i", "w", "e"], id="debug says all"),
        pytest.param("info", ["i", "w", "e"], id="info hides debug"),
        pytest.param("warn", ["w", "e"], id="warn hides info"),
        pytest.param("error", ["e"], id="error hides warnings"),
        pytest.param("panic", [], id="panic hides errors"),
    ],
)
def test_loglevel_filters(level, said):
    captured = Captured(level)
    logger = log.get("x")
    for name in ("debug", "info", "warning", "error"):
        getattr(logger, name)(name[0])
    assert [line["msg"] for line in captured.lines()] == said


def test_an_unknown_level_is_refused():
    with pytest.raises(KeyError):
        log.configure("loud")


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        pytest.param("epoch", 1704110400.123456, id="seconds"),
        pytest.param("millis", 1704110400123.456, id="milliseconds"),
        pytest.param("nano", NANOS, id="nanoseconds"),
        pytest.param("iso8601", "2024-01-01T12:00:00.123Z", id="ISO 8601 with milliseconds"),
        pytest.param("ISO8601", "2024-01-01T12:00:00.123Z", id="the same in capitals"),
        pytest.param("rfc3339", "2024-01-01T12:00:00Z", id="RFC 3339"),
        pytest.param("rfc3339nano", "2024-01-01T12:00:00.123456Z", id="RFC 3339 without trailing zeros"),
    ],
)
def test_time_is_spelled_as_asked(encoding, expected):
    assert log.timestamp(NANOS, encoding) == expected


def test_a_whole_second_has_no_fraction():
    assert log.timestamp(NANOS // 10**9 * 10**9, "rfc3339nano") == "2024-01-01T12:00:00Z"


def test_the_encoding_reaches_the_line():
    captured = Captured(encoding="rfc3339")
    log.get("x").info("said")
    assert datetime.fromisoformat(captured.lines()[0]["ts"]).tzinfo == UTC


@dataclasses.dataclass
class Plain:
    value: str = CANARY


class Record(msgspec.Struct):
    value: str = CANARY


class Talkative:
    def __repr__(self):
        return CANARY

    __str__ = __repr__


class Text(str):
    pass


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(SecretBytes(CANARY.encode()), "<SecretBytes>", id="SecretBytes"),
        pytest.param(CANARY.encode(), "***", id="bytes"),
        pytest.param(bytearray(CANARY.encode()), "***", id="a bytearray"),
        pytest.param({"tls.key": CANARY.encode()}, {"tls.key": "***"}, id="bytes in a map"),
        pytest.param([SecretBytes(CANARY.encode())], ["<SecretBytes>"], id="SecretBytes in a list"),
        pytest.param(Plain(), "<Plain>", id="a dataclass"),
        pytest.param(Record(), "<Record>", id="a Struct"),
        pytest.param(Talkative(), "<Talkative>", id="an object that prints itself"),
        pytest.param(ValueError(CANARY), "ValueError", id="an error of somebody else"),
        pytest.param(f"https://u:{CANARY}@vault", "https://***@vault", id="an address with a credential"),
        pytest.param({"headers": {"X-Vault-Token": CANARY}}, {"headers": {"X-Vault-Token": "***"}}, id="headers"),
    ],
)
def test_a_value_in_a_field_does_not_get_into_the_line(value, shown):
    captured = Captured()
    log.get("x").info("said", field=value)
    assert CANARY not in captured.out.getvalue().decode()
    assert captured.lines()[0]["field"] == shown


@pytest.mark.parametrize(
    "field", ["password", "token", "secret_id", "client_secret", "private_key", "Authorization", "jwt", "value"]
)
def test_a_field_that_is_named_like_a_credential_is_hidden(field):
    captured = Captured()
    log.get("x").info("said", **{field: CANARY})
    assert captured.lines()[0][field] == "***"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(EsoError("cannot read kv/data/a"), "cannot read kv/data/a", id="our own error is told"),
        pytest.param(frozenset({"b", "a"}), ["a", "b"], id="sets are sorted"),
        pytest.param(("ns", "name"), ["ns", "name"], id="tuples are lists"),
        pytest.param(datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00Z", id="times are RFC 3339"),
        pytest.param(Lane.NEW, 0, id="enumerations are their value"),
        pytest.param(Text("a"), "a", id="kinds of text are text"),
        pytest.param({1: "one"}, {"1": "one"}, id="keys become text"),
        pytest.param(2**70, 2**70, id="large numbers"),
        pytest.param("\ud800", "\ud800", id="half a letter"),
        pytest.param(float("nan"), None, id="no number"),
    ],
)
def test_everything_else_is_shown_and_never_fails(value, shown):
    captured = Captured()
    log.get("x").info("said", field=value)
    assert captured.out.getvalue().count(b"\n") == 1
    import json

    assert json.loads(captured.out.getvalue())["field"] == shown


def fail():
    raise ValueError(CANARY)


def test_a_caught_exception_is_told_by_type_and_frames():
    captured = Captured()
    try:
        fail()
    except ValueError:
        log.get("x").exception("went wrong")
    (line,) = captured.lines()
    assert line["error"] == "ValueError"
    assert "test_log.py" in line["stacktrace"]
    assert CANARY not in captured.out.getvalue().decode()


def test_a_given_error_text_is_not_overwritten():
    captured = Captured()
    try:
        fail()
    except ValueError as error:
        log.get("x").error("went wrong", exc_info=error, error="cannot read")
    assert captured.lines()[0]["error"] == "cannot read"


def test_a_logger_that_exists_follows_a_new_configuration_to_its_stream():
    first = Captured()
    logger = log.get("x")
    logger.info("one")
    second = Captured()
    logger.info("two")
    assert [line["msg"] for line in first.lines()] == ["one"]
    assert [line["msg"] for line in second.lines()] == ["two"]


class TestLibraries:
    def test_their_warnings_come_in_our_form_without_credentials(self):
        captured = Captured()
        logging.getLogger("aiohttp.client").warning("retry of https://u:%s@vault", CANARY)
        (line,) = captured.lines()
        assert (line["level"], line["logger"], line["msg"]) == ("warn", "aiohttp.client", "retry of https://***vault")
        assert line["at"].startswith("test_log:")

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            pytest.param("cannot load cookies: %s", (CANARY,), id="an argument"),
            pytest.param("cannot load %(name)-10.3s: %(value)r", ({"name": CANARY, "value": CANARY},), id="by name"),
            pytest.param(f"cannot load {CANARY}", (), id="a text that was put together"),
            pytest.param(f"cannot load {CANARY[:6]} {CANARY[::-1]} of %s", (1,), id="parts of it"),
            pytest.param(f"cannot load it\n{CANARY}", (), id="a line below"),
            pytest.param(f"Exception in callback f(b'{CANARY}') at x.py:3", (), id="a callback with its arguments"),
            pytest.param(ValueError(CANARY), (), id="an exception for a text"),
        ],
    )
    def test_their_texts_are_told_without_what_they_put_into_them(self, text, values):
        captured = Captured()
        logging.getLogger("lib").warning(text, *values)
        (line,) = captured.lines()
        told = captured.out.getvalue().decode()
        assert not any(part in told for part in (CANARY[:6], CANARY[-6:], CANARY[::-1][:6]))
        assert line["level"] == "warn"
        assert line["at"].startswith("test_log:")

    def test_a_level_of_their_own_changes_nothing(self):
        captured = Captured("debug")
        logger = logging.getLogger("lib.chatty")
        logger.setLevel(logging.DEBUG)
        logger.debug("sent %s", CANARY)
        logger.info("sent %s", CANARY)
        assert captured.lines() == []

    def test_a_warning_is_told_by_kind_and_place(self):
        shown = warnings.showwarning
        captured = Captured()
        try:
            warnings.showwarning(UserWarning(f"odd: {CANARY}"), UserWarning, "x.py", 7, None, f'f("{CANARY}")')
        finally:
            warnings.showwarning = shown
        (line,) = captured.lines()
        assert (line["logger"], line["msg"], line["at"]) == ("warnings", "UserWarning", "x.py:7")
        assert CANARY not in captured.out.getvalue().decode()

    def test_their_chatter_is_not_heard_even_at_debug(self):
        captured = Captured("debug")
        logging.getLogger("botocore").debug("signed with %s", CANARY)
        logging.getLogger("botocore").info("signed with %s", CANARY)
        assert captured.lines() == []

    def test_their_exceptions_are_told_by_type(self):
        captured = Captured()
        try:
            fail()
        except ValueError:
            logging.getLogger("lib").exception("went wrong")
        assert captured.lines()[0]["error"] == "ValueError"
        assert CANARY not in captured.out.getvalue().decode()

    def test_configuring_twice_does_not_double_their_lines(self):
        Captured()
        captured = Captured()
        logging.getLogger("lib").warning("once")
        assert len(captured.lines()) == 1

    async def test_a_forgotten_task_does_not_print_what_it_carried(self):
        captured = Captured()

        async def forgotten():
            fail()

        task = asyncio.ensure_future(forgotten())
        await asyncio.wait([task])
        loop = asyncio.get_running_loop()
        loop.call_exception_handler(
            {"message": "Task exception was never retrieved", "exception": task.exception(), "future": task}
        )
        (line,) = captured.lines()
        assert (line["logger"], line["msg"], line["error"]) == (
            "asyncio",
            "Task exception was never retrieved",
            "ValueError",
        )
        assert CANARY not in captured.out.getvalue().decode()


CRASH = f"""
import threading
from eso.observe import log
log.configure()
value = "{CANARY}"
def crash():
    raise KeyError(value)
thread = threading.Thread(target=crash)
thread.start()
thread.join()
class Unraisable:
    def __del__(self):
        crash()
Unraisable()
import warnings
warnings.warn(value)
crash()
"""


def test_a_crash_report_holds_no_value():
    """Main thread, another thread and a destructor; the lines go to stderr."""
    done = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, check=False)
    assert done.returncode == 1
    assert CANARY not in (done.stdout + done.stderr).decode()
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert [line["msg"] for line in lines if line["level"] == "warn"] == ["UserWarning"]
    lines = [line for line in lines if line["level"] != "warn"]
    assert [(line["level"], line["msg"], line["error"]) for line in lines] == [
        ("fatal", "uncaught exception", "KeyError")
    ] * 3


GROUP = """
import asyncio
from eso.observe import log
log.configure()
async def crash(error):
    raise error
async def main():
    async with asyncio.TaskGroup() as outer:
        async with asyncio.TaskGroup() as inner:
            inner.create_task(crash(KeyError("a")))
            outer.create_task(crash(OSError("b")))
asyncio.run(main())
"""


def test_the_crash_of_a_task_group_names_what_crashed_in_it():
    done = subprocess.run([sys.executable, "-c", GROUP], capture_output=True, check=False)
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert sorted(line["error"] for line in lines) == ["KeyError", "OSError"]
    assert all("crash" in line["stacktrace"] for line in lines)
