"""mlx-lm's server: MLX models on Apple silicon; on Linux its CPU build runs the same server.

What is known of it (mlx-lm 0.32.2; threads of its tracker in brackets): a model name other than
`default_model` makes it drop the loaded model and look for another one (1892), so it only ever
hears that name. A request without a stream runs to `max_tokens` after its caller has left, so it
is always asked for a stream. Every failure before the first byte is a 404. `/health` answers 200
before the weights are there, and the port opens before that too.
"""

from __future__ import annotations

from pathlib import Path

from twotier.domain.launch import Launch
from twotier.engines.base import CHAT_FIELDS, Ownership, Settings, Traits

_VERSION = (
    "import importlib.metadata as m;print('mlx-lm', m.version('mlx-lm'), 'mlx', m.version('mlx'))"
)


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
        fields=CHAT_FIELDS | {"top_k", "min_p", "repetition_penalty", "chat_template_kwargs"},
    )

    def launch(self, python: Path, model: Path, *, port: int, settings: Settings) -> Launch:
        """Its own command. It takes no window: what fits is the gateway's to hold."""
        return Launch(
            argv=(
                str(python),
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
                "--allowed-origins",
                f"http://127.0.0.1:{port}",
                "--decode-concurrency",
                str(settings.parallel),
            ),
            env={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
        )

    def model_upstream(self, model: str) -> str:  # noqa: ARG002 - the point is to ignore it
        """The loaded one, whatever its name."""
        return "default_model"

    def version_command(self, python: Path) -> tuple[str, ...]:
        """Prints both versions: a wrong pair generates nothing."""
        return (str(python), "-I", "-c", _VERSION)
