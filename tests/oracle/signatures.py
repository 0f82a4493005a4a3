"""Every function of the table as generate.py calls it: what it gives, and how a sensible call looks.

Neighbours: generate.py fills the braces. `{domain}` is one argument, `{domain*}` none to three, `{domain+}` one to
three. A domain is a type or a meaning (`regex` is a string that mostly is one). What is random or reads the clock
stands in a pattern whose result is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TABLE = r"""
# the language
any     and {any+}
any     or {any+}
bool    not {any}
bool    eq {str} {str+}
bool    eq {int} {int}
bool    eq {float} {float}
bool    eq {bool} {bool}
bool    eq {int64} {int}
bool    ne {str} {str}
bool    ne {int} {int64}
bool    lt {int} {int}
bool    lt {str} {str}
bool    le {float} {float}
bool    le {int} {int64}
bool    gt {str} {str}
bool    gt {int64} {int}
bool    ge {float} {float}
bool    ge {int} {int}
bool    eq {any} {any}
bool    eq {mixed} {mixed}
bool    lt {float} {float}
bool    lt {int64} {int64}
bool    eq {str} {str}
bool    ne {any} nil
any     index {dict} {key}
any     index {list} {tiny}
uint8   index {str} 0
str     index {strmap} {key}
str     index {strs} 0
int     index {ints} 0
int     len {str}
int     len {anylist}
int     len {dict}
int     len {strmap}
str     print {any*}
str     println {any*}
str     printf {form} {shown*}
str     printf {form} {shown+}
str     html {any+}
str     js {any+}
str     urlquery {any+}
# strings
str     trim {str}
str     trim {blank}
str     trimAll {cut} {str}
str     trimall {cut} {str}
str     trimPrefix {piece} {str}
str     trimSuffix {piece} {str}
str     upper {str}
str     lower {str}
str     title {str}
str     untitle {str}
str     swapcase {str}
str     initials {str}
str     nospace {str}
str     repeat {small} {str}
str     substr {small} {index} {str}
str     substr 0 {index} {str}
str     substr {tiny} -1 {words}
str     substr -1 {small} {words}
str     trunc {index} {str}
str     abbrev {small} {str}
str     abbrevboth {small} {small} {str}
bool    contains {piece} {str}
bool    hasPrefix {piece} {str}
bool    hasSuffix {piece} {str}
str     replace {piece} {str} {str}
str     quote {any*}
str     squote {any*}
str     cat {any*}
str     indent {small} {str}
str     nindent {small} {str}
str     wrap {small} {words}
str     wrapWith {small} {piece} {words}
str     plural {str} {str} {tiny}
str     snakecase {name}
str     kebabcase {name}
str     camelcase {name}
str     toString {any}
strs    toStrings {any}
str     join {piece} {anylist}
str     join {piece} {any}
strmap  split {piece} {str}
strmap  splitn {piece} {index} {str}
strs    splitList {piece} {str}
strs    sortAlpha {anylist}
strs    sortAlpha {any}
str     shuffle {str} | splitList "" | sortAlpha | join ""
int     randAlphaNum {small} | len
int     randAlpha {small} | len
bool    randNumeric 6 | regexMatch "^[0-9]{6}$"
int     randAscii {small} | len
str     hello
any     fail {str}
# numbers
int     int {num}
int64   int64 {num}
float   float64 {num}
int     int {any}
int64   int64 {any}
float   float64 {any}
int     atoi {numeric}
int64   toDecimal {numeric}
int64   add {num*}
int64   add1 {num}
int64   sub {num} {num}
int64   mul {num} {num*}
int64   div {num} {num}
int64   div {num} {positive}
int64   mod {num} {num}
int64   mod {num} {positive}
int64   max {num} {num*}
int64   biggest {num} {num*}
int64   min {num} {num*}
float   maxf {num} {num*}
float   minf {num} {num*}
float   addf {num*}
float   add1f {num}
float   subf {num} {num+}
float   mulf {num} {num*}
float   divf {num} {num+}
float   divf {num} {positive} {positive}
float   floor {num}
float   ceil {num}
float   round {num} {tiny}
float   round {halves} {tiny}
float   round {num} {tiny} 0.4
ints    until {small}
ints    untilStep {small} {small} {small}
str     seq {small*}
int     randInt 5 6
# logic
any     default {any} {any*}
any     default {str} {hollow}
bool    empty {any}
bool    empty {hollow}
any     coalesce {any*}
bool    all {any*}
bool    any {any*}
any     ternary {any} {any} {bool}
list    compact {anylist}
list    mustCompact {anylist}
# JSON and YAML
any     fromJson {json}
any     mustFromJson {json}
str     toJson {any}
str     toRawJson {any}
str     toPrettyJson {any}
str     mustToJson {any}
str     mustToRawJson {any}
str     mustToPrettyJson {any}
str     toYaml {any}
str     toYaml {wide}
dict    fromYaml {yaml}
# lists
list    list {any*}
list    tuple {any*}
any     first {anylist}
any     last {anylist}
any     mustFirst {anylist}
any     mustLast {anylist}
anylist rest {anylist}
anylist initial {anylist}
anylist mustRest {anylist}
anylist mustInitial {anylist}
list    append {anylist} {any}
list    push {anylist} {any}
list    mustAppend {anylist} {any}
list    mustPush {anylist} {any}
list    prepend {anylist} {any}
list    mustPrepend {anylist} {any}
list    concat {anylist*}
list    reverse {anylist}
list    mustReverse {anylist}
list    uniq {anylist}
list    mustUniq {anylist}
list    without {anylist} {any*}
list    mustWithout {anylist} {any*}
bool    has {any} {anylist}
bool    has {mixed} (list 1 2.5 "1" nil (list 1))
bool    mustHas {any} {anylist}
anylist slice {anylist} 0 {tiny}
anylist mustSlice {anylist} 1
anylist slice {anylist}
lists   chunk {positive} {anylist}
lists   mustChunk {positive} {anylist}
# dicts
dict    dict {pairs}
any     get {dict} {key}
dict    set {dict} {key} {any}
dict    unset {dict} {key}
bool    hasKey {dict} {key}
strs    keys {dict} {dict*} | sortAlpha
strs    values {dict} | sortAlpha
list    pluck {key} {dict*}
dict    pick {dict} {key*}
dict    omit {dict} {key*}
dict    merge {dict} {dict*}
dict    mergeOverwrite {dict} {dict*}
dict    mustMerge {dict} {dict*}
dict    mustMergeOverwrite {dict} {dict*}
any     deepCopy {solid}
any     mustDeepCopy {solid}
any     dig {key} {any} {dict}
any     dig {key} {key} {any} (dict "a" {dict} "b" {dict})
# reflection, encoding, paths, regular expressions
str     typeOf {any}
str     kindOf {any}
bool    typeIs {typename} {any}
bool    typeIsLike {typename} {any}
bool    kindIs {kindname} {any}
bool    deepEqual {any} {any}
bool    deepEqual {mixed} {mixed}
str     b64enc {str}
str     b64dec {b64}
str     b32enc {str}
str     b32dec {b32}
str     hexdec {hex}
str     base {path}
str     dir {path}
str     clean {path}
str     ext {path}
bool    isAbs {path}
str     osBase {path}
str     osDir {path}
str     osClean {path}
str     osExt {path}
bool    osIsAbs {path}
bool    regexMatch {regex} {str}
bool    mustRegexMatch {regex} {str}
str     regexFind {regex} {str}
str     mustRegexFind {regex} {str}
strs    regexFindAll {regex} {str} {index}
strs    mustRegexFindAll {regex} {str} {index}
str     regexReplaceAll {regex} {str} {repl}
str     mustRegexReplaceAll {regex} {str} {repl}
str     regexReplaceAll "([a-z])([0-9]?)" {words} {repl}
str     regexReplaceAllLiteral {regex} {str} {repl}
str     mustRegexReplaceAllLiteral {regex} {str} {repl}
strs    regexSplit {regex} {str} {index}
strs    mustRegexSplit {regex} {str} {index}
str     regexQuoteMeta {str}
# dates
bool    now | date "2006" | regexMatch "^20"
str     typeOf now
str     date {layout} {moment}
str     dateInZone {layout} {moment} {zone}
str     date_in_zone {layout} {moment} {zone}
str     htmlDate {moment}
str     htmlDateInZone {moment} {zone}
time    toDate "2006-01-02 15:04:05" {datetime}
time    toDate {layout} {str}
time    mustToDate "2006-01-02 15:04:05" {datetime}
time    mustToDate "2006-01-02T15:04:05Z07:00" {rfc3339}
time    dateModify {durtext} {time}
time    date_modify {durtext} {time}
time    mustDateModify {durtext} {time}
time    must_date_modify {durtext} {time}
str     unixEpoch {time}
str     ago now
str     duration {seconds}
str     durationRound {lengths}
# versions and URLs
version semver {version_text}
bool    semverCompare {constraint} {version_text}
dict    urlParse {url}
str     urlJoin {urldict}
# hashes, randomness, keys
str     sha1sum {str}
str     sha256sum {str}
str     sha512sum {str}
str     adler32sum {str}
str     bcrypt (repeat 73 "x")
str     bcrypt {str} | trunc 7
str     htpasswd {word} {str} "sha"
str     derivePassword 1 "long" {str} {word} "example.com"
str     derivePassword 3 {passtype} "password" {word} {str}
int     randBytes {small} | b64dec | len
int     uuidv4 | len
bool    encryptAES {str} {str} | empty
str     decryptAES "k" (encryptAES "k" {str})
str     genPrivateKey "ecdsa" | trunc 30
str     genPrivateKey "ed25519" | trunc 27
str     genPrivateKey "none"
str     (genCAWithKey {word} 365 $.oracle_key).Key
int     (genSelfSignedCertWithKey {word} nil (list "a.b") 10 $.oracle_key).Cert | splitList "-----" | len
str     (genSignedCertWithKey {word} (list "10.0.0.1") nil 10 (genCAWithKey "ca" 365 $.oracle_key) $.oracle_key).Key
str     buildCustomCert (b64enc $.oracle_cert) (b64enc $.oracle_key) | toJson
str     (buildCustomCert (b64enc $.oracle_cert) (b64enc $.oracle_key)).Cert
"""

EXCLUDED = {
    "call": "there are no function values: it always fails, and does so among the mistakes",
    "genCA": "RSA keys of 2048 bits take seconds; the same code runs below genCAWithKey",
    "genSelfSignedCert": "as genCA",
    "genSignedCert": "as genCA",
}
"""In both worlds, but not asked for fifty times: the reason."""

OURS_ONLY = frozenset(
    [
        "certSANs",
        "filterCertChain",
        "filterPEM",
        "fullPemToPkcs12",
        "fullPemToPkcs12Pass",
        "jwkPrivateKeyPem",
        "jwkPublicKeyPem",
        "pemToPkcs12",
        "pemToPkcs12Pass",
        "pemTruststoreToPKCS12",
        "pemTruststoreToPKCS12Pass",
        "pkcs12cert",
        "pkcs12certPass",
        "pkcs12key",
        "pkcs12keyPass",
        "rsaDecrypt",
    ]
)
"""What only the reference adds: the published cases cover these."""

FAILS = frozenset({"fail"})
"""Functions whose success is an error on both sides."""

SLOW = frozenset({"bcrypt", "derivePassword"})
"""Only called when it is their turn."""

SET_ASIDE = {
    frozenset(
        {"deepCopy", "semver"}
    ): "a copied version is 0.0.0 in Go, because none of its fields are exported; ours keeps it",
    frozenset({"mustDeepCopy", "semver"}): "the same",
    frozenset({"htpasswd"}): "another algorithm than sha has a salt, and the oracle says so instead",
    frozenset({"printf", "semver"}): "a verb that a version has no text for shows its private fields in Go",
    frozenset({"printf", "toDate"}): "the same for times",
}
"""Functions that, together in one template, may differ on purpose: the reason."""

UNSTABLE = frozenset(
    [
        "ago",
        "bcrypt",
        "buildCustomCert",
        "date",
        "dateInZone",
        "dateModify",
        "dateInZone",
        "date_in_zone",
        "date_modify",
        "durationRound",
        "encryptAES",
        "genCAWithKey",
        "genPrivateKey",
        "genSelfSignedCertWithKey",
        "genSignedCertWithKey",
        "htmlDate",
        "htmlDateInZone",
        "now",
        "randAlpha",
        "randAlphaNum",
        "randAscii",
        "randBytes",
        "randInt",
        "randNumeric",
        "shuffle",
        "toDate",
        "uuidv4",
        "keys",
        "values",
    ]
)
"""Functions that can give another result the next time, when a mistake or a cut lets the clock, chance or Go's map
order show."""

GROWN = frozenset(
    [
        "append",
        "push",
        "mustAppend",
        "mustPush",
        "prepend",
        "mustPrepend",
        "concat",
        "uniq",
        "mustUniq",
        "without",
        "mustWithout",
        "compact",
        "mustCompact",
        "pluck",
        "keys",
        "until",
        "untilStep",
        "regexFindAll",
        "mustRegexFindAll",
        "regexSplit",
        "mustRegexSplit",
        "chunk",
        "mustChunk",
    ]
)
"""Functions whose lists have room behind their end in Go."""

METHODS = r"""
int     {time}.Year
any     {time}.Month
int     {time}.Day
int     {time}.Hour
int     {time}.Minute
int     {time}.Second
int     {time}.YearDay
any     {time}.Weekday
int64   {time}.Unix
int64   {time}.UnixMilli
str     {time}.Format {layout}
str     {time}.String
bool    {time}.IsZero
time    {time}.UTC
time    {time}.AddDate {small} {small} {small}
time    {time}.Add 3600000000000
any     {time}.Sub {time}
bool    {time}.Before {time}
bool    {time}.After {time}
bool    {time}.Equal {time}
int     {time}.Compare {time}
time    {time}.Truncate 3600000000000
float   ({time}.Sub {time}).Hours
any     {version}.Major
any     {version}.Patch
str     {version}.Prerelease
str     {version}.Original
version {version}.IncMinor
version {version}.IncMajor
int     {version}.Compare {version}
bool    {version}.LessThan {version}
"""
"""Members of values; not part of the function table."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """`pieces` alternate literal text and (domain, repetition); repetition is "", "*" or "+"."""

    result: str
    text: str
    functions: tuple[str, ...]
    pieces: tuple[str | tuple[str, str], ...]

    @property
    def pipeable(self) -> bool:
        """A plain call whose last argument may stand before a `|` instead."""
        return re.fullmatch(r"\w+(?: \{\w+\})*( \{\w+\})", self.text) is not None


_HOLE = re.compile(r"\{([a-z_0-9]*[a-z_][a-z_0-9]*)([*+]?)\}")


def _pattern(line: str) -> Pattern:
    result, text = line.split(None, 1)
    text = text.strip()
    pieces: list[str | tuple[str, str]] = []
    at = 0
    for hole in _HOLE.finditer(text):
        if hole.start() > at:
            pieces.append(text[at : hole.start()])
        pieces.append((hole[1], hole[2]))
        at = hole.end()
    if at < len(text):
        pieces.append(text[at:])
    literal = re.sub(r"\"[^\"]*\"|[.$]\w+", " ", _HOLE.sub(" ", text))
    words = tuple(dict.fromkeys(word for word in re.findall(r"[A-Za-z_]\w*", literal) if word != "nil"))
    return Pattern(result, text, words, tuple(pieces))


def _patterns(table: str) -> list[Pattern]:
    return [_pattern(line) for line in table.splitlines() if line.strip() and not line.startswith("#")]


PATTERNS = _patterns(_TABLE)
MEMBERS = _patterns(METHODS)
FOCUS: dict[str, list[Pattern]] = {}
"""Function → the patterns that are about it: its own, or those of several functions that start with it."""
for _each in PATTERNS:
    for _name in _each.functions:
        if _name == re.search(r"[A-Za-z_]\w*", _each.text)[0] or _name == "now":  # type: ignore[index]
            FOCUS.setdefault(_name, []).append(_each)
