"""The live loop of every child: messages in, one turn, effects out, ordered by `procs/turn.py`.

Life: lock and journal → sockets and heartbeats → `shell.prepare` → actor built, recovered, started
→ turns → stop: last turns, snapshot, last report. Everything happens on one thread; the only helper
thread folds the journal's log. An exception of ours anywhere ends the process: the supervisor
starts it again from its journal, which is the same path as any other start (R4).
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any, Final

import zmq

from core_ext.errors import RecordRefused
from procs.runtime.blame import is_ours
from procs.runtime.calls import STALE_TURN_NS, Calls
from procs.runtime.fate import Fate
from procs.runtime.idle import Idle
from procs.runtime.inbox import Inbox
from procs.runtime.keeper import Keeper
from procs.runtime.keeping import raises_risk
from procs.runtime.latch import Latch
from procs.runtime.launch import Launch
from procs.runtime.links import Links
from procs.runtime.shell import LiveActor, Shell
from procs.runtime.timers import Timers
from procs.runtime.watch import Watch, cost, cpu_s, rss_mb
from procs.runtime.words import Words
from procs.turn import MAX_MESSAGES_PER_TURN, Batch, gather, take_turn
from shared.bus.lane import QuoteLane
from shared.clock import EngineClock
from shared.journal.journal import DiskError, fold_wal
from shared.messages.base import Message
from shared.messages.control import EngineStatus, StopProcess
from shared.telemetry.log import EventLog
from shared.units import NS_PER_MS, NS_PER_S

BEAT_S: Final = 0.25

DEFAULT_STOP_MS: Final = 5000
"""How long a stop that names no deadline waits for calls in flight."""

LAST_WORD_MS: Final = 1000
"""How long the last report is tried, and how long sockets may still push it out."""


class Runtime:
    """One process's loop. `run` is the whole life; the other public names are for its shell."""

    def __init__(
        self,
        launch: Launch,
        shell: Shell,
        context: zmq.Context[zmq.Socket[bytes]],
        log: EventLog,
        placed: tuple[tuple[int, ...], int] = ((), 0),
    ) -> None:
        """`placed` is what `affinity.apply` said: the cores and the nice value that really hold."""
        self.launch = launch
        self.shell = shell
        self.clock: EngineClock = launch.clock()
        self.log = log
        self.latch = Latch(launch.latch_path)
        lane = self._lane(launch)
        self.inbox = Inbox(two_ways=lane is not None)
        self.timers = Timers()
        self.watch = Watch()
        self.links = Links(context, launch.role, launch.run_path, self._note_malformed, lane)
        self._fate = Fate(launch.dies_after)
        self.calls = Calls(shell, self.deliver, self.is_stale, self._on_task_done, self._fate)
        self.actor: LiveActor
        self._words = Words(launch, self.links, log, placed)
        self._cpus = placed[0]
        self._keeper: Keeper
        self._loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Future[None]
        self._idle: Idle
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False
        self._polled: list[int] = []
        self._turn_planned = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._stop_ns = 0
        self._log_refused = 0
        self._strays = 0
        self._checkpoint_ns = self.clock.now_ns()

    def _lane(self, launch: Launch) -> QuoteLane | None:
        """The fast lane, where there is one; without it quotes come by ZeroMQ alone."""
        if launch.lane is None or not launch.lane.of(launch.role):
            return None
        try:
            return QuoteLane(launch.lane, launch.role)
        except (OSError, ValueError, RecordRefused) as error:
            self.note("errors", "fast_lane_refused", text=str(error))
            return None

    # What shells may use.

    def deliver(self, message: Any) -> None:
        """Hands the actor a message, in a turn soon."""
        self.inbox.put(message)
        self._plan_turn()

    def publish(self, frame: bytes) -> bool:
        """Publishes a quote's bytes (ingest)."""
        return self.links.publish(frame)

    def note(self, stream: str, event_type: str, **fields: Any) -> None:
        """Writes a log record of the runtime or the shell."""
        self._write_log(stream, event_type, fields, self.clock.now_ns())

    def trip(self, reason: str) -> None:
        """Latches REDUCING: the file, the supervisor, the actor from its next turn on (L9)."""
        self._keeper.trip_reason = self._keeper.trip_reason or reason
        self._words.trip(self.latch, self._keeper, self.clock.now_ns())

    def latched(self) -> str:
        """Why exits only, by this process's own trip or by the latch file; empty when neither.

        A latch that was set and is gone was re-armed by a person: that ends the own trip too. A
        disk that takes nothing closes the latch again, in this turn or at the next beat."""
        text = self.latch.text()
        if self._keeper.rearmed(text):
            self._words.rearmed()
        return self._keeper.trip_reason or text

    def is_stale(self, turn_began_ns: int) -> bool:
        """Whether calls of that turn may not be made any more (L7)."""
        return self.clock.now_ns() - turn_began_ns > STALE_TURN_NS

    def request_stop(self, deadline_ms: int = DEFAULT_STOP_MS) -> None:
        """Begins the stop; a second request skips its waits (R1)."""
        now_ns = self.clock.now_ns()
        if self._stop_ns:
            self._stop_ns = now_ns
            return
        self._stop_ns = now_ns + deadline_ms * NS_PER_MS
        if self._started:
            self._spawn(self._stop())
        else:
            self._end(None)

    # Life.

    async def run(self) -> None:
        """From lock to last word. Raises what made the process end, if anything did."""
        launch = self.launch
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._loop.set_exception_handler(self._on_loop_error)
        self._idle = Idle(self._loop, partial(self.note, "errors", "rehearsal_failed"))
        self._keeper = Keeper(
            launch.journal_path,
            launch.role,
            self.shell.journal_events,
            launch.settings.storage.keep_rows,
        )
        try:
            self.links.open(self.shell.quote_prefixes)
            self._loop.add_signal_handler(signal.SIGTERM, self.request_stop)
            self._tick()
            self._spawn(self._start())
            await self._ended
        finally:
            await self._finish()

    async def _start(self) -> None:
        await self.shell.prepare(self)
        self.actor = self.shell.build()
        fault = self._keeper.recover(self.actor)
        if fault:
            self.trip(fault)
            self._keeper.salvage()
        now_ns = self.clock.now_ns()
        self.note("system", "process_started", incarnation=self.launch.incarnation, fault=fault)
        self._started = True
        self.actor.latched = self.latched()
        self._perform(gather(self.actor.start(now_ns)), now_ns)
        self._polled = self.links.descriptors
        for descriptor in self._polled:
            self._loop.add_reader(descriptor, self._turn)
        for task in self.shell.tasks(self):
            self._spawn(task)
        gc.freeze()  # What exists now lives on: collections need not look at it again.
        self._turn()
        engine, shell = self.launch.settings.engine, self.shell
        self._idle.begin(
            self._rehearse if engine.warm and shell.rehearses else None,
            self._poll if engine.spin and shell.spins else None,
        )

    async def _stop(self) -> None:
        """Stops reading, ends calls in flight, takes the last turns, stores all, says so."""
        self.links.drain_into(self.inbox, self._answer)
        self._stop_reading()
        self._turn()
        while (self.calls or self.inbox) and self.clock.now_ns() < self._stop_ns:
            await self.calls.wait(timeout_s=0.02)
            self._turn()
        await self._cancel_tasks()
        await self.calls.abandon()
        self._turn()
        self._keeper.snapshot(self.actor)
        report = {
            **self.actor.report(),
            **self.shell.report(),
            **cost(self._cpus),
            "turns": self.watch.turns,
            "slow_turns": self.watch.slow_turns,
        }
        lane = self.links.lane
        counted = {"rehearsals": self._idle.rehearsals, **(lane.figures() if lane else {})}
        self.note("system", "process_stopped", turns=self.watch.turns, **counted)
        until_ns = self.clock.now_ns() + LAST_WORD_MS * NS_PER_MS
        while not self._words.stopped(report) and self.clock.now_ns() < until_ns:
            await asyncio.sleep(0.01)
        self._end(None)

    async def _finish(self) -> None:
        self.watch.asleep()
        self._loop.remove_signal_handler(signal.SIGTERM)
        self._stop_reading()
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._cancel_tasks()
            await self.calls.abandon()
            await self.shell.close()
        finally:
            self.links.close(LAST_WORD_MS)
            self._keeper.close()

    def _stop_reading(self) -> None:
        self._idle.end()
        for descriptor in self._polled:
            self._loop.remove_reader(descriptor)
        self._polled = []

    # A turn.

    def _turn(self) -> None:
        self._turn_planned = False
        if not self._started or self._ended.done():
            return
        began_ns = self.clock.now_ns()
        if self._polled:
            self.links.drain_into(self.inbox, self._answer)
        messages: list[Any] = [*self.timers.due(began_ns, MAX_MESSAGES_PER_TURN // 2)]
        messages += self.inbox.take(MAX_MESSAGES_PER_TURN - len(messages))
        if messages:
            self._take(messages, began_ns)
        if self.inbox or (self._polled and self.links.readable()):
            self._plan_turn()
        self._arm_timer()

    def _take(self, messages: list[Any], began_ns: int) -> None:
        self._idle.turned()
        heard = [message for message in messages if not isinstance(message, StopProcess)]
        self.actor.latched = self.latched()
        self.shell.before_turn(self.actor, began_ns)
        self._perform(take_turn(self.actor, heard, began_ns), began_ns)
        self.shell.after_turn(self.actor, began_ns)
        duration_ns = self.clock.now_ns() - began_ns
        if self.watch.turned(duration_ns, len(messages)):
            self.note("system", "slow_turn", duration_ms=duration_ns // NS_PER_MS)
        for message in messages:
            if isinstance(message, EngineStatus):
                self._words.heard(message)
            elif isinstance(message, StopProcess):
                self.request_stop(message.deadline_ms)
        if not self._words.ready_said and self.actor.ready:
            self._words.ready(began_ns)

    def _perform(self, batch: Batch, began_ns: int) -> None:
        """Journal, timers, says, calls, notes. Without a disk nothing raises risk (L11)."""
        whole = self._keeper.commit(batch, began_ns)
        if batch.journal:
            self._fate.committed()
        if not whole and not self._words.trip_said:
            self._words.trip(self.latch, self._keeper, began_ns)
        for timer in batch.timers:
            self.timers.perform(timer)
        self._words.say_all(batch.says, self.latch, began_ns)
        for call in batch.calls:
            if not whole and raises_risk(call):
                self.calls.refuse(call, "disk", self._keeper.trip_reason)
            else:
                self.calls.begin(call, began_ns)
        for note in batch.notes:
            self._write_log(note.stream, note.event_type, note.fields, began_ns)

    def _write_log(self, stream: str, event_type: str, fields: dict[str, Any], at_ns: int) -> None:
        try:
            self.log.write(stream, event_type, fields, at_ns)
        except (ValueError, RuntimeError):
            # A stream that does not exist, a log thread that died: no reason to stop exits. The
            # heartbeat shows the count.
            self._log_refused += 1

    def _answer(self, question: Message) -> Message | None:
        return self.shell.answer(self.actor, question, self.clock.now_ns())

    def _plan_turn(self) -> None:
        if not self._turn_planned and self._started:
            self._turn_planned = True
            self._loop.call_soon(self._turn)

    def _arm_timer(self) -> None:
        next_ns = self.timers.next_ns()
        if self._timer is not None:
            if next_ns == self._timer_ns:
                return
            self._timer.cancel()
            self._timer = None
        if next_ns is not None:
            delay_ns = max(0, next_ns - self.clock.now_ns())
            self._timer_ns = next_ns
            self._timer = self._loop.call_later(delay_ns / NS_PER_S, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._turn()

    # The beat.

    def _tick(self) -> None:
        """Every 250 ms: heartbeat, words that did not go out, checkpoints, and a turn: timers may
        be late after a suspend, which the loop's own clock does not count."""
        if self._ended.done():
            return
        self._loop.call_later(BEAT_S, self._tick)
        self.watch.alive()
        now_ns = self.clock.now_ns()
        self._words.beat(now_ns, self.figures(), self._keeper.disk_error)
        if not self._started:
            return
        if self.actor.ready:
            self._words.ready(now_ns)
        self._keeper.remember()
        if self._keeper.trip_reason:
            self.latched()  # The latch may have been opened since: that ends the trip, or does not.
        if self._keeper.trip_reason:
            self._words.trip(self.latch, self._keeper, now_ns)
        if now_ns - self._checkpoint_ns >= self.launch.settings.storage.checkpoint_s * NS_PER_S:
            self._checkpoint_ns = now_ns
            if self._keeper.snapshot(self.actor):
                self._spawn(self._fold_wal())
        self._turn()

    def figures(self) -> dict[str, float]:
        """All counters of the process."""
        watch = self.watch
        own: dict[str, float] = {
            "turns": watch.turns,
            "messages": watch.messages,
            "slow_turns": watch.slow_turns,
            "longest_turn_us": watch.longest_turn_ns // 1000,
            "inbox": len(self.inbox),
            "quotes_conflated": self.inbox.conflated,
            "quotes_malformed": self.inbox.malformed_quotes,
            "quotes_repeated": self.inbox.repeated_quotes,
            "log_refused": self._log_refused,
            "stray_failures": self._strays,
            "timers": len(self.timers),
            "calls_in_flight": len(self.calls),
            "calls_stale": self.calls.stale,
            "rehearsals": self._idle.rehearsals,
            "rss_mb": round(rss_mb(), 1),
            "cpu_s": round(cpu_s(), 2),
        }
        judged = self.actor.figures() if self._started else {}
        return {
            **own,
            **self.links.figures(),
            **self._keeper.figures(),
            **self.log.figures(),
            **self.shell.figures(),
            **judged,
        }

    async def _fold_wal(self) -> None:
        try:
            await self._loop.run_in_executor(None, fold_wal, self.launch.journal_path)
        except DiskError as error:
            self._keeper.refused(error)
            self.trip(f"disk: {error}")

    def _rehearse(self) -> None:
        self.shell.rehearse(self.actor, self.clock.now_ns())

    def _poll(self) -> None:
        if self.links.readable():
            self._turn()

    # Tasks and failures.

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    async def _cancel_tasks(self) -> None:
        current = asyncio.current_task()
        await _cancel(task for task in self._tasks if task is not current)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._end(task.exception(), only_failure=True)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if is_ours(context):
            self._end(error or RuntimeError(str(context.get("message"))))
            return
        self._strays += 1
        self.note(
            "errors",
            "stray_failure",
            kind=type(error).__name__,
            message=str(context.get("message")),
        )

    def _end(self, error: BaseException | None, *, only_failure: bool = False) -> None:
        if self._ended.done() or (error is None and only_failure):
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    def _note_malformed(self, channel: str, peer: str, text: str) -> None:
        self.note("errors", "malformed_message", channel=channel, peer=peer, text=text)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    if cancelled:
        await asyncio.wait(cancelled)
