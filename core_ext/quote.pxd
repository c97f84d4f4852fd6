"""The header of the quote: its flags, for Cython callers; the layout is private to quote.pyx."""

cdef enum:
    FLAG_CROSSED = 1
    FLAG_GAPPED = 2
    FLAGS_ALL = 63
