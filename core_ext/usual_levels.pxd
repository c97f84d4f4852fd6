"""Levels as venues write them, ["61837.64","1.54698"],[…, read eight bytes at a time.

Only what is certainly right is taken here; whatever is wrong or merely unusual is left to the
careful reading of frame_levels, which also says what is wrong with it.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from core_ext.bits cimport lowest_bit
from core_ext.digits cimport (
    above_nine,
    eight_bytes,
    eight_digits,
    first_bytes,
    four_bytes,
    lifts,
    no_digits,
    powers_of_ten,
)
from core_ext.number cimport Step
from core_ext.sorted_levels cimport Change

cdef enum:
    # '","' and '],["' as little endian words.
    COMMA_BETWEEN = 0x222C22
    NEXT_LEVEL = 0x225B2C5D
    # A level is begun only where so many bytes can be read: two numbers of 7 + 1 + 8 characters
    # with what stands between and behind them, and the width of the last read.
    LEVEL_BYTES_MAX = 48
    SCALE_MAX = 8


cdef struct Form:
    # How a number of a run was written, so that the next one need not be measured: digits before
    # the point, the length up to the closing quote, the part of it from the point on; as masks,
    # which bytes of either part must be digits, and which of them zeros, being finer than a step;
    # factors that bring the digits to the end of a word, and what one whole is in steps.
    # length 0: nothing learnt.
    Py_ssize_t whole
    Py_ssize_t length
    Py_ssize_t behind
    uint64_t whole_bytes
    uint64_t place_bytes
    uint64_t whole_stops
    uint64_t place_stops
    uint64_t finer_bytes
    uint64_t single_digit
    uint64_t whole_lift
    uint64_t place_lift
    uint64_t power


cdef inline const unsigned char* usual_number(
    const unsigned char* text, const Step* step, int64_t* steps
) noexcept nogil:
    """Reads '1 to 7 digits' or '1 to 7 digits.1 to 8 digits' and the closing quote.

    Returns where that quote stands, or NULL when the number is anything else. At least 20 bytes
    are readable; step.scale is at most SCALE_MAX.
    """
    cdef uint64_t word = eight_bytes(text)
    cdef uint64_t stops = no_digits(word)
    cdef uint64_t fraction
    cdef uint64_t value
    cdef const unsigned char* end
    cdef Py_ssize_t whole
    cdef Py_ssize_t places = 8
    cdef Py_ssize_t dotted
    if not stops:
        return NULL
    whole = lowest_bit(stops) >> 3
    dotted = text[whole] == c"."
    fraction = eight_bytes(text + whole + 1)
    stops = no_digits(fraction)
    if stops:
        places = lowest_bit(stops) >> 3
    places &= -dotted
    end = text + whole + dotted + places
    fraction &= first_bytes[places]
    if (
        end[0] != c'"'
        or whole == 0
        or places < dotted
        or ((word & 0xFF) | (whole == 1)) == 0
        or fraction & ~first_bytes[step.scale]
    ):
        return NULL
    value = eight_digits(word * lifts[whole]) * <uint64_t>powers_of_ten[step.scale]
    value += eight_digits(fraction * lifts[step.scale])
    if step.mantissa != 1:
        if value % <uint64_t>step.mantissa:
            return NULL
        value //= <uint64_t>step.mantissa
    if value > <uint64_t>step.limit:
        return NULL
    steps[0] = <int64_t>value
    return end


cdef inline void learn_form(
    const unsigned char* text, const unsigned char* end, const Step* step, Form* form
) noexcept nogil:
    """Notes how a number was written that `usual_number` has read."""
    cdef Py_ssize_t whole = lowest_bit(no_digits(eight_bytes(text))) >> 3
    cdef Py_ssize_t behind = end - text - whole
    cdef Py_ssize_t places = behind - 1 if behind else 0
    form.length = 0
    # Of an odd step, or where seven whole digits could be too many.
    if step.mantissa != 1 or step.limit // 10000000 < powers_of_ten[step.scale]:
        return
    form.length = end - text
    form.whole = whole
    form.behind = behind
    form.whole_bytes = first_bytes[whole]
    form.place_bytes = first_bytes[places]
    form.whole_stops = first_bytes[whole] & 0x8080808080808080ULL
    form.place_stops = first_bytes[places] & 0x8080808080808080ULL
    form.finer_bytes = first_bytes[places] & ~first_bytes[step.scale]
    form.single_digit = whole == 1
    form.whole_lift = lifts[whole + step.scale] if whole + step.scale <= 8 else 0
    form.place_lift = lifts[step.scale]
    form.power = powers_of_ten[step.scale]


cdef inline bint same_price(
    const unsigned char* text, const Form* form, int64_t* steps
) noexcept nogil:
    """Reads a price as long before and behind the point as the last one, and the '","' behind it.

    Where it ends is known before its bytes are: reading on need not wait for them.
    """
    cdef uint64_t word = eight_bytes(text)
    cdef uint64_t fraction = eight_bytes(text + form.whole + 1)
    if (
        form.length == 0
        or above_nine(word) & form.whole_stops
        or above_nine(fraction) & form.place_stops
        or fraction & form.finer_bytes
        or ((word & 0xFF) | form.single_digit) == 0
        or text[form.whole] != c"."
        or four_bytes(text + form.length) & 0xFFFFFF != COMMA_BETWEEN
    ):
        return False
    fraction &= form.place_bytes
    if form.whole_lift:
        # Both parts are eight digits at most, and become one number.
        steps[0] = <int64_t>eight_digits(
            (word & form.whole_bytes) * form.whole_lift + fraction * form.place_lift
        )
    else:
        steps[0] = <int64_t>(
            eight_digits(word * lifts[form.whole]) * form.power
            + eight_digits(fraction * form.place_lift)
        )
    return True


cdef inline const unsigned char* same_quantity(
    const unsigned char* text, const Form* form, int64_t* steps
) noexcept nogil:
    """Reads a quantity of as many places as the last one, or of none, as deletions often have.

    Returns where its quote stands, or NULL when it is written otherwise.
    """
    cdef uint64_t word = eight_bytes(text)
    cdef uint64_t stops = no_digits(word)
    cdef uint64_t fraction
    cdef Py_ssize_t whole
    if not stops or form.length == 0:
        return NULL
    whole = lowest_bit(stops) >> 3
    fraction = eight_bytes(text + whole + 1)
    text += whole
    if whole == 0 or ((word & 0xFF) | (whole == 1)) == 0:
        return NULL
    if text[0] == c'"':
        steps[0] = <int64_t>(eight_digits(word * lifts[whole]) * form.power)
        return text
    if (
        text[0] != c"."
        or above_nine(fraction) & form.place_stops
        or fraction & form.finer_bytes
        or text[form.behind] != c'"'
    ):
        return NULL
    fraction &= form.place_bytes
    steps[0] = <int64_t>(
        eight_digits(word * lifts[whole]) * form.power + eight_digits(fraction * form.place_lift)
    )
    return text + form.behind


cdef inline Py_ssize_t usual_run(
    const unsigned char* at,
    const unsigned char* last_start,
    const Step* price_step,
    const Step* quantity_step,
    Form* forms,
    Change* levels,
    Py_ssize_t room,
    const unsigned char** behind,
) noexcept nogil:
    """Reads 'price","quantity"],["price",…' from behind the first quote, while it is usual.

    Returns how many levels were taken; `behind` is set behind the bracket of the last of them.
    """
    cdef const unsigned char* quantity
    cdef const unsigned char* end = NULL
    cdef const unsigned char* last = NULL
    cdef Py_ssize_t count = 0
    while count < room and at <= last_start:
        if same_price(at, &forms[0], &levels[count].ticks):
            quantity = at + forms[0].length + 3
        else:
            end = usual_number(at, price_step, &levels[count].ticks)
            if end == NULL or four_bytes(end) & 0xFFFFFF != COMMA_BETWEEN:
                break
            learn_form(at, end, price_step, &forms[0])
            quantity = end + 3
        end = same_quantity(quantity, &forms[1], &levels[count].lots)
        if end == NULL:
            end = usual_number(quantity, quantity_step, &levels[count].lots)
            if end == NULL:
                break
            learn_form(quantity, end, quantity_step, &forms[1])
        if end[1] != c"]" or levels[count].ticks == 0:
            break
        count += 1
        last = end
        at = end + 5
        if four_bytes(end + 1) != NEXT_LEVEL:
            break
    if count:
        behind[0] = last + 2
    return count


cdef inline Py_ssize_t usual_levels(
    const unsigned char* at,
    const unsigned char* end,
    const Step* price_step,
    const Step* quantity_step,
    Form* forms,
    Change* levels,
    Py_ssize_t room,
    Py_ssize_t* length,
) noexcept nogil:
    """Reads levels from behind the first one's '["' on; returns how many, `length` their bytes.

    `forms` are those of price and quantity, as the last levels of these steps were written.
    The last bytes of a frame are read from a copy with room behind it.
    """
    cdef unsigned char tail[2 * LEVEL_BYTES_MAX]
    cdef const unsigned char* start = at
    cdef const unsigned char* behind = at
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t more
    cdef Py_ssize_t left
    if price_step.scale > SCALE_MAX or quantity_step.scale > SCALE_MAX:
        return 0
    if end - at >= LEVEL_BYTES_MAX:
        count = usual_run(
            at, end - LEVEL_BYTES_MAX, price_step, quantity_step, forms, levels, room, &behind
        )
        length[0] = behind - start
        left = end - behind
        # What is to follow: another level, close to the end.
        if count == 0 or left >= LEVEL_BYTES_MAX + 3 or left < 3 or (
            four_bytes(behind - 1) != NEXT_LEVEL
        ):
            return count
        at = behind + 3
    left = end - at
    memcpy(tail, at, left)
    memset(tail + left, 0, sizeof(tail) - left)
    behind = tail
    more = usual_run(
        tail,
        tail + left,
        price_step,
        quantity_step,
        forms,
        levels + count,
        room - count,
        &behind,
    )
    if more:
        length[0] = at - start + (behind - tail)
    return count + more
