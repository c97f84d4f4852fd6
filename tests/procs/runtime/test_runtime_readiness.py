"""Readiness that was lost on its way is said again, by this process and for it alone (L14)."""

from types import SimpleNamespace

import pytest

from procs.runtime.readiness import is_unheard
from procs.runtime.words import Words
from shared.messages.control import (
    EngineStatus,
    ProcessPhase,
    ProcessReady,
    ProcessStatus,
    TradingState,
)


def status(phase=ProcessPhase.STARTING, role="route", incarnation=2):
    row = ProcessStatus(
        pid=1, status=phase, incarnation=incarnation, heartbeat_age_ms=0, restarts=1
    )
    return EngineStatus(
        run_id="r",
        state=TradingState.REDUCING,
        at_ns=0,
        uptime_s=1.0,
        stopping=False,
        reasons=(),
        processes={role: row},
    )


@pytest.mark.parametrize(
    ("told", "unheard"),
    [
        (status(), True),
        (status(ProcessPhase.READY), False),
        (status(ProcessPhase.STOPPING), False),
        (status(incarnation=3), False),
        (status(role="decide"), False),
    ],
)
def test_only_this_very_process_that_still_counts_as_starting_is_unheard(told, unheard):
    assert is_unheard(told, "route", 2) is unheard


def test_it_is_said_once_and_again_when_the_supervisor_has_not_heard_it():
    said = []
    links = SimpleNamespace(say=lambda to, word: said.append((to, word)) or True)
    log = SimpleNamespace(write=lambda *given: None)
    words = Words(SimpleNamespace(role="route", incarnation=2), links, log, ((0,), 0))
    words.ready(0)
    words.ready(1)
    assert [(to, type(word)) for to, word in said] == [("supervise", ProcessReady)]
    words.heard(status(ProcessPhase.READY))
    words.ready(2)
    assert len(said) == 1
    words.heard(status())
    words.ready(3)
    assert len(said) == 2
