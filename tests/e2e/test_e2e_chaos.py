"""Real kills, as `make soak` does them, in the time that CI has (L1 to L7, L14, L16)."""

import json

import pytest
from engine_process import machine_allows_s, seawall

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

KILLS = 25


@pytest.mark.timeout(1200)
def test_twenty_five_kills_lose_nothing(tmp_path):
    done = seawall(
        "chaos", "--kills", KILLS, "--seed", 7, "--keep", tmp_path / "kept", "--json", timeout=1100
    )
    report = json.loads(done.stdout)
    assert done.returncode == 0, (report["findings"], report["too_tame"], done.stderr)
    assert report["kills"] >= KILLS
    assert report["kills_with_position"] * 2 >= KILLS
    figures = report["figures"]
    assert figures["fills"] >= KILLS
    assert (figures["fills_lost"], figures["duplicates"], figures["oversold"]) == (0, 0, 0)
    assert report["ready_ms"]["all"]["p50"] < 1000 * machine_allows_s(5.0), report["ready_ms"]
