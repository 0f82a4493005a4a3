"""Where the demo and the end-to-end suite run: kind where Docker runs, otherwise processes; programs are stand-ins."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path

import pytest

from e2e import demo
from e2e.demo import Demo
from e2e.harness import kind
from e2e.harness.kind import KindCluster, KindFailed, available, gateway, unavailable
from e2e.harness.operator import PodOperator, deployment
from e2e.harness.say import Narrator

IPV4 = {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}
IPV6 = {"Subnet": "fc00:f853:ccd:e793::/64", "Gateway": "fc00:f853:ccd:e793::1"}


class Programs:
    """Stand-ins on PATH. Each call is a line of `calls`; `fail` holds the beginning of what fails."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.log, self.rules = folder, folder / "calls", folder / "rules.json"
        self.fail: list[str] = []
        self.networks = [{"IPAM": {"Config": [IPV6, {"Subnet": "127.0.0.0/8", "Gateway": "127.0.0.1"}]}}]
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setattr(kind.tempfile, "mkdtemp", lambda prefix: str(self.made(prefix)))

    def made(self, prefix: str) -> Path:
        path = self.folder / prefix
        path.mkdir(exist_ok=True)
        return path

    def install(self, *names: str) -> None:
        self.rules.write_text(json.dumps({"fail": self.fail, "networks": self.networks}))
        for name in names:
            path = self.folder / name
            path.write_text(
                f"#!{sys.executable}\n"
                "import json, pathlib, sys\n"
                f"rules = json.loads(pathlib.Path({str(self.rules)!r}).read_text())\n"
                f"said = ' '.join([{name!r}, *sys.argv[1:]])\n"
                f"with open({str(self.log)!r}, 'a') as log: print(said, file=log)\n"
                "if any(said.startswith(one) for one in rules['fail']):\n"
                "    sys.exit('it does not want to')\n"
                "if 'inspect' in said: print(json.dumps(rules['networks']))\n"
            )
            path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("installed", "fails", "reason"),
    [
        pytest.param(["docker", "kind", "kubectl"], [], "", id="everything is there"),
        pytest.param([], [], "not on PATH: docker, kind, kubectl", id="nothing is there"),
        pytest.param(["docker", "kubectl"], [], "not on PATH: kind", id="no kind"),
        pytest.param(
            ["docker", "kind", "kubectl"],
            ["docker info"],
            "Docker does not run: it does not want to",
            id="no engine behind docker",
        ),
    ],
)
def test_whether_there_can_be_a_kind_cluster(
    programs: Programs, installed: list[str], fails: list[str], reason: str
) -> None:
    programs.fail = fails
    programs.install(*installed)
    assert unavailable() == reason
    assert available() is (reason == "")


