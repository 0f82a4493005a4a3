from __future__ import annotations

import pytest

from eso.app.main import run
from eso.version import VERSION


@pytest.mark.parametrize("argv", [["help"], ["--help"], ["controller", "--help"]], ids=" ".join)
def test_help_has_examples_and_flags_and_succeeds(argv, capsys):
    assert run(argv) == 0
    out = capsys.readouterr().out
    assert "examples:" in out and "--enable-leader-election" in out


@pytest.mark.parametrize("argv", [["webhook", "--help"], ["help", "webhook"]], ids=" ".join)
def test_help_of_a_command_has_its_flags(argv, capsys):
    assert run(argv) == 0
    assert "--check-interval" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["render", "doctor", "notify"])
def test_help_of_a_command_that_has_a_parser_of_its_own_is_that_of_its_flag(command, capsys):
    with pytest.raises(SystemExit) as ended:
        run(["help", command])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: eso {command} ")


@pytest.mark.parametrize("command", ["render", "notify"])
def test_an_interrupt_ends_with_130_and_without_a_traceback(command, monkeypatch, capfd):
    def interrupted(argv: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"eso.cli.{command}.main", interrupted)
    assert run([command]) == 130
    assert capfd.readouterr() == ("", "")


def test_help_of_an_unknown_command_exits_with_2(capsys):
    assert run(["help", "nonsense"]) == 2
    assert "unknown command: nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["version"], ["--version"]], ids=" ".join)
def test_the_version_is_said(argv, capsys):
    assert run(argv) == 0
    assert capsys.readouterr().out == f"eso {VERSION}\n"


@pytest.mark.parametrize(
    "argv",
    [["nonsense"], ["--nonsense"], ["controller", "--concurrent=many"], ["--metrics-auth=true"]],
    ids=" ".join,
)
def test_bad_arguments_exit_with_2_and_say_what_to_do(argv, capsys):
    assert run(argv) == 2
    assert "(" in capsys.readouterr().err


def test_a_missing_cluster_exits_with_1_and_names_the_fix(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert run(["controller", "--metrics-addr=0", "--live-addr=0"]) == 1
    assert "KUBECONFIG" in capfd.readouterr().err


@pytest.mark.parametrize("argv", [["webhook", "--port=abc"], ["--client-qps=fast"]], ids=" ".join)
def test_a_number_that_is_none_is_told_without_words_of_the_parser(argv, capsys):
    assert run(argv) == 2
    err = capsys.readouterr().err
    assert "is no number (for example --" in err and "literal" not in err and "convert" not in err
