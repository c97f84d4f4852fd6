"""Requests to a venue without an exchange library: built, signed and sent here."""
