"""Levels as venues write them, ["61837.64","1.54698"],[…, read eight bytes at a time.

Only what is certainly right is taken here; whatever is wrong or merely unusual is left to the
careful reading of frame_levels, which also says what is wrong with it.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from core_ext.ladder cimport Change
from core_ext.number cimport Step, eight_bytes, lowest_bit, no_digits, number_of

cdef extern from *:
    """
    /* Tables in place of shifts by a variable number of bits, which cost twice as much. */
    static const int64_t seawall_powers[9] = {
        1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    /* The first n bytes of a word. */
    static const uint64_t seawall_first[9] = {
        0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF,
        0xFFFFFFFFFFFFFFFF};
    /* Multiplied by this, the first n bytes of a word become its last ones; zeros stand before. */
    static const uint64_t seawall_lifts[9] = {
        0, 1ULL << 56, 1ULL << 48, 1ULL << 40, 1ULL << 32, 1ULL << 24, 1ULL << 16, 1ULL << 8, 1};
    """
    const int64_t* powers_of_ten "seawall_powers"
    const uint64_t* first_bytes "seawall_first"
    const uint64_t* lifts "seawall_lifts"

cdef enum:
    # '","' and '],["' as little endian words.
    COMMA_BETWEEN = 0x222C22
    NEXT_LEVEL = 0x225B2C5D
    # A level is begun only where so many bytes can be read: two numbers of 7 + 1 + 8 characters
    # with what stands between and behind them, and the width of the last read.
    LEVEL_BYTES_MAX = 48
    SCALE_MAX = 8


cdef struct Form:
    # How the last price was written: digits before the point, and where its closing quote stood;
    # the bytes that must be digits, the ones of them that must be zero, and the factors that bring
    # both parts to the end of one word. length 0: no price yet, or one that does not fit a word.
    Py_ssize_t whole
    Py_ssize_t length
    uint64_t whole_bytes
    uint64_t place_bytes
    uint64_t finer_bytes
    uint64_t single_digit
    uint64_t whole_lift
    uint64_t place_lift


cdef inline uint32_t four_bytes(const unsigned char* text) noexcept nogil:
    cdef uint32_t word
    memcpy(&word, text, 4)
    return word


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
        or ((word & 0xFF) == 0 and whole > 1)
        or fraction & ~first_bytes[step.scale]
    ):
        return NULL
    value = number_of(word * lifts[whole]) * <uint64_t>powers_of_ten[step.scale]
    value += number_of(fraction * lifts[step.scale])
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
    """Notes how a price was written that `usual_number` has read."""
    cdef Py_ssize_t whole = lowest_bit(no_digits(eight_bytes(text))) >> 3
    cdef Py_ssize_t places = end - text - whole - 1
    form.length = 0
    if places < 1 or whole + step.scale > 8 or step.mantissa != 1:
        return
    form.length = end - text
    form.whole = whole
    form.whole_bytes = first_bytes[whole]
    form.place_bytes = first_bytes[places]
    form.finer_bytes = first_bytes[places] & ~first_bytes[step.scale]
    form.single_digit = whole == 1
    form.whole_lift = lifts[whole + step.scale]
    form.place_lift = lifts[step.scale]


cdef inline bint same_form(
    const unsigned char* text, const Form* form, int64_t* steps
) noexcept nogil:
    """Reads a price that is written as the last one was, and the '","' behind it."""
    cdef uint64_t word = eight_bytes(text)
    cdef uint64_t fraction = eight_bytes(text + form.whole + 1)
    if (
        form.length == 0
        or no_digits(word) & form.whole_bytes
        or no_digits(fraction) & form.place_bytes
        or fraction & form.finer_bytes
        or ((word & 0xFF) | form.single_digit) == 0
        or text[form.whole] != c"."
        or four_bytes(text + form.length) & 0xFFFFFF != COMMA_BETWEEN
    ):
        return False
    steps[0] = <int64_t>number_of(
        (word & form.whole_bytes) * form.whole_lift + fraction * form.place_lift
    )
    return True


cdef inline Py_ssize_t usual_run(
    const unsigned char* at,
    const unsigned char* last_start,
    const Step* price_step,
    const Step* quantity_step,
    Form* form,
    Change* levels,
    Py_ssize_t room,
    const unsigned char** behind,
) noexcept nogil:
    """Reads 'price","quantity"],["price",…' from behind the first quote, while it is usual.

    Returns how many levels were taken; `behind` is set behind the bracket of the last of them.
    """
    cdef const unsigned char* end
    cdef Py_ssize_t count = 0
    while count < room and at <= last_start:
        # Prices next to each other are written alike, so that reading the quantity need not wait
        # until the bytes of the price have said how long it is.
        if same_form(at, form, &levels[count].ticks):
            end = at + form.length
        else:
            end = usual_number(at, price_step, &levels[count].ticks)
            if end == NULL or four_bytes(end) & 0xFFFFFF != COMMA_BETWEEN:
                break
            learn_form(at, end, price_step, form)
        end = usual_number(end + 3, quantity_step, &levels[count].lots)
        if end == NULL or end[1] != c"]" or levels[count].ticks == 0:
            break
        count += 1
        behind[0] = end + 2
        if four_bytes(end + 1) != NEXT_LEVEL:
            break
        at = end + 5
    return count


cdef inline Py_ssize_t usual_levels(
    const unsigned char* at,
    const unsigned char* end,
    const Step* price_step,
    const Step* quantity_step,
    Change* levels,
    Py_ssize_t room,
    Py_ssize_t* length,
) noexcept nogil:
    """Reads levels from behind the first one's '["' on; returns how many, `length` their bytes.

    The last bytes of a frame are read from a copy with room behind it.
    """
    cdef unsigned char tail[2 * LEVEL_BYTES_MAX]
    cdef Form form
    cdef const unsigned char* start = at
    cdef const unsigned char* behind = at
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t more
    cdef Py_ssize_t left
    if price_step.scale > SCALE_MAX or quantity_step.scale > SCALE_MAX:
        return 0
    form.length = 0
    form.whole = 0
    if end - at >= LEVEL_BYTES_MAX:
        count = usual_run(
            at, end - LEVEL_BYTES_MAX, price_step, quantity_step, &form, levels, room, &behind
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
        &form,
        levels + count,
        room - count,
        &behind,
    )
    if more:
        length[0] = at - start + (behind - tail)
    return count + more
