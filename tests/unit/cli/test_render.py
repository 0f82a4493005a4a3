from __future__ import annotations

import base64
import json

import pytest
import yaml

from eso.app.main import run
from eso.cli.inputs import mapping

CANARY = "hunter2-canary"
MANIFEST = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: database, namespace: shop, labels: {app: shop}}
spec:
  secretStoreRef: {name: vault}
  %s
  data:
  - {secretKey: user, remoteRef: {key: shop/db, property: user}}
  - {secretKey: password, remoteRef: {key: shop/db, property: password}}
"""
TEMPLATE = """target:
    template:
      metadata: {annotations: {owner: "{{ .user }}", plain: text}}
      data: {url: "postgres://{{ .user }}:{{ .password }}@db"}"""


@pytest.fixture
def write(tmp_path):
    def make(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return make


@pytest.fixture
def files(write):
    """(manifest without a template, with one, data, remote)."""
    data = f"user: admin\npassword: {CANARY}\n"
    remote = f"shop/db: {{user: admin, password: {CANARY}}}\n"
    return (
        write("plain.yaml", MANIFEST % ""),
        write("es.yaml", MANIFEST % TEMPLATE),
        write("data.yaml", data),
        write("remote.yaml", remote),
    )


def rendered(capsys, *argv: str) -> tuple[int, str, str]:
    code = run(["render", *argv])
    out = capsys.readouterr()
    return code, out.out, out.err


def decoded(secret: dict) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


@pytest.mark.parametrize("source", ["--data", "--remote"])
def test_the_secret_is_what_the_operator_would_write(files, capsys, source):
    plain, _, data, remote = files
    code, out, _ = rendered(capsys, "-f", plain, source, data if source == "--data" else remote, "--show-values")
    secret = yaml.safe_load(out)
    assert code == 0
    assert decoded(secret) == {"user": "admin", "password": CANARY}
    assert secret["metadata"]["labels"]["app"] == "shop"
    assert secret["metadata"]["ownerReferences"][0]["name"] == "database"


def test_a_template_runs_and_json_is_json(files, capsys):
    _, es, data, _ = files
    code, out, _ = rendered(capsys, "-f", es, "--data", data, "-o", "json", "--show-values")
    assert code == 0 and decoded(json.loads(out)) == {"url": f"postgres://admin:{CANARY}@db"}


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_values_are_masked_unless_asked_for(files, capsys, form):
    _, es, data, _ = files
    _, out, _ = rendered(capsys, "-f", es, "--data", data, "-o", form)
    assert CANARY not in out and base64.b64encode(CANARY.encode()).decode() not in out
    assert "***" in out and "plain" in out and "text" in out
    assert "admin" not in out, "a rendered annotation may hold a value"


def test_a_diff_shows_what_changes_and_exits_with_1(files, write, capsys):
    plain, _, data, _ = files
    live = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "database", "namespace": "shop"},
        "data": {"user": "YWRtaW4=", "old": "eA=="},
    }
    path = write("live.yaml", yaml.safe_dump(live))
    code, out, _ = rendered(capsys, "-f", plain, "--data", data, "--live", path, "-o", "diff")
    assert code == 1
    assert "+ data.password: ***" in out and "- data.old: ***" in out and "data.user" not in out
    assert CANARY not in out


def test_a_diff_shows_nothing_that_a_terminal_would_obey(files, write, capsys):
    _, plain, data, _ = files
    live = write("live.yaml", 'kind: Secret\nmetadata: {name: x, annotations: {owner: "\\e[2J\\nspoofed"}}\ndata: {}\n')
    _, out, _ = rendered(capsys, "-f", plain, "--data", data, "--live", live, "-o", "diff", "--show-values")
    assert "\x1b" not in out and "\\x1b[2J\\nspoofed" in out


def test_a_diff_without_a_difference_exits_with_0(files, write, capsys):
    plain, _, data, _ = files
    _, out, _ = rendered(capsys, "-f", plain, "--data", data, "--show-values")
    path = write("live.yaml", out)
    assert rendered(capsys, "-f", plain, "--data", data, "--live", path, "-o", "diff")[:2] == (
        0,
        "Secret shop/database: no difference\n",
    )


def test_template_sources_may_stand_beside_the_manifest(write, capsys):
    target = "target: {template: {templateFrom: [{configMap: {name: texts, items: [{key: conf}]}}]}}"
    manifest = (
        MANIFEST % target
        + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: texts}\ndata: {conf: 'user={{ .user }}'}\n"
    )
    code, out, _ = rendered(
        capsys, "-f", write("es.yaml", manifest), "--data", write("d.yaml", "user: u\npassword: p\n"), "--show-values"
    )
    assert code == 0 and decoded(yaml.safe_load(out)) == {"conf": "user=u"}


@pytest.mark.parametrize(
    ("target", "live", "text"),
    [
        pytest.param("target: {creationPolicy: None}", False, "creationPolicy is None", id="policy None"),
        pytest.param("target: {creationPolicy: Merge}", False, "no Secret to merge into", id="Merge without a Secret"),
    ],
)
def test_what_would_not_be_written_is_explained(write, capsys, target, live, text):
    code, out, _ = rendered(
        capsys, "-f", write("es.yaml", MANIFEST % target), "--data", write("d.yaml", "user: u\npassword: p\n")
    )
    assert code == 0 and out.startswith("# nothing would be written") and text in out


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        pytest.param([], "exactly one of --data", id="nothing at all"),
        pytest.param(
            ["-f", "ES", "--data", "DATA", "--remote", "REMOTE"], "exactly one of --data", id="two sources of data"
        ),
        pytest.param(["-f", "/nonexistent", "--data", "DATA"], "cannot read /nonexistent", id="a missing file"),
        pytest.param(["-f", "BROKEN", "--data", "DATA"], "is not YAML at line", id="no YAML"),
        pytest.param(["-f", "ES", "--data", "NESTED"], "is a dict, not text", id="a nested value"),
        pytest.param(
            ["-f", "ES", "--name", "other", "--data", "DATA"], "0 ExternalSecrets named 'other'", id="another name"
        ),
        pytest.param(["-f", "TYPED", "--data", "DATA"], "$.spec.data", id="a member of the wrong kind"),
    ],
)
def test_bad_input_names_the_file_or_the_member_and_exits_with_2(files, write, capsys, argv, text):
    _, es, data, remote = files
    known = {
        "ES": es,
        "DATA": data,
        "REMOTE": remote,
        "NESTED": write("nested.yaml", f"user: {{password: {CANARY}}}\n"),
    }
    known |= {
        "BROKEN": write("broken.yaml", f"a: [{CANARY}\n"),
        "TYPED": write("typed.yaml", "kind: ExternalSecret\nmetadata: {name: a}\nspec: {data: text}\n"),
    }
    code, _, err = rendered(capsys, *(known.get(word, word) for word in argv))
    assert code == 2 and text in err and CANARY not in err


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param("{{ .nope }}", 'map has no entry for key "nope"', id="an unknown key"),
        pytest.param("{{ .user ", "unclosed action", id="a template that does not parse"),
        pytest.param("{{ repeat 999999999 .user }}", "limit", id="a poison template"),
    ],
)
def test_a_template_that_fails_exits_with_1_and_says_why(write, capsys, template, text):
    manifest = MANIFEST % f"target: {{template: {{data: {{key: '{template}'}}}}}}"
    code, _, err = rendered(
        capsys, "-f", write("es.yaml", manifest), "--data", write("d.yaml", f"user: {CANARY}\npassword: p\n")
    )
    assert code == 1 and text in err and CANARY not in err


def test_a_missing_remote_key_is_named(files, write, capsys):
    plain = files[0]
    code, _, err = rendered(capsys, "-f", plain, "--remote", write("r.yaml", "other: x\n"))
    assert code == 1 and "Secret does not exist" in err and "shop/db" in err


def test_the_arguments_of_the_references_template_command_work(write, capsys):
    es = write("es.yaml", MANIFEST % TEMPLATE)
    data = write("data.yaml", "user: YWRtaW4=\npassword: cA==\n")
    code, out, _ = rendered(capsys, "--source-templated-object", es, "--source-secret-data-file", data)
    assert code == 0
    assert (
        out == "data:\n  url: cG9zdGdyZXM6Ly9hZG1pbjpwQGRi\nmetadata:\n  annotations:\n    owner: admin\n    plain:"
        " text\n\n"
    )


def test_the_references_template_command_writes_a_file_and_refuses_other_kinds(write, tmp_path, capsys):
    es, data = write("es.yaml", MANIFEST % TEMPLATE), write("data.yaml", "user: YWRtaW4=\npassword: cA==\n")
    target = tmp_path / "out.yaml"
    assert rendered(
        capsys, "--source-templated-object", es, "--source-secret-data-file", data, "--output", str(target)
    )[:2] == (0, "")
    assert target.read_text().startswith("data:\n  url: ")
    code, _, err = rendered(
        capsys, "--source-templated-object", write("cm.yaml", "kind: ConfigMap\n"), "--source-secret-data-file", data
    )
    assert code == 2 and "unsupported template kind ConfigMap" in err


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param("yes", "true", id="yes is true"),
        pytest.param("010", "8", id="a leading zero is octal"),
        pytest.param("0o10", "8", id="so is 0o"),
        pytest.param("1_000", "1000", id="underscores are none"),
        pytest.param("1.10", "1.1", id="a float"),
        pytest.param("1e3", "1000", id="an exponent needs no dot"),
        pytest.param("2024-05-01", "2024-05-01", id="a date is text"),
        pytest.param("12:30:45", "12:30:45", id="base 60 is text"),
        pytest.param("!!binary /wA=", "\udcff\x00", id="bytes"),
        pytest.param("~", "", id="null"),
        pytest.param('"yes"', "yes", id="a quoted word"),
        pytest.param("0x1f", "31", id="hexadecimal"),
        pytest.param("18446744073709551615", "18446744073709551615", id="64 bits"),
    ],
)
def test_scalars_of_a_data_file_are_those_of_kubectl(files, write, capsys, written, value):
    data = write("d.yaml", f"user: {written}\n")
    code, out, _ = rendered(capsys, "-f", files[0], "--data", data, "--show-values", "-o", "json")
    encoded = json.loads(out)["data"]["user"]
    assert code == 0 and base64.b64decode(encoded).decode(errors="surrogateescape") == value


def test_keys_of_a_data_file_are_those_of_kubectl(files, write, capsys):
    data = write("d.yaml", "yes: a\n1.10: b\n0x10: c\n")
    _, out, _ = rendered(capsys, "-f", files[0], "--data", data, "--show-values", "-o", "json")
    assert sorted(json.loads(out)["data"]) == ["1.1", "16", "true"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"user": "http:\\/\\/x"}', id="JSON with an escape that is none of YAML"),
        pytest.param('{user: "http://x"}', id="a flow mapping"),
        pytest.param("--- # data\nuser: http://x\n---\n", id="separators"),
        pytest.param("user: |-\n  http://x\n...\n", id="an end of document"),
    ],
)
def test_a_data_file_is_yaml_or_json(files, write, capsys, text):
    code, out, _ = rendered(capsys, "-f", files[0], "--data", write("d.yaml", text), "--show-values", "-o", "json")
    assert code == 0 and decoded(json.loads(out)) == {"user": "http://x"}


def test_a_line_counts_from_the_start_of_the_file(files, write, capsys):
    manifest = MANIFEST % "" + f"---\na: 1\nb: *{CANARY}\n"
    code, _, err = rendered(capsys, "-f", write("es.yaml", manifest), "--data", files[2])
    line = manifest.count("\n")
    assert code == 2 and f"is not YAML at line {line}: unknown anchor referenced" in err and CANARY not in err


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        pytest.param(("spec:", "spek: {}\nspec:"), "spek: unknown field, dropped", id="an unknown member at the top"),
        pytest.param(
            ("property: user", "propertty: user"),
            "spec.data[0].remoteRef.propertty: unknown field, dropped",
            id="an unknown member inside a list",
        ),
        pytest.param(
            ("labels: {app: shop}", "lables: {app: shop}"), "metadata.lables: unknown field, dropped", id="of metadata"
        ),
        pytest.param(
            ("name: database", "name: Data_base"),
            'metadata.name: refused: "Data_base" is not a lower-case DNS name',
            id="a name that is none",
        ),
        pytest.param(
            ("secretKey: user", "secretKey: ''"), "spec.data[0].secretKey: refused: must have at least 1", id="empty"
        ),
        pytest.param(
            ("secretKey: user", "secretKey: 'a b'"),
            'spec.data[0].secretKey: refused: "a b" does not match',
            id="pattern",
        ),
        pytest.param(
            ("name: vault}", "name: vault, kind: Store}"),
            'spec.secretStoreRef.kind: refused: "Store" is none of SecretStore, ClusterSecretStore',
            id="a choice that is none",
        ),
        pytest.param(
            ("spec:", "spec:\n  refreshInterval: often"),
            'spec.refreshInterval: the operator refuses it: time: invalid duration "often": write a Go duration',
            id="an interval that is none",
        ),
        pytest.param(
            ("spec:", 'spec:\n  syncWindows: {kind: allow, windows: [{schedule: "0 0 * * *", duration: long}]}'),
            'spec.syncWindows.windows[0].duration: the operator refuses it: time: invalid duration "long"',
            id="a window whose length is none",
        ),
        pytest.param(
            ("name: database", 'name: "x\\e]0;owned\\a"'),
            'metadata.name: refused: "x\\x1b]0;owned\\x07" is not a lower-case DNS name',
            id="what a terminal would obey",
        ),
        pytest.param(
            ("external-secrets.io/v1", "external-secrets.io/v1beta1"),
            "apiVersion: external-secrets.io/v1beta1 is deprecated",
            id="old",
        ),
        pytest.param(
            ("external-secrets.io/v1", "external-secrets.io/v1alpha1"),
            'apiVersion: "external-secrets.io/v1alpha1" is not served: write external-secrets.io/v1',
            id="a version that is gone",
        ),
        pytest.param(
            ("{key: shop/db, property: user}", "{property: user}"),
            "spec.data[0].remoteRef.key: refused: required",
            id="required",
        ),
    ],
)
def test_what_the_api_server_would_refuse_or_drop_is_told(files, write, capsys, change, warning):
    manifest = (MANIFEST % "").replace(*change, 1)
    code, out, err = rendered(capsys, "-f", write("es.yaml", manifest), "--data", files[2])
    assert "warning: ExternalSecret " in err and warning in err
    assert code == 0 and "warning" not in out


def test_a_manifest_that_the_api_server_takes_has_no_warning(files, capsys):
    for manifest in files[:2]:
        assert rendered(capsys, "-f", manifest, "--data", files[2])[2] == ""


def test_a_number_in_a_config_map_is_told(files, write, capsys):
    manifest = MANIFEST % "" + "---\nkind: ConfigMap\nmetadata: {name: a}\ndata: {port: 80}\n"
    _, _, err = rendered(capsys, "-f", write("es.yaml", manifest), "--data", files[2])
    assert "warning: ConfigMap a: data.port: refused: must be a string, not integer" in err


@pytest.mark.parametrize("target", ["target: {creationPolicy: None}", "target: {creationPolicy: Merge}"])
def test_json_stays_json_where_there_is_no_secret(write, capsys, target):
    manifest, data = write("es.yaml", MANIFEST % target), write("d.yaml", "user: u\n")
    code, out, err = rendered(capsys, "-f", manifest, "--data", data, "-o", "json")
    assert code == 0 and json.loads(out) is None and "nothing would be written" in err


def test_keys_that_a_rewrite_drops_leave_json(write, capsys):
    """`$1_X` is the group named 1_X, which is not there: every key becomes empty."""
    manifest = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: nothing, namespace: default}
spec:
  secretStoreRef: {name: s}
  dataFrom: [{extract: {key: k}, rewrite: [{regexp: {source: "(.*)", target: "$1_MONITOR"}}]}]
"""
    code, out, err = rendered(
        capsys, "-f", write("es.yaml", manifest), "--remote", write("r.yaml", "k: {hook: x}\n"), "-o", "json"
    )
    assert code == 0 and json.loads(out) is None and "nothing would be written" in err


