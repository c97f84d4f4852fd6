"""What `seawall run` shows while it runs: a compact view on a terminal, plain lines elsewhere.

A terminal can stop taking output (Ctrl-S, a full pipe), and the supervisor must not stop with it:
everything is drawn by a thread of its own, and what does not fit its queue is left out.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from procs.cli._table import money, number, percent, seconds
from shared.clock import iso
from shared.domain.effects import Note

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from procs.supervise.plan import Viewer
    from shared.messages.control import Told

QUEUE_MAX: Final = 1000
EVENTS_SHOWN: Final = 10
POSITIONS_SHOWN: Final = 12
ASK_EVERY_S: Final = 1.0
ASK_WITHIN_MS: Final = 300
CLOSE_WITHIN_S: Final = 2.0
SAID_OTHERWISE: Final = frozenset({"process_died"})
"""Events that an alarm tells as well."""


def make_viewer(stream: TextIO) -> Viewer:
    """A live view where the stream is a capable terminal, else plain lines."""
    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return TerminalView(stream)
    return PlainView(stream)


def line_of(note: Note) -> str:
    """One event as a line: its name, then its fields."""
    fields = note.fields
    match note.event_type:
        case "process_ready":
            text = f"{fields['role']} is ready (pid {fields['pid']}, {fields['took_ms']} ms)"
        case "process_stopped":
            text = f"{fields['role']} stopped (exit code {fields['exit_code']})"
        case "trading_state":
            reasons = "; ".join(fields["reasons"])
            text = f"{fields['state']}{f': {reasons}' if reasons else ''}"
        case "alarm":
            symbol = f"{fields['symbol']} " if fields["symbol"] else ""
            text = f"ALARM {fields['from']}: {symbol}{fields['text']}"
        case "stop_began":
            text = f"stopping: {fields['reason']}"
        case "stop_phase_ended":
            text = f"{fields['phase']}: done in {fields['took_ms']} ms"
        case "steered":
            text = f"{fields['verb']} {fields['argument']}".rstrip() + f": {fields['text']}"
        case _:
            shown = " ".join(f"{name}={value}" for name, value in fields.items())
            text = f"{note.event_type} {shown}".rstrip()
    return text


def clock_of(at_ns: int) -> str:
    """The time of day, UTC, to the second."""
    return iso(at_ns)[11:19]


class _Drawer:
    """A thread that draws what a queue brings; the supervisor only ever puts."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(QUEUE_MAX)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="view", daemon=True)
        self._asking = threading.Thread(target=self._ask, name="view-asks", daemon=True)
        self._run_dir = Path()
        self._seen = 0

    def started(self, run_id: str, venue: str, userdir: Path) -> None:
        """Shows the heading."""
        self._run_dir = userdir / "run"
        self._thread.start()
        self._put("started", (run_id, venue, userdir))
        self._asking.start()

    def noted(self, note: Note, at_ns: int) -> None:
        """Shows an event."""
        if note.event_type not in SAID_OTHERWISE:
            self._put("noted", (note, at_ns))

    def showed(self, status: dict[str, Any]) -> None:
        """Shows the state."""
        self._put("status", status)

    def close(self) -> None:
        """Draws what is queued, unless the terminal takes nothing any more."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_WITHIN_S)

    def _put(self, kind: str, what: Any) -> None:
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait((kind, what))

    def _take(self, timeout_s: float) -> list[tuple[str, Any]]:
        """What waits, at least one thing unless the timeout passes."""
        taken: list[tuple[str, Any]] = []
        with contextlib.suppress(queue.Empty):
            taken.append(self._queue.get(timeout=timeout_s))
            while True:
                taken.append(self._queue.get_nowait())
        return taken

    def _work(self) -> None:
        """Draws until the view is closed and the queue is empty."""
        raise AssertionError("a view draws in its own way")

    def _ask(self) -> None:
        """What was traded comes from observe; while it does not answer, nothing is shown of it."""
        while not self._closing.wait(ASK_EVERY_S):
            told = self._question("activity")
            if told is not None and isinstance(told.data, list):
                self._put_new(told.data)
            self._ask_more()

    def _ask_more(self) -> None:
        """What else a view wants to know."""

    def _question(self, what: str) -> Told | None:
        from shared.bus.ask import ask
        from shared.bus.topology import QUERY
        from shared.errors import SeawallError
        from shared.messages.control import Ask

        try:
            told: Told = ask(self._run_dir, QUERY, Ask(what=what), ASK_WITHIN_MS)
        except SeawallError:
            return None
        return told

    def _put_new(self, lines: list[dict[str, Any]]) -> None:
        """Lines that were not shown yet; an observe that was restarted counts from one again."""
        newest = lines[-1]["number"] if lines else 0
        if newest < self._seen:
            self._seen = 0
        for line in lines:
            if line["number"] > self._seen:
                self._put("traded", (line["text"], line["at_ns"]))
        self._seen = newest


class PlainView(_Drawer):
    """A line for each event; nothing is ever overwritten, so it can go into a file."""

    def _work(self) -> None:
        while True:
            taken = self._take(0.2)
            lines = [line for kind, what in taken for line in self._lines(kind, what)]
            if lines:
                try:
                    self._stream.write("".join(f"{line}\n" for line in lines))
                    self._stream.flush()
                except (BrokenPipeError, ValueError):
                    # Nobody reads any more; the engine goes on.
                    return
            if not taken and self._closing.is_set():
                return

    def _lines(self, kind: str, what: Any) -> list[str]:
        if kind == "started":
            run_id, venue, userdir = what
            return [f"seawall run {run_id} on venue {venue}, user folder {userdir}"]
        if kind == "noted":
            note, at_ns = what
            return [f"{clock_of(at_ns)} {line_of(note)}"]
        if kind == "traded":
            text, at_ns = what
            return [f"{clock_of(at_ns)} {text}"]
        return []


class TerminalView(_Drawer):
    """State, processes, positions and the newest events, redrawn in place."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._heading = ("", "", Path())
        self._status: dict[str, Any] = {}
        self._events: deque[str] = deque(maxlen=EVENTS_SHOWN)
        self._positions: list[dict[str, Any]] = []
        self._positions_told = False

    def _work(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream)
        with Live(
            console=console, auto_refresh=False, transient=False, redirect_stdout=False
        ) as live:
            while True:
                taken = self._take(0.2)
                for kind, what in taken:
                    if kind == "started":
                        self._heading = what
                    elif kind == "noted":
                        note, at_ns = what
                        self._events.append(f"{clock_of(at_ns)} {line_of(note)}")
                    elif kind == "traded":
                        text, at_ns = what
                        self._events.append(f"{clock_of(at_ns)} {text}")
                    else:
                        self._status = what
                if taken:
                    live.update(self._picture(console), refresh=True)
                if not taken and self._closing.is_set():
                    return

    def _ask_more(self) -> None:
        """Positions; while observe does not answer the last ones stay, marked."""
        told = self._question("positions")
        self._positions_told = told is not None and told.stale_ms >= 0
        if told is not None:
            self._positions = told.data if isinstance(told.data, list) else []

    def _picture(self, console: Console) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        run_id, venue, userdir = self._heading
        status = self._status
        uptime = f"  up {seconds(status.get('uptime_s'))}" if status else ""
        parts: list[RenderableType] = [
            Text(f"seawall run {run_id} on venue {venue}{uptime}  ({userdir})", style="dim")
        ]
        if status:
            state = f"{status['state']}{' (stopping)' if status['stopping'] else ''}"
            style = "bold green" if status["state"] == "ACTIVE" else "bold yellow"
            reasons = "; ".join(status["reasons"])
            if status["alarms"]:
                reasons = f"{status['alarms']} alarms  {reasons}"
            parts.append(
                Text(f"{state}  {reasons}", style=style, no_wrap=True, overflow="ellipsis")
            )
            parts.append(self._process_table(status))
            parts.append(self._position_table(status))
        parts += [
            Text(event, no_wrap=True, overflow="ellipsis")
            for event in list(self._events)[-max(3, min(EVENTS_SHOWN, console.height - 20)) :]
        ]
        return Group(*parts)

    def _process_table(self, status: dict[str, Any]) -> RenderableType:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("process", "status", "pid", "cpu %", "rss MB", "beat ms", "restarts"):
            table.add_column(title, justify="left" if title in ("process", "status") else "right")
        for role, row in status["processes"].items():
            table.add_row(
                role,
                row["status"],
                str(row["pid"] or "-"),
                f"{row['cpu_pct']:.0f}",
                f"{row['rss_mb']:.0f}",
                str(row["heartbeat_age_ms"]),
                str(row["restarts"]),
            )
        return table

    def _position_table(self, status: dict[str, Any]) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        count = status["positions_open"]
        if not count and not self._positions:
            return Text("no positions", style="dim")
        old = "" if self._positions_told else ", as last told"
        title = f"{'-' if count is None else count} position{'' if count == 1 else 's'}{old}"
        if not self._positions:
            # Route knows of it; observe has not been asked since.
            return Text(title, style="dim")
        table = Table(
            title=title,
            title_justify="left",
            box=None,
            pad_edge=False,
            header_style="dim",
        )
        for title in ("symbol", "protection", "age", "quantity", "entry", "mark", "pnl", "stop"):
            left = title in ("symbol", "protection")
            table.add_column(title, justify="left" if left else "right")
        for row in self._positions[:POSITIONS_SHOWN]:
            table.add_row(
                str(row.get("symbol")),
                str(row.get("protection")),
                seconds(row.get("age_s")),
                number(row.get("quantity")),
                number(row.get("entry_price")),
                number(row.get("mark")),
                f"{money(row.get('pnl_quote'))} {percent(row.get('pnl_pct'))}",
                number(row.get("stop_price")),
            )
        return table
