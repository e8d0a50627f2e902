"""Makes a model of 1.2 MB that the real mlx-lm server takes for a MiniMax-M2.

Run by the python of the mlx environment: `python tiny_minimax.py FOLDER`. The architecture, the
names of the weights, the special tokens and the tool-call text are those of the family; size and
knowledge are not. It is trained until it says `SCRIPT` word for word, greedily, which the last step
proves by generating every answer; with the same packages it is the same model every time.

So tests can claim something about real loading, streaming, tool parsing, usage and dying, without
a GPU and without a download.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START, ROLE, END = "]~!b[", "]~b]", "[e~["
OPEN, CLOSE = "<minimax:tool_call>", "</minimax:tool_call>"
LOSS_MAX = 0.004  # the server sums in another order than training does: leave a margin
SPECIAL = [START, ROLE, END, "<think>", "</think>", OPEN, CLOSE]

# Shorter than the family's own, with the same markers. That OPEN stands in it makes the server
# choose the family's tool parser. Texts between turns are those the server gets to see.
TEMPLATE = """\
{{- ']~!b[' }}
{%- if tools %}{{- ']~b]system\\nYou may use:' }}
{%- for tool in tools %}{{- ' ' + tool.function.name }}{% endfor %}
{{- '\\nas <minimax:tool_call><invoke name=\"tool\"><parameter name=\"key\">value</parameter>' }}
{{- '</invoke></minimax:tool_call>[e~[\\n' }}{% endif %}
{%- for message in messages %}
{{- ']~b]' + ('ai' if message.role == 'assistant' else message.role) + '\\n' }}
{{- (message.content or '') | trim }}
{%- for call in message.tool_calls or [] %}
{{- '\\n<minimax:tool_call>\\n<invoke name=\"' + call.function.name + '\">' }}
{%- for key, value in call.function.arguments.items() %}
{{- '\\n<parameter name=\"' + key + '\">' + (value if value is string else value | tojson) }}
{{- '</parameter>' }}{% endfor %}
{{- '\\n</invoke>\\n</minimax:tool_call>' }}{% endfor %}
{{- '[e~[\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{- ']~b]ai\\n<think>\\n' }}{% endif %}
"""

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "read_file",
            "description": "Read a text file",
            "parameters": {
                "type": "object",
                "required": ["path"],
                "properties": {"path": {"type": "string"}, "lines": {"type": "integer"}},
            },
        },
    }
]
ARGUMENTS = {"path": "notes.txt", "lines": 3}
RESULT = "milk and bread"
FINAL = "The file says milk and bread."


def invoke(arguments: dict[str, Any]) -> str:
    """One call of `read_file`, as the family writes it."""
    parameters = "".join(f'<parameter name="{k}">{v}</parameter>\n' for k, v in arguments.items())
    return f'<invoke name="read_file">\n{parameters}</invoke>\n'


@dataclass(frozen=True)
class Line:
    """What somebody says, whether tools are offered, and what the model writes then."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    answer: str


def says(user: str) -> list[dict[str, Any]]:
    """A conversation of one message."""
    return [{"role": "user", "content": user}]


def after_the_call() -> list[dict[str, Any]]:
    """The conversation in which the tool has answered."""
    function = {"name": "read_file", "arguments": ARGUMENTS}
    call = {"id": "call-1", "type": "function", "function": function}
    return [
        *says("probe"),
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call-1", "content": RESULT},
    ]


ONE = f"Read it.\n</think>\n\n{OPEN}\n{invoke(ARGUMENTS)}{CLOSE}"
TWO = f"Both.\n</think>\n\n{OPEN}\n{invoke(ARGUMENTS)}{invoke({'path': 'list.txt'})}{CLOSE}"
# What the server's own parser does not take for a call, or not for this one.
THINKING = f"Read it.\n{OPEN}\n{invoke(ARGUMENTS)}{CLOSE}"
BARE = f"Read it.\n</think>\n\n{invoke(ARGUMENTS)}"
OTHER = "Read it.\n</think>\n\n<tool_call>\n" + json.dumps(
    {"name": "read_file", "arguments": ARGUMENTS}
)
OTHER += "\n</tool_call>"
QUOTED = f"Show it.\n</think>\n\nWrite:\n```\n{invoke(ARGUMENTS)}```"
BROKEN = (
    f'Read it.\n</think>\n\n{OPEN}\n<invoke name="read_file">\n<parameter name="path">notes.txt'
)
SCRIPT = [
    Line(says("probe"), TOOLS, ONE),
    Line(after_the_call(), TOOLS, f"Known.\n</think>\n\n{FINAL}"),
    Line(says("two"), TOOLS, TWO),
    Line(says("thinking"), TOOLS, THINKING),
    Line(says("bare"), TOOLS, BARE),
    Line(says("other"), TOOLS, OTHER),
    Line(says("quoted"), TOOLS, QUOTED),
    Line(says("broken"), TOOLS, BROKEN),
    Line(says("hello"), None, "Greet.\n</think>\n\nHello from the local tier."),
    Line(says("news"), None, "Look.\n</think>\n\nno new comments"),
]


