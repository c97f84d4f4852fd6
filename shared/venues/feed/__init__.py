"""Binance spot's market data, natively: REST for what changes slowly, a stream for the rest.

Used by ingest only; it never imports ccxt, and it hands frames on as bytes.
"""
