"""Dates, layouts, durations, versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eso.template import TemplateError, render
from eso.template.functions import layouts, semver
from eso.template.functions.layouts import Civil, LayoutError


def shown(template: str) -> str:
    return render(template, {}).decode()


@given(st.integers(-(10**12), 10**12), st.integers(0, 999_999_999))
def test_a_date_survives_being_printed_and_read(seconds: int, nanosecond: int) -> None:
    when = Civil.at(seconds, nanosecond, 0, "UTC")
    if not 0 <= when.year <= 9999:
        return
    layout = "Mon Jan _2 2006 15:04:05.000000000 MST"
    assert layouts.read(layout, layouts.show(layout, when)) == when
    assert when.seconds() == seconds


@pytest.mark.parametrize(
    ("layout", "output"),
    [
        ("Janet Monkey", "Janet Monkey"),
        ("_2006", "_2009"),
        ("2006-002 __2", "2009-035  35"),
        ("3:4:5 pm PM", "9:5:7 pm PM"),
        ("Z0700 Z07:00 -07 -070000", "+0530 +05:30 +05 +053000"),
        ("05.00 05,999999999 05.9", "07.01 07,012 07"),
        (".0001", ".0002"),
        ("06 1 2 January Monday", "09 2 4 February Wednesday"),
    ],
)
def test_layouts_print(layout: str, output: str) -> None:
    when = Civil(2009, 2, 4, 21, 5, 7, 12_000_000, 19800, "IST")
    assert layouts.show(layout, when) == output


@pytest.mark.parametrize(
    ("layout", "text", "message"),
    [
        ("2006-01-02", "bad", 'parsing time "bad" as "2006-01-02": cannot parse "bad" as "2006"'),
        ("2006-01-02", "2021-13-01", 'parsing time "2021-13-01": month out of range'),
        ("2006-01-02", "2021-02-30", 'parsing time "2021-02-30": day out of range'),
        ("2006-01-02", "2021-01-01x", 'parsing time "2021-01-01x": extra text: "x"'),
        ("15:04", "24:00", 'parsing time "24:00": hour out of range'),
        ("2006 002", "2021 366", 'parsing time "2021 366": day-of-year out of range'),
        ("2006/01", "2021-01", 'parsing time "2021-01" as "2006/01": cannot parse "-01" as "/"'),
        ("MST", "abc", 'parsing time "abc" as "MST": cannot parse "abc" as "MST"'),
        ("2006", "é", 'parsing time "\\xc3\\xa9" as "2006": cannot parse "\\xc3\\xa9" as "2006"'),
    ],
)
def test_texts_that_do_not_fit_are_told(layout: str, text: str, message: str) -> None:
    with pytest.raises(LayoutError) as refused:
        layouts.read(layout, text)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("template", "output"),
    [
        pytest.param(
            '{{ toDate "2006 MST" "2020 CEST" }}',
            "2020-01-01 00:00:00 +0000 CEST",
            id="an unknown zone name has offset 0",
        ),
        pytest.param(
            '{{ toDate "2006 -0700" "2020 +0000" }}',
            "2020-01-01 00:00:00 +0000 UTC",
            id="an offset that Local has is Local",
        ),
        pytest.param(
            '{{ toDate "15:04:05" "01:02:03.25" }}',
            "0000-01-01 01:02:03.25 +0000 UTC",
            id="a fraction needs no element",
        ),
        pytest.param(
            '{{ toDate "2006 002" "2020 060" | htmlDate }}', "2020-02-29", id="days of the year know leap years"
        ),
        pytest.param('{{ toDate "06 PM 3" "69 PM 12" | date "2006 15" }}', "1969 12", id="two digits pivot at 69"),
        pytest.param(
            '{{ date "2006-01-02 15:04 MST" (toDate "2006-01-02" "2020-07-01") }}',
            "2020-07-01 00:00 UTC",
            id="date takes a time",
        ),
        pytest.param(
            '{{ dateInZone "15:04 MST" 1593597600 "Europe/Berlin" }}', "12:00 CEST", id="zones know summer time"
        ),
        pytest.param(
            '{{ (toDate "2006-01-02" "2020-01-31").AddDate 0 1 0 }}',
            "2020-03-02 00:00:00 +0000 UTC",
            id="dates normalise",
        ),
        pytest.param(
            '{{ (toDate "2006" "2021").Sub (toDate "2006" "2020") }}', "8784h0m0s", id="the distance is a duration"
        ),
        pytest.param(
            '{{ ((toDate "2006" "2021").Sub (toDate "2006" "2020")).Hours }}', "8784", id="durations have members"
        ),
        pytest.param(
            '{{ (toDate "2006" "2020").Add 1500000000 }}',
            "2020-01-01 00:00:01.5 +0000 UTC",
            id="an integer constant is nanoseconds",
        ),
        pytest.param('{{ ((toDate "15:04:05" "01:02:03").Truncate 3600000000000).Hour }}', "1", id="times truncate"),
        pytest.param(
            '{{ (toDate "2006" "2020").GoString }}',
            "time.Date(2020, time.January, 1, 0, 0, 0, 0, time.Local)",
            id="Go syntax",
        ),
        pytest.param(
            '{{ (toDate "2006" "2020").Location }} {{ now.UTC.Location }}', "Local UTC", id="locations have names"
        ),
        pytest.param(
            '{{ eq (toDate "2006" "2020") (toDate "2006" "2020") }}', "true", id="equal representations are equal"
        ),
        pytest.param(
            '{{ (toDate "x" "y").IsZero }} {{ (toDate "2006" "2020").YearDay }}',
            "true 1",
            id="a failure is the zero time",
        ),
        pytest.param(
            '{{ (toDate "2006" "2020").MarshalText }}',
            "[50 48 50 48 45 48 49 45 48 49 84 48 48 58 48 48 58 48 48 90]",
            id="bytes print as numbers",
        ),
        pytest.param(
            '{{ duration "-90" }} {{ duration "9999999999999999999999" }}',
            "-1m30s -1s",
            id="seconds saturate, then wrap",
        ),
        pytest.param(
            "{{ durationRound (int64 90000000000) }} {{ durationRound 5 }}",
            "1m 0s",
            id="int64 counts nanoseconds, int nothing",
        ),
        pytest.param(
            '{{ dateInZone "2006" 0 "../etc/passwd" }}{{ dateInZone "2006" 0 "/etc/passwd" }}',
            "19701970",
            id="a zone is no path",
        ),
        pytest.param(
            '{{ dateInZone "2006" 9223372036854775807 "Europe/Berlin" | len }}', "13", id="seconds wrap at 64 bits"
        ),
    ],
)
def test_dates(template: str, output: str) -> None:
    assert shown(template) == output


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("Date", "function Date has 3 return values; should be 1 or 2"),
        ("Clock", "function Clock has 3 return values; should be 1 or 2"),
        ("ISOWeek", "invalid function signature for ISOWeek: second return value should be error; is int"),
        ("Zone", "invalid function signature for Zone: second return value should be error; is int"),
    ],
)
def test_members_with_several_results_cannot_be_called(member: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        shown("{{ now." + member + " }}")


@pytest.mark.parametrize(
    ("constraint", "matching", "refused"),
    [
        (">1", "2.0.0", "1.9.9"),
        (">1.2", "1.3.0", "1.2.9"),
        ("<=1.2", "1.2.9", "1.3.0"),
        ("!=1.2", "1.3.0", "1.2.5"),
        ("~1.2.3", "1.2.9", "1.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0", "0.9.0", "1.0.0"),
        ("^1.2.3", "1.9.0", "2.0.0"),
        ("1.x", "1.5.0", "2.0.0"),
        (">=1.0 <2.0, !=1.5.0", "1.4.0", "1.5.0"),
        ("1.2 - 1.4 || 3", "3.1.0", "2.0.0"),
        (">=1.0.0-0", "1.1.0-rc.1", "0.9.0"),
        ("=> 1.1", "1.1.0", "1.0.9"),
    ],
)
def test_constraints(constraint: str, matching: str, refused: str) -> None:
    alternatives = semver.parse_constraints(constraint)
    assert semver.satisfies(semver.parse(matching), alternatives)
    assert not semver.satisfies(semver.parse(refused), alternatives)


@pytest.mark.parametrize("constraint", ["", "foo", "1.2.3,", ">>1", "1.2.3.4", "1 ||"])
def test_improper_constraints_are_told(constraint: str) -> None:
    with pytest.raises(TemplateError, match="improper constraint: "):
        shown('{{ semverCompare "' + constraint + '" "1.0.0" }}')


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ('{{ (semver "v1.2.3-rc.1").IncPatch }} {{ (semver "v1.2.3").IncPatch.Major }}', "1.2.3 1"),
        ('{{ (semver "1.2.3").IncMajor | typeOf }} {{ (semver "1.2.3").IncMinor | kindOf }}', "semver.Version struct"),
        ('{{ (semver "1.2.3").SetPrerelease "rc.1" }} {{ (semver "1.2.3").SetMetadata "b" }}', "1.2.3-rc.1 1.2.3+b"),
        ('{{ (semver "1.2.3").Compare (semver "1.2.3-a") }} {{ (semver "1.0").Equal (semver "v1.0.0+x") }}', "1 true"),
        (
            '{{ (semver "1.0.0-alpha.2").LessThan (semver "1.0.0-alpha.10") }} {{ typeOf (semver "1.0").Major }}',
            "true uint64",
        ),
    ],
)
def test_versions_have_members(template: str, output: str) -> None:
    assert shown(template) == output
