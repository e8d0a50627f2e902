"""The settings of tools: what an agent of a job may use."""

from __future__ import annotations

from pydantic import Field

from twotier.config.mcp import McpName, McpServerConfig
from twotier.config.section import Section


class ToolsConfig(Section):
    """What jobs may use beside a model."""

    mcp: dict[McpName, McpServerConfig] = Field(
        default_factory=dict,
        description="MCP servers by name; a job names mcp:SERVER or mcp:SERVER.TOOL in its tools.",
    )
