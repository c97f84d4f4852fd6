"""`seawall logs` and the tables: what a person and what a script get."""

import json
from decimal import Decimal

import pytest

from procs.cli._table import Column, money, number, percent, seconds, show_table, time_of
from procs.cli.logs import line_of
from procs.cli.main import main
from shared.telemetry.log import open_log

T0 = 1_700_000_000_000_000_000


@pytest.fixture
def userdir(tmp_path):
    for offset, role in enumerate(("route", "decide")):
        log = open_log(tmp_path / "logs", role, "r1", 1, 2)
        for number_ in range(3):
            at_ns = T0 + number_ * 10 + offset
            log.write("orders", "order_sent", {"price": Decimal("1.5"), "n": number_}, at_ns)
        log.write("errors", "oops", {"text": "why"}, T0 + 100 + offset)
        log.close()
    return tmp_path


def test_all_lines_by_time(userdir, capsys):
    assert main(["logs", "--userdir", str(userdir)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 8
    assert [line.split()[1] for line in out[:4]] == ["route", "decide", "route", "decide"]
    assert "ERROR oops text=why" in out[-1]
    assert "price=1.5" in out[0]


def test_selection_and_json(userdir, capsys):
    arguments = ["logs", "--userdir", str(userdir), "--json", "-n", "2"]
    assert main([*arguments, "--stream", "orders", "--role", "decide"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["n"] for record in records] == [1, 2]
    assert records[0]["price"] == "1.5"


def test_no_logs_is_not_found(tmp_path, userdir, capsys):
    assert main(["logs", "--userdir", str(userdir), "--run", "nope"]) == 2
    assert "there are latest, r1" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["logs", "--userdir", str(tmp_path / "empty")]) == 2


def test_a_line_shows_values_plainly():
    record = {"at": "T", "role": "route", "stream": "events", "event_type": "x", "map": {"a": [1]}}
    assert line_of(record) == 'T route     events    x map={"a":[1]}'


def test_a_table_in_a_pipe_is_plain_and_aligned(capsys):
    columns = (Column("name", "name"), Column("value", "value", number, right=True))
    show_table("things", columns, [{"name": "a", "value": "1.50"}, {"name": "long", "value": None}])
    assert capsys.readouterr().out == "name  value\na       1.5\nlong      -\n"
    show_table("things", columns, [])
    assert capsys.readouterr().out == "no things\n"


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (number("0.100"), "0.1"),
        (number("1E-8"), "0.00000001"),
        (number("100"), "100"),
        (number("33.333333333333333333"), "33.3333333333"),
        (money("-1.005"), "-1.00"),
        (money(None), "-"),
        (percent("-2.5"), "-2.50%"),
        (seconds(12.34), "12.3s"),
        (seconds(245), "4m05s"),
        (seconds(7620), "2h07m"),
        (seconds(273_600), "3d04h"),
        (time_of(T0), "2023-11-14T22:13:20.000Z"),
        (time_of(0), "-"),
    ],
)
def test_values_as_people_read_them(shown, text):
    assert shown == text
