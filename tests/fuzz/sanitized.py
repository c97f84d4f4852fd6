"""Builds core_ext with AddressSanitizer and UndefinedBehaviorSanitizer, and fuzzes its scanners.

`tests/fuzz/sanitized.py --each 1000000`: the instrumented extension goes into build/sanitized, the
usual one stays as it is. The first finding of a sanitizer ends the process with its report.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "sanitized"
FOUND = 99
"""The exit code after a sanitizer's report."""
FLAGS = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"


def build() -> None:
    """Compiles every module of core_ext with the sanitizers, from a copy in a folder of its own."""
    shutil.rmtree(BUILT, ignore_errors=True)
    shutil.copytree(
        ROOT / "core_ext",
        BUILT / "core_ext",
        ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"),
    )
    shutil.copy(ROOT / "setup.py", BUILT)
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=BUILT,
        env=os.environ | {"CFLAGS": FLAGS},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def library(name: str) -> str:
    """Where the compiler keeps a runtime library of a sanitizer."""
    compiler = os.environ.get("CC", "gcc")
    found = subprocess.run(
        [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_file():
        raise SystemExit(f"{compiler} has no {name}: install its sanitizer libraries")
    return found


def start(*arguments: str, quiet: bool = False) -> int:
    """Runs this file again inside the sanitizers; its exit code."""
    surroundings = os.environ | {
        "LD_PRELOAD": f"{library('libasan.so')}:{library('libubsan.so')}",
        "ASAN_OPTIONS": f"detect_leaks=0:abort_on_error=0:exitcode={FOUND}",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": f"{BUILT}:{ROOT}",
    }
    command = [sys.executable, str(Path(__file__)), "--inside", *arguments]
    reports = subprocess.DEVNULL if quiet else None
    return subprocess.run(
        command, env=surroundings, cwd=ROOT, stderr=reports, check=False
    ).returncode


def fuzz(each: int, seed: str, only: str) -> int:
    """Mutations for every scanner of the instrumented build; 1 when there are findings."""
    import core_ext.scan

    assert Path(core_ext.scan.__file__).is_relative_to(BUILT), core_ext.scan.__file__
    from fuzz_engine import run_target
    from fuzz_target_scanners import scanner_targets
    from run import show

    found = 0
    for target in scanner_targets():
        if target.name.startswith(only):
            tally = run_target(target, seed, each)
            show(tally)
            found += len(tally.findings)
    return 1 if found else 0


def plant() -> None:
    """Reads one byte beyond a block: what the sanitizer must end, or it is not at work."""
    import ctypes

    block = (ctypes.c_char * 64)()
    ctypes.string_at(ctypes.addressof(block), 65)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="mutations for the scanners under sanitizers")
    parser.add_argument("--each", type=int, default=1_000_000, help="mutations per scanner")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", default="", help="scanners whose name starts so")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--plant", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        if given.plant:
            plant()
        return fuzz(given.each, given.seed, given.only)
    build()
    if start("--plant", quiet=True) != FOUND:
        print("the sanitizer did not find a planted read beyond a block", file=sys.stderr)
        return 2
    return start("--each", str(given.each), "--seed", given.seed, "--only", given.only)


if __name__ == "__main__":
    sys.exit(main())
