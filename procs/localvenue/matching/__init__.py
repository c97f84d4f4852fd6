"""The venue's matching and accounts: pure, on a clock that is passed in, without HTTP."""
