"""The library as a whole: complete, bounded, and pure but for the world it is given."""

from __future__ import annotations

import pytest

from eso.template import LIMITS, Limits, TemplateError, World, render
from eso.template.functions import FUNCTIONS, SLOW

NAMES_TEXT = """
abbrev abbrevboth add add1 add1f addf adler32sum ago all any append atoi b32dec b32enc b64dec b64enc base bcrypt
biggest buildCustomCert camelcase cat ceil certSANs chunk clean coalesce compact concat contains date dateInZone
dateModify date_in_zone date_modify decryptAES deepCopy deepEqual default derivePassword dict dig dir div divf
duration durationRound empty encryptAES ext fail filterCertChain filterPEM first float64 floor fromJson fromYaml
fullPemToPkcs12 fullPemToPkcs12Pass genCA genCAWithKey genPrivateKey genSelfSignedCert genSelfSignedCertWithKey
genSignedCert genSignedCertWithKey get has hasKey hasPrefix hasSuffix hello hexdec htmlDate htmlDateInZone htpasswd
indent initial initials int int64 isAbs join jwkPrivateKeyPem jwkPublicKeyPem kebabcase keys kindIs kindOf last list
lower max maxf merge mergeOverwrite min minf mod mul mulf mustAppend mustChunk mustCompact mustDateModify mustDeepCopy
mustFirst mustFromJson mustHas mustInitial mustLast mustMerge mustMergeOverwrite mustPrepend mustPush mustRegexFind
mustRegexFindAll mustRegexMatch mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit mustRest mustReverse
mustSlice mustToDate mustToJson mustToPrettyJson mustToRawJson mustUniq mustWithout must_date_modify nindent nospace
now omit osBase osClean osDir osExt osIsAbs pemToPkcs12 pemToPkcs12Pass pemTruststoreToPKCS12
pemTruststoreToPKCS12Pass pick pkcs12cert pkcs12certPass pkcs12key pkcs12keyPass pluck plural prepend push quote
randAlpha randAlphaNum randAscii randBytes randInt randNumeric regexFind regexFindAll regexMatch regexQuoteMeta
regexReplaceAll regexReplaceAllLiteral regexSplit repeat replace rest reverse round rsaDecrypt semver semverCompare
seq set sha1sum sha256sum sha512sum shuffle slice snakecase sortAlpha split splitList splitn squote sub subf substr
swapcase ternary title toDate toDecimal toJson toPrettyJson toRawJson toString toStrings toYaml trim trimAll
trimPrefix trimSuffix trimall trunc tuple typeIs typeIsLike typeOf uniq unixEpoch unset until untilStep untitle upper
urlJoin urlParse uuidv4 values without wrap wrapWith
"""
ABSENT_TEXT = (
    "env expandenv getHostByName getSecretKey toBytes pemPrivateKey pemCertificate tpl include lookup toToml required"
    " hexenc"
)
NAMES, ABSENT = NAMES_TEXT.split(), ABSENT_TEXT.split()


def test_the_library_has_exactly_the_names_of_the_reference() -> None:
    assert sorted(FUNCTIONS) == sorted(NAMES)
    assert len(NAMES) == 227


def test_what_reaches_outside_does_not_exist() -> None:
    assert not set(ABSENT) & set(FUNCTIONS)


def test_slow_names_are_functions() -> None:
    assert set(FUNCTIONS) >= SLOW
    assert {"genPrivateKey", "bcrypt", "htpasswd", "derivePassword", "genCA", "pkcs12key"} <= SLOW


# --- purity

FROZEN = World(
    wall_ns=lambda: 1_700_000_000_123_456_789,
    monotonic=lambda: 12.5,
    random=lambda count: bytes(range(count)),
    started=10.0,
)


@pytest.mark.parametrize(
    ("template", "output"),
    [
        pytest.param(
            "{{ now }}",
            "2023-11-14 22:13:20.123456789 +0000 UTC m=+2.500000000",
            id="now is the world's clock and its age",
        ),
        pytest.param("{{ now.UTC }}", "2023-11-14 22:13:20.123456789 +0000 UTC", id="UTC drops the age"),
        pytest.param('{{ date "2006-01-02" "not a time" }}', "2023-11-14", id="a string as a date means now"),
        pytest.param('{{ ago (toDate "2006-01-02" "2023-11-14") }}', "22h13m20s", id="ago rounds to seconds"),
        pytest.param(
            '{{ durationRound (toDate "2006-01-02" "2023-11-01") }}', "13d", id="a time is rounded as its age"
        ),
        pytest.param("{{ uuidv4 }}", "00010203-0405-4607-8809-0a0b0c0d0e0f", id="a uuid is sixteen random bytes"),
        pytest.param("{{ randBytes 3 }}", "AAEC", id="random bytes come from the world"),
        pytest.param("{{ randNumeric 4 }}", "0123", id="random digits come from the world"),
    ],
)
def test_clock_and_chance_come_from_the_world(template: str, output: str) -> None:
    assert render(template, {}, world=FROZEN).decode() == output


