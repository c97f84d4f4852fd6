"""Real child processes: life, write-ahead order under kills, pauses, second instances, disks."""

from __future__ import annotations

import itertools
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from statistics import median

import psutil
import pytest
from runtime_rig import ENVIRONMENT, TOY, Rig

from shared.domain.effects import Journal as Entry
from shared.journal.journal import Journal
from shared.journal.mark import read_mark
from shared.journal.reader import JournalReader
from shared.messages.control import Heartbeat, Tripped
from shared.messages.decision import DecideEvent, RouteMarked

pytestmark = pytest.mark.e2e


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def journaled(rig):
    with JournalReader(rig.journal, "decide") as reader:
        return list(reader.rows())


def test_a_whole_life(tmp_path):
    rig = Rig(tmp_path, cpus=(0,), nice=5)
    try:
        child = rig.start()
        rig.rows(3)
        ready = rig.ready()
        assert (ready.pid, ready.cpus, ready.nice) == (child.pid, (0,), 5)
        process = psutil.Process(child.pid)
        assert process.cpu_affinity() == [0]
        assert process.nice() == 5
        rig.until(lambda: len(rig.beats()) >= 4)
        figures = rig.beats()[-1].figures
        assert figures["journal_seq"] == 3
        assert figures["rss_mb"] > 5
        report = rig.stop().report
        assert (report["seq"], report["total"], report["cpus"]) == (3, 6, [0])
        assert report["pss_mb"] > 0
        assert report["rss_peak_mb"] >= figures["rss_mb"] - 1
        assert report["slow_turns"] == 0
    finally:
        rig.close()


def test_state_comes_back_from_snapshot_and_rows(rig):
    rig.start()
    rig.rows(5)
    rig.stop()
    rig.start()
    assert (rig.hellos[0].mark, rig.hellos[0].config_hash) == (5, "15")
    rig.rows(2)
    rig.kill()
    rig.start()
    assert (rig.hellos[0].mark, rig.hellos[0].config_hash) == (7, "28")


@pytest.mark.parametrize("step", ["before-commit", "after-commit", "after-say"])
def test_rows_are_on_disk_before_anything_is_said(rig, step):
    rig.start(env={"TOY_DIE": f"{step}:4"})
    for _ in range(4):
        rig.say()
        time.sleep(0.02)
        rig.pump()
    assert rig.child.wait(60) == -signal.SIGKILL
    rig.until(lambda: rig.pump() or True)
    rows = journaled(rig)
    said = max((ack.seq for ack in rig.acks), default=0)
    assert said <= len(rows)
    assert len(rows) == {"before-commit": 3, "after-commit": 4, "after-say": 4}[step]
    rig.start()
    assert rig.hellos[0].mark == len(rows)


def random_kills(rig, kills, seed):
    """Kills the child at random moments; what was acknowledged must be there afterwards."""
    dice = random.Random(seed)
    for number in itertools.count():
        # On a slow machine nothing may be acknowledged within the first of them.
        if number >= kills and rig.acks:
            break
        assert number < 10 * kills, "nothing was ever acknowledged"
        rig.start()
        recovered = rig.hellos[0]
        rows = journaled(rig)
        acknowledged = max((ack.seq for ack in rig.acks), default=0)
        assert recovered.mark == len(rows) >= acknowledged
        numbers = [int(row.body.split(b'"seq":')[1].split(b",")[0]) for row in rows]
        assert recovered.config_hash == str(sum(numbers))
        assert numbers == sorted(set(numbers))
        ends = time.monotonic() + dice.uniform(0, 0.05)
        while time.monotonic() < ends:
            for _ in range(dice.randrange(1, 20)):
                rig.say()
            rig.pump(0)
        rig.kill()
        rig.pump(1)


