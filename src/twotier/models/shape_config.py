"""A model's shape from its `config.json`, as mlx-lm and the hub have it.

The layers are told by `layer_types` where the file has it, else by the few fields in which families
differ. Read from mlx-lm 0.32's own caches: which models it gives a rotating cache, which a state,
and which keep MLA's narrow vector (most) or the wide one (`WIDE`).
A family that is not in the tables is counted as full attention everywhere, which is the most it can
be, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twotier.models.shape import Kind, Layers, Shape, Work, grouped

LAYERS_MAX = 10_000
WIDE = frozenset({"deepseek_v2", "minicpm3"})
INDEXED = frozenset({"deepseek_v32", "glm_moe_dsa"})
# Families whose layers are plain full attention, or are told by `layer_types`.
_PLAIN = """
afmoe apertus cohere dbrx dots1 ernie4_5 ernie4_5_moe exaone exaone4 gear gemma gemma2 gemma4
gemma4_text gemma3n gemma3n_text glm glm4 glm4_moe gpt2 gpt_bigcode gpt_neox gptj gpt_oss granite
granitemoe helium hunyuan hunyuan_v1_dense internlm2 internlm3 kimi_k2 lfm2 lfm2_moe llama mellum
mimo minicpm minimax minimax_m2 ministral3 mistral mistral3 mixtral muse_glimmer nanochat nemotron
olmo olmo2 olmo3 olmo_hybrid olmoe openelm phi phi3 phimoe qwen qwen2 qwen2_moe qwen2_vl qwen3
qwen3_moe qwen3_vl qwen3_vl_moe seed_oss smollm3 solar_open stablelm starcoder2
"""
PLAIN = frozenset(_PLAIN.split())
LAYER_KINDS = {
    "full_attention": Kind.FULL,
    "attention": Kind.FULL,
    "sliding_attention": Kind.SLIDING,
    "chunked_attention": Kind.SLIDING,
    "linear_attention": Kind.LINEAR,
    "mamba": Kind.LINEAR,
    "conv": Kind.LINEAR,
}


class Fields:
    """A config by the names of its numbers; what is absent or no number is 0."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.raw = config

    def number(self, *names: str) -> int:
        """The first of these that is there."""
        for name in names:
            value = self.raw.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40:
                return value
        return 0

    def flag(self, name: str) -> bool:
        """Whether it is said and true."""
        return self.raw.get(name) is True

    def listed(self, name: str) -> list[Any]:
        """A list of no more items than a model has layers, else an empty one."""
        value = self.raw.get(name)
        return value if isinstance(value, list) and len(value) <= LAYERS_MAX else []

    @property
    def family(self) -> str:
        """The model type."""
        return str(self.raw.get("model_type", ""))[:60]

    @property
    def layers(self) -> int:
        """How many layers."""
        return min(
            self.number("num_hidden_layers", "n_layer", "num_layers", "n_layers"), LAYERS_MAX
        )

    @property
    def heads(self) -> int:
        """Attention heads."""
        return self.number("num_attention_heads", "n_head", "n_heads")

    @property
    def head_dim(self) -> int:
        """The width of a head."""
        width = self.number("head_dim")
        return width or self.number("hidden_size", "n_embd", "d_model") // max(self.heads, 1)


def of_config(config: Mapping[str, Any]) -> Shape:
    """The shape. A model of text and images keeps its text part under `text_config`."""
    inner = config.get("text_config")
    merged = {**config, **inner} if isinstance(inner, Mapping) else config
    fields = Fields(merged)
    rows, doubts = layers_of(fields)
    return Shape(
        family=fields.family or "unknown",
        layers=grouped(rows),
        window_tokens=fields.number(
            "max_position_embeddings", "n_positions", "max_seq_len", "model_max_length"
        ),
        work=work_of(fields),
        doubts=doubts,
    )


def layers_of(fields: Fields) -> tuple[list[Layers], tuple[str, ...]]:
    """Each layer, and what is not certain about them."""
    count = fields.layers
    one_full = full(fields)
    if not count or not (one_full.per_token or fields.number("kv_lora_rank")):
        return [], ("its config does not say how many layers and heads it has: no cache counted",)
    kinds, doubt = kinds_of(fields)
    rows = [BY_KIND[kind](fields) for kind in kinds]
    doubts = [doubt] if doubt else []
    if any(row.kind is Kind.LINEAR and not row.state for row in rows):
        doubts.append("the state of its layers without attention is not counted (it is small)")
    return rows, tuple(doubts)


def kinds_of(fields: Fields) -> tuple[list[Kind], str]:
    """The kind of each layer, and a sentence where that is a guess."""
    shared = fields.number("num_kv_shared_layers")  # Gemma: the last ones read another layer's
    said = [str(one)[:40] for one in fields.listed("layer_types")]
    if len(said) >= fields.layers:  # a list that leaves layers out would leave out their cache
        unknown = sorted({one for one in said if one not in LAYER_KINDS})
        own = said[: max(fields.layers - shared, 1)]
        return _latent(fields, [LAYER_KINDS.get(one, Kind.FULL) for one in own]), _unsure(unknown)
    if kinds := _by_rule(fields):
        return _latent(fields, kinds), ""
    kinds = _latent(fields, [Kind.FULL] * fields.layers)
    if fields.family in PLAIN or kinds[0] is Kind.LATENT:
        return kinds, ""
    guess = f"the model type {fields.family!r} is not known here: counted as full attention"
    return kinds, f"{guess} in every layer, which is the most it can be"


