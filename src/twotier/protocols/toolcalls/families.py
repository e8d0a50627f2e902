"""All families, and where the next call may begin."""

from __future__ import annotations

import re
from collections.abc import Mapping

from twotier.protocols.toolcalls.base import Family
from twotier.protocols.toolcalls.deepseek import BAR, DEEPSEEK, DSML, token
from twotier.protocols.toolcalls.gemma import GEMMA
from twotier.protocols.toolcalls.glm import GLM
from twotier.protocols.toolcalls.harmony import HARMONY
from twotier.protocols.toolcalls.hermes import HERMES
from twotier.protocols.toolcalls.kimi_k2 import KIMI_K2
from twotier.protocols.toolcalls.llama3_json import LLAMA3_JSON
from twotier.protocols.toolcalls.minimax import M2, M3
from twotier.protocols.toolcalls.mistral import MISTRAL
from twotier.protocols.toolcalls.qwen3_coder import QWEN3_CODER

FAMILIES = (
    *(M2, M3, QWEN3_CODER, HERMES, GLM, KIMI_K2),
    *(MISTRAL, LLAMA3_JSON, DEEPSEEK, DSML, HARMONY, GEMMA),
)
OPENERS = frozenset(opener for family in FAMILIES for opener in family.openers)
OPENER_CHARS_MAX = max(map(len, OPENERS))
OPENER = re.compile("|".join(map(re.escape, sorted(OPENERS, key=len, reverse=True))))
FIRST_CHARS = frozenset(opener[0] for opener in OPENERS)
PREFIXES = frozenset(opener[:size] for opener in OPENERS for size in range(1, len(opener)))
BY_OPENER: Mapping[str, tuple[Family, ...]] = {
    opener: tuple(family for family in FAMILIES if opener in family.openers) for opener in OPENERS
}
# What may stand behind the last call and says nothing: ends of tags, of thinking, of the turn.
TRAIL = re.compile(
    r"(?:\s|</tool_calls?>|</minimax:tool_call>|</invoke>|</function>|</think>|<tool_call\|>"
    r"|\]<\]minimax\[>\[|\[e~\[|</s>|<eos>|<end_of_turn>|<end_function_call>"
    r"|<\|(?:im_end|eot_id|eom_id|end|call|return|endoftext|tool_calls?_section_end|tool_call_end"
    rf"|user|observation)\|>|{token('end of sentence')}|{token('tool calls end')}"
    rf"|{token('tool call end')}|</{BAR}{{1,2}}DSML{BAR}{{1,2}}\w+>)*"
)


def partial(text: str, start: int) -> int:
    """Where an opener may have begun that is cut by the end of the text; its length where none."""
    size = len(text)
    for at in range(max(start, size - OPENER_CHARS_MAX + 1), size):
        if text[at] in FIRST_CHARS and text[at:] in PREFIXES:
            return at
    return size
