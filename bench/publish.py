"""Measures this machine and writes the pages' tables from the result files, never by hand.

`make numbers` measures everything and commits nothing, `make numbers BENCH="hop path"` only those
again; `python -m bench.publish --render` rewrites the pages from `bench/results`, those of
reliability from what `make evidence` kept. A test holds them together.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.goals import goals, table
from bench.proof_tables import Evidence, chaos, promises

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results" / "latest.json"
PEER_RESULTS = ROOT / "bench" / "results" / "peers.json"
"""Written by `make peers`, in an environment of its own."""
EVIDENCE = ROOT / "bench" / "results" / "evidence.json"
"""Written by `make evidence`."""
README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
PROMISES = ROOT / "docs" / "promises.md"
CHAOS = ROOT / "docs" / "chaos.md"
BEGIN, END = "<!-- numbers: begin -->", "<!-- numbers: end -->"
SEEDS = "0:2000"
SPEEDS = ("hot", "feed", "hop", "path", "order")
"""Benchmarks whose rows are times, with peers beside them."""
SIZES = ("memory", "scale", "flat")
"""Benchmarks whose rows have a bound of their own and no peer."""
LEFT_OUT = ("warm",)
"""Asked for by hand: two minutes for an option that is off by default."""
BENCHES = (*SPEEDS, *SIZES, "venue")
PEERS = ("ccxt", "sortedcontainers", "orjson", "pyzmq", "uvloop")


def measure() -> dict[str, Any]:
    """Runs the commands that a user would run, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        demo = _seawall("run", "--userdir", f"{folder}/demo", "--for", "75s", "--json")
        calm = _seawall(
            "run", "--userdir", f"{folder}/calm", "--profile", "calm", "--for", "60s", "--json"
        )
    return {
        "machine": f"{_cpu_model()}, {_cpu_count()} cores, Python {platform.python_version()}",
        "commit": _commit(),
        "versions": {name: version(name) for name in PEERS},
        **_measure(BENCHES),
        "demo": demo,
        "calm": calm,
        # Exit code 1 says that laws were broken: README shows how many, rather than nothing.
        "simulate": _seawall("simulate", "--seeds", SEEDS, "--json", allowed=(0, 1)),
    }


def measure_again(results: dict[str, Any], benches: Sequence[str]) -> dict[str, Any]:
    """A result file in which some benchmarks are newer than the rest, and say so."""
    commit = _commit()
    later = results.get("later", {}) | dict.fromkeys(benches, commit)
    return results | _measure(benches) | {"later": later}


def _measure(benches: Sequence[str]) -> dict[str, Any]:
    return {name: _seawall("bench", name, "--json") for name in benches}


def tables(results: dict[str, Any]) -> str:
    """README's numbers, from a result file."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    later = "".join(f", `{name}` at {commit}" for name, commit in results.get("later", {}).items())
    lines = [
        f"Measured at commit {results['commit']}{later} on {results['machine']}; {versions}. "
        "Trust the ratios, they are of one run; figures move with the machine.",
        "",
        "| `seawall bench` | p50 | p99 | times as fast as (below 1: slower) |",
        "|---|---|---|---|",
    ]
    for row in _rows_of(results, SPEEDS):
        figures = f"{row['p50']:g} {row['unit']} | {row['p99']:g} {row['unit']}"
        lines.append(f"| {row['name'].replace('_', ' ')} | {figures} | {_peers_of(row)} |")
    sizes = _rows_of(results, SIZES)
    if sizes:
        names = ", ".join(f"`{name}`" for name in SIZES)
        lines += ["", f"| `seawall bench` {names} | p50 | p99 | wanted at most | what |"]
        lines += ["|---|---|---|---|---|", *map(_size_row, sizes)]
    if PEER_RESULTS.exists():
        lines += ["", *_peer_table(json.loads(PEER_RESULTS.read_text(encoding="utf-8")))]
    if "venue" in results:
        lines += ["", "| `seawall bench venue` | p50 | p99 | wanted | times as good as |"]
        lines += ["|---|---|---|---|---|", *map(_venue_row, results["venue"])]
    lines += ["", "| `seawall run` | demo, 75 s | calm, 60 s |", "|---|---|---|"]
    lines += [f"| {name} | {a} | {b} |" for name, a, b in _run_rows(results)]
    simulated = results["simulate"]
    faults = sum(simulated["faults"].values())
    lines += [
        "",
        f"`seawall simulate --seeds {SEEDS}`: {simulated['events']:,} events "
        f"({simulated['events_per_s']:,.0f}/s), {faults:,} faults, "
        f"{simulated['opened_share']:.1%} of the seeds opened a position, "
        f"{len(simulated['violations'])} violations.",
    ]
    return "\n".join(lines)


def _rows_of(results: dict[str, Any], benches: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of some benchmarks; a result file that is older than one of them lacks its."""
    return [row for name in benches for row in results.get(name, ())]


def _peers_of(row: dict[str, Any]) -> str:
    """Each peer's time as a multiple of ours, and what is wanted of it."""
    wanted = row.get("wanted", {})
    return ", ".join(
        f"{peer.replace('_', ' ')} {times:g}×"
        + (f" (wanted {wanted[peer]:g}×)" if peer in wanted else "")
        for peer, times in row["ratio_to"].items()
    )


