"""Runs the commands that prove reliability, and keeps what they showed for the pages.

`make evidence` runs all of them (hours), `make evidence WHAT="seeds kills"` only those; seeds go on
where an interruption left them. `python -m bench.evidence record kills FILE --commit abc1234` keeps
a report that the command made elsewhere with `--json`. Figures land in
`bench/results/evidence.json`, whole reports in `.evidence`, which git ignores.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import publish
from bench.proof_tables import Evidence, rows
from bench.proofs import PROOFS, Proof, proof_named
from bench.seed_parts import Part, joined, keep_part, kept_parts, missing, read_part, text_of
from procs.cli.simulate import seeds_of
from shared.errors import ConfigError, SeawallError

REPORTS = publish.ROOT / ".evidence"
PLAYED = ("core_ext", "shared", "procs", "tests", "setup.py", "pyproject.toml")
"""What a proof runs. Pages and results may differ from the commit: writing them is our work."""
PARTED = "seeds"
"""The proof that is played in parts."""


# ── which commit ────────────────────────────────────────────────────────────────────────────────


def commit_here() -> str:
    """The commit that would be played now. Raises ConfigError when the files are not its own."""
    commit = _git("rev-parse", "--short", "HEAD").strip()
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *PLAYED).split("\n")
    if changed[0]:
        raise ConfigError(
            f"{changed[0][3:]} differs from commit {commit}, allowed: no changes in "
            f"{', '.join(PLAYED)}, so that a commit can be named; commit them, or use a checkout "
            "of its own"
        )
    return commit


def commit_named(text: str) -> str:
    """A commit of this history in its short form. Raises ConfigError for another."""
    asked = ["git", "merge-base", "--is-ancestor", f"{text}^{{commit}}", "HEAD"]
    if subprocess.run(asked, cwd=publish.ROOT, capture_output=True).returncode != 0:
        raise ConfigError(f"--commit {text!r}, allowed: one that HEAD comes from, such as abc1234")
    return _git("rev-parse", "--short", f"{text}^{{commit}}").strip()


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=publish.ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise SeawallError(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


# ── running ─────────────────────────────────────────────────────────────────────────────────────


def run_proof(name: str, commit: str, wanted: range, workers: int | None) -> None:
    """Plays one proof and keeps what it showed. Raises SeawallError when nothing can be kept."""
    proof = proof_named(name)
    if name == PARTED:
        keep(name, commit, _in_parts(proof, commit, wanted, workers))
        return
    report_text = _report_of(proof.command, commit, workers)
    report = proof.read(report_text, f"`{proof.command}`")
    path = REPORTS / name / f"{commit}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report_text, encoding="utf-8")
    keep(name, commit, Part(proof.seeds, report))


def _in_parts(proof: Proof, commit: str, wanted: range, workers: int | None) -> Part:
    """Plays what no part of this commit holds; the sum of all."""
    folder = REPORTS / PARTED / commit
    gaps = list(missing(wanted, kept_parts(proof, folder, wanted)))
    for gap in gaps:
        command = proof.typed(None, f"{gap.start}:{gap.stop}")
        report_text = _report_of(command, commit, workers)
        for found in proof.read(report_text, f"`{command}`").violations:
            print(f"{found.law} broken: {found.command}", file=sys.stderr)
        keep_part(folder, gap, report_text)
    return joined(kept_parts(proof, folder, wanted))


def _report_of(command: str, commit: str, workers: int | None) -> str:
    """What a command prints with `--json`; its exit code 1 says that something was found."""
    program, *words = shlex.split(command)
    simulates = words[0] == "simulate"
    argv = [sys.executable, *(("-m", "procs") if program == "seawall" else ()), *words, "--json"]
    argv += ["--workers", str(workers)] if simulates and workers is not None else []
    print(command, file=sys.stderr, flush=True)
    # Scripts below tests/ would else import the checkout that the packages were installed from.
    environ = {**os.environ, "PYTHONPATH": str(publish.ROOT)}
    done = subprocess.run(
        argv, stdout=subprocess.PIPE, text=True, cwd=publish.ROOT, env=environ, check=False
    )
    if done.returncode not in (0, 1):
        raise SeawallError(f"{command}: exit code {done.returncode}, allowed: 0 or 1")
    now = commit_here()
    if now != commit:
        raise ConfigError(
            f"{command}: the checkout went from commit {commit} to {now} meanwhile, allowed: one "
            "commit; use a checkout of its own"
        )
    return done.stdout


# ── keeping ─────────────────────────────────────────────────────────────────────────────────────


def record(name: str, files: Sequence[Path], commit: str, seeds: str | None) -> None:
    """Keeps a report that was made elsewhere. Raises ConfigError for one that is none."""
    proof = proof_named(name)
    if name == PARTED and seeds is None:
        whole = joined([read_part(proof, path) for path in files])
    elif len(files) == 1:
        report = proof.read(text_of(files[0]), str(files[0]))
        whole = Part(_range_of(proof, report, files[0], seeds), report)
    else:
        raise ConfigError(f"{len(files)} files for {name}, allowed: one; parts are for {PARTED}")
    keep(name, commit_named(commit), whole)


def _range_of(proof: Proof, report: Any, path: Path, seeds: str | None) -> range:
    """Which seeds a report is of, where it says only how many."""
    if not proof.seeds:
        if seeds is not None:
            raise ConfigError(f"--seeds {seeds}, allowed: for proofs that have seeds")
        return proof.seeds
    found = proof.seeds if seeds is None else seeds_of(seeds)
    if report.seeds != len(found):
        shown = seeds or f"{found.start}:{found.stop}"
        raise ConfigError(f"{path}: {report.seeds} seeds, allowed: --seeds A:B that fits ({shown})")
    return found


def keep(name: str, commit: str, whole: Part) -> None:
    """Writes the figures of a report, and the pages that show them."""
    proof = proof_named(name)
    kept = publish.evidence()
    kept[name] = {
        "commit": commit,
        "command": proof.typed(whole.report, f"{whole.seeds.start}:{whole.seeds.stop}"),
        "figures": proof.figures(whole.report),
    }
    ordered = {one: kept[one] for one in PROOFS if one in kept}
    publish.EVIDENCE.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    publish.write_pages()


def report_rows(names: Sequence[str], kept: Evidence) -> bool:
    """Prints what some proofs showed; whether all of it was reached."""
    found = [row for name in names for row in rows({name: kept[name]}) if row.commit != "-"]
    for row in found:
        word = {True: "yes", False: "NO", None: ""}[row.reached]
        print(f"{word:4}{row.wanted}: {row.shown}")
    return all(row.reached is not False for row in found)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m bench.evidence", description="Runs proofs of reliability; keeps figures."
    )
    verbs = made.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="run the commands, one after the other (hours)")
    run.add_argument("what", nargs="*", help=f"only these: {', '.join(PROOFS)}")
    run.add_argument(
        "--seeds",
        default=f"0:{PROOFS[PARTED].seeds.stop}",
        metavar="A:B",
        help=f"of the proof {PARTED} (default %(default)s)",
    )
    run.add_argument("--workers", type=int, metavar="N", help="processes of a simulation")
    kept = verbs.add_parser("record", help="keep a report that was made elsewhere with --json")
    kept.add_argument("proof", help=", ".join(PROOFS))
    kept.add_argument("files", nargs="+", type=Path, metavar="FILE")
    kept.add_argument("--commit", required=True, help="at which it was made")
    kept.add_argument("--seeds", metavar="A:B", help="which they were, when the name does not say")
    return made


def main() -> int:
    """Runs or records; 1 when something was not reached."""
    asked = parser().parse_args()
    try:
        if asked.verb == "record":
            names = [asked.proof]
            record(asked.proof, asked.files, asked.commit, asked.seeds)
        else:
            names = asked.what or list(PROOFS)
            for name in names:
                proof_named(name)
            wanted, commit = seeds_of(asked.seeds), commit_here()
            for name in names:
                run_proof(name, commit, wanted, asked.workers)
    except SeawallError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted: `make evidence` keeps what is whole, and goes on", file=sys.stderr)
        return 130
    return 0 if report_rows(names, publish.evidence()) else 1


if __name__ == "__main__":
    sys.exit(main())
