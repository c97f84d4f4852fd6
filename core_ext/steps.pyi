# Everything here is for Cython callers: see steps.pxd.
