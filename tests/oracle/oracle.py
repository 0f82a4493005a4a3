"""Asks the Go side, asks ours, and says whether the two answers are the same.

Neighbours: build.py makes the program, run.py sends it cases, shrink.py asks again and again.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from eso.template import TemplateError, render
from tests.oracle.build import binary


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
        self.process = subprocess.Popen([str(binary())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"TZ": "UTC"})

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def answers(self, questions: Sequence[Question]) -> list[Answer]:
        """In order. Raises EOFError when the program ended."""
        return [answer(reply) for reply in self.replies([{"template": encoded(q.template), "data": texts(q.data)} for q in questions])]

    def answer(self, question: Question) -> Answer:
        return self.answers([question])[0]

    def replies(self, requests: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin and stdout
        lines = [json.dumps(request).encode() + b"\n" for request in requests]

        def send() -> None:
            stdin.writelines(lines)
            stdin.flush()

        sender = threading.Thread(target=send)
        sender.start()
        replies = []
        for request in requests:
            line = stdout.readline()
            if not line:
                raise EOFError(f"the oracle ended at {request}")
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
        return Answer(None, str(error), "parse" if error.phase == "parse" else "execute")
    except Exception as error:
        return Answer(None, f"{type(error).__name__}: {error}", "crash")


# --- when two answers are the same ------------------------------------------------------------------------------------------------------

_MESSAGE = re.compile(r"template: (?P<name>.*?):(?P<line>\d+)(?::(?P<column>\d+))?: (?:executing (?P<where>\".*?\") at <(?P<node>.*?)>: )?(?P<text>.*)", re.DOTALL)
_CALLING = re.compile(r"error calling \w+: ")
CRASHES = re.compile(r"runtime error:|reflect:|reflect\.|strings: |bytes\.Buffer|invalid argument to|slice bounds|makeslice|interface conversion|unexported field")
"""Texts of crashes inside Go functions: there only `error calling F` is promised, like wherever a library's wording is all there is."""


def difference(theirs: Answer, mine: Answer) -> str:
    """Empty when they agree, otherwise what differs: `output`, `error`, `phase`, `text`, `line` or `node`."""
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
    if left["text"] != right["text"] and not same_crash(left["text"], right["text"]):
        return "text"
    return "node" if (left["column"], left["where"], left["node"]) != (right["column"], right["where"], right["node"]) else ""


def same_crash(theirs: str, mine: str) -> bool:
    """Both say the same function failed, and the rest of Go's text is not one that is promised."""
    left, right = _CALLING.match(theirs), _CALLING.match(mine)
    return left is not None and right is not None and left[0] == right[0] and CRASHES.search(theirs) is not None
