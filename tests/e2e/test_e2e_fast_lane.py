"""The engine with the fast lane on: it trades by it, and a kill of ingest or decide is nothing."""

import json
import signal

import pytest
from engine_process import HOLDS, assert_sound, sets

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.timeout(600)
def test_quotes_come_through_shared_memory_and_survive_kills(engine):
    engine.start("--profile", "fast", *sets(HOLDS | {"engine.fast_lane": "true"}))
    engine.until_active()
    for role in ("ingest", "decide"):
        before = engine.status()["processes"][role]["incarnation"]
        engine.signal(signal.SIGKILL, role)
        engine.until(
            lambda now, role=role, before=before: now["processes"][role]["incarnation"] > before,
            f"{role} again",
        )
        engine.until_active()
    engine.until_held()
    assert_sound(engine.stop(), ("ingest", "decide"))
    stopped = {}
    for path in (engine.userdir / "logs").glob("*/*.system.jsonl"):
        for record in map(json.loads, path.read_text().splitlines()):
            if record["event_type"] == "process_stopped" and "turns" in record:
                stopped[record["role"]] = record
    assert stopped["ingest"]["lane_written"] > 10
    for role in ("decide", "protect", "route"):
        assert stopped[role]["lane_taken"] > 10, role
    assert "lane_taken" not in stopped["observe"]
