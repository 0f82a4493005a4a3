"""Random templates with their data, as trees: mostly right, now and then with one mistake.

Neighbours: signatures.py has the functions and what they take, tree.py the trees. The same seed and number give the
same case on every machine.
"""

from __future__ import annotations

import base64
import datetime
import functools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from tests.oracle.oracle import Question
from tests.oracle.signatures import FOCUS, MEMBERS, PATTERNS, SLOW, Pattern
from tests.oracle.tree import Tree

MISTAKES = 0.16
"""Share of the cases that get one mistake."""

WORDS = (
    "",
    " ",
    "a",
    "b",
    "abc",
    "Hello World",
    "foo_bar-baz",
    "HTTPServerTwo",
    "http2xx",
    "v1Beta2",
    "élan vital",
    "日本語",
    "straße",
    "İstanbul",
    "ΣΑΣ",
    "😀x",
    "ǆabc",
    "a\tb",
    "line1\nline2\n",
    "\r\nx\r\n",
    "  padded  ",
    "x,y,,z",
    "key=value",
    "<a href='x'>&\"</a>",
    "1",
    "42",
    "-7",
    "3.14",
    "1e3",
    "0x1F",
    "010",
    "true",
    "null",
    "yes",
    "~",
    "100%",
    "%d %s",
    "a.b.c",
    "/usr/local/lib.d/",
    "..",
    "'single'",
    "`back`",
    "back\\slash\\",
    "$1 ${2}",
    "user:p@ss",
    "2024-02-29",
    "1:30",
    "- x",
    "# no",
    "key: value",
    "aaa",
    "aXbXc",
    "the quick brown fox jumps over the lazy dog and then keeps on running through the forest until night",
    "\u2028",
    "\u00a0nbsp\u0085",
    "a\u0301",
    "\ufeffbom",
    "tab\\t",
    "0.1",
    "1_000",
    " 12 ",
    "\x7f\x00\x01",
    "é",
    "ÀÉÎ õüñ",
    "A",
    "Z",
    "0",
    "__init__",
    "a-b_c d",
)
BINARY = (b"\xff\xfe", b"a\x80b", b"\xc3", b"\xed\xa0\x80", b"\x00", b"caf\xe9")
INTS = (
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "42",
    "-12",
    "100",
    "65536",
    "0x1F",
    "0X1f",
    "0b101",
    "0o17",
    "017",
    "1_000",
    "'a'",
    "'\\n'",
    "'é'",
    "'\\x41'",
    "1000000",
    "86400",
    "9223372036854775807",
    "-9223372036854775808",
    "1704164645",
    "+5",
    "-0",
)
FLOATS = (
    "0.0",
    "-0.0",
    "1.5",
    "2.50",
    "-1.5",
    "-1.2",
    "0.1",
    "1e6",
    "1e3",
    "1e-7",
    "123456789.125",
    "0x1p-2",
    "1_000.5",
    ".5",
    "5.",
    "6.02e23",
    "1e21",
    "1e20",
    "100000.0",
    "1000000.0",
    "999999.5",
    "0.0001",
    "0.00001",
    "3.14159265358979",
    "2.5",
    "3.5",
    "1e100",
    "5e-324",
    "1.7976931348623157e308",
    "089.5",
    "33.333333333333336",
)
REGEXES = (
    "a",
    "[a-z]+",
    "^x",
    "b$",
    "(\\w+)@(\\w+)",
    "(?P<first>\\w)(?P<rest>\\w*)",
    "x*",
    "",
    "\\d+",
    "[^,]*",
    "(a|b|ab)(c|bcd)?",
    "(?i)hello",
    "(?s)a.b",
    "(?m)^l",
    "\\bfoo",
    "\\s+",
    "[[:alpha:]]+",
    "\\pL+",
    "\\p{Greek}",
    "é",
    ".",
    "a{2,3}",
    "(?U)a+",
    "\\Qa.b\\E",
    "\\x{e9}",
    "(a*)*",
    "^$",
    "[\\w.]+",
    "(l)(i)(n)(e)(\\d)",
    ",",
    "\\.",
    "(?:x|y)z?",
)
LAYOUTS = (
    "2006-01-02",
    "2006-01-02T15:04:05Z07:00",
    "Mon, 02 Jan 2006 15:04:05 MST",
    "Monday January _2 3:04PM",
    "02/01/06",
    "15h04m05.000",
    "2006-002",
    "Jan 2 at 3pm",
    "2006-01-02 15:04:05.999999999 -0700 MST",
    "Janet Monkey",
    "20060102150405",
    "06-1-2",
    "15:04:05,000000",
    "-07",
    "Z0700",
    "",
    "literal",
    "__2",
    "_2006",
)
JSONS = (
    '{"a":1,"b":[true,null,"x"],"c":{"d":2.5}}',
    "[1,2,3]",
    '"text"',
    "1e6",
    "12345678",
    "0.1",
    "null",
    "true",
    '{"host":"db","port":5432,"tags":["a","b"],"nested":{"x":null,"on":true}}',
    "[]",
    "{}",
    "[[1],[2,[3]]]",
    '{"a":{"b":{"a":"deep"}}}',
    '"\\u00e9\\ud83d\\ude00\\n"',
    '[1.5,"1.5",{"k":"v"}]',
    ' { "a" : "x" , "a" : "y" } ',
    '"<&>\\u2028"',
    '[{"a":"1"},{"a":"2"}]',
    "-0",
    "1E400",
    '{"a":"b"}',
    "9007199254740993",
    "1e-7",
    "1e21",
)
YAMLS = (
    "a: 1\nb: [x, y]\n",
    "a: yes\nb: no\nc: ~\n",
    "x: 010\ny: 0x1F\nz: 1_000\n",
    "t: |\n  line1\n  line2\nf: >-\n  folded\n  text\n",
    "base: &b {a: 1}\nuse: *b\n",
    "d: &d\n  a: 1\ne:\n  <<: *d\n  b: 2\n",
    "",
    "# only a comment\n",
    "null",
    "1: one\ny: yes\n",
    "date: 2024-01-02\ntime: 1:30\n",
    "a: 1\na: 2\n",
    '"q": "x\\ty"\n',
    "a: 'it''s'\n",
    "n: 1e3\nf: .5\ni: .inf\n",
    "l:\n- 1\n- - 2\n  - 3\n- k: v\n",
    "a: {b: {c: [1, {d: e}]}}\n",
    "---\na: 1\n---\nb: 2\n",
    "k: !!str 12\n",
    "a: 0o17\nb: 0b11\nc: +5\n",
    "é: ü\n",
)
BAD_YAMLS = ("- 1\n- 2\n", "text", "a: [1", "a: b: c", "\ta: 1", "*x")
PATHS = (
    "",
    "/",
    "a",
    "a/b",
    "/a/b/",
    "a//b/../c",
    "./x.tar.gz",
    "../..",
    "/../a",
    "a/.",
    ".hidden",
    "a.b/c",
    "//",
    "x.",
)
VERSIONS = (
    "1.2.3",
    "v1.2",
    "1",
    "2.0.0-rc.1",
    "1.2.3-alpha+build.5",
    "0.0.3",
    "0.2.9",
    "10.20.30",
    "v01.2.3",
    "1.0.0+meta",
    "1.2.3-beta.2",
    "1.10.0",
)
CONSTRAINTS = (
    "^1.2.0",
    "~1.2",
    ">=1.0, <2.0",
    "1.x",
    "*",
    "=1.2.3",
    "!=1.2",
    ">1 || <0.5",
    "1.2 - 2.3",
    "^0.2.3",
    "~> 1.0",
    ">=1.2.3-0",
    "<=1.2",
    "^0",
    "~1",
    ">1.2",
    "=> 1.0",
    "1.2.X",
    "^0.0.3",
)
URLS = (
    "https://user:pa%20ss@host.example:8080/a%20b/c?q=1&r=a%20b#frag",
    "http://host",
    "mailto:a@b.c",
    "/just/a/path?x",
    "//host/path",
    "postgres://u:p@db:5432/name?sslmode=disable",
    "https://[::1]:443/x",
    "",
    "http://h/%41",
    "a/b:c",
    "ftp://x@y/",
    "http://h?#",
    "https://ex.com/é",
)
DURATIONS = (
    "1h",
    "-90m",
    "1.5h",
    "24h",
    "25h",
    "60s",
    "61s",
    "1h30m5s",
    "100ms",
    "1us",
    "0",
    "8760h1s",
    "720h1s",
    "-2h",
    "+5s",
    "nonsense",
    "300",
)
DATETIMES = (
    "2024-02-29 12:34:56",
    "1999-12-31 23:59:59",
    "1970-01-01 00:00:00",
    "2038-01-19 03:14:07",
    "0001-01-01 00:00:00",
    "2024-07-04 05:06:07",
    "1969-07-20 20:17:40",
)
ZONES = ("UTC", "", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Local", "Nowhere/Land", "Australia/Lord_Howe")
TYPES = (
    "string",
    "int",
    "int64",
    "float64",
    "bool",
    "[]interface {}",
    "map[string]interface {}",
    "*semver.Version",
    "semver.Version",
    "time.Time",
    "[]string",
    "interface {}",
)
KINDS = ("string", "int", "int64", "float64", "bool", "slice", "map", "invalid", "ptr", "struct")
KEYS = ("a", "b", "c", "key", "host", "x.y", "é", "0", "10", "9", "nested", "", "yes", "n", "a b")
PIECES = (
    *"a b:#-?,[]{}&*!|>'\"%@`~=.0159xXeEyYnN_/\\<>$^+éß日😀\n\t\x00\x1b\u00a0\u200b\ufffd",
    *(
        ": ",
        " #",
        "- ",
        "\n\n",
        "  ",
        "\r\n",
        "true",
        "Yes",
        "null",
        "~",
        "0x",
        "1e3",
        "<<",
        "---",
        "...",
        "2001-01-01",
        "1:30",
        "0b1",
        "0o7",
        ".inf",
        "word ",
    ),
)
ELEMENTS = (
    "2006",
    "06",
    "January",
    "Jan",
    "01",
    "1",
    "02",
    "_2",
    "2",
    "002",
    "Monday",
    "Mon",
    "15",
    "03",
    "3",
    "04",
    "4",
    "05",
    "5",
    "PM",
    "pm",
    "MST",
    "-0700",
    "-07:00",
    "Z07:00",
    ".000",
    ".999",
    ",00",
)
VERBS = "vvvvsdqxXTtbocUeEfFgGO"


@dataclass
class Scope:
    """What a statement can see. `dot`: its type, `data` for the data itself. `root`: whether `$` is the data."""

    dot: str = "data"
    root: bool = True
    looping: bool = False
    variables: list[tuple[str, str]] = field(default_factory=list)

    def inner(self, dot: str = "", looping: bool | None = None) -> Scope:
        return Scope(dot or self.dot, self.root, self.looping if looping is None else looping, list(self.variables))


@dataclass(frozen=True, slots=True)
class Case:
    tree: Tree
    data: dict[str, bytes]
    focus: str = ""

    @property
    def question(self) -> Question:
        return Question(self.tree.source(), self.data)


BY_RESULT: dict[str, list[Pattern]] = {}
for _pattern in PATTERNS + MEMBERS:
    if (
        not SLOW.intersection(_pattern.functions)
        and "oracle_" not in _pattern.text
        and "fail" not in _pattern.functions
    ):
        BY_RESULT.setdefault(_pattern.result, []).extend(
            [_pattern] * (4 if _pattern.functions[:1] in (("printf",), ("toYaml",), ("fromYaml",)) else 1)
        )

PLAIN = ("str", "int", "int64", "float", "bool", "list", "strs", "ints", "dict", "strmap")
ANYTHING = (*PLAIN, "str", "str", "dict", "list", "nil", "any", "uint8", "time", "version", "anylist", "lists")
ANY_LIST = ("list", "list", "strs", "ints", "anylist", "lists")
NUMERIC = ("int", "int", "int64", "float", "float", "numeric", "bool")
ALIASES = {"any": ANYTHING, "anylist": ANY_LIST, "num": NUMERIC}
FOCUSED = tuple(sorted(FOCUS))


def case(seed: int, number: int) -> Case:
    """The case of this number: its function is the number's turn in the table."""
    chance = random.Random(f"{seed}/{number}")
    focus = FOCUSED[number % len(FOCUSED)]
    return _Maker(chance, focus).case()


@functools.cache
def material() -> dict[str, bytes]:
    """A private key and a certificate that are the same each time."""
    key = ec.derive_private_key(1_000_003, ec.SECP256R1())
    signer = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "oracle")])
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(
        name, name, signer.public_key(), 7, start, start + datetime.timedelta(days=20_000)
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return {"oracle_key": private, "oracle_cert": builder.sign(signer, None).public_bytes(pem)}


class _Maker:
    """Grows one case."""

    def __init__(self, chance: random.Random, focus: str) -> None:
        self.chance = chance
        self.focus = focus
        self.data: dict[str, bytes] = {}
        self.names = 0
        self.templates: list[tuple[str, str]] = []
        self.mistake = chance.random() < MISTAKES
        self.room = chance.choice((6, 12, 25))
        """How many more nodes may grow: keeps templates readable."""

    def odds(self, share: float) -> bool:
        return self.chance.random() < share

    def case(self) -> Case:
        scope = Scope()
        before = [self.definition() for _ in range(self.chance.choice((0, 0, 0, 1, 2)))]
        statements = [*before, *self.statements(scope, 1, self.chance.randrange(3))]
        statements.append(self.about(scope))
        self.room = 6
        statements += self.statements(scope, 1, self.chance.randrange(2))
        tree = Tree("body", tuple(statements))
        if self.mistake and self.odds(0.6):
            tree = self.damaged(tree)
        if "oracle_" in self.focus or any(
            "oracle_" in str(part) for node in tree.walk() for part in node.parts if isinstance(part, str)
        ):
            self.data |= material()
        return Case(tree, self.data, self.focus)

    # --- statements

    def about(self, scope: Scope) -> Tree:
        """The statement that calls the function whose turn it is; always executed."""
        pattern = self.chance.choice(FOCUS[self.focus])
        call = self.call(pattern, scope, 2)
        shape = self.chance.randrange(8)
        if shape == 0 and pattern.result in ("anylist", "list", "strs", "ints", "dict", "strmap"):
            return self.statement("{{range $i, $e := ", call, "}}[{{$i}}={{$e}}]{{else}}none{{end}}")
        if shape == 1:
            return self.statement("{{if ", call, "}}T{{else}}F{{end}}")
        if shape == 2:
            return self.statement("{{$r := ", call, '}}{{$r}}{{printf "|%T|%v" $r $r}}')
        if shape == 3:
            return self.statement("{{with ", call, "}}<{{.}}>{{end}}")
        if shape == 4 and pattern.result not in ("version", "time", "any"):
            return self.statement("{{", call, " | toJson}}")
        return self.statement("{{", call, "}}")

    def statement(self, *parts: str | bytes | Tree, functions: tuple[str, ...] = ()) -> Tree:
        return Tree("statement", parts, True, functions)

    def body(self, scope: Scope, depth: int) -> Tree:
        return Tree("body", tuple(self.statements(scope, depth, self.chance.choice((1, 1, 2, 3)))))

    def statements(self, scope: Scope, depth: int, count: int) -> list[Tree]:
        return [self.any_statement(scope, depth) for _ in range(count)]

    def any_statement(self, scope: Scope, depth: int) -> Tree:
        self.room -= 1
        if depth > 4 or self.room < 0:
            return self.statement(self.text())
        return self.chance.choice(self.KINDS)(self, scope, depth)

    def text(self) -> str:
        return self.chance.choice((" ", "\n", "x", "text }} { ", "  \n\t", "a: ", "\r\n", "é ", "-", "=", ", ", "\n\n"))

    def open(self) -> str:
        return "{{- " if self.odds(0.15) else self.chance.choice(("{{", "{{ ", "{{ ", "{{\n", "{{\t"))

    def shut(self) -> str:
        return " -}}" if self.odds(0.15) else self.chance.choice(("}}", " }}", " }}", "\n}}"))

    def words(self, scope: Scope, depth: int) -> Tree:
        return self.statement(self.text())

    def action(self, scope: Scope, depth: int) -> Tree:
        return self.statement(self.open(), self.expression("any", scope, 2), self.shut())

    def conditional(self, scope: Scope, depth: int) -> Tree:
        head, end = self.open(), self.shut()
        parts: list[str | bytes | Tree] = [
            head,
            "if ",
            self.expression("any", scope, 2),
            end,
            self.body(scope.inner(), depth + 1),
        ]
        if self.odds(0.3):
            parts += ["{{else if ", self.expression("any", scope, 1), "}}", self.body(scope.inner(), depth + 1)]
        if self.odds(0.5):
            parts += [self.open(), "else", self.shut(), self.body(scope.inner(), depth + 1)]
        return self.statement(*parts, self.open(), "end", self.shut())

    def with_(self, scope: Scope, depth: int) -> Tree:
        kind = self.chance.choice(PLAIN)
        inner = scope.inner(kind)
        name = self.fresh() if self.odds(0.4) else ""
        head = self.expression(kind, scope, 2)
        if name:
            inner.variables.append((name, kind))
        parts: list[str | bytes | Tree] = [
            self.open(),
            "with ",
            f"{name} := " if name else "",
            head,
            self.shut(),
            self.body(inner, depth + 1),
        ]
        if self.odds(0.2):
            other = self.chance.choice(PLAIN)
            parts += ["{{else with ", self.expression(other, scope, 1), "}}", self.body(scope.inner(other), depth + 1)]
        if self.odds(0.4):
            parts += ["{{else}}", self.body(scope.inner(), depth + 1)]
        return self.statement(*parts, self.open(), "end", self.shut())

    def range_(self, scope: Scope, depth: int) -> Tree:
        kind = self.chance.choice(("list", "strs", "ints", "dict", "strmap", "anylist", "small", "data"))
        element = {"strs": "str", "ints": "int", "strmap": "str", "small": "int", "data": "str"}.get(kind, "any")
        index = "str" if kind in ("dict", "strmap", "data") else "int"
        if kind == "data":
            kind = "str" if not scope.root else kind
        source = (
            Tree("argument", ("$",))
            if kind == "data"
            else self.expression("strmap" if kind == "str" else kind, scope, 2)
        )
        inner = scope.inner(element, True)
        names = self.chance.randrange(3 if kind != "small" else 2)
        head = ""
        if names:
            variables = [self.fresh() for _ in range(names)]
            inner.variables += list(zip(variables, [element] if names == 1 else [index, element], strict=True))
            head = ", ".join(variables) + " := "
        parts: list[str | bytes | Tree] = [
            self.open(),
            "range ",
            head,
            source,
            self.shut(),
            self.looped(inner, depth + 1),
        ]
        if self.odds(0.3):
            parts += ["{{else}}", self.body(scope.inner(), depth + 1)]
        return self.statement(*parts, self.open(), "end", self.shut())

    def looped(self, scope: Scope, depth: int) -> Tree:
        """A body that sometimes leaves or goes on early, with text behind it that shows."""
        body = self.body(scope, depth)
        if self.odds(0.3):
            return body.with_parts([*body.parts, self.jump(scope, depth), self.statement(";")])
        return body

    def declare(self, scope: Scope, depth: int) -> Tree:
        if scope.variables and self.odds(0.4):
            name, kind = self.chance.choice(scope.variables)
            return self.statement(self.open(), f"{name} = ", self.expression(kind, scope, 2), self.shut())
        kind = self.chance.choice((*PLAIN, "time", "version"))
        name, value = self.fresh(), self.expression(kind, scope, 2)
        scope.variables.append((name, kind))
        return self.statement(self.open(), f"{name} := ", value, self.shut())

    def comment(self, scope: Scope, depth: int) -> Tree:
        return self.statement(
            self.chance.choice(("{{/* a comment */}}", " {{- /* with }} in it */ -}} ", "{{/*\n*/}}", "{{- /**/}}"))
        )

    def call_template(self, scope: Scope, depth: int) -> Tree:
        if not self.templates:
            return self.action(scope, depth)
        name, kind = self.chance.choice(self.templates)
        return self.statement(self.open(), f'template "{name}" ', self.expression(kind, scope, 2), self.shut())

    def block(self, scope: Scope, depth: int) -> Tree:
        kind = self.chance.choice(PLAIN)
        self.names += 1
        body = self.body(Scope(kind, False), depth + 1)
        return self.statement(
            self.open(),
            f'block "b{self.names}" ',
            self.expression(kind, scope, 1),
            self.shut(),
            body,
            self.open(),
            "end",
            self.shut(),
        )

    def jump(self, scope: Scope, depth: int) -> Tree:
        if not scope.looping:
            return self.action(scope, depth)
        word = self.chance.choice(("break", "continue"))
        return self.statement("{{if ", self.expression("bool", scope, 1), "}}{{", word, self.shut(), "{{end}}")

    KINDS: ClassVar[tuple[Callable[[_Maker, Scope, int], Tree], ...]] = (
        words,
        words,
        action,
        action,
        action,
        action,
        conditional,
        with_,
        range_,
        range_,
        declare,
        declare,
        comment,
        call_template,
        block,
        jump,
    )

    def definition(self) -> Tree:
        kind = self.chance.choice(PLAIN)
        self.names += 1
        name = f"t{self.names}"
        body = self.body(Scope(kind, False), 3)
        self.templates.append((name, kind))
        return self.statement(self.open(), f'define "{name}"', self.shut(), body, "{{end}}")

    def fresh(self) -> str:
        self.names += 1
        return f"$v{self.names}"

    # --- expressions

    def expression(self, kind: str, scope: Scope, depth: int) -> Tree:
        """A pipeline of (mostly) this type, without parentheses around it."""
        if self.mistake and self.odds(0.03) and kind not in ("moment", "epoch", "epoch64") and self.focus != "htpasswd":
            self.mistake = False
            kind = self.chance.choice(PLAIN)
        kind = self.chance.choice(ALIASES[kind]) if kind in ALIASES and self.odds(0.9) else kind
        self.room -= 1
        if depth <= 0 or self.room < 0 or self.odds(0.3):
            return self.leaf(kind, scope)
        grown = BY_RESULT.get(kind)
        if grown is None:
            return self.leaf(kind, scope)
        return self.call(self.chance.choice(grown), scope, depth)

    def argument(self, kind: str, scope: Scope, depth: int, deletable: bool = False) -> Tree:
        inside = self.expression(kind, scope, depth)
        if inside.sort == "call":
            return Tree("argument", ("(", inside, ")"), deletable)
        return Tree(inside.sort, inside.parts, deletable, inside.functions)

    def call(self, pattern: Pattern, scope: Scope, depth: int) -> Tree:
        parts: list[str | bytes | Tree] = []
        if pattern.pipeable and self.odds(0.3):
            holes = [piece for piece in pattern.pieces if not isinstance(piece, str)]
            parts += [self.expression(holes[-1][0], scope, depth - 1), f" | {pattern.functions[0]}"]
            for domain, _ in holes[:-1]:
                parts += [" ", self.argument(domain, scope, depth - 1)]
            return Tree("call", tuple(parts), False, pattern.functions)
        for piece in pattern.pieces:
            if isinstance(piece, str):
                parts.append(piece)
                continue
            domain, repeat = piece
            if domain == "pairs":
                for _ in range(self.chance.randrange(4)):
                    parts += [self.argument("key", scope, 0), " ", self.argument("any", scope, depth - 1), " "]
                continue
            count = {"": 1, "*": self.chance.randrange(4), "+": self.chance.randrange(1, 4)}[repeat]
            for number in range(count):
                parts += [" " if number else "", self.argument(domain, scope, depth - 1, deletable=bool(repeat))]
        tree = Tree("call", tuple(parts), False, pattern.functions)
        if self.mistake and self.odds(0.05):
            self.mistake = False
            return tree.with_parts(
                [*tree.parts, " ", self.argument("any", scope, 0)]
                if self.odds(0.5)
                else [p for p in tree.parts[:-1]] or tree.parts
            )
        return tree

    def leaf(self, kind: str, scope: Scope) -> Tree:
        names = [name for name, known in scope.variables if known == kind or kind == "any"]
        if scope.dot == kind or (kind == "any" and scope.dot != "data"):
            names.append(".")
        if names and self.odds(0.6):
            return Tree("argument", (self.chance.choice(names),))
        if self.mistake and self.odds(0.03):
            self.mistake = False
            return Tree(
                "argument",
                (
                    self.chance.choice(
                        (
                            ".nope",
                            "$.nope",
                            "$missing",
                            "nil",
                            "nosuch 1",
                            '"bad\\q"',
                            "1__0",
                            "9223372036854775808",
                            "(index . 5)",
                            'fail "x"',
                        )
                    ),
                ),
            )
        made = self.LEAVES.get(kind, _Maker.any_leaf)(self, scope)
        return made if isinstance(made, Tree) else Tree("constant", (made,))

    def any_leaf(self, scope: Scope) -> Tree:
        return self.leaf(self.chance.choice(PLAIN), scope)

    def string(self, text: str | bytes, scope: Scope) -> Tree | str | bytes:
        """The text as a constant, or as a field of the data where those can be seen."""
        raw = text if isinstance(text, bytes) else text.encode()
        if scope.root and self.odds(0.3):
            key = f"k{len(self.data)}"
            self.data[key] = raw
            return Tree(
                "argument",
                (
                    (
                        f"$.{key}"
                        if scope.dot != "data"
                        else self.chance.choice((f".{key}", f"$.{key}", f'(index $ "{key}")'))
                    ),
                ),
            )
        if b"`" not in raw and b"\r" not in raw and b"\x00" not in raw and self.odds(0.25):
            return b"`" + raw + b"`"
        return self.quoted(raw)

    def quoted(self, raw: bytes) -> str:
        out = []
        for char in raw.decode("utf-8", "surrogateescape"):
            code = ord(char)
            if 0xDC80 <= code <= 0xDCFF:
                out.append(f"\\x{code - 0xDC00:02x}" if self.odds(0.5) else f"\\{code - 0xDC00:03o}")
            elif char in '"\\':
                out.append("\\" + char)
            elif char == "\n":
                out.append("\\n")
            elif code < 0x20 or (code > 0x7E and self.odds(0.3)):
                out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
            else:
                out.append(char)
        return '"' + "".join(out) + '"'

    def pick(self, pool: tuple[str, ...], scope: Scope, other: float = 0.04) -> Tree | str | bytes:
        return self.string(self.chance.choice(WORDS if self.odds(other) else pool), scope)

    def str_leaf(self, scope: Scope) -> Tree | str | bytes:
        if self.odds(0.06):
            return self.string(self.chance.choice(BINARY), scope)
        if self.odds(0.1):
            return self.string(
                "".join(
                    chr(
                        self.chance.choice((0x41, 0x61, 0x20, 0x31, 0x5F, 0x2D, 0xE9, 0x416, 0x1F600, 0x0A))
                        + self.chance.randrange(3)
                    )
                    for _ in range(6)
                ),
                scope,
            )
        if self.odds(0.15):
            return self.string(self.tricky(), scope)
        return self.string(self.chance.choice(WORDS), scope)

    def list_leaf(self, scope: Scope) -> str:
        return (
            "(list "
            + " ".join(
                self.chance.choice(
                    (
                        '"a"',
                        '"b"',
                        "1",
                        "2.5",
                        "true",
                        "nil",
                        '""',
                        "0",
                        '(list 1 "x")',
                        '(dict "a" 1)',
                        "0.0",
                        '"10"',
                        '"9"',
                    )
                )
                for _ in range(self.chance.randrange(5))
            )
            + ")"
        )

    def dict_leaf(self, scope: Scope) -> str:
        values = (
            '"x"',
            "1",
            "0",
            '""',
            "nil",
            "true",
            "false",
            '(dict "a" "deep" "b" nil)',
            "(list 1 2)",
            "1.5",
            "(dict)",
            '"multi\\nline"',
            '"yes"',
            '"1.0"',
        )
        return (
            "(dict "
            + " ".join(
                f"{self.quoted(key.encode())} {self.chance.choice(values)}"
                for key in self.chance.sample(KEYS, self.chance.randrange(5))
            )
            + ")"
        )

    def wide(self, scope: Scope) -> str:
        """A dict whose keys and values are hard on an emitter."""
        keys = self.chance.sample(
            (*KEYS, "k2", "k10", "k1", "K", "a10", "a9", "a-b", "a_b", "true", "1:30", "- x", "null", "1.5"),
            self.chance.randrange(2, 7),
        )
        return (
            "(dict "
            + " ".join(f"{self.quoted(key.encode())} {self.quoted(self.tricky().encode())}" for key in keys)
            + ")"
        )

    def tricky(self) -> str:
        """Text from the pieces that scanners, emitters and quoters look at."""
        return "".join(self.chance.choice(PIECES) for _ in range(self.chance.choice((1, 2, 3, 6, 12))))

    def number(self, scope: Scope) -> str:
        if self.odds(0.2):
            return str(self.chance.randrange(-(10 ** self.chance.randrange(1, 19)), 10 ** self.chance.randrange(1, 19)))
        return self.chance.choice(INTS)

    def float_(self, scope: Scope) -> str:
        if self.odds(0.35):
            text = repr(
                self.chance.choice((1, -1))
                * round(self.chance.random(), self.chance.choice((1, 2, 3, 17)))
                * 10 ** self.chance.randrange(-8, 23)
            )
            return text if "." in text or "e" in text else text + ".0"
        return self.chance.choice(FLOATS)

    def regex(self, scope: Scope) -> Tree | str | bytes:
        if self.odds(0.02):
            return self.quoted(self.chance.choice(("(", "[z-a]", "*", "a**", "\\8", "(?=x)", "x{2000}")).encode())
        if self.odds(0.3):
            atoms = (
                "a",
                "b",
                "x",
                ".",
                "\\w",
                "\\d",
                "\\s",
                "[a-c]",
                "[^a]",
                "é",
                "(a)",
                "(b|c)",
                "(?:ab)",
                "^",
                "$",
                "\\b",
                "\\.",
                " ",
                "l",
                "-",
            )
            return self.string(
                "".join(
                    self.chance.choice(atoms)
                    + self.chance.choice(("", "", "", "*", "+", "?", "*?", "+?", "{2}", "{0,2}", "|"))
                    for _ in range(self.chance.randrange(1, 5))
                ),
                scope,
            )
        return self.string(self.chance.choice(REGEXES), scope)

    def layout(self, scope: Scope) -> Tree | str | bytes:
        if self.odds(0.4):
            return self.string(
                "".join(
                    self.chance.choice(ELEMENTS) + self.chance.choice(("", " ", "-", ":", ".", ", "))
                    for _ in range(self.chance.randrange(1, 6))
                ),
                scope,
            )
        return self.pick(LAYOUTS, scope)

    def datetime_(self) -> str:
        if self.odds(0.6):
            pick = self.chance.randrange
            return (
                f"{pick(1, 2200):04d}-{pick(1, 13):02d}-{pick(1, 29):02d} {pick(24):02d}:{pick(60):02d}:{pick(60):02d}"
            )
        return self.chance.choice(DATETIMES)

    def version_text(self, scope: Scope) -> Tree | str | bytes:
        if self.odds(0.4):
            pick = self.chance.randrange
            return self.string(
                f"{pick(3)}.{pick(4)}.{pick(4)}" + self.chance.choice(("", "", "", "-rc.1", "-alpha", "-1", "+b1")),
                scope,
            )
        return self.pick(VERSIONS, scope, 0.03)

    def constraint(self, scope: Scope) -> Tree | str | bytes:
        if self.odds(0.5):
            pick = self.chance.randrange
            parts = (
                self.chance.choice(("=", "", "!=", ">", "<", ">=", "<=", "~", "^", "~>"))
                + self.chance.choice(
                    (
                        f"{pick(3)}",
                        f"{pick(3)}.{pick(4)}",
                        f"{pick(3)}.{pick(4)}.{pick(4)}",
                        "x",
                        f"{pick(3)}.x",
                        f"{pick(2)}.{pick(3)}.{pick(3)}-rc.1",
                    )
                )
                for _ in range(pick(1, 4))
            )
            return self.string(self.chance.choice((", ", " ", " || ", ",")).join(parts), scope)
        return self.pick(CONSTRAINTS, scope, 0.02)

    def url(self, scope: Scope) -> Tree | str | bytes:
        if self.odds(0.4):
            pick = self.chance.choice
            return self.string(
                pick(("https://", "http://", "//", "x+y:", ""))
                + pick(("", "u@", "u:p%40@", "é:ü@"))
                + pick(("h", "h.example", "[::1]", "1.2.3.4", "H_x", "hé"))
                + pick(("", ":80", ":", ":x"))
                + pick(("", "/", "/a/b", "/a%2Fb", "/ä b", "/%zz", "/a;b,c"))
                + pick(("", "?", "?a=b&c", "?a b"))
                + pick(("", "#", "#f%20g", "#é")),
                scope,
            )
        return self.pick(URLS, scope, 0.1)

    def path(self, scope: Scope) -> Tree | str | bytes:
        if self.odds(0.4):
            return self.string(
                "".join(
                    self.chance.choice(("/", "/", ".", "..", "a", "b.c", "é", " ", "//"))
                    for _ in range(self.chance.randrange(1, 7))
                ),
                scope,
            )
        return self.pick(PATHS, scope, 0.1)

    def duration(self, scope: Scope, pool: tuple[str, ...]) -> Tree | str | bytes:
        if self.odds(0.4):
            return self.string(
                self.chance.choice(("", "-"))
                + "".join(
                    f"{self.chance.choice((1, 7, 59, 60, 61, 90, 1.5, 0.25, 400))}{unit}"
                    for unit in ("h", "m", "s", "ms", "us", "ns")
                    if self.odds(0.4)
                ),
                scope,
            )
        return self.pick(pool, scope, 0.0)

    def json_leaf(self, scope: Scope) -> Tree | str | bytes:
        if self.odds(0.4):
            return self.string(
                json.dumps(self.value(3), ensure_ascii=self.odds(0.5), indent=self.chance.choice((None, 1))), scope
            )
        return self.pick(JSONS, scope, 0.02)

    def yaml_leaf(self, scope: Scope) -> Tree | str | bytes:
        if self.odds(0.15):
            return self.string("".join(f"{key}: {self.tricky()}\n" for key in self.chance.sample("abc", 2)), scope)
        if self.odds(0.3):
            return self.string(
                json.dumps(
                    self.value(3) if self.odds(0.2) else {"a": self.value(2), "b": self.value(2)},
                    ensure_ascii=self.odds(0.5),
                ),
                scope,
            )
        return self.pick(YAMLS + BAD_YAMLS, scope, 0.02)

    def value(self, depth: int) -> object:
        kind = self.chance.randrange(8 if depth else 5)
        if kind >= 6:
            return [self.value(depth - 1) for _ in range(self.chance.randrange(4))]
        if kind == 5:
            return {key: self.value(depth - 1) for key in self.chance.sample(KEYS, self.chance.randrange(4))}
        return (
            self.chance.choice(WORDS),
            self.chance.randrange(-5, 2_000_000),
            self.chance.random() * 10 ** self.chance.randrange(-9, 24),
            None,
            self.odds(0.5),
        )[kind]

    def form(self, scope: Scope) -> str:
        parts = []
        for _ in range(self.chance.randrange(1, 4)):
            flags = "".join(c for c in "+-# 0" if self.odds(0.12))
            width = self.chance.choice(("", "", "", "5", "12", "1", "*"))
            precision = self.chance.choice(("", "", "", ".0", ".2", ".10", ".", ".*"))
            index = self.chance.choice(("",) * 12 + ("[1]", "[2]", "[5]", "[x]"))
            verb = self.chance.choice(VERBS if self.odds(0.97) else "z%!é")
            parts.append(self.chance.choice(("", "a", "é", "[", "]", " ")) + f"%{flags}{width}{precision}{index}{verb}")
        return self.quoted(("".join(parts) + self.chance.choice(("", "", "", "%%", "%", "z"))).encode())

    def shown(self, scope: Scope) -> Tree:
        if self.odds(0.2):
            return Tree(
                "constant",
                (
                    self.quoted(
                        self.chance.choice(("é", "日本", "a\x01é", "\x1b", "😀", "x\u200b", '"q"', "ß\t")).encode()
                    ),
                ),
            )
        return self.argument(self.chance.choice((*PLAIN, "str", "int", "float", "nil", "uint8", "complex")), scope, 1)

    def small(self, scope: Scope) -> str:
        return str(self.chance.choice((0, 1, 2, 3, 4, 5, 7, 10, 12, -1, -3) if self.odds(0.4) else (1, 2, 3, 4, 5, 8)))

    def moment(self, scope: Scope) -> Tree:
        kind = self.chance.choice(("time", "time", "epoch", "epoch64"))
        return self.argument(kind, scope, 1)

    def nearly(self, make: Callable[[bytes], bytes], scope: Scope) -> Tree | str | bytes:
        """Encoded text, now and then damaged."""
        text = make(self.chance.choice(WORDS).encode())
        if self.odds(0.2) and text:
            at = self.chance.randrange(len(text))
            text = (
                text[:at] + self.chance.choice((b"", b"!", b"\n", b"=", b"a")) + text[at + self.chance.randrange(2) :]
            )
        return self.string(text, scope)

    LEAVES: ClassVar[dict[str, Callable[[_Maker, Scope], Tree | str | bytes]]] = {
        "str": str_leaf,
        "int": number,
        "int64": lambda self, scope: f"(int64 {self.chance.choice(INTS)})",
        "uint8": lambda self, scope: '(index "Az" 1)',
        "float": float_,
        "complex": lambda self, scope: self.chance.choice(("1i", "1+2i", "0.5-1e3i")),
        "bool": lambda self, scope: self.chance.choice(("true", "false")),
        "nil": lambda self, scope: "nil",
        "blank": lambda self, scope: self.pick(
            ("\u00a0x\u0085", "\u2003a b\u3000", "\u200bx\ufeff", "\x1fa\x1c", "\v\fx\v", "  "), scope, 0.1
        ),
        "mixed": lambda self, scope: self.chance.choice(
            ("1", "1.0", "2.5", "(int64 1)", "0", "0.0", '"1"', "(list 1)", "(list 1.0)", "2")
        ),
        "hollow": lambda self, scope: self.chance.choice(
            ("0", "0.0", '""', "false", "nil", "(list)", "(dict)", "(int64 0)", "1", '"0"', "-0.0", "0i")
        ),
        "halves": lambda self, scope: (
            f"{self.chance.randrange(-9, 10)}.{self.chance.choice(('5', '25', '75', '45', '05', '15', '0'))}"
        ),
        "wide": wide,
        "list": list_leaf,
        "anylist": lambda self, scope: self.argument(self.chance.choice(("list", "list", "strs", "ints")), scope, 0),
        "strs": lambda self, scope: (
            f'(splitList "," {self.quoted(self.chance.choice(("a,b,c", "", "b,a", "10,9,x", ",,")).encode())})'
        ),
        "ints": lambda self, scope: f"(until {self.chance.randrange(4)})",
        "lists": lambda self, scope: f"(chunk {self.chance.randrange(1, 3)} {self.list_leaf(scope)})",
        "dict": dict_leaf,
        "solid": lambda self, scope: self.argument(
            self.chance.choice(("dict", "list", "str", "int", "strmap")), scope, 1
        ),
        "strmap": lambda self, scope: f'(split "," {self.quoted(self.chance.choice(("a,b,c", "", "x")).encode())})',
        "time": lambda self, scope: f'(toDate "2006-01-02 15:04:05" "{self.datetime_()}")',
        "version": lambda self, scope: f'(semver "{self.chance.choice(VERSIONS)}")',
        "num": lambda self, scope: self.leaf(self.chance.choice(NUMERIC), scope),
        "numeric": lambda self, scope: self.pick(
            (
                "1",
                "42",
                "-7",
                "3.14",
                "010",
                "0x1F",
                "1e3",
                "",
                "1_000",
                "08",
                " 1",
                "0.1",
                "12.0",
                "-3.99",
                "0b11",
                "9223372036854775808",
                "inf",
                "17",
            ),
            scope,
            0.1,
        ),
        "tiny": lambda self, scope: self.chance.choice(("0", "1", "2", "1", "0")),
        "positive": lambda self, scope: self.chance.choice(("1", "2", "3", "5")),
        "small": small,
        "index": lambda self, scope: self.chance.choice(("-1", "-1", "0", "1", "2", "3", "5", "20", "-3")),
        "piece": lambda self, scope: self.pick((",", "a", "x", " ", "", "é", "\n", "l", "ab", "-", "="), scope, 0.3),
        "cut": lambda self, scope: self.pick(("xyz", " ", "", "aé", "\n ", "a", "0123", "\\"), scope, 0.2),
        "words": lambda self, scope: self.string(
            " ".join(self.chance.choice(WORDS) for _ in range(self.chance.randrange(1, 5))), scope
        ),
        "name": lambda self, scope: self.string(
            "".join(
                self.chance.choice(("foo", "Bar", "HTTP", "_", "-", " ", "2", "12", "x", "É", "é", ".", "OK", "__"))
                for _ in range(self.chance.randrange(1, 6))
            ),
            scope,
        ),
        "word": lambda self, scope: self.chance.choice(('"alice"', '"bob.smith"', '"münchen"', '"x"')),
        "key": lambda self, scope: self.quoted(self.chance.choice(KEYS[:6] if self.odds(0.7) else KEYS).encode()),
        "regex": regex,
        "repl": lambda self, scope: self.pick(
            ("-", "$1", "${1}x", "$1W", "$$", "$first-${rest}", "", "[$0]", "$2$1", "é"), scope, 0.1
        ),
        "layout": layout,
        "zone": lambda self, scope: self.pick(ZONES, scope, 0.02),
        "moment": moment,
        "epoch": lambda self, scope: self.chance.choice(("0", "1704164645", "-86400", "951782400")),
        "epoch64": lambda self, scope: f"(int64 {self.chance.choice(('0', '1704164645', '-1', '4102444800'))})",
        "datetime": lambda self, scope: self.string(self.datetime_(), scope),
        "rfc3339": lambda self, scope: self.string(
            self.chance.choice(
                (
                    "2024-02-29T12:34:56Z",
                    "1999-12-31T23:59:59.5+02:00",
                    "2024-06-01T00:00:00-07:30",
                    "2030-01-01T00:00:00.123456789Z",
                )
            ),
            scope,
        ),
        "durtext": lambda self, scope: self.duration(scope, DURATIONS[:15]),
        "seconds": lambda self, scope: self.chance.choice(
            ('"95"', '"3600"', '"0"', '"-61"', '"x"', "(int64 95)", "(int64 86400)", "95", "(int64 -5)", '"1.5"')
        ),
        "lengths": lambda self, scope: (
            self.pick(DURATIONS, scope)
            if self.odds(0.7)
            else f"(int64 {self.chance.choice(('1000000000', '61000000000', '90000000000000', '0', '-5000000000'))})"
        ),
        "version_text": version_text,
        "constraint": constraint,
        "url": url,
        "urldict": lambda self, scope: self.chance.choice(
            (
                f"(urlParse {self.quoted(self.chance.choice(URLS).encode())})",
                '(dict "scheme" "https" "host" "h:80" "path" "/a b" "query" "x=1" "fragment" "f é")',
                '(dict "host" "h" "path" "rel")',
                "(dict)",
                '(dict "scheme" "mailto" "opaque" "a@b")',
                '(dict "scheme" "http" "host" "h" "userinfo" "u:p")',
            )
        ),
        "b64": lambda self, scope: self.nearly(base64.b64encode, scope),
        "b32": lambda self, scope: self.nearly(base64.b32encode, scope),
        "hex": lambda self, scope: self.nearly(lambda raw: raw.hex().encode(), scope),
        "json": json_leaf,
        "yaml": yaml_leaf,
        "path": path,
        "typename": lambda self, scope: self.quoted(self.chance.choice(TYPES).encode()),
        "kindname": lambda self, scope: self.quoted(self.chance.choice(KINDS).encode()),
        "passtype": lambda self, scope: self.chance.choice(
            ('"maximum"', '"medium"', '"short"', '"basic"', '"pin"', '"nonsense"')
        ),
        "form": form,
        "shown": shown,
    }

    # --- mistakes

    def damaged(self, tree: Tree) -> Tree:
        """The text with one token too many, one too few, or cut short."""
        self.mistake = False
        text = tree.source().decode("utf-8", "surrogateescape")
        at = self.chance.randrange(len(text) + 1)
        way = self.chance.randrange(4)
        if way == 0:
            text = text[:at] + text[at + self.chance.randrange(1, 4) :]
        elif way == 1:
            text = (
                text[:at]
                + self.chance.choice(
                    (
                        "{{",
                        "}}",
                        '"',
                        "(",
                        ")",
                        "|",
                        " . ",
                        "$",
                        "`",
                        "{{end}}",
                        "{{else}}",
                        "{{break}}",
                        "-",
                        "1",
                        "'",
                        " := ",
                        ",",
                        "\n",
                        "\\",
                        "#",
                        "é",
                        " nil ",
                        "{{/*",
                    )
                )
                + text[at:]
            )
        elif way == 2:
            text = text[:at]
        else:
            text = text.replace(
                self.chance.choice(("{{", "}}", "(", ")", " ", "end", "if", '"')),
                self.chance.choice(("", " ", "{{", "x")),
                1,
            )
        return Tree("body", (Tree("text", (text.encode("utf-8", "surrogateescape"),)),), False, tuple(tree.calls()))
