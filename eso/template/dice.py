"""Does a template give another result each time it runs? Read from its tree when it is compiled.

Neighbours: cache.py asks for each compiled text, apply.py for a whole template block; functions/ marks what draws
random bytes or reads the clock. The answer is never a false "no". It may be a false "yes": a branch that is never taken
counts, and so does a variable whose value may or may not be a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eso.template.parser import Action, Branch, Call, Chain, Command, Identifier, Node, Num, Pipe
from eso.template.values import Function

FIXED = frozenset(
    {"toDate", "mustToDate", "dateModify", "date_modify", "mustDateModify", "must_date_modify", "int", "int64", "atoi"}
)
"""Functions whose result is a moment wherever one is wanted: a time, or seconds since 1970."""


def rolls_dice(trees: Mapping[bytes, list[Node]], main: bytes, functions: Mapping[str, Function]) -> bool:
    """Whether `main`, or a template that it can reach by `template` or `block`, calls a function that is marked."""
    reached, pending = {main}, [main]
    while pending:
        for node in walk(trees.get(pending.pop(), [])):
            match node:
                case Call(name=name) if name not in reached:
                    reached.add(name)
                    pending.append(name)
                case Identifier(name=name) if functions[name].dice:
                    return True
                case Pipe() if reads_clock(node, functions):
                    return True
    return False


def walk(nodes: list[Node]) -> Iterator[Node]:
    """Every node below `nodes`."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        match node:
            case Action(pipe=pipe):
                pending.append(pipe)
            case Branch(pipe=pipe, body=body, other=other):
                pending += [pipe, *body, *(other or [])]
            case Call(pipe=Pipe() as pipe):
                pending.append(pipe)
            case Pipe(commands=commands):
                pending += commands
            case Command(args=args):
                pending += args
            case Chain(base=base):
                pending.append(base)


def reads_clock(pipe: Pipe, functions: Mapping[str, Function]) -> bool:
    """Whether a command of `pipe` takes a moment that may be none, and so becomes the current time."""
    for index, command in enumerate(pipe.commands):
        first, arguments = command.args[0], command.args[1:]
        if not isinstance(first, Identifier) or (position := functions[first.name].moment) < 0:
            continue
        if index:
            arguments.append(pipe.commands[index - 1])
        if position < len(arguments) and not fixed(arguments[position]):
            return True
    return False


def fixed(node: Node) -> bool:
    """Whether this operand is a moment for certain."""
    match node:
        case Pipe(commands=commands):
            return fixed(commands[-1])
        case Command(args=[Identifier(name=name), *_]):
            return name in FIXED
        case Command(args=[only]):
            return fixed(only)
        case Num(number=number):
            return type(number.ideal) is int
    return False
