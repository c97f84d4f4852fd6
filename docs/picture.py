"""Makes `docs/live.svg`: what `seawall run` shows on a terminal, from a real run of the demo.

Run it with `make picture`. The frame with the most lines wins, so that positions are seen.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import sys
import tempfile
import termios
import threading
from pathlib import Path

from rich.console import Console
from rich.text import Text

PATH = Path(__file__).with_name("live.svg")
COLUMNS, LINES = 104, 34
RUN_S = 55
REDRAW = re.compile(rb"\r?(?:\x1b\[2K)?(?:\x1b\[1A\x1b\[2K)+|\x1b\[H|\r\x1b\[1A")


def record(userdir: str) -> bytes:
    """Everything that the run writes to its terminal until a Ctrl-C ends it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(sys.executable, [sys.executable, "-m", "procs", "run", "--userdir", userdir])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    threading.Timer(RUN_S, os.kill, (pid, signal.SIGINT)).start()
    written = b""
    while True:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:
            # Linux says EIO when the other side of a terminal has closed.
            break
        if not chunk:
            break
        written += chunk
    os.waitpid(pid, 0)
    return written


def fullest_frame(written: bytes) -> str:
    """The frame with the most lines that shows an open position."""
    frames = [frame.decode("utf-8", "replace") for frame in REDRAW.split(written)]
    busy = [f for f in frames if "ACTIVE" in f and "no positions" not in f] or frames
    return max(busy, key=lambda frame: (frame.count("\n"), len(frame))).replace("\r", "")


def main() -> None:
    """Records, chooses, draws."""
    with tempfile.TemporaryDirectory() as folder:
        frame = fullest_frame(record(f"{folder}/demo")).replace(folder, "~")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(frame))
        PATH.write_text(console.export_svg(title="seawall run"), encoding="utf-8")


if __name__ == "__main__":
    main()
