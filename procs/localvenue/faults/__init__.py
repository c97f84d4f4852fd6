"""Faults on demand: a declarative, seeded plan of what goes wrong between venue and clients."""