def test_ten_random_kills(rig):
    random_kills(rig, 10, 1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_random_kills(rig):
    random_kills(rig, 100, 2)


def test_a_paused_process_goes_on_and_makes_no_stale_call(rig):
    child = rig.start()
    rig.say("sleepcall:late")
    assert rig.ack("late=not_sent:stale_turn")
    rig.say("call:prompt")
    assert rig.ack("prompt=ok:")
    child.send_signal(signal.SIGSTOP)
    before = len(rig.acks)
    for _ in range(50):
        assert rig.say()
    time.sleep(0.6)
    rig.pump()
    beats = len(rig.beats())
    assert len(rig.acks) == before
    child.send_signal(signal.SIGCONT)
    rig.until(lambda: len(rig.acks) == before + 50)
    rig.until(lambda: len(rig.beats()) > beats + 1)


def test_a_slow_turn_is_counted_and_logged(rig):
    rig.start()
    rig.say("sleep:1100")
    rig.until(lambda: rig.acks)
    rig.until(lambda: rig.figure("slow_turns") == 1)
    rig.stop()
    logs = "".join(path.read_text() for path in (rig.userdir / "logs").rglob("*.system.jsonl"))
    assert '"slow_turn"' in logs


def test_a_second_instance_is_refused_and_harms_nothing(rig):
    first = rig.start()
    rig.rows(1)
    second = rig.start(wait=False)
    assert second.wait(60) == 1
    assert f"decide (pid {first.pid})" in rig.last_words()
    rig.rows(2)
    assert first.poll() is None


def test_a_configuration_error_is_one_line_and_code_4(rig):
    child = rig.start(wait=False, config_hash="impossible")
    assert child.wait(60) == 4
    assert rig.last_words() == "decide: toy.config_hash = 'impossible': not allowed\n"


def test_a_crash_in_a_turn_ends_the_process_with_its_traceback(rig):
    child = rig.start()
    rig.say("crash")
    assert child.wait(60) == 1
    assert "RuntimeError: the toy was told to crash" in rig.last_words()


def test_timers_fire_in_order_and_a_key_set_again_replaces(rig):
    child = rig.start()
    # All of them wait for it together: how fast they are said does not matter.
    child.send_signal(signal.SIGSTOP)
    for epoch in ("timer:b:600", "timer:a:200", "timer:c:150", "timer:c:800", "timer:d:300"):
        assert rig.say(epoch)
    assert rig.say("cancel:d")
    child.send_signal(signal.SIGCONT)
    rig.ack("c")
    time.sleep(0.05)
    rig.pump()
    assert [ack.role for ack in rig.acks] == ["a", "b", "c"]


def test_signals_stop_or_are_the_supervisors(rig):
    child = rig.start()
    rig.rows(2)
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGHUP)
    rig.rows(1)
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) == 0
    rig.start()
    assert rig.hellos[0].mark == 3


def test_stacks_of_a_hung_process_on_request(rig):
    child = rig.start()
    rig.say("sleep:700")
    while not rig.acks:
        child.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
        rig.pump()
    rig.stop()
    assert "in _on_beat" in rig.last_words()


