"""Which family a model writes in: by its chat template, as mlx-lm chooses, or by its name.

It is a hint. Markers of every family are known in every answer, because models also write in the
words of others; what a family adds is whether bare JSON can be a call.
"""

from __future__ import annotations

import re

from twotier.protocols.toolcalls.deepseek import BAR, token

# In this order: markers of one family stand in templates of others. The first part is mlx-lm's own
# order, where a family is one of ours; each entry needs all its markers.
_TEMPLATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("minimax_m3", ("]<]minimax[>[",)),
    ("minimax_m2", ("<minimax:tool_call>",)),
    ("gemma", ("<|tool_call>", "<tool_call|>")),
    ("gemma", ("<start_function_call>",)),
    ("glm", ("<arg_key>",)),
    ("qwen3_coder", ("<tool_call>\n<function=",)),
    ("qwen3_coder", ("<tool_call>\\n<function=",)),
    ("kimi_k2", ("<|tool_calls_section_begin|>",)),
    ("mistral", ("[TOOL_CALLS]",)),
    ("deepseek_dsml", (f"{BAR}DSML{BAR}",)),
    ("deepseek", (token("tool calls begin"),)),
    ("harmony", ("<|channel|>", "to=functions.")),
    ("hermes", ("<tool_call>",)),
    ("llama3_json", ("<|python_tag|>",)),
    ("llama3_json", ("<|start_header_id|>", "parameters")),
)
_MODELS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (family, re.compile(pattern, re.IGNORECASE))
    for family, pattern in (
        ("minimax_m3", r"minimax[-_ ]?m3"),
        ("minimax_m2", r"minimax"),
        ("qwen3_coder", r"qwen3[-_.]?coder|qwen3\.5"),
        ("deepseek", r"deepseek"),
        ("hermes", r"qwen|hermes|qwq|smollm"),
        ("glm", r"\bglm|chatglm"),
        ("kimi_k2", r"kimi"),
        ("mistral", r"mistral|mixtral|devstral|codestral|ministral|magistral|pixtral"),
        ("harmony", r"gpt[-_]?oss"),
        ("gemma", r"gemma"),
        ("llama3_json", r"llama[-_ ]?[34]"),
    )
)
# Servers leave out control tokens: of these nothing but JSON may be left of a call.
BARE = frozenset({"hermes", "llama3_json", "mistral"})


def by_template(template: str) -> str:
    """The family of a chat template, empty where no marker says."""
    found = (family for family, marks in _TEMPLATES if all(mark in template for mark in marks))
    return next(found, "")


def by_model(model: str) -> str:
    """The family of a model's name, empty where it says nothing."""
    return next((family for family, pattern in _MODELS if pattern.search(model)), "")
