"""The tree → Python closures, and what they do when they run.

Neighbours: parser.py made the tree, builtins.py and functions/ are called from here, gofmt.py prints. A compiled
program holds no data and can run any number of times, in any thread. Each closure takes (state, dot); a closure that
stands behind a `|` also takes the piped value. Nothing is looked up on Python objects by name: maps by key, everything
else in the member tables of its value class.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from eso.gocompat.text import quote, runes
from eso.template import parser, tell
from eso.template.bounds import BIG, BoundsExceeded, Budget
from eso.template.gofmt import NAMED, plain
from eso.template.parser import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Field,
    Identifier,
    Jump,
    Node,
    Num,
    Pipe,
    String,
    Text,
    Variable,
)
from eso.template.tell import MASK, Literals, Tell, Teller
from eso.template.values import (
    Function,
    FunctionError,
    GoInt,
    Int64,
    NilList,
    Opaque,
    Param,
    StringMap,
    Uint32,
    Value,
    type_name,
)

# Deep templates nest closures; pure Python frames do not use the C stack. What is deeper still ends as an error of the
# template.
RECURSION = 10_000
sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))

UNSET: Any = object()
BREAK, CONTINUE = 1, 2

Run = Callable[["State", Value], "int | None"]
Get = Callable[["State", Value], Value]
Piped = Callable[["State", Value, Value], Value]


class ExecError(Exception):
    """`text` at `node` while template `name` ran; `bound`: a limit did it. `told` is the text without any value."""

    def __init__(self, node: Node, name: bytes, text: str, bound: bool = False, told: str | None = None) -> None:
        super().__init__(text)
        self.node = node
        self.name = name
        self.text = text
        self.bound = bound
        self.told = text if told is None else told


class Body:
    """One compiled template: `slots` variables, the first is `$`."""

    __slots__ = ("name", "run", "slots")

    def __init__(self, name: bytes, run: Run, slots: int) -> None:
        self.name = name
        self.run = run
        self.slots = slots


class State:
    """One running template. `boxed` marks variables (`dot_boxed`: dot) that hold an element of a list or map of any, as
    messages show."""

    __slots__ = ("bodies", "boxed", "budget", "depth", "dot_boxed", "name", "out", "strict", "variables")

    def __init__(
        self,
        bodies: Mapping[bytes, Body],
        body: Body,
        dot: Value,
        budget: Budget,
        out: list[bytes],
        strict: bool,
        depth: int,
    ) -> None:
        self.bodies = bodies
        self.name = body.name
        self.variables = [UNSET] * body.slots
        self.variables[0] = dot
        self.boxed = [False] * body.slots
        self.dot_boxed = False
        self.budget = budget
        self.out = out
        self.strict = strict
        self.depth = depth


def fail(state: State, node: Node, text: str, told: str | None = None) -> NoReturn:
    raise ExecError(node, state.name, text, told=told)


def run(bodies: Mapping[bytes, Body], name: bytes, dot: Value, budget: Budget, *, strict: bool) -> bytes:
    """The output of one template. Raises ExecError, BoundsExceeded and RecursionError."""
    out: list[bytes] = []
    body = bodies[name]
    body.run(State(bodies, body, dot, budget, out, strict, 0), dot)
    return b"".join(out)


def compile_bodies(trees: Mapping[bytes, list[Node]], functions: Mapping[str, Function]) -> dict[bytes, Body]:
    bodies, literals = {}, Literals()
    for name, nodes in trees.items():
        literals.declared, literals.assigned = {}, set()
        compiler = _Compiler(functions, literals)
        code = compiler.nodes(nodes)
        bodies[name] = Body(name, code, compiler.slots)
    return bodies


def last_seen(node: Node) -> Node:
    """The node a message names after this expression was evaluated: Go's evaluator looks at it last."""
    match node:
        case Pipe(commands=commands):
            return last_seen(commands[-1])
        case Command(args=args):
            first, rest = args[0], args[1:]
            if isinstance(first, Identifier | Field | Variable | Chain) and rest:
                return last_seen(rest[-1])
            return last_seen(first)
        case Chain(base=base):
            return last_seen(base)
    return node


