"""pydantic-ai's view of us: a model that is main behind a step, and tools behind the guard.

Nothing of the library travels: what is asked and kept is the wire's own JSON, and each request of a
model is one step, so a run that was killed hears what it heard before. The system text and the
tools are the same bytes in each request, before everything that changes. This module and `loop` are
the only ones that know the library.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool
from pydantic_ai.toolsets.external import TOOL_SCHEMA_VALIDATOR
from pydantic_ai.usage import RequestUsage

from twotier.agent.course import text_of
from twotier.agent.said import Said
from twotier.agent.talk import arguments_of
from twotier.tools.base import ToolSpec

RAW = "message"  # under which a response carries its message as it came
Messages = list[dict[str, Any]]


class MainModel(Model):
    """A model whose every answer comes from `answer`: messages in, a message out."""

    _announces_lookalike_notes = False  # our system text says what is data; the library adds none

    def __init__(self, answer: Callable[[Messages], Awaitable[Said]], *, system: str) -> None:
        super().__init__()
        self._answer = answer
        self._text = system

    @property
    def model_name(self) -> str:
        """The name the library shows; main chooses the model."""
        return "main"

    @property
    def system(self) -> str:
        """The name of the provider."""
        return "twotier"

    @property
    def base_url(self) -> str | None:
        """None: the address is a private socket."""
        return None

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,  # noqa: ARG002 - the turn has them
        model_request_parameters: ModelRequestParameters,  # noqa: ARG002 - the turn has them
    ) -> ModelResponse:
        """The model's next message."""
        said = await self._answer([{"role": "system", "content": self._text}, *wire(messages)])
        return response_of(said)


def wire(messages: Iterable[ModelMessage]) -> Messages:
    """A history of the library as chat messages."""
    found: Messages = []
    for message in messages:
        if isinstance(message, ModelResponse):
            found.append(dict((message.provider_details or {})[RAW]))
        else:
            found += [written for part in message.parts if (written := part_of(part)) is not None]
    return found


def part_of(part: Any) -> dict[str, Any] | None:
    """One part of a request as a chat message; None for what the library only notes."""
    if isinstance(part, ToolReturnPart):
        content = part.model_response_str()
        return {"role": "tool", "tool_call_id": part.tool_call_id, "content": content}
    if isinstance(part, UserPromptPart):
        return {"role": "user", "content": str(part.content)}
    return None


def response_of(said: Said) -> ModelResponse:
    """A message as the library takes it. Its words beside calls are for the history alone."""
    calls = said.message.get("tool_calls") or []
    parts: list[Any] = [
        ToolCallPart(
            str(call["function"]["name"]),
            arguments_of(call["function"].get("arguments")),
            tool_call_id=str(call["id"]),
        )
        for call in calls
    ]
    return ModelResponse(
        parts=parts or [TextPart(text_of(said.message))],
        usage=RequestUsage(input_tokens=said.tokens_in, output_tokens=said.tokens_out),
        model_name=said.model or "main",
        provider_details={RAW: dict(said.message)},
    )


@dataclass
class Toolbox(AbstractToolset[None]):
    """Our tools as the library's. What the model is shown of them is in the request alone."""

    specs: Iterable[ToolSpec]
    use: Callable[[str, Mapping[str, Any]], Awaitable[str]]

    @property
    def id(self) -> str | None:
        """None: the library does not store it."""
        return None

    async def get_tools(self, _: RunContext[None]) -> dict[str, ToolsetTool[None]]:
        """All there are, each one a barrier: replay needs a fixed order."""
        return {
            spec.name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(
                    name=spec.name,
                    description=spec.description,
                    parameters_json_schema=dict(spec.parameters),
                    sequential=True,
                ),
                max_retries=0,
                args_validator=TOOL_SCHEMA_VALIDATOR,
            )
            for spec in self.specs
        }

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], _: RunContext[None], __: ToolsetTool[None]
    ) -> Any:
        """One call, after the one before it has ended."""
        return await self.use(name, tool_args)
