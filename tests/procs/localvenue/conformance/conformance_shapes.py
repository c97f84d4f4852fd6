"""Shapes of the documentation's JSON samples: keys and types only, kept in shapes.json.

`python tests/procs/localvenue/conformance/conformance_shapes.py` writes shapes.json anew from the
samples of ../shared/fixtures/binance_spot_docs.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
SHAPES = HERE / "shapes.json"
SAMPLES = ROOT.parent / "shared" / "fixtures" / "binance_spot_docs.json"

FILES = {
    "rest": "rest-api.md",
    "socket": "web-socket-api.md",
    "streams": "web-socket-streams.md",
    "user": "user-data-stream.md",
    "filters": "filters.md",
}

CONDITIONAL = {
    "stopPrice": "orders that wait for a price",
    "icebergQty": "sent with the order; queries always show it",
    "trailingDelta": "trailing stops",
    "trailingTime": "trailing stops",
    "strategyId": "sent with the order",
    "strategyType": "sent with the order",
    "preventedMatchId": "orders that lost quantity to self-trade prevention",
    "preventedQuantity": "orders that lost quantity to self-trade prevention",
    "preventedMatches": "new orders that lost quantity to self-trade prevention",
    "takerPreventedQuantity": "modes that take quantity from the taker",
    "makerPreventedQuantity": "modes that take quantity from the maker",
    "expiryReason": "orders that expired",
    "workingTime": "orders that are not pending",
    "fills": "newOrderRespType FULL",
    "specialCommissionForOrder": "computeCommissionRates",
    "sors": "venues with smart order routing",
    "d": "trailing stops",
    "D": "trailing stops",
    "j": "strategyId was sent",
    "J": "strategyType was sent",
    "v": "self-trade prevention",
    "A": "self-trade prevention",
    "B": "self-trade prevention",
    "u": "self-trade prevention",
    "U": "self-trade prevention",
    "Cs": "self-trade prevention",
    "pl": "self-trade prevention",
    "pL": "self-trade prevention",
    "pY": "self-trade prevention",
    "W": "the order is, or was, on the book",
    "eR": "orders that expired",
}
"""Keys that are there under a condition only: in an order's answer, or in its executionReport."""

REPORT_KEYS = {key for key in CONDITIONAL if len(key) <= 2}
ANSWER_KEYS = CONDITIONAL.keys() - REPORT_KEYS


def shape_of(sample: Any) -> Any:
    """Keys and types: an object's values, a list's first row, or the list itself if it is a row."""
    if isinstance(sample, dict):
        return {key: shape_of(value) for key, value in sample.items()}
    if isinstance(sample, list):
        if sample and not isinstance(sample[0], dict | list):
            return [shape_of(value) for value in sample] if _is_row(sample) else ["str"]
        return [shape_of(sample[0])] if sample else []
    return {bool: "bool", int: "int", str: "str", float: "float", type(None): "null"}[type(sample)]


def _is_row(sample: list[Any]) -> bool:
    """A candle or a level of a book, not a list of names."""
    return any(type(value) is int for value in sample) or (
        len(sample) == 2 and all(value.replace(".", "").isdecimal() for value in sample)
    )


def differences(
    ours: Any, shape: Any, place: str = "", conditional: set[str] | None = None
) -> list[str]:
    """What is missing, unknown, or of another type. null may stand for anything, both ways."""
    allowed = ANSWER_KEYS if conditional is None else conditional
    if ours is None or shape == "null":
        return []
    if isinstance(shape, dict):
        if not isinstance(ours, dict):
            return [f"{place}: {ours!r} is no object"]
        found = [f"{place}: {key} is missing" for key in shape.keys() - ours.keys() - allowed]
        found += [f"{place}: {key} is unknown" for key in ours.keys() - shape.keys() - allowed]
        for key in shape.keys() & ours.keys():
            found += differences(ours[key], shape[key], f"{place}.{key}", conditional)
        return found
    if isinstance(shape, list):
        if not isinstance(ours, list):
            return [f"{place}: {ours!r} is no list"]
        if not shape or not ours or shape[0] == {}:
            return []
        if len(shape) > 1:
            return differences(dict(enumerate(ours)), dict(enumerate(shape)), place, conditional)
        return [
            one
            for number, row in enumerate(ours)
            for one in differences(row, shape[0], f"{place}[{number}]", conditional)
        ]
    kind = shape_of(ours) if not isinstance(ours, dict | list) else type(ours).__name__
    return [] if kind == shape else [f"{place}: {ours!r} is {kind}, not {shape}"]


def generated() -> dict[str, dict[str, list[Any]]]:
    """The shapes of all samples; answers of the WebSocket API without their envelope."""
    files = json.loads(SAMPLES.read_text())["files"]
    shapes: dict[str, dict[str, list[Any]]] = {}
    for name, file in FILES.items():
        shapes[name] = {
            heading: [_kept(sample) for sample in samples]
            for heading, samples in files[file].items()
        }
    return shapes


def _kept(sample: Any) -> Any:
    if isinstance(sample, dict) and "status" in sample and "id" in sample:
        return shape_of(sample.get("result", sample.get("error")))
    if isinstance(sample, dict) and "method" in sample:
        return "request"
    return shape_of(sample)


def load() -> dict[str, dict[str, list[Any]]]:
    """The shapes that are kept here."""
    shapes: dict[str, dict[str, list[Any]]] = json.loads(SHAPES.read_text())
    return shapes


def write() -> None:
    """Makes shapes.json anew: one sample a line."""
    sections = []
    for name, headings in generated().items():
        rows = [
            f"    {json.dumps(heading)}: [\n"
            + ",\n".join(f"      {json.dumps(shape)}" for shape in samples)
            + "\n    ]"
            for heading, samples in headings.items()
        ]
        sections.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(rows) + "\n  }")
    SHAPES.write_text("{\n" + ",\n".join(sections) + "\n}\n")


if __name__ == "__main__":
    write()
