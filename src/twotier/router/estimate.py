"""From a request to what the router may know of it. Under a millisecond, no model, no encoder.

The kind of work is read from the trigger first: what the job's own watcher says, then how often it
comes, together with the words of its owner (`kinds`). Words of others never count: what a watcher
found stands behind a marker, and only the beginning of a text is read. Who names a model, or lets a
model call tools for somebody at a keyboard, is not guessed about at all.
"""

from __future__ import annotations

from twotier.domain.message import Request
from twotier.domain.task import Caller, Task
from twotier.domain.work import Work
from twotier.router.kinds import TEXT_CHARS, shipped, trigger_of
from twotier.router.names import AUTO
from twotier.router.nature import step_of
from twotier.router.rules import BULK_OUTPUT_TOKENS, KINDS
from twotier.router.tokens import script_of, usual

# Upper bounds, from Anthropic's documentation: an image is at most about 4,800 tokens, and the
# provider's own framing of tools and roles stays below a thousand.
IMAGE_TOKENS_MAX = 5_000
# A page is sent as its text (1,500 to 3,000 tokens by the documentation) and as an image.
PAGE_TOKENS_USUAL = 3_000
IMAGE_TOKENS_USUAL = 1_600
# The bound of documents that nobody could count is far above what most have, and must not keep a
# request from every tier: what really is too long is found out by the server.
PAGES_USUAL_MAX = 20
PAGE_TOKENS_MAX = 8_000
FRAME_TOKENS_MAX = 1_000
OUTPUT_TOKENS_USUAL = 600
# Between these the worker puts what came from outside, always behind the owner's own prompt.
OUTSIDE = "<item>"
# Who comes so often and asks for what sounds like polling is a watcher by trade.
OFTEN_SECONDS = 3_600.0


def estimate(request: Request, caller: Caller) -> Task:
    """The task behind a request."""
    kind, source, because = kind_of(request, caller)
    images = request.images
    work = work_of(request, kind)
    return Task(
        dialect=request.dialect,
        model_asked=request.model,
        prompt_tokens=usual(work),
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
        work=work,
    )


def work_of(request: Request, kind: str) -> Work:
    """What is learned from, later. The step of an agent is only looked for where there is a choice
    of tiers: it takes a look at the end of the body.
    """
    tools = bool(request.tools)
    return Work(
        request.text_bytes,
        script_of(request.head_text, request.body),
        request.images * IMAGE_TOKENS_USUAL
        + min(request.document_pages, PAGES_USUAL_MAX) * PAGE_TOKENS_USUAL,
        kind,
        step_of(request.body) if tools and request.model in (AUTO, "") else "",
        tools,
    )


def kind_of(request: Request, caller: Caller) -> tuple[str, str, str]:
    """The kind of work and what it was read from, in a word and in words."""
    if request.model not in (AUTO, ""):
        return "unknown", "", "a named model needs no guess"
    if caller.kind in KINDS:
        return caller.kind, "trigger", "the job says so"
    if request.tools and not caller.job:
        # Coding clients ask for 32,000 tokens by habit: with tools that figure says nothing either.
        return "unknown", "", "has tools: the words of one turn say nothing about the whole"
    if not request.tools and (request.max_output_tokens or 0) > BULK_OUTPUT_TOKENS:
        return "bulk-write", "size", f"asks for up to {request.max_output_tokens} tokens of output"
    return said(owners(request.head_text, caller), caller)


def owners(text: str, caller: Caller) -> str:
    """The part of a user's text that its owner wrote, as far as it is read."""
    if caller.job:
        text = text.partition(OUTSIDE)[0]
    return text[:TEXT_CHARS].strip()


def said(text: str, caller: Caller) -> tuple[str, str, str]:
    """The kind by words and schedule; "don't know" is an answer."""
    if not text:
        return "unknown", "", "no words to go by"
    period = caller.period_seconds
    guess = shipped().guess(text, trigger_of(period, job=bool(caller.job)))
    by = "its words" if period is None else f"its words, and that it comes every {period:.0f} s"
    if guess.kind == "unknown":
        return "unknown", "", f"{by} do not tell ({guess.sure:.0%} sure)"
    often = period is not None and period <= OFTEN_SECONDS and guess.kind == "polling"
    return guess.kind, "trigger" if often else "words", f"{by} ({guess.sure:.0%} sure)"
