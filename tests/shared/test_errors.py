"""Errors people meet: one line, and an exit code that scripts can rely on."""

import pytest

import shared.errors as errors
from shared.errors import ExitCode, SeawallError

FAMILY = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SeawallError)
]


def test_exit_codes_are_what_help_says():
    """Scripts depend on them: they never change."""
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "ERROR": 1,
        "NOT_FOUND": 2,
        "NOT_RUNNING": 3,
        "CONFIG": 4,
        "TIMEOUT": 5,
    }


@pytest.mark.parametrize("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_every_error_says_what_it_is_told_and_is_no_success(kind):
    assert kind.__doc__
    assert str(kind("place: value, allowed: this")) == "place: value, allowed: this"
    assert kind.exit_code is not ExitCode.OK


def test_kinds_have_codes_of_their_own():
    codes = {kind.__name__: kind.exit_code for kind in FAMILY if "exit_code" in vars(kind)}
    assert codes == {
        "SeawallError": ExitCode.ERROR,
        "NotFoundError": ExitCode.NOT_FOUND,
        "NotRunningError": ExitCode.NOT_RUNNING,
        "ConfigError": ExitCode.CONFIG,
        "DeadlineError": ExitCode.TIMEOUT,
    }


def test_bad_numbers_and_messages_are_value_errors_too():
    """Libraries that call our hooks know how to wrap those."""
    assert issubclass(errors.NumberError, ValueError)
    assert issubclass(errors.MessageError, ValueError)
