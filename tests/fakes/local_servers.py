"""Ollama, LM Studio and vLLM as their documentation, their source and their trackers describe them.

None of them can run here: the first two have no package that could be installed, and vLLM's CPU
build cannot serve the models we have. So these are fakes of the wire, no more: what is accepted,
what is refused and in which words, which fields are read and which are ignored, how a stream looks,
and what can be asked beside. They are as strict as the real ones are known to be, so that a test
which passes here did not pass by kindness. `prompts` holds the messages as a chat template would
get them. A user who says `think` is answered with thinking.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from tests.fakes.mind import Said, Thought
from tests.fakes.openai_server import FakeOpenAI, Quirk, Raw, stream, told, whole

THOUGHT = "I think."
Body = dict[str, Any]


class RefusedError(Exception):
    """What the server answers instead, with its status."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


class FakeLocal(FakeOpenAI):
    """What the three have in common."""

    thinking = "reasoning"  # the field of its answers
    thinking_read = "reasoning"  # the field of past answers
    models: tuple[str, ...] = ("m",)

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[list[Body]] = []

    def application(self) -> web.Application:
        """Chat, and what can be asked beside it."""
        application = super().application()
        application.router.add_get("/v1/models", self._models)
        for path, body in self.asides().items():
            application.router.add_get(path, partial(self._aside, body))
        return application

    async def _models(self, _: web.Request) -> web.Response:
        rows = [{"id": name, "object": "model"} for name in self.models]
        return web.json_response({"object": "list", "data": rows})

    async def _aside(self, body: Body, _: web.Request) -> web.Response:
        return web.json_response(body)

    def asides(self) -> Mapping[str, Body]:
        """What else answers a GET."""
        return {}

    def check(self, body: Body) -> None:
        """Raise `RefusedError` for what the real one refuses."""

    def prompt(self, body: Body) -> list[Body]:
        """The messages as its template gets them."""
        return [self.message(turn) for turn in body["messages"]]

    def message(self, turn: Body) -> Body:
        """One of them: its role, its text, its thinking, its calls."""
        content = turn.get("content")
        texts = [part["text"] for part in content] if isinstance(content, list) else [content or ""]
        return {
            "role": turn["role"],
            "content": "".join(texts),
            "thinking": turn.get(self.thinking_read) or "",
            "calls": [
                json.loads(one["function"]["arguments"]) for one in turn.get("tool_calls", ())
            ],
        }

    def said(self, body: Body) -> Said:
        """The request as its model is told it."""
        return told(body)

    async def _behave(
        self, request: web.Request, *, body: Body, quirk: Quirk | Raw | None
    ) -> web.StreamResponse:
        if request.path == "/v1/chat/completions":
            try:
                self.check(body)
                self.prompts.append(self.prompt(body))
            except RefusedError as refused:
                return web.json_response(refused.body, status=refused.status)
        return await super()._behave(request, body=body, quirk=quirk)

    async def _answer(
        self, request: web.Request, *, body: Body, quirk: Quirk | Raw | None
    ) -> web.StreamResponse:
        if request.path != "/v1/chat/completions":
            return await super()._answer(request, body=body, quirk=quirk)
        thought, last = self.mind(self.said(body)), self.prompts[-1][-1]["content"]
        thinks = "think" in last
        if not body.get("stream"):
            found = whole(body, thought, quirk=quirk)
            if thinks:
                found["choices"][0]["message"][self.thinking] = THOUGHT
            return web.json_response(found)
        events = self.events(body, thought, thinks=thinks)
        return await self._stream(request, events=events, quirk=quirk)

    def events(self, body: Body, thought: Thought, *, thinks: bool) -> list[str]:
        """A stream."""
        events = stream(body, thought, quirk=None)
        if thinks:
            first = json.loads(events[0].removeprefix("data: "))
            first["choices"][0]["delta"] = {self.thinking: THOUGHT}
            events.insert(1, f"data: {json.dumps(first)}\n\n")
        return events


def openai_error(
    message: str, kind: str = "invalid_request_error", status: int = 400
) -> RefusedError:
    """An error in OpenAI's form."""
    error = {"message": message, "type": kind, "param": None, "code": None}
    return RefusedError(status, {"error": error})


