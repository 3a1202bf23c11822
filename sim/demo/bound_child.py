"""`python -m sim.demo.bound_child PARENT_PID MODULE ARG…`: runs a module that cannot outlive its parent."""

import runpy
import sys

from sim.broker import end_with_parent

__all__: list[str] = []

if __name__ == "__main__":
    parent_pid, module = int(sys.argv[1]), sys.argv[2]
    end_with_parent(parent_pid)
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
