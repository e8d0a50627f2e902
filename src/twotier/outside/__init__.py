"""Money that went past twotier: session logs of other programs, and what the provider says.

Reads numbers, ids, model names and times; never a text. `lines`, `claude_code`, `openclaw`,
`bills` and `compare` are pure.
"""