def _size_row(row: dict[str, Any]) -> str:
    figures = f"{row['p50']:g} {row['unit']} | {row['p99']:g} {row['unit']}"
    wanted = f"{row['wanted']:g} {row['unit']}" if "wanted" in row else "-"
    return f"| {row['name'].replace('_', ' ')} | {figures} | {wanted} | {row['operation']} |"


def _peer_table(results: dict[str, Any]) -> list[str]:
    """Medians of thread CPU time, everybody in turn in one run."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    lines = [
        f"| `make peers`: {versions} | Seawall | wanted | times Seawall's time |",
        "|---|---|---|---|",
    ]
    for row in results["rows"]:
        peers = ", ".join(f"{n} {x:g}×" for n, x in row["ratio_to"].items())
        wanted = ", ".join(f"{n} {x:g}×" for n, x in row["wanted"].items())
        lines.append(f"| {row['name']} | {row['ours']:.3g} {row['unit']} | {wanted} | {peers} |")
    return lines


def _venue_row(row: dict[str, Any]) -> str:
    """Rates in the server's own time where they were counted so: a neighbour does not slow them."""
    peers = ", ".join(f"{n.replace('_', ' ')} {x:g}×" for n, x in row["ratio_to"].items())
    own_time = f" ({row['cpu']:,} in its own time)" if "cpu" in row else ""
    figures = f"{row['p50']:,} {row['unit']}{own_time} | {row['p99']:,} {row['unit']}"
    wanted = f"{row['wanted']:,} {row['unit']}" if "wanted" in row else "-"
    return f"| {row['name'].replace('_', ' ')} | {figures} | {wanted} | {peers} |"


def render() -> dict[Path, str]:
    """The pages with their numbers from the result files."""
    results, shown = _results(), evidence()
    peers = json.loads(PEER_RESULTS.read_text(encoding="utf-8"))
    blocks = {
        README: tables(results),
        PERFORMANCE: table(goals(results, peers)),
        PROMISES: promises(shown),
        CHAOS: chaos(shown),
    }
    return {page: _with_block(page, block) for page, block in blocks.items()}


def write_pages() -> None:
    """Puts the numbers of the result files onto the pages."""
    for page, text in render().items():
        page.write_text(text, encoding="utf-8")


def evidence() -> Evidence:
    """What `make evidence` kept so far."""
    found: Evidence = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    return found


def _results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def _commit() -> str:
    return _output(["git", "rev-parse", "--short", "HEAD"]).strip()


def _with_block(page: Path, block: str) -> str:
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    whole = f"{BEGIN}\n{block}\n{END}"
    return pattern.sub(lambda _: whole, page.read_text(encoding="utf-8"), count=1)


def _run_rows(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    runs = (results["demo"], results["calm"])

    def row(name: str, show: Any) -> tuple[str, str, str]:
        return name, show(runs[0]), show(runs[1])

    return [
        row("clean shutdown", lambda r: "yes" if r["clean_shutdown"] else "no"),
        row(
            "positions opened / closed",
            lambda r: f"{r['positions']['opened']} / {r['positions']['closed']}",
        ),
        row("unprotected, longest", lambda r: f"{r['unprotected_s']['max']:g} s"),
        row("ledger and venue differ in", lambda r: f"{_differing(r)} assets"),
        row("tick to order, p50", lambda r: _us(r["latency_us"]["tick_to_order"]["p50"])),
        row("order to answer, p50", lambda r: _us(r["latency_us"]["order_ack"]["p50"])),
        row("memory of the engine, PSS", lambda r: f"{_engine(r, 'pss_mb'):.0f} MB"),
        row(
            "cores used by the engine",
            lambda r: f"{_engine(r, 'cpu_s') / r['duration_s']:.2f}",
        ),
    ]


def _differing(run: dict[str, Any]) -> int:
    return sum(pair["engine"] != pair["venue"] for pair in run["ledger"].values())


def _engine(run: dict[str, Any], key: str) -> float:
    """Summed over the engine's processes; the local venue is not one of them."""
    return sum(p[key] or 0.0 for name, p in run["processes"].items() if name != "localvenue")


def _us(value: float | None) -> str:
    return "-" if value is None else f"{value / 1000:.2f} ms"


def _seawall(*words: str, allowed: tuple[int, ...] = (0,)) -> Any:
    return json.loads(_output([sys.executable, "-m", "procs", *words], allowed))


def _output(command: list[str], allowed: tuple[int, ...] = (0,)) -> str:
    print(" ".join(command), file=sys.stderr)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode not in allowed:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _cpu_model() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _cpu_count() -> int:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8").count("processor\t")


def main() -> None:
    """Measures unless only asked to render, then writes the pages."""
    parser = argparse.ArgumentParser(description="Measures this machine and writes the tables.")
    parser.add_argument("--render", action="store_true", help="only write them, from the results")
    parser.add_argument("again", nargs="*", help=f"only these benchmarks: {', '.join(BENCHES)}")
    asked = parser.parse_args()
    unknown = sorted({*asked.again} - {*BENCHES})
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}, allowed: {', '.join(BENCHES)}")
    if not asked.render:
        found = measure_again(_results(), asked.again) if asked.again else measure()
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_pages()


if __name__ == "__main__":
    main()