def test_a_child_dies_with_its_parent(rig, tmp_path):
    path = tmp_path / "parent.py"
    path.write_text(
        textwrap.dedent("""
        import os, subprocess, sys, time
        import msgspec
        from pathlib import Path
        from procs.runtime.launch import read_launch, write_launch
        launch = msgspec.structs.replace(read_launch(Path(sys.argv[1])), supervisor_pid=os.getpid())
        child = subprocess.Popen(
            [sys.executable, "-P", sys.argv[2], "--launch", str(write_launch(launch))],
            start_new_session=True,
        )
        print(child.pid, flush=True)
        time.sleep(60)
        """)
    )
    rig.start()
    rig.stop()
    rig.hellos.clear()
    launch = rig.run_dir / "launch-decide.json"
    parent = subprocess.Popen(
        [sys.executable, str(path), str(launch), str(TOY)],
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    child = psutil.Process(int(parent.stdout.readline()))
    rig.until(lambda: rig.hellos)
    parent.kill()
    parent.wait(60)
    parent.stdout.close()
    gone, _ = psutil.wait_procs([child], timeout=60)
    assert gone or child.status() == psutil.STATUS_ZOMBIE


def test_hearing_ten_thousand_messages_costs_little_more_than_saying_them(rig):
    """CPU time, not elapsed: the machine may be busy with something else. They cost about the
    same; the parts are measured in turn, and the middle one counts."""
    process = psutil.Process(rig.start().pid)
    ratios = []
    for number in range(5):
        before_s = sum(process.cpu_times()[:2])
        sent, said_s = 0, 0.0
        while sent < 2_000:
            began_s = time.thread_time()
            is_sent = rig.say("count")
            said_s += time.thread_time() - began_s
            if is_sent:
                sent += 1
            else:
                rig.pump(1)
        rig.say(f"timer:done-{number}:0")
        rig.ack(f"done-{number}")
        ratios.append((sum(process.cpu_times()[:2]) - before_s) / said_s)
    assert median(ratios) < 10, ratios
    rig.until(lambda: rig.figure("heard") == 10_005)


def test_malformed_messages_are_counted_and_harmless(rig):
    rig.start()
    for body in (b"", b"{}", b"\xff" * 50, b'{"type":"beat"}', b'{"type":"nonsense"}', b"[" * 999):
        assert rig.account.send(body, "decide")
    rig.rows(1)
    rig.until(lambda: rig.figure("bus_malformed") == 6)


def test_a_damaged_journal_trips_and_goes_on_with_what_is_valid(rig):
    journal = Journal.open(rig.journal, "decide", DecideEvent)
    for seq in range(1, 6):
        journal.append([Entry(seq, RouteMarked(seq=1, at_ns=seq), True)], 0)
    journal._connection.execute("UPDATE events SET body='{}' WHERE seq=4")
    journal.close()
    rig.start()
    assert rig.hellos[0].mark == 3
    tripped = rig.word(Tripped)
    assert "row 4 does not continue the chain" in tripped.reason
    latch = (rig.data_dir / "KILL").read_text()
    assert latch.startswith("decide: journal decide.db: row 4")
    rig.rows(2)
    assert "row 4" in rig.stop().report["latched"]
    rig.start()
    assert rig.hellos[0].mark == 5
    rig.words.clear()
    rig.rows(1)
    # A later start is latched by the file alone, until a person re-arms.
    rig.until(lambda: rig.figure("latched") == 1)
    (rig.data_dir / "KILL").unlink()
    rig.rows(1)
    rig.until(lambda: rig.figure("latched") == 0)


def test_re_arming_ends_the_trip_of_a_running_process(rig):
    rig.journal.write_bytes(b"rubbish" * 2000)
    rig.start()
    rig.word(Tripped)
    rig.rows(1)
    rig.until(lambda: rig.figure("latched") == 1)
    (rig.data_dir / "KILL").unlink()
    rig.rows(1)
    rig.until(lambda: rig.figure("latched") == 0)
    assert rig.stop().report["latched"] == ""


def test_a_trip_of_the_actor_is_latched_by_its_own_process(rig):
    """L12: what only this process and the dead knew may not depend on the supervisor's life."""
    rig.start()
    rig.say("trip:route has lost rows")
    assert rig.word(Tripped).reason == "route has lost rows"
    latch = rig.data_dir / "KILL"
    assert latch.read_text() == "decide: route has lost rows\n"
    rig.say("trip:something else")
    rig.until(lambda: len([word for word in rig.words if isinstance(word, Tripped)]) == 2)
    assert latch.read_text() == "decide: route has lost rows\n"
    rig.until(lambda: rig.figure("latched") == 1)
    latch.unlink()
    rig.rows(1)
    rig.until(lambda: rig.figure("latched") == 0)


@pytest.mark.parametrize("role", ["decide", "protect"])
def test_the_real_children_start_ask_route_and_stop(rig, role):
    rig.start(role=role, command=("-m", f"procs.{role}"))
    assert rig.hellos[0].role == role
    rig.until(lambda: len(rig.beats()) > 2)
    assert {beat.role for beat in rig.beats()} == {role}
    assert rig.stop(role).report["slow_turns"] == 0
    assert (rig.data_dir / f"{role}.db").exists()


def test_a_launch_file_of_another_role_is_refused(rig):
    child = rig.start(wait=False, role="protect", command=("-m", "procs.decide"))
    assert child.wait(60) == 4
    assert "launch file for protect, given to decide" in rig.last_words()


def test_a_full_disk_trips_and_exits_go_on(rig):
    child = rig.start()
    rig.rows(4)
    rig.until(lambda: rig.beats())
    rig.say("call:entry")
    answers = [rig.ack("entry=ok:").role]
    limit = max(file.stat().st_size for file in rig.data_dir.glob("decide.db*"))
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (limit, limit))
    while answers[-1] == "entry=ok:" and rig.number < 2000:
        rig.rows(1)
        seen = len(rig.acks)
        rig.say("call:entry")
        rig.until(lambda seen=seen: len(rig.acks) > seen)
        answers.append(rig.acks[-1].role)
    assert answers[-1] == "entry=not_sent:disk"
    assert rig.word(Tripped).reason.startswith("disk: ")
    rig.say("exit:out")
    assert rig.ack("out=ok:")
    rig.rows(5)
    last = rig.acks[-1].seq
    rig.kill()
    rig.start()
    assert rig.hellos[0].mark == last
    assert (rig.data_dir / "KILL").exists()


