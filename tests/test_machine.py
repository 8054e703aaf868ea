"""What the machine says of itself, read from files that a test writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from massjax.machine import Machine, _gpus, cpu_has_bfloat16, free_host_bytes, free_memory, this_machine


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n" * 2, True),
        ("flags : fpu avx512f amx_bf16\n", True),
        ("flags : fpu avx2 avx512f avx512_vnni\n", False),
        ("flags : avx512_bf16\nflags : avx2\n", False),
        ("Features\t: fp asimd i8mm bf16 svebf16\n", True),
        ("Features\t: fp asimd aes\n", False),
        ("vendor_id : IBM/S390\nfeatures : esan3 zarch\n", False),
        ("", False),
    ],
    ids=["avx512", "amx", "avx512 alone", "one core without", "arm", "older arm", "s390x", "empty"],
)
def test_a_cpu_has_bfloat16_when_all_its_processors_list_it(tmp_path: Path, text: str, has: bool) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert cpu_has_bfloat16(file) is has
    assert not cpu_has_bfloat16(tmp_path / "none"), "no such file: macOS, Windows"


def test_gpus_are_counted_by_their_files(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert _gpus(tmp_path) == 2
    assert _gpus(tmp_path / "none") == 0
    assert (str(Machine(2, 4, True)), str(Machine(0, 1, True))) == ("2 GPUs", "1 CPU core")
    assert str(this_machine(devices=tmp_path / "none")).endswith(("CPU core", "CPU cores"))


def test_free_memory_is_the_least_of_what_the_machine_and_a_container_say(tmp_path: Path) -> None:
    meminfo, cgroup = tmp_path / "meminfo", tmp_path / "cgroup"
    cgroup.mkdir()
    assert free_host_bytes(meminfo, cgroup) is None, "no such files: macOS, Windows"
    meminfo.write_text("MemTotal:  2000 kB\nMemAvailable:   1000 kB\n")
    assert free_host_bytes(meminfo, cgroup) == 1000 * 1024
    (cgroup / "memory.max").write_text("max\n")
    assert free_host_bytes(meminfo, cgroup) == 1000 * 1024, "a container without a limit"
    (cgroup / "memory.max").write_text("5000\n")
    assert free_host_bytes(meminfo, cgroup) == 5000


def test_a_cpu_is_no_device_with_memory_of_its_own() -> None:
    assert free_memory().device is None
