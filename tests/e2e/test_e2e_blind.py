"""Ingest is frozen with a position open: protect asks the venue for prices itself (P13)."""

import json
import signal

import pytest
from engine_process import HOLDS, assert_sound, sets

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def told(engine):
    """Event types of protect's log, in order."""
    paths = (engine.userdir / "logs").glob("latest/protect.events.jsonl")
    lines = [line for path in paths for line in path.read_text().splitlines()]
    return [json.loads(line)["event_type"] for line in lines]


@pytest.mark.timeout(600)
def test_protect_sees_while_ingest_sleeps(engine):
    engine.start("--profile", "fast", *sets(HOLDS))
    engine.until_active()
    engine.until_held()
    engine.signal(signal.SIGSTOP, "ingest")
    engine.until(lambda now: now["state"] == "REDUCING", "REDUCING")
    engine.until(lambda now: "blind" in told(engine), "blind")
    engine.until_active()
    engine.until(lambda now: told(engine)[-1] == "sees_again", "sees again")
    whole = engine.stop()
    assert_sound(whole, restarted=("ingest",))
    assert whole["unprotected_s"]["max"] <= 2.0