class FakeOllama(FakeLocal):
    """Ignores `tool_choice`; makes a message of each text; insists on contents and arguments."""

    models = ("qwen3:8b",)

    def __init__(self) -> None:
        super().__init__()
        self.dropped: list[str] = []

    def application(self) -> web.Application:
        """The same, and its own way to generate, as far as it ends models."""
        application = super().application()
        application.router.add_get("/api/ps", self._running)
        application.router.add_post("/api/generate", self._generate)
        return application

    def asides(self) -> Mapping[str, Body]:
        """Its version."""
        return {"/api/version": {"version": "0.40.1"}}

    async def _running(self, _: web.Request) -> web.Response:
        """What it holds."""
        running = {
            "name": "qwen3:8b",
            "model": "qwen3:8b",
            "size": 6_591_830_464,
            "digest": "a2af6cc3",
            "details": {"format": "gguf", "family": "qwen3", "quantization_level": "Q4_K_M"},
            "expires_at": "2026-11-24T12:00:00Z",
            "size_vram": 5_333_539_264,
            "context_length": 4096,
        }
        return web.json_response({"models": [] if self.dropped else [running]})

    async def _generate(self, request: web.Request) -> web.Response:
        """Without a prompt and with `keep_alive` of 0 the model is unloaded (`docs/api.md`)."""
        body = await request.json()
        if body.get("model") not in self.models:
            return web.json_response(
                {"error": f"model '{body.get('model')}' not found"}, status=404
            )
        if body.get("prompt") or body.get("keep_alive") != 0:
            return web.json_response({"error": "this fake only unloads"}, status=400)
        self.dropped.append(body["model"])
        at = "2026-11-24T12:00:00Z"
        told = {"model": body["model"], "created_at": at, "response": "", "done": True}
        return web.json_response(told | {"done_reason": "unload"})

    def check(self, body: Body) -> None:
        """As `FromChatRequest` in its source."""
        if body["model"] not in self.models:
            name = body["model"]
            raise openai_error(f"model '{name}' not found", "not_found_error", 404)
        for turn in body["messages"]:
            content = turn.get("content")
            if content is None and not turn.get("tool_calls"):
                raise openai_error("invalid message content type: <nil>")
            for call in turn.get("tool_calls") or ():
                self.check_call(call)

    def check_call(self, call: Body) -> None:
        """Arguments are unmarshalled into an object."""
        try:
            fine = isinstance(json.loads(call["function"]["arguments"]), dict)
        except (ValueError, TypeError):
            fine = False
        if not fine:
            raise openai_error("invalid tool call arguments")

    def prompt(self, body: Body) -> list[Body]:
        """Each part of a content becomes a message."""
        found = []
        for turn in body["messages"]:
            content = turn.get("content")
            if not isinstance(content, list):
                found.append(self.message(turn))
                continue
            found += [self.message({**turn, "content": part["text"]}) for part in content]
        return found

    def events(self, body: Body, thought: Thought, *, thinks: bool) -> list[str]:
        """The role stands in every chunk, and a call comes whole."""
        events = []
        for event in super().events(body, thought, thinks=thinks):
            if not event.startswith("data: {"):
                events.append(event)
                continue
            chunk = json.loads(event.removeprefix("data: "))
            for choice in chunk["choices"]:
                choice["delta"] = {"role": "assistant", "content": "", **choice["delta"]}
            events.append(f"data: {json.dumps({**chunk, 'system_fingerprint': 'fp_ollama'})}\n\n")
        return events


class FakeLmStudio(FakeLocal):
    """Knows only words in `tool_choice`, no `json_object`, and templates that print one type."""

    thinking = "reasoning_content"
    thinking_read = "reasoning_content"
    models = ("qwen3-8b", "text-embedding-nomic")

    def asides(self) -> Mapping[str, Body]:
        """Both forms of its list of models."""
        model = {
            "type": "llm",
            "publisher": "qwen",
            "key": "qwen3-8b",
            "display_name": "Qwen3 8B",
            "size_bytes": 4_682_432_000,
            "loaded_instances": [{"id": "qwen3-8b", "config": {"context_length": 8192}}],
            "max_context_length": 32_768,
            "format": "mlx",
        }
        idle = {**model, "key": "idle", "loaded_instances": []}
        old: Body = {"id": "qwen3-8b", "object": "model", "type": "llm", "state": "loaded"}
        old |= {"max_context_length": 32_768, "loaded_context_length": 8192}
        resting = {**old, "id": "idle", "state": "not-loaded"}
        return {
            "/api/v1/models": {"models": [model, idle]},
            "/api/v0/models": {"object": "list", "data": [old, resting]},
        }

    def check(self, body: Body) -> None:
        """The sentences of its tracker."""
        choice, form = body.get("tool_choice"), body.get("response_format")
        if not isinstance(choice, str | None):
            said = "Supported string values: none, auto, required"
            raise RefusedError(400, {"error": f"Invalid tool_choice type: 'object'. {said}"})
        if form is not None and form.get("type") not in ("json_schema", "text"):
            said = "'response_format.type' must be 'json_schema' or 'text'"
            raise RefusedError(400, {"error": said})
        if '"type": [' in json.dumps(body.get("tools")):
            said = 'Cannot apply filter "upper" to type: ArrayValue'
            raise RefusedError(
                400, {"error": f"Error rendering prompt with jinja template: {said}"}
            )
        if any(turn["role"] == "developer" for turn in body["messages"]):
            raise RefusedError(400, {"error": "Unknown role: developer"})

    def said(self, body: Body) -> Said:
        """It makes a model call a tool where it is told `required`."""
        found = told(body)
        must = "" if body.get("tool_choice") == "required" else None
        return Said(found.text, found.tools, found.results, must, schema=found.schema)


class FakeVllm(FakeLocal):
    """Does as it is told, reads `reasoning` only, and says errors at the top of the body."""

    models = ("org/model",)

    def asides(self) -> Mapping[str, Body]:
        """Its version."""
        return {"/version": {"version": "0.19.0"}}

    def check(self, body: Body) -> None:
        """A name it does not serve, and past arguments that are no JSON."""
        if body["model"] not in self.models:
            said = f"The model `{body['model']}` does not exist."
            raise self.refused(said, "NotFoundError", 404)
        for turn in body["messages"]:
            for call in turn.get("tool_calls") or ():
                try:
                    json.loads(call["function"]["arguments"])
                except (ValueError, TypeError) as exc:
                    raise self.refused(str(exc), "BadRequestError", 400) from exc

    def refused(self, said: str, kind: str, status: int) -> RefusedError:
        """Its form of an error."""
        body = {"object": "error", "message": said, "type": kind, "param": None, "code": status}
        return RefusedError(status, body)

    def said(self, body: Body) -> Said:
        """It honours every form of the choice."""
        found, choice = told(body), body.get("tool_choice")
        must: str | None = "" if choice == "required" else None
        if isinstance(choice, dict):
            must = choice["function"]["name"]
        tools = () if choice == "none" else found.tools
        many = body.get("parallel_tool_calls") is not False
        return Said(found.text, tools, found.results, must, many, found.schema)
