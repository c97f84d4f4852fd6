"""Failures that only the loop sees: ours end a process, remains of a library's sockets do not."""

import asyncio
import gc

import pytest
import uvloop

from procs.runtime.blame import is_ours
from procs.runtime.calls import Calls

LIBRARY = """
import asyncio

async def fail():
    raise OSError("the peer went away")

def call(function):
    function()

def raise_alone():
    raise OSError("the peer went away")
"""


@pytest.fixture
def library():
    """A module that is none of ours."""
    names: dict = {}
    exec(compile(LIBRARY, "/usr/lib/library.py", "exec"), names)
    return names


def reported(scene) -> list[dict]:
    """What the loop of our processes reports of a scene."""
    contexts: list[dict] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: contexts.append(context))
        scene(loop)
        await asyncio.sleep(0.01)
        gc.collect()
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return contexts


def our_failure() -> None:
    """Runs code of ours into an error: there is no shell to perform the call."""
    Calls(None, None, None, None).refuse(None, "", "")


async def our_failing_task() -> None:
    our_failure()


def test_a_future_that_a_library_rejected_is_a_stray(library):
    def scene(loop) -> None:
        future = loop.create_future()
        try:
            our_failure()
        except AttributeError as error:
            # As ccxt does: the error went through our frames before it was stored.
            future.set_exception(error)

    (context,) = reported(scene)
    assert "never retrieved" in context["message"]
    assert not is_ours(context)


def test_a_librarys_task_is_a_stray_and_ours_is_not(library):
    (context,) = reported(lambda loop: loop.create_task(library["fail"]()) and None)
    assert not is_ours(context)
    calls = Calls(None, None, lambda began_ns: False, None)
    (context,) = reported(lambda loop: loop.create_task(calls._perform(None, 0)) and None)
    assert is_ours(context)


def test_a_callback_is_ours_when_any_frame_is(library):
    (context,) = reported(lambda loop: loop.call_soon(library["raise_alone"]))
    assert not is_ours(context)
    (context,) = reported(lambda loop: loop.call_soon(our_failure))
    assert is_ours(context)
    (context,) = reported(lambda loop: loop.call_soon(library["call"], our_failure))
    assert is_ours(context)


def test_words_without_an_error_are_not_excused():
    assert is_ours({"message": "something is wrong"})
