"""What a child does first: die with its parent, keep secrets out of dumps, tell where it hangs."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal
import sys
from typing import Final

from shared.errors import NotRunningError

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4

PRIVATE_UMASK: Final = 0o077

DUMP_SIGNAL: Final = signal.SIGUSR1
"""Makes a child write all its stacks to stderr: send it before killing a hung one."""


def die_with_parent(parent_pid: int) -> None:
    """SIGKILL to this process when its parent ends, however it ends (L14).

    A parent that died before the call is noticed by its pid; then raises NotRunningError. With
    parent_pid 0 any parent but init will do.
    """
    _prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    found = os.getppid()
    if found != parent_pid if parent_pid else found == 1:
        raise NotRunningError("the supervisor is gone")


def keep_files_private() -> None:
    """What is created from now on is this user's alone, whatever mask was inherited (L13)."""
    os.umask(PRIVATE_UMASK)


def hide_memory() -> None:
    """No core dump, and no look into memory or environment by processes of the same user (L13).

    The limit stands beside the flag: a pipe for core dumps ignores limits, an `execve` the flag."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(PR_SET_DUMPABLE, 0)


def own_signals() -> None:
    """The supervisor owns interrupts; a child that caught one too would stop out of order (R1)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def show_stacks_on_faults() -> None:
    """Stacks go to stderr on a crash of the interpreter and on DUMP_SIGNAL."""
    faulthandler.enable(sys.stderr, all_threads=True)
    faulthandler.register(DUMP_SIGNAL, sys.stderr, all_threads=True, chain=False)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        failure = ctypes.get_errno()
        raise OSError(failure, f"prctl({option}, {value}): {os.strerror(failure)}")