def _by_rule(fields: Fields) -> list[Kind]:
    """Where numbers or the family tell the order of layers; empty where they do not."""
    count = fields.layers
    if pattern := str(fields.raw.get("hybrid_override_pattern", ""))[:LAYERS_MAX]:  # Nemotron-H
        marks = {"*": Kind.FULL, "M": Kind.LINEAR}
        return [marks[mark] for mark in pattern if mark in marks]
    if period := fields.number("attn_layer_period"):  # Jamba
        offset = fields.number("attn_layer_offset")
        return [Kind.FULL if at % period == offset else Kind.LINEAR for at in range(count)]
    every, other = EVERY.get(fields.family, (0, Kind.FULL))
    if said := fields.number("full_attention_interval"):
        every, other = said, Kind.LINEAR
    elif said := fields.number("sliding_window_pattern"):
        every, other = said, Kind.SLIDING
    if not every:
        return []
    return [Kind.FULL if (at + 1) % every == 0 else other for at in range(count)]


# Families whose config leaves out what their code knows: every how many layers is full.
EVERY: Mapping[str, tuple[int, Kind]] = {
    "gemma3": (6, Kind.SLIDING),
    "gemma3_text": (6, Kind.SLIDING),
    "cohere2": (4, Kind.SLIDING),
    "llama4": (4, Kind.SLIDING),
    "llama4_text": (4, Kind.SLIDING),
    "qwen3_next": (4, Kind.LINEAR),
    "qwen3_5": (4, Kind.LINEAR),
    "qwen3_5_moe": (4, Kind.LINEAR),
}


def _latent(fields: Fields, kinds: list[Kind]) -> list[Kind]:
    """With MLA, attention keeps the narrow vector."""
    if not fields.number("kv_lora_rank"):
        return kinds
    return [Kind.LATENT if kind is Kind.FULL else kind for kind in kinds]


def _unsure(names: list[str]) -> str:
    if not names:
        return ""
    told = ", ".join(map(repr, names))
    return f"layers of type {told} are not known here: counted as full attention"


def full(fields: Fields) -> Layers:
    """Keys and values of each key-value head."""
    heads = fields.number("num_key_value_heads", "n_head_kv", "num_kv_heads") or fields.heads
    if fields.flag("multi_query"):
        heads = 1
    values = fields.number("v_head_dim") or fields.head_dim
    return Layers(Kind.FULL, 1, heads * (fields.head_dim + values))


def sliding(fields: Fields) -> Layers:
    """The same, of the last tokens only."""
    window = fields.number("sliding_window", "sliding_window_size", "attention_chunk_size")
    plain = full(fields)
    return Layers(Kind.SLIDING, 1, plain.per_token, window) if window else plain


def latent(fields: Fields) -> Layers:
    """One vector and the rotated part of a key; some keep the wide form, some an index beside."""
    rotated = fields.number("qk_rope_head_dim")
    if fields.family in WIDE:
        nope, values = fields.number("qk_nope_head_dim"), fields.number("v_head_dim")
        return Layers(Kind.LATENT, 1, fields.heads * (nope + rotated + values))
    index = 2 * fields.number("index_head_dim") if fields.family in INDEXED else 0
    return Layers(Kind.LATENT, 1, fields.number("kv_lora_rank") + rotated + index)


def linear(fields: Fields) -> Layers:
    """The state of a gated delta net, or of a Mamba layer, with the tail of its convolution."""
    values = fields.number("linear_num_value_heads")
    if values:
        key, value = fields.number("linear_key_head_dim"), fields.number("linear_value_head_dim")
        keys = fields.number("linear_num_key_heads") or values
        tail = max(fields.number("linear_conv_kernel_dim") - 1, 0)
        conv = tail * (2 * keys * key + values * value)
        return Layers(Kind.LINEAR, 1, state=values * key * value + conv)
    heads = fields.number("mamba_num_heads", "mamba_n_heads")
    width = fields.number("mamba_head_dim", "mamba_d_head")
    inner = heads * width or fields.number("mamba_expand") * fields.number("hidden_size")
    size = fields.number("ssm_state_size", "mamba_d_state", "state_size")
    groups = fields.number("n_groups", "mamba_n_groups")
    tail = max(fields.number("conv_kernel", "mamba_d_conv", "conv_L_cache") - 1, 0)
    width = inner + 2 * groups * size if inner else fields.number("hidden_size")
    return Layers(Kind.LINEAR, 1, state=inner * size + tail * width)


BY_KIND: Mapping[Kind, Callable[[Fields], Layers]] = {
    Kind.FULL: full,
    Kind.SLIDING: sliding,
    Kind.LATENT: latent,
    Kind.LINEAR: linear,
}


def work_of(fields: Fields) -> Work:
    """The widths of one token on its way through."""
    experts = fields.number("num_experts_per_tok", "num_experts_per_token", "top_k_experts")
    dense = fields.number("intermediate_size", "ffn_dim", "n_inner")
    of_one = fields.number("moe_intermediate_size") or dense
    beside = fields.number("shared_expert_intermediate_size")
    return Work(
        hidden=fields.number("hidden_size", "n_embd", "d_model"),
        heads=fields.heads,
        active=max(experts * of_one + beside, 0 if experts else dense),
        experts=experts,
        vocabulary=fields.number("vocab_size"),
    )
