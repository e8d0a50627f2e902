"""From a request to what the router may know of it. Under a millisecond, no model, no encoder."""

from __future__ import annotations

from twotier.domain.message import Request
from twotier.domain.task import Caller, Task
from twotier.router.names import AUTO
from twotier.router.rules import BULK_OUTPUT_TOKENS, KINDS, spoken

# Of English and code. Digits and other scripts need fewer bytes for a token, down to two: what an
# upstream then finds too long goes to the next tier, or back with its name.
BYTES_PER_TOKEN = 4
# Upper bounds, from Anthropic's documentation: an image is at most about 4,800 tokens, and the
# provider's own framing of tools and roles stays below a thousand.
IMAGE_TOKENS_MAX = 5_000
# A page is sent as its text (1,500 to 3,000 tokens by the documentation) and as an image.
PAGE_TOKENS_USUAL = 3_000
# The bound of documents that nobody could count is far above what most have, and must not keep a
# request from every tier: what really is too long is found out by the server.
PAGES_USUAL_MAX = 20
PAGE_TOKENS_MAX = 8_000
FRAME_TOKENS_MAX = 1_000
OUTPUT_TOKENS_USUAL = 600
KIND_CHARS = 600


def estimate(request: Request, caller: Caller) -> Task:
    """The task behind a request."""
    kind, source, because = kind_of(request, caller)
    images = request.images
    return Task(
        dialect=request.dialect,
        model_asked=request.model,
        prompt_tokens=(
            request.text_bytes // BYTES_PER_TOKEN
            + images * 1_600
            + min(request.document_pages, PAGES_USUAL_MAX) * PAGE_TOKENS_USUAL
        ),
        # A token is at least one byte, so the bytes are a bound however odd the text is.
        prompt_tokens_max=(
            request.text_bytes
            + images * IMAGE_TOKENS_MAX
            + request.document_pages * PAGE_TOKENS_MAX
            + FRAME_TOKENS_MAX
        ),
        output_tokens=request.max_output_tokens or OUTPUT_TOKENS_USUAL,
        output_tokens_asked=request.max_output_tokens,
        tools=request.tools,
        images=images,
        kind=kind,
        kind_because=because,
        policy=caller.policy,
        job=caller.job,
        background=caller.background,
        deadline_seconds=caller.deadline_seconds,
        probe=caller.probe,
        kind_from=source,
        client=caller.client,
        headers=caller.headers,
    )


def kind_of(request: Request, caller: Caller) -> tuple[str, str, str]:
    """The kind of work and what it was read from, in a word and in words; what the job says comes
    before what words say.
    """
    if request.model not in (AUTO, ""):
        return "unknown", "", "a named model needs no guess"
    if caller.kind in KINDS:
        return caller.kind, "trigger", "the job says so"
    if request.tools:
        # Coding clients ask for 32,000 tokens by habit: with tools that figure says nothing either.
        return "unknown", "", "has tools: the words of one turn say nothing about the whole"
    if (request.max_output_tokens or 0) > BULK_OUTPUT_TOKENS:
        return "bulk-write", "size", f"asks for up to {request.max_output_tokens} tokens of output"
    if found := spoken(request.head_text[:KIND_CHARS]):
        return found[0], "words", f"the words {found[1]!r}"
    return "unknown", "", "no sign of any kind"
