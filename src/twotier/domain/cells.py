"""What a spreadsheet makes of a text. Pure."""

from __future__ import annotations


def safe(text: str) -> str:
    """A cell that a spreadsheet takes for text: names come from clients, and may be formulas."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