@pytest.mark.parametrize(
    "template", ['{{ bcrypt "x" }}', '{{ encryptAES "k" "text" }}', '{{ shuffle "abcdef" }}', "{{ randAscii 40 }}"]
)
def test_the_same_world_gives_the_same_output(template: str) -> None:
    assert render(template, {}, world=FROZEN) == render(template, {}, world=FROZEN)


# --- bounds

CYCLE = '{{ $d := dict "a" 1 }}{{ $_ := set $d "me" $d }}'
NESTED = '{{ $x := dict }}{{ range until 200 }}{{ $x = dict "a" $x "b" $x }}{{ end }}'


@pytest.mark.parametrize(
    "use",
    [
        "toJson $d",
        "mustToJson $d",
        "toPrettyJson $d",
        "toRawJson $d",
        "toYaml $d",
        "deepCopy $d",
        "deepEqual $d $d",
        "toString $d",
        "quote $d",
        "cat $d",
        'join "," (list $d)',
        "uniq (list $d $d)",
        "has $d (list $d)",
        "without (list $d) $d",
        "sortAlpha (list $d)",
        "dict $d 1",
    ],
)
def test_a_dict_that_holds_itself_ends_in_an_error(use: str) -> None:
    with pytest.raises(TemplateError, match="exceeds the limit of 1000 levels of nesting"):
        render(CYCLE + "{{ " + use + " }}", {})


def test_merging_two_dicts_that_hold_themselves_ends_in_an_error() -> None:
    with pytest.raises(TemplateError, match="exceeds the limit"):
        render(CYCLE + '{{ $e := dict "a" 1 }}{{ $_ := set $e "me" $e }}{{ merge $d $e }}', {})


def test_merging_a_dict_with_itself_changes_nothing() -> None:
    assert render('{{ $d := dict "a" 1 }}{{ merge $d $d }}', {}) == b"map[a:1]"


@pytest.mark.parametrize(
    "template",
    [
        '{{ repeat 9223372036854775807 "x" }}',
        "{{ until 1000000000000 }}",
        "{{ untilStep -9223372036854775808 9223372036854775807 1 }}",
        "{{ seq 1 100000000 }}",
        '{{ indent 1000000000 "a" }}',
        '{{ nindent 1000000000 "a" }}',
        "{{ randAlphaNum 1000000000 }}",
        "{{ randBytes 1000000000 }}",
        '{{ replace "" (repeat 100000 "x") (repeat 10000 "a") }}',
        '{{ wrapWith 1 (repeat 100000 "x") (repeat 10000 "a") }}',
        '{{ regexReplaceAll "a" (repeat 10000 "a") (repeat 100000 "$0") }}',
        '{{ $x := "xxxxxxxx" }}{{ range until 60 }}{{ $x = cat $x $x }}{{ end }}',
        '{{ $x := "<<<<" }}{{ range until 60 }}{{ $x = toJson $x }}{{ end }}',
        '{{ $x := "\\n" }}{{ range until 60 }}{{ $x = quote $x }}{{ end }}',
        "{{ $x := list 1 2 }}{{ range until 60 }}{{ $x = concat $x $x }}{{ end }}",
        NESTED + "{{ toJson $x }}",
        NESTED + "{{ toYaml $x }}",
        NESTED + "{{ deepCopy $x }}",
        "{{ uniq (until 100000) }}",
        '{{ fromYaml (printf "a: &a [x,x,x,x,x,x,x,x,x]\\n%s" .bomb) }}',
    ],
)
def test_what_would_blow_up_is_refused_within_small_limits(template: str) -> None:
    layers = [
        f"{name}: &{name} [{','.join(['*' + before] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    small = Limits(steps=100_000, value_bytes=4 << 20)
    with pytest.raises(TemplateError, match="exceeds the limit of"):
        render(template, {"bomb": "\n".join(layers).encode()}, limits=small)


@pytest.mark.parametrize(
    "template",
    [
        '{{ filterPEM "X" (repeat 30000 "\\n-----END ") }}',
        '{{ filterPEM "X" (printf "-----BEGIN X-----\\n%s" (repeat 30000 "a: b\\n-----END Y-----\\n")) }}',
        '{{ fromJson (repeat 100000 "[") | toString }}',
        '{{ fromYaml (repeat 100000 "[") | toString }}',
        '{{ int (repeat 1000000 "1") }}{{ duration (repeat 1000000 "9") }}{{ float64 (repeat 1000000 "1") }}',
        '{{ semverCompare (repeat 100000 " ") "1.2.3" }}',
        '{{ mustToDate (repeat 100000 "2") (repeat 100000 "2") }}',
    ],
)
def test_hostile_texts_cost_no_more_than_their_length(template: str) -> None:
    """Either outcome is fine; that the test comes back at all, within the default step limit, is the point."""
    try:
        assert len(render(template, {})) < LIMITS.output_bytes
    except TemplateError as refused:
        assert str(refused)


@pytest.mark.parametrize(
    "call", ['genPrivateKey "rsa"', 'bcrypt "x"', 'genCA "x" 1', 'derivePassword 1 "pin" "a" "b" "c"']
)
def test_expensive_calls_are_paid_before_they_are_made(call: str) -> None:
    with pytest.raises(TemplateError, match="exceeds the limit of 5000 steps"):
        render("{{ " + call + " }}", {}, limits=Limits(steps=5_000))