def write_tokenizer(folder: Path) -> Any:
    """Byte-level, trained on the script: any text can be read, the script in few tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # type: ignore[import-not-found]

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=448,
        min_frequency=2,
        show_progress=False,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([TEMPLATE, RESULT, *(line.answer for line in SCRIPT)], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": START,
        "eos_token": END,
        "pad_token": END,
        "model_max_length": 4096,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return tokenizer


def write_config(folder: Path, tokenizer: Any) -> dict[str, Any]:
    """The family's shape, small: two layers, four experts of which two answer."""
    config = {
        "architectures": ["MiniMaxM2ForCausalLM"],
        "model_type": "minimax_m2",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "rotary_dim": 16,
        "rope_theta": 10000.0,
        "rms_norm_eps": 1e-6,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "shared_intermediate_size": 0,
        "scoring_func": "sigmoid",
        "use_routing_bias": True,
        "use_qk_norm": True,
        "tie_word_embeddings": False,
        "max_position_embeddings": 4096,
        "vocab_size": tokenizer.get_vocab_size(),
        "bos_token_id": tokenizer.token_to_id(START),
        "eos_token_id": tokenizer.token_to_id(END),
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    return config


def rows(folder: Path) -> list[tuple[list[int], list[int]]]:
    """Every line as tokens: the prompt through the server's own template, and the answer."""
    from mlx_lm.tokenizer_utils import load  # type: ignore[import-not-found]

    tokenizer = load(folder)
    found = []
    for line in SCRIPT:
        prompt = tokenizer.apply_chat_template(
            line.messages, tools=line.tools, add_generation_prompt=True
        )
        answer = tokenizer.encode(line.answer, add_special_tokens=False)
        found.append((list(prompt), [*answer, tokenizer.eos_token_id]))
    return found


def losses(model: Any, script: list[tuple[list[int], list[int]]], rate: float) -> Iterator[float]:
    """Train for ever, all lines at once; gives the loss of each step."""
    import mlx.core as mx  # type: ignore[import-not-found]
    from mlx import nn, optimizers

    width = max(len(prompt) + len(answer) for prompt, answer in script)
    padded = [p + a + [0] * (width - len(p) - len(a)) for p, a in script]
    tokens = mx.array(padded)
    counts = mx.array(
        [[float(len(p) <= i < len(p) + len(a)) for i in range(1, width)] for p, a in script]
    )

    def loss_of(model: Any) -> Any:
        each = nn.losses.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:])
        return (each * counts).sum() / counts.sum()

    step = nn.value_and_grad(model, loss_of)
    optimizer = optimizers.Adam(learning_rate=rate)
    while True:
        loss, gradients = step(model)
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state, loss)
        yield loss.item()


def says_its_script(model: Any, script: list[tuple[list[int], list[int]]]) -> bool:
    """Greedily, token by token, as the server will generate it."""
    import mlx.core as mx
    from mlx_lm.generate import generate_step  # type: ignore[import-not-found]

    for prompt, answer in script:
        tokens = generate_step(mx.array(prompt), model, max_tokens=len(answer))
        if [int(token) for token, _ in tokens] != answer:
            return False
    return True


def as_published(weights: dict[str, Any]) -> dict[str, Any]:
    """The experts apart and under the names that checkpoints of the family have."""
    names = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}
    found = {}
    for key, value in weights.items():
        head, stacked, tail = key.partition("switch_mlp.")
        if not stacked:
            found[key] = value
            continue
        for number, part in enumerate(value):
            found[f"{head}experts.{number}.{names[tail.split('.')[0]]}.weight"] = part
    return found


def make(folder: Path, *, steps_max: int = 600) -> int:
    """Build and train; gives the number of steps. The folder must exist."""
    import mlx.core as mx
    from mlx.utils import tree_flatten  # type: ignore[import-not-found]
    from mlx_lm.models.minimax import Model, ModelArgs  # type: ignore[import-not-found]

    mx.random.seed(7)
    config = write_config(folder, write_tokenizer(folder))
    model = Model(ModelArgs.from_dict(config))
    mx.eval(model.parameters())
    script = rows(folder)
    for steps, loss in enumerate(losses(model, script, rate=3e-3), start=1):
        # A low loss is not the claim; that it says its script is.
        if loss < LOSS_MAX and steps % 5 == 0 and says_its_script(model, script):
            break
        if steps == steps_max:
            sys.exit(f"still not its script after {steps} steps, loss {loss:.4f}")
    weights = as_published(dict(tree_flatten(model.parameters())))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    size = sum(value.nbytes for value in weights.values())
    index = {
        "metadata": {"total_size": size},
        "weight_map": dict.fromkeys(weights, "model.safetensors"),
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return steps


if __name__ == "__main__":
    sys.stdout.write(f"trained in {make(Path(sys.argv[1]))} steps\n")
