"""How much memory the process may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from eso.runtime.container import memory_limit, physical, shares

MB = 1 << 20


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        pytest.param({}, None, id="no control groups"),
        pytest.param({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 * MB, id="v2"),
        pytest.param({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, None, id="v2: no limit"),
        pytest.param(
            {
                "proc/self/cgroup": "0::/pods/one\n",
                "sys/fs/cgroup/pods/memory.max": "1048576\n",
                "sys/fs/cgroup/pods/one/memory.max": "2097152\n",
            },
            1 * MB,
            id="v2: a group above is the tighter one",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/../../other\n", "sys/fs/cgroup/memory.max": "2097152\n"},
            2 * MB,
            id="v2: a path of the outside",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/kubepods/x\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/kubepods/x/memory.limit_in_bytes": "3145728\n",
            },
            3 * MB,
            id="v1",
        ),
        pytest.param(
            {"sys/fs/cgroup/memory/memory.limit_in_bytes": "4194304\n"}, 4 * MB, id="v1 without a list of groups"
        ),
        pytest.param(
            {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, None, id="v1 without a limit"
        ),
    ],
)
def test_the_limit_of_the_container_is_read(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    for name, content in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    assert memory_limit(tmp_path) == limit


@pytest.mark.parametrize("limit", [256 * MB, 512 * MB, 1 << 30, 8 << 30])
def test_passes_and_both_workers_leave_room_for_the_process(limit: int) -> None:
    given = shares(limit, 0, 160 * MB)
    assert given.passes + 2 * given.worker <= limit * 13 // 20
    assert given.worker <= 160 * MB
    assert shares(limit, 77 * MB, 160 * MB).passes == 77 * MB


def test_without_a_limit_the_machine_is_the_measure() -> None:
    assert 32 * MB <= shares(None, 0, 160 * MB).passes <= max(32 * MB, physical() // 4)
    assert shares(None, 0, 160 * MB).worker >= 48 * MB
