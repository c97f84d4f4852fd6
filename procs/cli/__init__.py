"""The command line: one verb, one file. `main.py` finds them, `options.py` is what they share."""
