"""Seawall's hot path beside the libraries that traders use, in one run (`make peers`)."""
