"""The engine runs against a fault plan: venue.faults reaches the local venue's command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from procs.localvenue.options import add_child_options, add_options, read_options
from procs.supervise.venue_child import venue_command
from shared.config.schema import Settings


def options_of(settings, folder):
    """What the child reads of the supervisor's command."""
    command = venue_command(settings, port=0, data_dir=folder, ready_fd=3)
    parser = argparse.ArgumentParser()
    add_options(parser)
    add_child_options(parser)
    return read_options(parser.parse_args(command[command.index("procs.localvenue") + 1 :]))


def with_faults(text):
    return msgspec.structs.replace(
        Settings(), venue=msgspec.structs.replace(Settings().venue, faults=text)
    )


def test_without_a_plan_the_venue_is_told_nothing(tmp_path):
    assert options_of(Settings(), tmp_path).faults is None


def test_the_plan_is_found_from_where_the_engine_was_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert options_of(with_faults("bad.toml"), tmp_path).faults == tmp_path / "bad.toml"
    absolute = tmp_path / "other" / "bad.toml"
    assert options_of(with_faults(str(absolute)), tmp_path).faults == absolute
    home = options_of(with_faults("~/bad.toml"), tmp_path).faults
    assert home == Path.home() / "bad.toml"