def test_the_references_template_command_prints_json_when_asked_for_json(write, capsys):
    es, data = write("es.yaml", MANIFEST % TEMPLATE), write("data.yaml", "user: YWRtaW4=\npassword: cA==\n")
    _, out, _ = rendered(capsys, "--source-templated-object", es, "--source-secret-data-file", data, "-o", "json")
    assert decoded(json.loads(out)) == {"url": "postgres://admin:p@db"}


def test_what_is_printed_reads_back_as_text(files, write, capsys):
    """Texts that kubectl would take for numbers, booleans or dates have quotes."""
    labels = {"a": "1e3", "b": "0o7", "c": "yes", "d": "2024-05-01", "e": "1_0", "f": "plain"}
    manifest = (MANIFEST % "").replace("{app: shop}", json.dumps(labels))
    _, out, _ = rendered(capsys, "-f", write("es.yaml", manifest), "--data", files[2])
    again = write("live.yaml", out)
    found = mapping(again)["metadata"]["labels"]
    assert {key: found[key] for key in labels} == labels


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("kind: ExternalSecret\nmetadata: [hunter2-canary]\n", id="a list"),
        pytest.param("kind: ExternalSecret\nmetadata: hunter2-canary\n", id="a text"),
        pytest.param("kind: ConfigMap\nmetadata: 3\n", id="of another kind"),
    ],
)
def test_metadata_that_is_no_map_is_named(capsys, write, files, text: str):
    code, out, err = rendered(capsys, "-f", write("bad.yaml", text), "-f", files[0], "--data", files[2])
    assert (code, out) == (2, "")
    assert "metadata must be a map, not" in err.splitlines()[-1] and "Traceback" not in err and CANARY not in err


