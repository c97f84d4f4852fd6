"""The engine with dry runs on: it trades as ever, and only decide and route rehearse."""

import json
import os

import pytest
from engine_process import HOLDS, assert_sound, seawall, sets

from procs.runtime.affinity import SPIN_CORES_MIN
from shared.errors import ExitCode

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.timeout(600)
def test_it_trades_and_rehearses(engine):
    engine.start("--profile", "fast", *sets(HOLDS | {"engine.warm": "true"}))
    engine.until_active()
    engine.until_held()
    assert_sound(engine.stop())
    rehearsed = {}
    for path in (engine.userdir / "logs").glob("*/*.system.jsonl"):
        for record in map(json.loads, path.read_text().splitlines()):
            if record["event_type"] == "process_stopped" and "turns" in record:
                rehearsed[record["role"]] = record["rehearsals"]
            assert record["event_type"] != "rehearsal_failed"
    assert {role for role, count in rehearsed.items() if count} == {"decide", "route"}
    assert min(rehearsed["decide"], rehearsed["route"]) > 20


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) >= SPIN_CORES_MIN, reason="here are cores enough to spin on"
)
def test_spinning_is_refused_at_the_start(tmp_path):
    done = seawall("run", "--userdir", tmp_path / "u", *sets({"engine.spin": "true"}))
    assert done.returncode == ExitCode.CONFIG
    assert f"engine.spin = true: needs {SPIN_CORES_MIN} cores or more" in done.stderr
