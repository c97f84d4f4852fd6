"""The package itself: what an unbuilt checkout says, and that the stubs tell the truth."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import core_ext
from core_ext import book, codes, drop, histogram, quote, reference, scan, table
from core_ext.errors import FrameRefused, NumberRefused

ROOT = Path(core_ext.__file__).parent


def test_an_unbuilt_checkout_gets_one_clear_line(tmp_path):
    # Without site-packages (-S): an editable install would lend its built extensions.
    shutil.copytree(
        ROOT, tmp_path / "core_ext", ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__")
    )
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
         "import core_ext"],
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "ImportError: core_ext is not built: run `make build`" in done.stderr


@pytest.mark.parametrize(
    ("native", "plain"),
    [
        (book.Book("1"), reference.Book("1")),
        (scan.BinanceScanner(), reference.BinanceScanner()),
        (scan.BybitScanner(), reference.BybitScanner()),
        (scan.BinanceScanner().feed(book.Book("1"), b"{}"), reference.ScanResult()),
        (drop.DropWindow(1), reference.DropWindow(1)),
        (drop.DropWindows(1, 1), reference.DropWindows(1, 1)),
        (table.BookTable(), reference.BookTable(reference.symbol_of)),
        (quote.Quote(symbol="A"), reference.Quote(symbol="A")),
        (histogram.Histogram(), reference.Histogram()),
    ],
    ids=["book", "scanner", "bybit", "result", "drop", "drops", "table", "quote", "histogram"],
)
def test_both_halves_offer_the_same_names(native, plain):
    missing = {name for name in dir(native) if not name.startswith("_")} - set(dir(plain))
    assert not missing


def test_every_public_method_is_explained():
    for kind in (
        book.Book,
        scan.Scanner,
        scan.BinanceScanner,
        table.BookTable,
        drop.DropWindow,
        drop.DropWindows,
        histogram.Histogram,
    ):
        for name, member in vars(kind).items():
            if callable(member) and not name.startswith("_"):
                assert member.__doc__, f"{kind.__name__}.{name}"


def test_the_codes_are_those_of_the_extension():
    assert book.Book("1").admit(1, 1) == codes.Outcome.APPLIED
    assert scan.kind_of(b'"depthUpdate"') == codes.Kind.DEPTH
    assert quote.QUOTE_VERSION == 1


def header(name):
    return (ROOT / f"{name}.pxd").read_text()


def struct_fields(text, name):
    """The fields of a struct, in their order."""
    body = re.search(rf"cdef struct {name}:\n(.*?)\n\n", text, re.DOTALL)[1]
    return re.findall(r"^    \w+ (\w+)$", body, re.MULTILINE)


@pytest.mark.parametrize(
    ("file", "prefix", "codes_of"),
    [
        ("scan", "KIND", codes.Kind),
        ("scan", "DIALECT", codes.Dialect),
        ("book", "OUTCOME", codes.Outcome),
    ],
)
def test_headers_count_as_the_codes_do(file, prefix, codes_of):
    numbers = dict(re.findall(rf"^    {prefix}_(\w+) = (\d+)$", header(file), re.MULTILINE))
    assert numbers == {code.name: str(code.value) for code in codes_of}


@pytest.mark.parametrize(
    ("file", "name", "limit"),
    [
        ("side", "LEVELS_MAX", codes.MAX_LEVELS),
        ("frame_levels", "LEVELS_MAX_IN_FRAME", codes.MAX_FRAME_LEVELS),
        ("frame_trades", "TRADES_MAX_IN_FRAME", codes.MAX_FRAME_TRADES),
        ("number", "NUMBER_TEXT_MAX", codes.MAX_NUMBER_TEXT),
        ("json_cursor", "JSON_NUMBER_MAX", codes.MAX_JSON_NUMBER),
        ("json_cursor", "DEPTH_MAX", codes.MAX_DEPTH),
        ("batch", "BATCH_MAX", codes.MAX_BATCH),
    ],
)
def test_limits_of_the_headers_are_those_of_the_codes(file, name, limit):
    assert int(re.search(rf"^    {name} = ([\d_]+)$", header(file), re.MULTILINE)[1]) == limit


def test_what_is_written_out_has_the_fields_of_its_tuple():
    top = struct_fields(header("look"), "Top")
    row = struct_fields(header("frame_rows"), "FrameRow")
    assert tuple(top) == codes.BookStats._fields
    assert (*row[:-1], *top) == codes.FrameTold._fields
    assert row[-1] == "top"
    assert struct.calcsize(codes.STATS_FORMAT) == 8 * len(top)


def test_errors_keep_their_parts_through_a_copy():
    import pickle

    refused = pickle.loads(pickle.dumps(FrameRefused("why", 7)))
    assert (refused.reason, refused.offset) == ("why", 7)
    number = pickle.loads(pickle.dumps(NumberRefused("place", "x", "y")))
    assert (number.place, number.value, number.allowed) == ("place", "x", "y")
