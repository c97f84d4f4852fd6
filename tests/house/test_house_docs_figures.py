"""Figures of the pages that are constants of the code: each is written here from the constant.

Who changes a bound, a default or a period finds the page that tells of it by a failing test. What
is measured is no constant: it stands beside its command, or in README's tables (`bench.publish`).
"""

import re
import tomllib

import pytest
from house_tree import ROOT
from test_house_modules import MAX_FUNCTION_LINES, MAX_MODULE_LINES

from core_ext.reference import quote
from procs.chaos import audit, audit_spans, blows, campaign, nemesis, stage
from procs.cli.chaos import DEFAULT_KILLS
from procs.localvenue.market.listings import LISTINGS
from procs.localvenue.market.profile_lines import LINES, SYMBOLS_MAX
from procs.localvenue.matching.exchange import PROVEN_EVERY
from procs.localvenue.options import DEFAULT_BALANCE
from procs.localvenue.protocols.binance_spot.limits import RateLimits
from procs.protect.actor import SAY_AGAIN_NS
from procs.runtime.affinity import SPIN_CORES_MIN
from procs.runtime.calls import STALE_TURN_NS
from procs.simulate import campaign as seeds
from procs.simulate import world
from procs.simulate.checkers import l5_protection, l7_writers
from procs.simulate.liveness import SETTLED_WITHIN_NS
from procs.simulate.modes import LIVENESS, SAFETY
from procs.supervise import child
from shared.domain.booking import DEFAULT_PROTECTION
from shared.domain.capability import BINANCE_SPOT
from shared.domain.mark import FRESH_NS
from shared.domain.policy import DropPolicy, Policy, ProtectionPolicy, RiskPolicy
from shared.units import NS_PER_MS, NS_PER_S
from shared.venues.native.spot import COMPARE_S

WORDS = {
    2: "two",
    3: "three",
    4: "four",
    5: "five",
    6: "six",
    8: "eight",
    15: "fifteen",
    30: "thirty",
    60: "sixty",
}
DROP, PROTECTION = DropPolicy(), ProtectionPolicy()
STAGE = tomllib.loads(stage.SETTINGS.format(seed=1, profile="demo", quote=1))
SLOW_VENUE_FENCE_S = (
    STAGE["venue"]["recv_window_ms"] / 1000
    + BINANCE_SPOT.matching_timeout_s
    + BINANCE_SPOT.clock_error_s
    + BINANCE_SPOT.read_lag_s
)

