"""What a process takes of the machine's memory, as the kernel counts it."""

from pathlib import Path

__all__ = ["memory_mb"]


def memory_mb(pid: int, name: str) -> float:
    """A figure of proc_pid_status(5), such as VmRSS, or VmHWM for the most so far, in MB of a million octets.

    Raises:
        OSError: it has ended.
        KeyError: this kernel does not tell that.
    """
    lines = Path("/proc", str(pid), "status").read_text(encoding="ascii", errors="replace").splitlines()
    told = dict(line.split(":", 1) for line in lines)
    return int(told[name].split()[0]) * 1024 / 1e6
