"""Asks the Go side, asks ours, and says whether the two answers are the same.

Neighbours: build.py makes the program, run.py sends it cases, shrink.py asks again and again.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import resource
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from eso.template import TemplateError, render
from tests.oracle.build import binary

MEMORY = 4 << 30
"""Bytes of address space for the program: templates that would fill the machine end before."""


@dataclass(frozen=True, slots=True)
class Question:
    template: bytes
    data: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """`out` when it rendered, else the message and the phase it came from."""

    out: bytes | None
    error: str = ""
    phase: str = ""


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


class Oracle:
    """The Go program; a context manager. One question or batch at a time."""

    def __init__(self) -> None:
        self.program = binary()
        self.process = self.started()

    def __enter__(self) -> Oracle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def started(self) -> subprocess.Popen[bytes]:
        limit = (MEMORY, MEMORY)
        return subprocess.Popen(
            [str(self.program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"TZ": "UTC", "GOMAXPROCS": "2"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
        )

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def answers(self, questions: Sequence[Question]) -> list[Answer]:
        """In order; a question over which the program ended (time, memory) has an answer of phase `limit`."""
        return [
            answer(reply)
            for reply in self.replies([{"template": encoded(q.template), "data": texts(q.data)} for q in questions])
        ]

    def answer(self, question: Question) -> Answer:
        return self.answers([question])[0]

    def replies(self, requests: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
        replies: list[dict[str, object]] = []
        while len(replies) < len(requests):
            replies += self.batch(requests[len(replies) :])
            if len(replies) < len(requests):
                replies.append({"error": "no answer in time or memory", "phase": "limit"})
                self.close()
                self.process = self.started()
        return replies

    def batch(self, requests: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
        """The replies up to the end, or up to the request over which the program ended."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin and stdout
        lines = [json.dumps(request).encode() + b"\n" for request in requests]

        def send() -> None:
            with contextlib.suppress(BrokenPipeError):
                stdin.writelines(lines)
                stdin.flush()

        sender = threading.Thread(target=send)
        sender.start()
        replies = []
        for _ in requests:
            line = stdout.readline()
            if not line.endswith(b"\n"):
                break
            replies.append(json.loads(line))
        sender.join()
        return replies


def texts(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: encoded(value) for key, value in data.items()}


def answer(reply: Mapping[str, object]) -> Answer:
    if "error" in reply:
        return Answer(None, str(reply["error"]), str(reply["phase"]))
    return Answer(base64.b64decode(str(reply.get("out", ""))))


def ours(question: Question) -> Answer:
    """Our engine's answer. Anything but a TemplateError is a bug, and shown as one."""
    try:
        return Answer(render(question.template, question.data, keep=False))
    except TemplateError as error:
        return Answer(None, error.full, "parse" if error.phase == "parse" else "execute")
    except Exception as error:
        return Answer(None, f"{type(error).__name__}: {error}", "crash")


# --- when two answers are the same

_MESSAGE = re.compile(
    r"template: (?P<name>.*?):(?P<line>\d+)(?::(?P<column>\d+))?: (?:executing (?P<where>\".*?\") at <(?P<node>.*?)>:"
    r" )?(?P<text>.*)",
    re.DOTALL,
)
_CALLING = re.compile(r"error calling \w+: ", re.DOTALL)
_WORDING = tuple(
    re.compile(text, re.DOTALL)
    for text in (
        # Crashes inside Go functions: only `error calling F` is promised.
        (
            r"error calling \w+: .*(?:runtime error|reflect: |reflect\.|strings: |bytes\.Buffer|makeslice|interface"
            r" conversion|slice bounds|nil map)"
        ),
        # The limit is ours to choose.
        r"exceeded maximum template depth",
        # Go shows the values themselves here, which ours never does.
        r"error calling \w+: non-comparable type",
        r"error calling \w+: json: cannot unmarshal number",
        r"range can't iterate over",
    )
)
"""Texts of which only the beginning is promised, or less."""
MASK = "***"
"""Stands in our messages for what came from data."""


def difference(theirs: Answer, mine: Answer) -> str:
    """Empty when they agree, otherwise what differs: `output`, `error`, `phase`, `text`, `line` or `node`; `crash` is
    ours alone."""
    if theirs.phase == "limit":
        return "crash" if mine.phase == "crash" else ""
    if "exceeds the limit of" in mine.error:
        return ""  # a bound of ours
    if mine.phase == "crash":
        return "crash"
    if (theirs.out is None) != (mine.out is None):
        return "error"
    if theirs.out is not None:
        return "" if theirs.out == mine.out else "output"
    if theirs.error == mine.error and theirs.phase == mine.phase:
        return ""
    if theirs.phase != mine.phase:
        return "phase"
    left, right = _MESSAGE.fullmatch(theirs.error), _MESSAGE.fullmatch(mine.error)
    if left is None or right is None:
        return "text"
    if left["line"] != right["line"]:
        return "line"
    if not same_text(left["text"], right["text"]):
        return "text"
    return (
        "node"
        if (left["column"], left["where"], left["node"]) != (right["column"], right["where"], right["node"])
        else ""
    )


def same_text(theirs: str, mine: str) -> bool:
    if theirs == mine or (
        MASK in mine and re.fullmatch(".*".join(map(re.escape, mine.split(MASK))), theirs, re.DOTALL)
    ):
        return True
    for wording in _WORDING:
        left, right = wording.match(theirs), _CALLING.match(mine)
        if left is not None:
            return left[0] == mine[: len(left[0])] or (right is not None and theirs.startswith(right[0]))
    return False
