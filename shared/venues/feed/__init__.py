"""Public market data, natively: REST for what changes slowly, streams for the rest.

Used by ingest, and by protect when ingest is gone. `port.py` says what a feed owes ingest,
`choose.py` which feed a venue's name means, `dialect.py` how each venue wants to be spoken to.
Nothing here imports ccxt on the way of a native feed; frames are handed on as bytes.
"""
