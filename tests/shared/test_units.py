"""Numbers: plain decimal text in and out, and steps that never round the wrong way."""

from decimal import Decimal, Inexact, InvalidOperation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import NumberError
from shared.units import (
    LEDGER,
    MAX_MAGNITUDE,
    ceil_to,
    change_pct,
    decimal_from_text,
    floor_to,
    from_lots,
    from_ticks,
    pct_of,
    plain,
    to_lots,
    to_ticks,
)

D = Decimal
AMOUNTS = st.decimals(-(10**15), 10**15, places=8)
POSITIVE = st.decimals(0, 10**12, places=8)
STEPS = st.sampled_from(["1", "0.5", "0.1", "0.01", "0.00001", "1E-8", "5", "100", "0.25"]).map(D)

REFUSED = [
    "", " ", "1 ", " 1", "1\n", "\t1", "1_000", "+1", "--1", "-", ".", ".5", "5.", "01", "00",
    "-01", "1,5", "1.2.3", "NaN", "nan", "sNaN", "Infinity", "inf", "-inf", "0x10", "1e", "1e999",
    "1E+100", "e5", "1e5.0", "١", "१", "１", "1٠", "²", "½", "1\u00a0", "\u22121", "−1", "1\x00",
    "1000000000000000000.1", "1E19", "-1E19", "9" * 31, "0." + "1" * 31, "True", "None", "1d", "1f",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_plain_decimal_is_refused(text):
    """L15: Decimal() alone lets half of these pass."""
    with pytest.raises(NumberError) as refused:
        decimal_from_text(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize("value", [1, 1.5, None, True, b"1", D(1), [], {}])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(NumberError):
        decimal_from_text(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", D(0)), ("-0", D(0)), ("1", D(1)), ("-1.50", D("-1.5")), ("0.00000001", D("1E-8")),
        ("1E-8", D("1E-8")), ("1e+3", D(1000)), ("1E18", MAX_MAGNITUDE), ("-1e18", -MAX_MAGNITUDE),
        ("123456789.123456789", D("123456789.123456789")),
    ],
)  # fmt: skip
def test_plain_decimals_are_read_exactly(text, value):
    assert decimal_from_text(text) == value


@given(AMOUNTS)
def test_every_amount_survives_its_text(value):
    assert decimal_from_text(str(value)) == value
    assert decimal_from_text(plain(value)) == value


@given(st.text(max_size=8))
def test_any_text_is_a_number_or_a_number_error(text):
    """Nothing else escapes, and what passes is finite, in range and what Decimal reads."""
    try:
        value = decimal_from_text(text)
    except NumberError:
        return
    assert value.is_finite()
    assert abs(value) <= MAX_MAGNITUDE
    assert value == D(text)
    assert text.isascii()


@given(st.text("0123456789.-+eE_ ", max_size=8))
def test_almost_numbers_too(text):
    try:
        value = decimal_from_text(text)
    except NumberError:
        return
    assert value == D(text)
    assert not set(text) & set("_ ")


@given(AMOUNTS)
def test_plain_text_is_what_venues_write(value):
    text = plain(value)
    assert "e" not in text.lower()
    assert not ("." in text and text.endswith(("0", ".")))
    assert text != "-0"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (D("0E-8"), "0"), (D("-0.00"), "0"), (D("1E+3"), "1000"), (D("1.500"), "1.5"),
        (D("100"), "100"), (D("1E-8"), "0.00000001"), (D("-2.50"), "-2.5"),
    ],
)  # fmt: skip
def test_plain_samples(value, text):
    assert plain(value) == text


@given(AMOUNTS, STEPS)
def test_floor_and_ceil_enclose_the_value(value, step):
    low, high = floor_to(value, step), ceil_to(value, step)
    assert low <= value <= high
    assert value - low < step
    assert high - value < step
    assert low % step == 0
    assert high % step == 0
    assert (low == high) == (value % step == 0)


@given(AMOUNTS, STEPS)
def test_rounding_again_changes_nothing(value, step):
    assert floor_to(floor_to(value, step), step) == floor_to(value, step)
    assert ceil_to(ceil_to(value, step), step) == ceil_to(value, step)


@given(st.integers(0, 10**14), STEPS)
def test_ticks_survive_the_round_trip(ticks, tick):
    assert to_ticks(from_ticks(ticks, tick), tick) == ticks


@given(st.integers(0, 9 * 10**18))
def test_lots_survive_the_round_trip(lots):
    assert to_lots(from_lots(lots)) == lots


@given(POSITIVE)
def test_quantities_survive_the_round_trip(quantity):
    assert from_lots(to_lots(quantity)) == quantity


@pytest.mark.parametrize(("price", "tick"), [("1.005", "0.01"), ("1", "0.3"), ("0.009", "0.01")])
def test_a_price_between_two_ticks_is_refused(price, tick):
    with pytest.raises(NumberError, match=price):
        to_ticks(D(price), D(tick))


def test_a_quantity_finer_than_a_lot_is_refused():
    with pytest.raises(NumberError, match=r"0\.000000001"):
        to_lots(D("0.000000001"))


def test_the_ledger_never_rounds():
    """L15: 60 digits, and an inexact result is an error instead of a lost satoshi."""
    assert LEDGER.multiply(D("123456789.12345678"), D("98765.4321")) > 0
    with pytest.raises(Inexact):
        LEDGER.divide(D(1), D(3))
    with pytest.raises(Inexact):
        LEDGER.add(D("1E+40"), D("1E-40"))
    with pytest.raises(InvalidOperation):
        LEDGER.add(D("sNaN"), D(1))


def test_percentages():
    assert pct_of(D(200), D("1.5")) == 3
    assert change_pct(D(97), D(100)) == -3
