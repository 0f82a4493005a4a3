from __future__ import annotations

import pytest

from eso.app.flags import CONTROLLER, UsageError, parse, usage


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        pytest.param([], "concurrent", 1, id="a default"),
        pytest.param(["--controller-class=other"], "controller-class", "other", id="a string with an equals sign"),
        pytest.param(["--controller-class", "other"], "controller-class", "other", id="a string as the next word"),
        pytest.param(
            ["--template-left-delimiter=<%="], "template-left-delimiter", "<%=", id="only the first equals sign counts"
        ),
        pytest.param(["--enable-leader-election"], "enable-leader-election", True, id="a boolean alone is true"),
        pytest.param(["--enable-flood-gate=f"], "enable-flood-gate", False, id="a boolean in short"),
        pytest.param(["--store-requeue-interval=1h30m"], "store-requeue-interval", 5400.0, id="a Go duration"),
        pytest.param(["--status-heartbeat=0"], "status-heartbeat", 0.0, id="a bare zero is a duration"),
        pytest.param(["--client-qps=7.5"], "client-qps", 7.5, id="a float"),
        pytest.param(["--concurrent=1", "--concurrent=5"], "concurrent", 5, id="the last one counts"),
    ],
)
def test_a_flag_is_read(argv, name, value):
    assert parse(argv)[name] == value


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        pytest.param(["--nonsense=1"], "--nonsense", id="an unknown flag"),
        pytest.param(["-concurrent=1"], "-concurrent", id="one dash"),
        pytest.param(["word"], "word", id="a stray word"),
        pytest.param(["--concurrent"], "needs a value of kind int", id="a missing value"),
        pytest.param(["--enable-flood-gate", "false"], "false", id="a boolean does not take the next word"),
        pytest.param(["--enable-flood-gate=maybe"], "--enable-flood-gate", id="no boolean"),
        pytest.param(["--concurrent=many"], "--concurrent", id="no integer"),
        pytest.param(["--store-requeue-interval=5"], "missing unit", id="a duration without a unit"),
        pytest.param(["--loglevel=loud"], "'loud' is no level", id="no level"),
        pytest.param(["--metrics-auth"], "--metrics-secure", id="authenticated but not secure metrics"),
        pytest.param(
            ["--enable-leader-election", "--leader-election-renew-deadline=20s"],
            "must be shorter",
            id="a deadline longer than the lease",
        ),
    ],
)
def test_bad_arguments_name_the_flag_and_a_fix(argv, text):
    with pytest.raises(UsageError) as failed:
        parse(argv)
    assert text in str(failed.value)
    assert failed.value.fix


@pytest.mark.parametrize("flag", CONTROLLER, ids=lambda flag: flag.name)
def test_every_flag_parses_with_its_own_default_and_is_in_the_help(flag):
    spelled = {"bool": str(flag.default).lower(), "duration": f"{flag.default}s"}.get(flag.kind, str(flag.default))
    others = ["--metrics-secure"] if flag.name == "metrics-auth" else []
    assert parse([*others, f"--{flag.name}={spelled}"])[flag.name] == flag.default
    assert f"--{flag.name} " in usage()


def test_flags_without_effect_are_told_only_when_given():
    assert parse([]).without_effect() == []
    told = parse(["--concurrent=1", "--loglevel=debug"]).without_effect()
    assert len(told) == 1 and told[0].startswith("--concurrent")