def test_a_latch_opened_over_a_disk_that_still_refuses_closes_again(rig):
    """L9, L11: whoever shows ACTIVE while every entry is refused lies."""
    child = rig.start()
    rig.rows(4)
    latch = rig.data_dir / "KILL"
    limit = max(file.stat().st_size for file in rig.data_dir.glob("decide.db*"))
    _, most = resource.prlimit(child.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (limit, most))
    while not latch.exists() and rig.number < 2000:
        rig.rows(1)
    reason = rig.word(Tripped).reason
    for trips in (2, 3):
        latch.unlink()
        rig.until(lambda trips=trips: _trips(rig) == [reason] * trips)
        assert latch.read_text() == f"decide: {reason}\n"
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (most, most))
    latch.unlink()
    rig.until(lambda: _trips(rig) == [reason] * 4)
    assert f"disk: {rig.beats()[-1].disk_error}" == reason, "it never trusts that disk again"
    rig.kill()
    rig.start()
    rig.words.clear()
    latch.unlink()
    rig.rows(3)
    rig.until(lambda: rig.figure("latched") == 0 and len(rig.beats()) > 3)
    assert {beat.disk_error for beat in rig.beats()} == {""}
    assert not latch.exists()
    assert _trips(rig) == []


def test_rows_that_no_file_took_are_missed_by_the_next_start(rig):
    """L12: the disk works again before the process dies, and takes the mark at a beat."""
    child = rig.start()
    rig.rows(4)
    latch = rig.data_dir / "KILL"
    _, most = resource.prlimit(child.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (0, most))
    rig.rows(2)
    rig.until(lambda: rig.figure("journal_unsaved_rows") == 2)
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (most, most))
    mark = rig.data_dir / "decide.mark"
    rig.until(lambda: read_mark(mark) == rig.figure("journal_seq"))
    seen = read_mark(mark)
    rig.kill()
    latch.unlink(missing_ok=True)
    rig.words.clear()
    rig.start()
    rig.until(lambda: _trips(rig))
    assert _trips(rig) == [f"journal decide.db: ends at row {seen - 2}, but row {seen} was seen"]


def _trips(rig):
    return [word.reason for word in rig.words if isinstance(word, Tripped)]


def test_heartbeats_keep_their_pace(rig):
    rig.start()
    rig.until(lambda: len(rig.beats()) >= 6)
    at = [beat.at_ns for beat in rig.beats() if isinstance(beat, Heartbeat)]
    gaps_ms = [(later - earlier) / 1e6 for earlier, later in pairwise(at)]
    assert 240 < sorted(gaps_ms)[len(gaps_ms) // 2] < 500
