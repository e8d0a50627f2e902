"""mlx-lm's server: MLX models on Apple silicon; on Linux its CPU build runs the same server.

What is known of it (mlx-lm 0.32.2; threads of its tracker in brackets): a model name other than
`default_model` makes it drop the loaded model and look for another one (1892), so it only ever
hears that name. A request without a stream runs to `max_tokens` after its caller has left, so it
is always asked for a stream. It says the role in every chunk, and the SDKs add roles up. Every
failure before the first byte is a 404, and so is a history with arguments that are no JSON object.
It answers thinking as `reasoning`, and templates read it back as `reasoning_content`. It ignores
`tool_choice`, `parallel_tool_calls` and `response_format`, and a request with a `seed` is served
alone: those behind it wait. `/health` answers 200 before the weights are there, and the
port opens before that too.

Older ones run too, 0.30.7 in the tests. They know fewer options, and one that is not known ends the
start, so each is looked up in the server's own source first. What they lose cannot be given back:
see docs/engines.md.
"""

from __future__ import annotations

from pathlib import Path

from twotier.domain.launch import Launch
from twotier.engines.base import (
    CHAT_FIELDS,
    COMPLETIONS_FIELDS,
    FIELDS,
    Ownership,
    Settings,
    Traits,
)
from twotier.protocols.normal import Manners

_VERSION = (
    "import importlib.metadata as m;print('mlx-lm', m.version('mlx-lm'), 'mlx', m.version('mlx'))"
)

# Its own names for what a model's makers say; what is not said is left to its defaults.
FLAGS = {"temperature": "--temp", "top_p": "--top-p", "top_k": "--top-k", "min_p": "--min-p"}


def flag(name: str, settings: Settings) -> tuple[str, ...]:
    """The option for one sampling setting, if there is something to say."""
    value = settings.sampling.get(name)
    if value is None:
        return ()
    return (FLAGS[name], f"{value:.0f}" if name == "top_k" else f"{value:g}")


def known(program: Path, option: str, *values: str) -> tuple[str, ...]:
    """An option that came later, where the server of this environment knows it."""
    for source in program.parent.parent.glob("lib/python*/site-packages/mlx_lm/server.py"):
        if f'"{option}"' not in source.read_text(encoding="utf-8", errors="replace"):
            return ()
    return (option, *values)


class MlxLm:
    """`engines.base.Engine` for MLX model folders."""

    traits = Traits(
        name="mlx_lm",
        provider="mlx-local",
        ownership=Ownership.MANAGED,
        lock="mlx_lm",
        base_path="/v1",
        stream_always=True,
        not_found_is_outage=True,
        window_tokens_default=196_608,
        fields={
            **FIELDS,
            "openai_chat": CHAT_FIELDS
            | {"top_k", "min_p", "repetition_penalty", "chat_template_kwargs"}
            | {"tool_choice", "parallel_tool_calls", "response_format"},
            "openai_completions": COMPLETIONS_FIELDS | {"top_k", "min_p", "repetition_penalty"},
        },
        also=frozenset({"openai_completions"}),
        stream_bent=True,
        step_tokens=2_048,
        samples_by_file=False,
        manners=Manners(
            turns_strict=True,
            thinking="reasoning_content",
            texts_joined=True,
            schemas_plain=True,
            tool_choice="ignored",
            response_format="ignored",
        ),
    )

    def launch(self, program: Path, model: Path, *, port: int, settings: Settings) -> Launch:
        """Its own command. It takes no window: what fits is the gateway's to hold.

        Without a limit in bytes its ten caches of earlier prompts have none (854, 883).
        """
        limit = settings.prompt_cache_bytes
        caches = () if limit is None else known(program, "--prompt-cache-bytes", str(limit))
        return Launch(
            argv=(
                str(program),
                "-I",
                "-m",
                "mlx_lm",
                "server",
                "--model",
                str(model),
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                # Its default is `*`: any page in a browser could use the model.
                *known(program, "--allowed-origins", f"http://127.0.0.1:{port}"),
                "--decode-concurrency",
                str(settings.parallel),
                *(part for name in FLAGS for part in flag(name, settings)),
                *caches,
            ),
            env={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
        )

    def model_upstream(self, model: str) -> str:  # noqa: ARG002 - the point is to ignore it
        """The loaded one, whatever its name."""
        return "default_model"

    def version_command(self, program: Path) -> tuple[str, ...]:
        """Prints both versions: a wrong pair generates nothing."""
        return (str(program), "-I", "-c", _VERSION)
