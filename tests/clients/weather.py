"""What the two SDKs ask for here: a tool, its call, its answer, and a type to read into."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

TIERS = ("local", "relayed", "frontier")
NAME = "weather"
DESCRIPTION = "The weather in a city."
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
QUESTION = "How is the weather?"
CALL = (NAME, {"city": "Köln"})
RESULT = "12 °C 🌧"


class Forecast(BaseModel):
    """What a typed answer is read into."""

    city: str
    degrees: int


FORECAST = Forecast(city="Köln 🙂", degrees=7)  # what the fakes make of its schema


def user(text: str = QUESTION) -> Any:
    """One turn."""
    return [{"role": "user", "content": text}]
