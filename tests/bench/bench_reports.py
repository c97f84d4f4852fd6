"""Reports of every proof as their commands print them, good ones, or with a field changed."""

import json

import msgspec

from procs.chaos.campaign import Report as KillReport
from procs.chaos.flat import Flatness, FlatReport
from procs.simulate.campaign import Report
from procs.simulate.crashes import CrashReport


def simulated(**changed):
    """A campaign of seeds in which all went well."""
    report = Report(
        profile="swarm",
        mode="safety",
        seeds=50_000,
        events=100_000_000,
        events_per_s=8_000.0,
        opened_share=0.99,
        faulty_share=0.97,
        events_min=1_600,
        faults={"lost_say": 700_000},
        coverage={"Beat × lost_say": 7},
    )
    return msgspec.structs.replace(report, **changed)


def died(**changed):
    """Deaths at every point."""
    report = CrashReport(
        seeds=1, turns=90, singles=300, pairs=50, deaths=400, events=9, events_per_s=1.0
    )
    return msgspec.structs.replace(report, **changed)


SPREAD = {"count": 9, "p50": 900, "max": 4_100}


def killed(**changed):
    """A campaign of kills."""
    report = KillReport(
        seed=1,
        seconds=2_000.0,
        kills=300,
        kills_with_position=280,
        blows={"kill route": 300},
        skipped=2,
        killed={"route": 290, "supervise": 10},
        ready_ms={
            "alone": SPREAD | {"count": 290},
            "all": SPREAD | {"max": 6_700},
            "supervise": SPREAD | {"max": 9_400},
        },
        figures={
            "fills": 900,
            "fills_lost": 0,
            "duplicates": 0,
            "oversold": 0,
            "without_stop_ms": SPREAD,
            "without_stop_or_guard_ms": SPREAD,
            "alarms": {},
        },
        findings=[],
        too_tame=[],
        folder="gone",
        command="seawall chaos --seed 1 --kills 300",
    )
    return msgspec.structs.replace(report, **changed)


def flooded(**changed):
    """A day of market."""
    row = Flatness(
        rss_mb_early=48.1, rss_mb_late=54.1, rss_mb_max=55.0, fds_early=45, fds_late=46, flat=True
    )
    report = FlatReport(
        seed=1,
        minutes=28.5,
        market_events=4_500_000,
        day_share=1.0,
        quotes=1,
        orders=1_877,
        fills=940,
        processes={"route": row},
        findings=[],
        folder="gone",
    )
    return msgspec.structs.replace(report, **changed)


def torn(**changed):
    """Damaged journals."""
    return {
        "seed": "1",
        "states": 20_000,
        "histories": 80,
        "rows": 5_000,
        "seconds": 40.5,
        "outcomes": {"killed": {"whole": 20_000}},
        "findings": [],
        **changed,
    }


def fuzzed(**changed):
    """Two decoders."""
    decoder = {
        "name": "quotes",
        "mutations": 1_000_000,
        "accepted": 1,
        "refused": 999_999,
        "seconds": 9.5,
        "findings": [],
    }
    decoders = [decoder, decoder | {"name": "wire"} | changed.pop("second", {})]
    return {"seed": "1", "each": 1_000_000, "decoders": decoders, **changed}


def planted(survivors=0, count=41):
    """Planted bugs, of which some were never found."""
    bugs = [
        {"bug": f"bug {n}", "law": "L1", "seed": None if n < survivors else n, "seconds": 1.0}
        for n in range(count)
    ]
    return {"within": 1_000, "bugs": bugs}


def text_of(report):
    """As it is printed."""
    return json.dumps(msgspec.to_builtins(report))


GOOD = {
    "seeds": simulated(),
    "liveness": simulated(mode="liveness", seeds=1_000, settled_s_max=18.25),
    "crashes": died(),
    "kills": killed(),
    "flat": flooded(),
    "torn": torn(),
    "fuzz": fuzzed(),
    "planted": planted(),
}