def nothing(state: State, dot: Value) -> None:
    return None


class _Compiler:
    """Compiles one template body; variables become slots."""

    def __init__(self, functions: Mapping[str, Function], literals: Literals) -> None:
        self.functions = functions
        self.literals = literals
        self.scope: list[tuple[str, int]] = [("$", 0)]
        self.slots = 1

    # --- statements ---------------------------------------------------------

    def nodes(self, nodes: list[Node]) -> Run:
        steps = [self.node(node) for node in nodes]
        if not steps:
            return nothing
        if len(steps) == 1:
            return steps[0]
        if len(steps) == 2:
            one, two = steps

            def both(state: State, dot: Value) -> int | None:
                return one(state, dot) or two(state, dot)

            return both

        def sequence(state: State, dot: Value) -> int | None:
            for step in steps:
                if signal := step(state, dot):
                    return signal
            return None

        return sequence

    def node(self, node: Node) -> Run:
        match node:
            case Text():
                return text(node.text)
            case Action():
                return self.action(node)
            case Branch(kind="range"):
                return self.range(node)
            case Branch():
                return self.branch(node)
            case Jump(kind=kind):
                signal = BREAK if kind == "break" else CONTINUE
                return lambda state, dot: signal
            case Call():
                return self.template(node)
        raise AssertionError(node)

    def action(self, node: Action) -> Run:
        value = self.pipe(node.pipe)
        where = node.pipe
        shows = not node.pipe.names

        def action(state: State, dot: Value) -> None:
            budget = state.budget
            try:
                budget.steps += 1
                if budget.steps >= budget.next_look:
                    budget.look()
                result = value(state, dot)
                if shows:
                    if type(result) is not bytes:
                        result = b"<no value>" if result is None else plain(budget, result)
                    state.out.append(result)
                    budget.output_left -= len(result)
                    if budget.output_left < 0:
                        budget.print(0)
            except BoundsExceeded as error:
                raise ExecError(where, state.name, error.message, True) from None

        return action

    def branch(self, node: Branch) -> Run:
        scope = len(self.scope)
        value = self.pipe(node.pipe)
        body = self.scoped(node.body)
        other = self.scoped(node.other) if node.other is not None else nothing
        del self.scope[scope:]
        if node.kind == "if":

            def choose(state: State, dot: Value) -> int | None:
                return body(state, dot) if value(state, dot) else other(state, dot)

            return choose

        def with_(state: State, dot: Value) -> int | None:
            result = value(state, dot)
            if not result:
                return other(state, dot)
            outer, state.dot_boxed = state.dot_boxed, False
            signal = body(state, result)
            state.dot_boxed = outer
            return signal

        return with_

    def scoped(self, nodes: list[Node]) -> Run:
        scope = len(self.scope)
        code = self.nodes(nodes)
        del self.scope[scope:]
        return code

    def range(self, node: Branch) -> Run:
        scope = len(self.scope)
        value = self.value_of(node.pipe)
        names = node.pipe.names
        setters = [self.assigner(name, node.pipe) if node.pipe.assigns else self.declarer(name) for name in names]
        body = self.scoped(node.body)
        other = self.scoped(node.other) if node.other is not None else nothing
        del self.scope[scope:]
        where = last_seen(node.pipe)
        set_index = setters[0] if len(setters) > 1 else None
        set_element = setters[-1] if setters else None
        literals = self.literals

        def range_(state: State, dot: Value) -> int | None:
            source = value(state, dot)
            pairs, boxed = iteration(state, source, len(names), where, literals)
            if set_element is not None:
                # The variables hold the whole value until the first element comes: the else part sees it.
                for setter in setters:
                    setter(state, source, False)
            outer = state.dot_boxed
            ran = False
            budget = state.budget
            for key, element in pairs:
                ran = True
                budget.steps += 1
                if budget.steps >= budget.next_look:
                    try:
                        budget.look()
                    except BoundsExceeded as error:
                        raise ExecError(where, state.name, error.message, True) from None
                if set_element is not None:
                    set_element(state, element, boxed)
                if set_index is not None:
                    set_index(state, key, False)
                state.dot_boxed = boxed
                if body(state, element) == BREAK:
                    break
            state.dot_boxed = outer
            return None if ran else other(state, dot)

        return range_

    def template(self, node: Call) -> Run:
        name = node.name
        value = self.pipe(node.pipe) if node.pipe else nothing

        def template(state: State, dot: Value) -> None:
            body = state.bodies.get(name)
            if body is None:
                fail(state, node, f"template {quote(name)} not defined")
            budget = state.budget
            if state.depth >= budget.limits.template_depth:
                text = f"exceeded maximum template depth ({budget.limits.template_depth})"
                raise ExecError(node, state.name, text, True)
            try:
                budget.spend()
                argument = value(state, dot)
            except BoundsExceeded as error:
                raise ExecError(node, state.name, error.message, True) from None
            inner = State(state.bodies, body, argument, budget, state.out, state.strict, state.depth + 1)
            body.run(inner, argument)

        return template

    # --- variables ----------------------------------------------------------

    def declarer(self, name: str) -> Callable[[State, Value, bool], None]:
        slot = self.slots
        self.slots += 1
        self.scope.append((name, slot))

        def declare(state: State, value: Value, boxed: bool) -> None:
            state.variables[slot] = value
            state.boxed[slot] = boxed

        return declare

    def assigner(self, name: str, where: Node) -> Callable[[State, Value, bool], None]:
        slot = self.slot(name)
        node = last_seen(where)
        if slot is not None:
            self.literals.assigned.add(slot)

        def assign(state: State, value: Value, boxed: bool) -> None:
            if slot is None or state.variables[slot] is UNSET:
                fail(state, node, f"undefined variable: {name}")
            state.variables[slot] = value
            state.boxed[slot] = boxed

        return assign

    def slot(self, name: str) -> int | None:
        return next((slot for known, slot in reversed(self.scope) if known == name), None)

    # --- pipelines ----------------------------------------------------------

    def pipe(self, node: Pipe) -> Get:
        value = self.value_of(node)
        if not node.names:
            return value
        setters = [self.assigner(name, node) if node.assigns else self.declarer(name) for name in node.names]
        if not node.assigns:
            self.literals.declared[self.slots - 1] = Pipe(node.at, commands=node.commands)

        def keep(state: State, dot: Value) -> Value:
            result = value(state, dot)
            for setter in setters:
                setter(state, result, False)
            return result

        return keep

    def value_of(self, node: Pipe) -> Get:
        """The pipeline without its variables."""
        first = self.command(node.commands[0])
        if len(node.commands) == 1:
            return first
        stages: list[Piped] = []
        before: Node = node.commands[0]
        for command in node.commands[1:]:
            before = last_seen(command) if len(command.args) > 1 else command.args[0]
            stages.append(self.piped(command, last_seen(before), node.commands[: len(stages) + 1]))
        if len(stages) == 1:
            only = stages[0]
            return lambda state, dot: only(state, dot, first(state, dot))

        def through(state: State, dot: Value) -> Value:
            value = first(state, dot)
            for stage in stages:
                value = stage(state, dot, value)
            return value

        return through

    def command(self, node: Command) -> Get:
        first, rest = node.args[0], node.args[1:]
        if isinstance(first, Identifier):
            return self.call(first, node, rest)
        if isinstance(first, Field | Chain) or (isinstance(first, Variable) and first.names):
            return self.fields(first, rest) if rest else self.value(first)
        if rest:
            return lambda state, dot: fail(state, first, f"can't give argument to non-function {first.shown()}")
        if isinstance(first, parser.Nil):
            return lambda state, dot: fail(state, first, "nil is not a command")
        return self.value(first)

    def piped(self, node: Command, where: Node, before: list[Command]) -> Piped:
        """A command behind a `|`; `where`: the node looked at last before the piped value is checked; `before`: the
        commands that make this value."""
        first, rest = node.args[0], node.args[1:]
        if isinstance(first, Identifier):
            return self.piped_call(first, node, rest, where, before)
        if isinstance(first, Field | Chain) or (isinstance(first, Variable) and first.names):
            return self.piped_fields(first, rest, where)
        return lambda state, dot, final: fail(state, first, f"can't give argument to non-function {first.shown()}")

    # --- operands -----------------------------------------------------------

    def value(self, node: Node) -> Get:
        """An operand where any value is wanted."""
        match node:
            case parser.Dot():
                return lambda state, dot: dot
            case parser.Nil():
                return nothing
            case parser.Bool(value=value):
                return lambda state, dot: value
            case String(value=constant):
                self.literals.keep(constant)
                return lambda state, dot: constant
            case Num(number=number):
                ideal = number.ideal
                if ideal is None:
                    return lambda state, dot: fail(state, node, f"{number.text} overflows int")
                return lambda state, dot: ideal
            case Pipe():
                return self.pipe(node)
            case Identifier():
                return self.call(node, node, [])
            case Variable(names=[]):
                return self.variable(node)
            case Field(names=[name]):
                return self.field(node, name.encode("utf-8", "surrogateescape"))
            case Field() | Variable() | Chain():
                return self.fields(node, [])
        raise AssertionError(node)

    def variable(self, node: Variable) -> Get:
        name, slot = node.name, self.slot(node.name)
        if slot is None:
            return lambda state, dot: fail(state, node, f"undefined variable: {name}")
        if slot == 0:
            return lambda state, dot: state.variables[0]

        def get(state: State, dot: Value) -> Value:
            value = state.variables[slot]
            if value is UNSET:
                fail(state, node, f"undefined variable: {name}")
            return value

        return get

    def field(self, node: Field, key: bytes) -> Get:
        """`.name`: by far the most common operand."""

        def get(state: State, dot: Value) -> Value:
            if type(dot) is StringMap or type(dot) is dict:
                try:
                    return dot[key]
                except KeyError:
                    pass
            return field_of(state, node, dot, state.dot_boxed, key)[0]

        return get

    def fields(self, node: Field | Variable | Chain, rest: list[Node]) -> Get:
        walk = self.walk(node, rest)
        return lambda state, dot: walk(state, dot, UNSET)

    def piped_fields(self, node: Field | Variable | Chain, rest: list[Node], where: Node) -> Piped:
        return self.walk(node, rest)

    def walk(self, node: Field | Variable | Chain, rest: list[Node]) -> Piped:
        """A chain of fields, whose last may be a method with arguments; the piped value is UNSET where there is
        none."""
        keys = [name.encode("utf-8", "surrogateescape") for name in node.names]
        where = last_seen(node)
        arguments = [_Argument(self, argument) for argument in rest]
        last = len(keys) - 1
        plain_base = isinstance(node, Field)
        base = self.base(node)

        def walk(state: State, dot: Value, final: Value) -> Value:
            if plain_base:
                value, boxed = dot, state.dot_boxed
            else:
                value, boxed = base(state, dot)
            for i, key in enumerate(keys):
                kind = type(value)
                if i < last or (not arguments and final is UNSET):
                    if kind is dict or kind is StringMap:
                        found = value.get(key, UNSET)
                        if found is not UNSET:
                            value, boxed = found, kind is dict
                            continue
                    value, boxed = field_of(state, where, value, boxed, key)
                else:
                    value = method_of(state, dot, where, node, value, boxed, key, arguments, final)
            return value

        return walk

    def base(self, node: Node) -> Callable[[State, Value], tuple[Value, bool]]:
        """What the first field is taken of, and whether it counts as an element of a container of any."""
        if isinstance(node, Variable):
            variable, slot = self.variable(Variable(node.at, node.name, [])), self.slot(node.name) or 0
            return lambda state, dot: (variable(state, dot), state.boxed[slot])
        assert isinstance(node, Chain | Field)
        if isinstance(node, Field):
            return lambda state, dot: (dot, state.dot_boxed)
        value = self.value(node.base)
        bare = isinstance(node.base, Identifier)

        def base(state: State, dot: Value) -> tuple[Value, bool]:
            result = value(state, dot)
            return result, bare and result is None

        return base

    # --- calls --------------------------------------------------------------

    def call(self, name: Identifier, node: Node, rest: list[Node]) -> Get:
        function = self.functions[name.name]
        if refusal := miscounted(function, len(rest), 0):
            return lambda state, dot: fail(state, name, refusal)
        if function.name in ("and", "or"):
            return deciding([self.value(argument) for argument in rest], function.name == "or")
        if function.name == "call":
            return self.call_of(rest)
        arguments = [_Argument(self, argument).typed(param_of(function, i)) for i, argument in enumerate(rest)]
        if function.name == "fail":
            return self.refuser(node, arguments[0], self.teller().of(rest[0]))
        invoke = invoker(function, node, tuple(map(constant_operand, rest)), self.literals)
        if not arguments:
            return lambda state, dot: invoke(state)
        if len(arguments) == 1:
            (one,) = arguments
            return lambda state, dot: invoke(state, one(state, dot))
        if len(arguments) == 2:
            first, second = arguments
            return lambda state, dot: invoke(state, first(state, dot), second(state, dot))
        return lambda state, dot: invoke(state, *[argument(state, dot) for argument in arguments])

    def piped_call(self, name: Identifier, node: Node, rest: list[Node], where: Node, piped: list[Command]) -> Piped:
        function = self.functions[name.name]
        if refusal := miscounted(function, len(rest), 1):
            return lambda state, dot, final: fail(state, name, refusal)
        if function.name in ("and", "or"):
            decide = deciding([self.value(argument) for argument in rest], function.name == "or", UNSET)

            def lazily(state: State, dot: Value, final: Value) -> Value:
                result = decide(state, dot)
                return final if result is UNSET else result

            return lazily
        if function.name == "call":
            described = self.call_of(rest)
            callee = self.call_of([])

            def of(state: State, dot: Value, final: Value) -> Value:
                return described(state, dot) if rest else callee(state, final)

            return of
        if function.name == "fail":
            return self.piped_refuser(node, where, piped)
        arguments = [_Argument(self, argument).typed(param_of(function, i)) for i, argument in enumerate(rest)]
        check = checker(param_of(function, len(rest)), where)
        invoke = invoker(function, node, tuple(map(constant_operand, rest)), self.literals)
        if not arguments:
            if check is None:
                return lambda state, dot, final: invoke(state, final)
            checked = check
            return lambda state, dot, final: invoke(state, checked(state, final, False))
        if len(arguments) == 1:
            (one,) = arguments
            if check is None:
                return lambda state, dot, final: invoke(state, one(state, dot), final)
            checked = check
            return lambda state, dot, final: invoke(state, one(state, dot), checked(state, final, False))

        def many(state: State, dot: Value, final: Value) -> Value:
            values = [argument(state, dot) for argument in arguments]
            return invoke(state, *values, final if check is None else check(state, final, False))

        return many

    def teller(self) -> Teller:
        return Teller(self.literals, self.value, self.slot)

    def refuser(self, node: Node, message: Get, told: Tell) -> Get:
        """`fail`: the message without what came from data."""
        literals = self.literals

        def refuse(state: State, dot: Value) -> Value:
            text = message(state, dot)
            state.budget.spend(1 + len(text) // 4)
            refused(state, node, text, text in literals, lambda: told(state, dot))

        return refuse

    def piped_refuser(self, node: Node, where: Node, before: list[Command]) -> Piped:
        check, literals = checker(Param.STRING, where), self.literals
        assert check is not None
        checked, told = check, self.teller().of(Pipe(node.at, commands=before))

        def refuse(state: State, dot: Value, final: Value) -> Value:
            text = checked(state, final, False)
            state.budget.spend(1 + len(text) // 4)
            refused(state, node, text, text in literals, lambda: told(state, dot))

        return refuse

    def call_of(self, rest: list[Node]) -> Get:
        """`call`: there are no functions among the values, so it only has errors. Without arguments dot is the
        callee."""
        arguments = [self.value(argument) for argument in rest]

        def of(state: State, dot: Value) -> Value:
            values = [argument(state, dot) for argument in arguments]
            callee = values[0] if values else dot
            node: Node = rest[0] if rest else Identifier(0, "call")
            if callee is None:
                fail(state, node, "error calling call: call of nil")
            shown = rest[0].shown() if rest else f"<{type_name(callee)} Value>"
            fail(state, node, f"error calling call: non-function {shown} of type {type_name(callee)}")

        return of


def text(chunk: bytes) -> Run:
    size = len(chunk)

    def text(state: State, dot: Value) -> None:
        state.out.append(chunk)
        budget = state.budget
        budget.output_left -= size
        if budget.output_left < 0:
            budget.print(0)

    return text


def iteration(state: State, source: Value, names: int, where: Node, literals: Literals) -> tuple[Any, bool]:
    """(key, element) pairs of what `range` walks over, and whether elements are of type any."""
    if isinstance(source, list):
        return enumerate(source), type(source) in (list, NilList)
    if isinstance(source, dict):
        state.budget.spend(len(source) // 4)
        return [(key, source[key]) for key in sorted(source)], type(source) is dict
    if source is None:
        return (), False
    if isinstance(source, int) and not isinstance(source, bool):
        if names > 1:
            text = "can't use {} to iterate over more than one variable"
            fail(state, where, text.format(int(source)), text.format(MASK))
        kind = type(source)
        return ((None, i if kind is int else kind(i)) for i in range(source)), False
    text = f"range can't iterate over {runes(plain(state.budget, source))}"
    fail(state, where, text, None if source in literals else f"range can't iterate over {MASK}")


def deciding(arguments: list[Get], wanted: bool, default: Value = None) -> Get:
    """The first argument whose truth is `wanted`, else the last one; `default` where there is a piped value to fall
    back to."""
    last = None if default is UNSET else arguments[-1]
    early = arguments if default is UNSET else arguments[:-1]

    def decide(state: State, dot: Value) -> Value:
        for argument in early:
            value = argument(state, dot)
            if bool(value) is wanted:
                return value
        return UNSET if last is None else last(state, dot)

    return decide


# --- fields


def field_of(state: State, node: Node, value: Value, boxed: bool, key: bytes) -> tuple[Value, bool]:
    """One step of a chain without arguments: (result, whether it is an element of type any)."""
    if isinstance(value, dict):
        if key in value:
            return value[key], type(value) is dict
        if state.strict:
            fail(state, node, f"map has no entry for key {quote(key)}")
        return None, False
    return method_of(state, None, node, node, value, boxed, key, [], UNSET), False


def method_of(
    state: State,
    dot: Value,
    node: Node,
    whole: Node,
    value: Value,
    boxed: bool,
    key: bytes,
    arguments: list[_Argument],
    final: Value,
) -> Value:
    """The last step of a chain: a method, or a field that has no use for arguments."""
    name = key.decode("utf-8", "surrogateescape")
    if value is None:
        if boxed:
            fail(state, node, f"nil pointer evaluating interface {{}}.{shown_name(name)}")
        if state.strict:
            fail(state, node, f"nil data; no entry for key {quote(key)}")
        return None
    if isinstance(value, dict):
        if arguments or final is not UNSET:
            fail(state, node, f"{shown_name(name)} is not a method but has arguments")
        return field_of(state, node, value, boxed, key)[0]
    kind = "interface {}" if boxed else type_name(value)
    if isinstance(value, GoInt | Opaque):
        if (method := value.members.get(name)) is not None:
            return call_method(state, dot, node, whole, value, method, arguments, final)
        for field, content in value.fields() if isinstance(value, Opaque) else ():
            if field == name:
                if arguments or final is not UNSET:
                    fail(state, node, f"{name} has arguments but cannot be invoked as function")
                return content
        if name in value.unexported:
            fail(state, node, f"{name} is an unexported field of struct type {kind}")
    fail(state, node, f"can't evaluate field {shown_name(name)} in type {kind}")


def shown_name(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def call_method(
    state: State,
    dot: Value,
    node: Node,
    whole: Node,
    receiver: Value,
    method: Function,
    arguments: list[_Argument],
    final: Value,
) -> Value:
    if refusal := miscounted(method, len(arguments), int(final is not UNSET)):
        fail(state, node, refusal)
    values = [argument.typed(param_of(method, i))(state, dot) for i, argument in enumerate(arguments)]
    if final is not UNSET:
        check = checker(param_of(method, len(values)), arguments[-1].node if arguments else node)
        values.append(final if check is None else check(state, final, False))
    state.budget.spend(NAMED)
    return invoker(method, whole)(state, receiver, *values)


# --- functions and their parameters


def miscounted(function: Function, given: int, piped: int) -> str:
    """The message for a wrong number of arguments, or for what can never be called; empty when the call is right."""
    name, wanted = function.name, len(function.params)
    if function.variadic:
        if given + piped < wanted - 1:
            return f"wrong number of args for {name}: want at least {wanted - 1} got {given}"
    elif given + piped != wanted:
        return f"wrong number of args for {name}: want {wanted} got {given + piped}"
    return function.refuse


def param_of(function: Function, position: int) -> Param:
    return function.params[min(position, len(function.params) - 1)]


def constant_operand(node: Node) -> bool:
    return tell.constant(node)


def refused(state: State, node: Node, message: Value, own: bool, told: Callable[[], str]) -> NoReturn:
    """The error of `fail`. What tells may look at anything, and must not fail itself."""
    text = "error calling fail: "
    if own:
        fail(state, node, text + runes(message))
    try:
        shown = told()
    except Exception:
        shown = MASK
    fail(state, node, text + runes(message), text + shown)


def invoker(
    function: Function, node: Node, constants: tuple[bool, ...] = (), literals: Literals | None = None
) -> Callable[..., Value]:
    """(state, *checked arguments) → the function's result; its errors become the template's.

    An error quotes arguments only where all texts and numbers among these are the template's own.
    """
    call, takes_budget, picks = function.call, function.budget, function.picks

    def invoke(state: State, *arguments: Value) -> Value:
        budget = state.budget
        budget.steps += 1
        if budget.steps >= budget.next_look:
            budget.look()
        try:
            result = call(budget, *arguments) if takes_budget else call(*arguments)
        except FunctionError as error:
            text = f"error calling {function.name}: "
            own = literals is not None and all(
                (place < len(constants) and constants[place]) or argument in literals or tell.silent(argument)
                for place, argument in enumerate(arguments)
                if error.quotes is None or place == error.quotes
            )
            fail(state, node, text + runes(error.message), None if own else text + error.told)
        except (BoundsExceeded, ExecError):
            raise
        except RecursionError:
            fail(state, node, f"error calling {function.name}: the value is nested too deeply")
        except Exception as error:
            # The class name only: what else the exception says may hold a value.
            fail(state, node, f"error calling {function.name}: {type(error).__name__}")
        kind = type(result)
        if kind is bytes:
            if len(result) >= BIG and not picks and not handed_on(result, arguments):
                budget.check_size(len(result))
        elif isinstance(result, list | dict) and len(result) >= BIG // 8:
            if picks or handed_on(result, arguments):
                return result
            budget.check_size(8 * len(result))
        return result

    return invoke


def handed_on(result: Value, arguments: tuple[Value, ...]) -> bool:
    """Whether the result is one of the arguments: `default`, `ternary`, `trim` of what has no blanks, `set`."""
    return any(result is argument for argument in arguments)


_EXACT: dict[Param, type] = {
    Param.STRING: bytes,
    Param.BOOL: bool,
    Param.INT: int,
    Param.INT64: Int64,
    Param.UINT32: Uint32,
    Param.FLOAT64: float,
    Param.DICT: dict,
    Param.LIST: list,
}

Check = Callable[[State, Value, bool], Value]


def checker(param: Param, node: Node) -> Check | None:
    """(state, computed value, boxed) → the value, if its type is exactly the parameter's; None where any type will
    do."""
    if param is Param.ANY:
        return None
    exact = _EXACT.get(param)
    wanted = param.go_type
    nilable = param.family in ("container", "pointer")

    def check(state: State, value: Value, boxed: bool) -> Value:
        if exact is not None and type(value) is exact:
            return value
        if value is None:
            if boxed:
                fail(state, node, f"wrong type for value; expected {wanted}; got interface {{}}")
            if nilable:
                return None
            fail(state, node, f"invalid value; expected {wanted}")
        if type_name(value) == wanted:
            return value
        fail(state, node, f"wrong type for value; expected {wanted}; got {type_name(value)}")

    return check


class _Argument:
    """An argument node, ready for a parameter of any type: the type is known late where the argument belongs to a
    method."""

    __slots__ = ("boxes", "get", "node")

    def __init__(self, compiler: _Compiler, node: Node) -> None:
        self.node = node
        self.get = compiler.value(node)
        self.boxes = boxes(compiler, node)

    def typed(self, param: Param) -> Get:
        """(state, dot) → a value the parameter accepts."""
        node, get = self.node, self.get
        if isinstance(node, parser.Nil):
            if param.family in ("any", "container", "pointer"):
                return nothing
            return lambda state, dot: fail(state, node, f"cannot assign nil to {param.go_type}")
        if isinstance(node, parser.Bool | Num | String):
            return constant(node, param, get)
        check = checker(param, last_seen(node))
        if check is None:
            return get
        checked, boxed = check, self.boxes
        exact = _EXACT.get(param)

        def typed(state: State, dot: Value) -> Value:
            value = get(state, dot)
            if type(value) is exact:
                return value
            return checked(state, value, boxed(state))

        return typed


def boxes(compiler: _Compiler, node: Node) -> Callable[[State], bool]:
    """Whether a nil that this operand gives is an element of a container of any (it then has a type in messages)."""
    match node:
        case parser.Dot():
            return lambda state: state.dot_boxed
        case Variable(name=name, names=[]):
            slot = compiler.slot(name) or 0
            return lambda state: state.boxed[slot]
        case Field() | Variable() | Chain():
            return lambda state: state.strict
        case Identifier():
            return lambda state: True
    return lambda state: False


_WANTED = {"int": "integer", "uint": "unsigned integer", "float": "float", "string": "string", "bool": "bool"}


def constant(node: parser.Bool | Num | String, param: Param, get: Get) -> Get:
    """A constant as an argument: converted now, or an error each time it runs."""
    family = param.family
    if family == "any":
        return get
    value: Value = None
    match node:
        case String(value=literal) if family == "string":
            value = literal
        case parser.Bool(value=flag) if family == "bool":
            value = flag
        case Num(number=number) if family == "int":
            value = number.integer
        case Num(number=number) if family == "uint" and number.unsigned is not None:
            value = Uint32(number.unsigned & 0xFFFFFFFF)
        case Num(number=number) if family == "float":
            value = number.floating
    if value is not None:
        return lambda state, dot: value
    if family in _WANTED:
        return lambda state, dot: fail(state, node, f"expected {_WANTED[family]}; found {node.shown()}")
    return lambda state, dot: fail(state, node, f"can't handle {node.shown()} for arg of type {param.go_type}")