README = (
    f"default {DROP.trigger_pct:g} % below the highest mid of {DROP.anchor_window_s // 60} minutes",
    f"audit every {PROTECTION.audit_s} s",
    f"{quote._LAYOUT.size}-byte quotes",
)
ARCHITECTURE = (
    f"are older than {FRESH_NS // NS_PER_S} s",
    f"{WORDS[child.RESCUE_AFTER].capitalize()} failed starts of route within "
    f"{child.RESCUE_WINDOW_NS // NS_PER_S} s",
    f"a comparison every {COMPARE_S:g} s",
    f"said every {SAY_AGAIN_NS // NS_PER_MS} ms",
    f"proven every {PROVEN_EVERY:,} events",
    f"from {WORDS[SPIN_CORES_MIN]} cores on",
)
CONTRIBUTING = (f"at most {MAX_MODULE_LINES} lines, a function {MAX_FUNCTION_LINES}",)
CHAOS = (
    f"# {DEFAULT_KILLS} kills",
    f"SIGSTOP for {blows.PAUSE_S[0]:g} to {blows.PAUSE_S[1]:g} s",
    f"{blows.FAULTY_S[0]:g} to {blows.FAULTY_S[1]:g} s of a misbehaving venue",
    f"Up to {blows.AGAIN_SHARE * 100:g} % of the blows",
    f"an open position, at most {nemesis.POSITION_WITHIN_S:g} s",
    f"dies more than {WORDS[child.RESTARTS_MAX]} times in a minute",
    f"({audit.CLOCKS_MS} ms for two clocks)",
    f"everything came back within {nemesis.WHOLE_WITHIN_S:g} s",
    f"at most **{audit.BOUND_MS // 1000} s after the last blow that falls into it**",
    f"at most **{audit.LEFT_MS // 1000} s after the last blow**",
    f"{SLOW_VENUE_FENCE_S:g} s, by default {BINANCE_SPOT.fence_s:g} s",
    f"({child.BACKOFF_FIRST_NS / NS_PER_S:g} s, doubled with each death within a minute, "
    f"at most {child.BACKOFF_MAX_NS // NS_PER_S} s)",
    f"allows {RateLimits().weight_per_minute:,} a minute",
    f"{WORDS[STAGE['universe']['max_symbols']].capitalize()} symbols, at most "
    f"{WORDS[STAGE['risk']['max_positions']]} positions of {RiskPolicy().position_quote} USDT, "
    f"each for at most {WORDS[STAGE['protection']['time_to_live_s']]} seconds",
    f"The market is the `{campaign.Plan(kills=1, minutes=None, seed=1).profile}` profile",
)
SIMULATION = (
    f"{WORDS[(SAFETY.faulty_ns + SAFETY.healed_ns) // NS_PER_S].capitalize()} virtual seconds",
    f"{WORDS[world.SYMBOLS[0]]} to {WORDS[world.SYMBOLS[1]]} symbols",
    f"For {WORDS[SAFETY.faulty_ns // NS_PER_S]} seconds faults happen",
    f"faults end after {WORDS[LIVENESS.faulty_ns // NS_PER_S]} seconds",
    f"A campaign of {WORDS[seeds.JUDGED_FROM]} seeds or more",
    f"fewer than {seeds.SHARE_WANTED * 100:g} % met {WORDS[seeds.FAULTS_WANTED]} faults",
    f"fewer than {seeds.EVENTS_WANTED:,} events",
    f"more than {l7_writers.TURN_MAX_NS // NS_PER_MS} ms after its turn began",
    f"must be settled within {SETTLED_WITHIN_NS // NS_PER_S} s",
)
PROMISES = (
    f"within {PROTECTION.protect_within_ms // 1000} s, and within "
    f"{l5_protection.BARE_BOUND_NS // NS_PER_S} s when any one process is killed",
    f"built-in distances of {DEFAULT_PROTECTION.stop_loss_pct} %",
)
PERFORMANCE = (
    f"from {WORDS[SPIN_CORES_MIN]} cores on, `engine.spin`",
    f"from {WORDS[SPIN_CORES_MIN]} on, `engine.spin` lets decide watch",
)
VENUE = (
    f"an ordinary day, {len(LISTINGS)} symbols, {DEFAULT_BALANCE['USDT']:,} USDT",
    f"`--symbols {SYMBOLS_MAX}`",
)
FIGURES = [
    (page, text)
    for page, texts in (
        ("README.md", README),
        ("ARCHITECTURE.md", ARCHITECTURE),
        ("CONTRIBUTING.md", CONTRIBUTING),
        ("docs/chaos.md", CHAOS),
        ("docs/simulation.md", SIMULATION),
        ("docs/promises.md", PROMISES),
        ("docs/performance.md", PERFORMANCE),
        ("docs/venue.md", VENUE),
    )
    for text in texts
]


def plain(text):
    """One line, whatever the page's line breaks."""
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(("page", "text"), FIGURES)
def test_a_page_tells_the_constant(page, text):
    assert plain(text) in plain((ROOT / page).read_text("utf-8"))


def rows(page, column):
    """The first cells in backticks of a table that has such a column head."""
    text = (ROOT / page).read_text("utf-8").partition(column)[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)", text, re.M)


def test_the_profiles_of_the_venue_are_those_of_the_page():
    assert sorted(rows("docs/venue.md", "| `--profile` |")) == sorted(LINES)


def test_the_blows_of_the_page_are_those_that_are_struck():
    assert set(rows("docs/chaos.md", "| blow |")) == set(blows.KINDS)


def test_laws_checked_twice_have_one_bound():
    """The auditor of kills shares no code, and the checker none with the engine."""
    assert l5_protection.BARE_BOUND_NS == audit.BOUND_MS * NS_PER_MS
    assert l7_writers.TURN_MAX_NS == STALE_TURN_NS
    assert Policy().fence_s == BINANCE_SPOT.fence_s
    assert blows.PAUSE_S[1] * 1000 <= audit_spans.NOTICED_MS
