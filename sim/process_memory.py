"""What a process takes of the machine's memory, as the kernel counts it."""

from pathlib import Path

__all__ = ["memory_mb"]


def memory_mb(pid: int, name: str) -> float | None:
    """A figure of proc_pid_status(5), such as VmRSS, or VmHWM for the most so far, in MB of a million octets.

    None when the process has ended.
    """
    try:
        text = Path("/proc", str(pid), "status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    told = dict(line.split(":", 1) for line in text.splitlines())
    return int(told[name].split()[0]) * 1024 / 1e6 if name in told else None