def test_an_engine_that_does_not_answer_is_none(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.install("kind", "kubectl")
    hanging = programs.folder / "docker"
    hanging.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(kind, "PATIENCE", 0.2)
    assert unavailable() == "Docker does not answer"


def test_a_program_that_cannot_be_run_is_none(programs: Programs) -> None:
    programs.install("docker", "kind", "kubectl")
    (programs.folder / "docker").write_text("#!/nowhere/at/all\n")
    assert unavailable().startswith("docker cannot be run")


def test_a_kind_cluster_gets_our_image_and_says_where_pods_find_us(programs: Programs) -> None:
    programs.install("docker", "kind", "kubectl")
    made = KindCluster().start()
    image = deployment()["spec"]["template"]["spec"]["containers"][0]["image"]
    assert [" ".join(call.split()[:3]) for call in programs.calls] == [
        "kind create cluster",
        "docker build --tag",
        "kind load docker-image",
        "docker network inspect",
    ]
    assert image in programs.calls[1] and programs.calls[2] == f"kind load docker-image {image} --name {made.name}"
    assert made.host_address == "127.0.0.1"
    made.stop()
    assert programs.calls[-1] == f"kind delete cluster --name {made.name}"
    assert not made.folder.exists()


@pytest.mark.parametrize("step", ["kind create", "docker build", "kind load", "docker network"])
def test_a_step_that_fails_leaves_no_cluster_behind(programs: Programs, step: str) -> None:
    programs.fail = [step]
    programs.install("docker", "kind", "kubectl")
    with pytest.raises(KindFailed, match="it does not want to"):
        KindCluster().start()
    assert programs.calls[-1].startswith("kind delete cluster")


def test_the_first_failure_is_told_also_when_the_cluster_cannot_be_deleted(programs: Programs) -> None:
    programs.fail = ["docker build", "kind delete"]
    programs.install("docker", "kind", "kubectl")
    told: list[str] = []
    with pytest.raises(KindFailed, match="docker build"):
        KindCluster(say=told.append).start()
    assert "may still be there" in told[-1]


@pytest.mark.parametrize(
    ("configs", "address"),
    [
        pytest.param([IPV6, IPV4], "172.18.0.1", id="both families"),
        pytest.param([{"Subnet": "172.18.0.0/16"}], "172.18.0.1", id="a gateway that is not named"),
    ],
)
def test_the_host_as_pods_see_it(configs: list[dict[str, str]], address: str) -> None:
    assert gateway([{"IPAM": {"Config": configs}}]) == address


@pytest.mark.parametrize("networks", [[], [{"IPAM": {"Config": None}}], [{"IPAM": {"Config": [IPV6]}}]])
def test_a_network_without_ipv4_is_told(networks: list[dict[str, object]]) -> None:
    with pytest.raises(KindFailed, match="no IPv4"):
        gateway(networks)


class FakeBao:
    """Nothing runs behind it."""

    address, root_token = "http://127.0.0.1:1", "root"

    class child:
        alive = False


class TestDemo:
    def demo(self, folder: Path, *, local: bool = False) -> tuple[Demo, StringIO]:
        out = StringIO()
        return Demo(folder, Narrator(out), False, local), out

    def test_it_takes_kind_where_it_can(self, programs: Programs) -> None:
        programs.install("docker", "kind", "kubectl")
        made, _ = self.demo(programs.folder)
        assert isinstance(made.kind(), KindCluster)

    def test_it_takes_processes_where_kind_cannot_be(self, programs: Programs) -> None:
        made, out = self.demo(programs.folder)
        assert made.kind() is None
        assert "no kind cluster (not on PATH: docker, kind, kubectl)" in out.getvalue()

    def test_it_takes_processes_where_kind_fails(self, programs: Programs) -> None:
        programs.fail = ["docker build"]
        programs.install("docker", "kind", "kubectl")
        made, out = self.demo(programs.folder)
        assert made.kind() is None
        assert "it does not want to" in out.getvalue()
        assert programs.calls[-1].startswith("kind delete cluster")

    def test_who_wants_processes_gets_them(self, programs: Programs) -> None:
        programs.install("docker", "kind", "kubectl")
        made, _ = self.demo(programs.folder, local=True)
        assert made.kind() is None and programs.calls == []

    def test_what_it_left_running_ends_with_its_cluster(self, programs: Programs) -> None:
        programs.install("kind")
        left = programs.folder / "left"
        left.mkdir()
        made, out = self.demo(left)
        made.plane, made.bao, made.operator = KindCluster(), FakeBao(), None
        made.leave_running()
        assert f"export KUBECONFIG={made.plane.admin_kubeconfig}" in out.getvalue()
        assert demo.stop_left_running(left, Narrator(StringIO())) == 0
        assert programs.calls == [f"kind delete cluster --name {made.plane.name}"]
        assert not left.exists() and not made.plane.folder.exists()

    def test_an_operator_whose_log_cannot_be_read_hides_no_failure(self, programs: Programs) -> None:
        programs.fail = ["kubectl"]
        programs.install("kubectl")
        made, out = self.demo(programs.folder)
        made.plane = KindCluster()
        made.operator = PodOperator(made.plane)
        made.failure(RuntimeError("the step failed"))
        assert "the step failed" in out.getvalue() and "cannot be read" in out.getvalue()


@pytest.mark.parametrize(
    ("words", "kept", "local"),
    [([], False, False), (["--keep"], True, False), (["--local", "--keep"], True, True)],
    ids=["nothing said", "kept", "kept and local"],
)
def test_the_words_that_it_is_called_with(
    monkeypatch: pytest.MonkeyPatch, words: list[str], kept: bool, local: bool
) -> None:
    called: list[tuple[bool, bool]] = []
    monkeypatch.delenv("KEEP", raising=False)
    monkeypatch.setattr(sys, "argv", ["demo", *words])
    monkeypatch.setattr(demo, "run", lambda keep, tell, local: called.append((keep, local)) or 0)
    assert demo.main() == 0
    assert called == [(kept, local)]
