"""Binance spot as clients see it: REST, market streams, and the WebSocket API with user events."""