@pytest.mark.parametrize(
    ("text", "member"),
    [
        pytest.param("kind: ExternalSecret\nspec: 3\n", "spec", id="spec"),
        pytest.param("kind: PushSecret\nspec: [a]\n", "spec", id="spec of a PushSecret"),
        pytest.param("kind: ExternalSecret\nspec: {target: x}\n", "spec.target", id="target"),
    ],
)
def test_the_reference_arguments_name_a_member_that_is_no_map(capsys, write, text: str, member: str):
    bad, data = write("bad.yaml", text), write("data.yaml", "a: YQ==\n")
    code, out, err = rendered(capsys, "--source-templated-object", bad, "--source-secret-data-file", data)
    assert (code, out) == (2, "") and f"{member} must be a map, not" in err


@pytest.mark.parametrize("part", ["data", "stringData"])
def test_a_source_whose_data_is_no_map_is_named(capsys, write, files, part: str):
    target = "target: {template: {templateFrom: [{secret: {name: s, items: [{key: k}]}}]}}"
    bad = write("bad.yaml", f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n{part}: [x]\n")
    code, out, err = rendered(capsys, "-f", write("es2.yaml", MANIFEST % target), "-f", bad, "--data", files[2])
    assert (code, out) == (2, "") and f"Secret s: {part} must be a map, not array" in err


@pytest.mark.parametrize("text", ["", "apiVersion: v1\nkind: Foo\n"], ids=["empty", "of another kind"])
def test_without_an_external_secret_the_fix_is_to_give_one(capsys, write, files, text: str):
    code, _, err = rendered(capsys, "-f", write("none.yaml", text), "--data", files[2])
    assert code == 2 and "no ExternalSecret in" in err and "none.yaml" in err and "--name" not in err
