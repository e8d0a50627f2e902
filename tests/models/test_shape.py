"""What each family of models keeps for a token: the published figures, and every kind of layer."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.models import made
from twotier.models import gguf
from twotier.models.shape import Kind, Layers, Shape
from twotier.models.shape_config import of_config
from twotier.models.shape_gguf import of_gguf

PLAIN: dict[str, Any] = {
    "num_hidden_layers": 8,
    "hidden_size": 512,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 1024,
    "vocab_size": 1000,
    "max_position_embeddings": 32_768,
}
TOKEN = 2 * 2 * 64  # keys and values of two heads of 64
QWEN_NEXT = {
    "model_type": "qwen3_next",
    "num_hidden_layers": 48,
    "full_attention_interval": 4,
    "hidden_size": 2048,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4,
    "num_experts_per_tok": 10,
    "moe_intermediate_size": 512,
    "shared_expert_intermediate_size": 512,
}


def shape(**config: Any) -> Shape:
    return of_config({**PLAIN, **config})


def counted(found: Shape) -> dict[Kind, int]:
    counts: dict[Kind, int] = {}
    for row in found.layers:
        counts[row.kind] = counts.get(row.kind, 0) + row.count
    return counts


def test_the_articles_model_keeps_what_was_published() -> None:
    """253,952 bytes for a token; 15,872 MiB at 65,536 tokens, as a public log shows."""
    found = of_config(made.M25)
    assert found.token_bytes(element_bytes=2) == 253_952
    assert found.sequence_bytes(65_536, element_bytes=2) == 15_872 * 1024**2
    assert (found.window_tokens, found.doubts) == (196_608, ())
    assert found.work.active == 8 * 1536


def test_a_hybrid_keeps_tokens_in_every_fourth_layer_and_a_state_in_the_others() -> None:
    """Qwen3-Next: 24 KiB for a token in place of 96, and 77 MB for each request."""
    found = of_config(QWEN_NEXT)
    assert counted(found) == {Kind.LINEAR: 36, Kind.FULL: 12}
    assert found.token_bytes(element_bytes=2) == 12 * 2 * 2 * 256 * 2
    state = 36 * (32 * 128 * 128 + 3 * (2 * 16 * 128 + 32 * 128)) * 4
    assert found.sequence_bytes(0, element_bytes=2) == state
    assert found.work.active == 10 * 512 + 512


def test_a_sliding_window_stops_growing() -> None:
    """Gemma 3: five layers of a window to each full one; a step of reading is held beside it."""
    found = shape(model_type="gemma3_text", sliding_window=1024, sliding_window_pattern=4)
    assert counted(found) == {Kind.SLIDING: 6, Kind.FULL: 2}
    long, longer = (found.sequence_bytes(n, element_bytes=2, step_tokens=512) for n in (8192, 8193))
    assert longer - long == 2 * TOKEN * 2
    assert found.sequence_bytes(100, element_bytes=2) == 8 * TOKEN * 2 * 100
    assert "6 sliding window" in found.text()


def test_families_whose_config_leaves_the_pattern_out_are_known() -> None:
    assert counted(shape(model_type="gemma3", sliding_window=512)) == {
        Kind.SLIDING: 7,
        Kind.FULL: 1,
    }
    assert counted(shape(model_type="llama4", attention_chunk_size=64))[Kind.SLIDING] == 6


def test_layer_types_are_believed_before_anything_else() -> None:
    types = ["sliding_attention", "full_attention", "linear_attention", "full_attention"] * 2
    found = shape(
        model_type="gpt_oss",
        layer_types=types,
        sliding_window=128,
        linear_num_value_heads=4,
        linear_key_head_dim=32,
        linear_value_head_dim=32,
    )
    assert counted(found) == {Kind.SLIDING: 2, Kind.FULL: 4, Kind.LINEAR: 2}
    odd = shape(model_type="llama", layer_types=["full_attention", "dreaming"] * 4)
    assert counted(odd) == {Kind.FULL: 8}
    assert "dreaming" in odd.doubts[0]
    unhashable = shape(model_type="llama", layer_types=[["full_attention"], {}] * 4)
    assert counted(unhashable) == {Kind.FULL: 8}


def test_a_list_that_leaves_layers_out_is_not_believed() -> None:
    """It would leave out their cache, and the model would seem to fit."""
    assert counted(shape(model_type="llama", layer_types=["conv"] * 7)) == {Kind.FULL: 8}


def test_layers_that_read_anothers_cache_keep_none() -> None:
    found = shape(
        model_type="gemma4_text", layer_types=["full_attention"] * 8, num_kv_shared_layers=3
    )
    assert counted(found) == {Kind.FULL: 5}


def test_mla_keeps_one_narrow_vector() -> None:
    """DeepSeek V3: 576 elements a layer in place of 32,768; V2 keeps the wide form in MLX."""
    latent = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128}
    found = shape(model_type="deepseek_v3", **latent, v_head_dim=128)
    assert found.layers == (Layers(Kind.LATENT, 8, 576),)
    wide = shape(model_type="deepseek_v2", **latent, v_head_dim=128)
    assert wide.layers == (Layers(Kind.LATENT, 8, 8 * (128 + 64 + 128)),)
    index = shape(model_type="deepseek_v32", **latent, index_head_dim=128)
    assert index.layers[0].per_token == 576 + 256
    assert found.doubts == ()


def test_state_space_models_keep_a_state() -> None:
    """Nemotron-H by its pattern (`-` keeps nothing), Jamba by its period, Granite by its types."""
    mamba = {"mamba_num_heads": 4, "mamba_head_dim": 8, "ssm_state_size": 16, "conv_kernel": 4}
    found = shape(model_type="nemotron_h", hybrid_override_pattern="M-M*-", n_groups=2, **mamba)
    assert counted(found) == {Kind.LINEAR: 2, Kind.FULL: 1}
    assert found.layers[0].state == 32 * 16 + 3 * (32 + 2 * 2 * 16)
    jamba = shape(
        model_type="jamba",
        attn_layer_period=4,
        attn_layer_offset=1,
        mamba_d_state=16,
        mamba_expand=2,
        mamba_d_conv=4,
    )
    assert counted(jamba) == {Kind.LINEAR: 6, Kind.FULL: 2}
    unsaid = shape(model_type="granitemoehybrid", layer_types=["mamba"] * 7 + ["attention"])
    assert counted(unsaid) == {Kind.FULL: 1}
    assert "not counted" in unsaid.doubts[0]


def test_an_unknown_family_is_counted_as_full_attention_and_that_is_said() -> None:
    found = shape(model_type="brand_new")
    assert found.token_bytes(element_bytes=2) == 8 * TOKEN * 2
    assert "brand_new" in found.doubts[0]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "llama", "num_hidden_layers": -1},
        {"num_hidden_layers": "8", "hidden_size": True},
        {"num_hidden_layers": 10**30, "hidden_size": 64, "num_attention_heads": 4},
    ],
)
def test_a_config_without_sense_gives_no_cache_and_says_so(config: dict[str, Any]) -> None:
    found = of_config(config)
    assert found.layers == ()
    assert "no cache counted" in found.doubts[0]


def test_the_text_part_of_a_model_with_images_counts() -> None:
    found = of_config({"model_type": "qwen3_vl", "text_config": {**PLAIN, "model_type": "qwen3"}})
    assert (found.family, found.token_bytes(element_bytes=2)) == ("qwen3", 8 * TOKEN * 2)


def test_fewer_fields_are_enough() -> None:
    """No key-value heads: as many as heads. One for all: `multi_query`. Older names are known."""
    old = {"n_layer": 2, "n_head": 4, "n_embd": 64, "model_type": "gpt_bigcode"}
    assert of_config(old).layers[0].per_token == 4 * 2 * 16
    assert of_config({**old, "multi_query": True}).layers[0].per_token == 2 * 16
    assert shape(model_type="mistral", layer_types=["sliding_attention"] * 8).layers == (
        Layers(Kind.FULL, 8, TOKEN),
    )


def of_values(**more: Any) -> Shape:
    values = made.llama_values(**more)
    return of_gguf(gguf.header(io.BytesIO(made.gguf_file(values)).read))


def of_family(family: str, **more: Any) -> Shape:
    base = {
        "general.architecture": family,
        f"{family}.block_count": 8,
        f"{family}.context_length": 4096,
        f"{family}.embedding_length": 512,
        f"{family}.attention.head_count": 8,
        f"{family}.attention.head_count_kv": 2,
        **{f"{family}.{key.replace('__', '.')}": value for key, value in more.items()},
    }
    return of_gguf(gguf.header(io.BytesIO(made.gguf_file(base)).read))


def test_a_gguf_llama_keeps_keys_and_values_of_its_few_heads() -> None:
    found = of_values()
    assert found.token_bytes(element_bytes=2) == 4 * 2 * 2 * 8 * 2
    assert (found.window_tokens, found.work.vocabulary, found.work.active) == (8192, 5000, 256)
    assert of_values(**{"llama.attention.head_count_kv": 0}).layers[0].per_token == 8 * 2 * 8
    below = of_values(**{"llama.attention.head_count_kv": [-5, -5, -5, 2]})
    assert below.token_bytes(element_bytes=2) == 2 * 2 * 8 * 2


def test_gguf_layers_differ_where_the_file_says_so() -> None:
    """Windows by a list, by a number, by what the family is known for, and by nobody."""
    window = {"attention__sliding_window": 512}
    listed = of_family("x", **window, attention__sliding_window_pattern=[True, False] * 4)
    assert counted(listed) == {Kind.SLIDING: 4, Kind.FULL: 4}
    numbered = of_family("x", **window, attention__sliding_window_pattern=4)
    assert counted(numbered) == {Kind.SLIDING: 6, Kind.FULL: 2}
    assert counted(of_family("gemma3", **window)) == {Kind.SLIDING: 7, Kind.FULL: 1}
    assert counted(of_family("phi3", **window)) == {Kind.FULL: 8}
    unknown = of_family("x", **window)
    assert counted(unknown) == {Kind.FULL: 8}
    assert "sliding window" in unknown.doubts[0]


def test_gguf_hybrids_and_mla() -> None:
    state = {
        "ssm__state_size": 128,
        "ssm__inner_size": 4096,
        "ssm__conv_kernel": 4,
        "ssm__group_count": 16,
    }
    hybrid = of_family("qwen3next", **state)
    assert counted(hybrid) == {Kind.LINEAR: 6, Kind.FULL: 2}
    assert hybrid.layers[0].state == 128 * 4096 + 3 * (4096 + 2 * 16 * 128)
    by_heads = of_family("jamba", **state, attention__head_count_kv=[0, 2] * 4)
    assert counted(by_heads) == {Kind.LINEAR: 4, Kind.FULL: 4}
    latent = of_family("deepseek2", attention__kv_lora_rank=512, rope__dimension_count=64)
    assert latent.layers == (Layers(Kind.LATENT, 8, 1088),)
    experts = of_family(
        "x",
        expert_used_count=8,
        expert_feed_forward_length=100,
        expert_shared_feed_forward_length=50,
    )
    assert experts.work.active == 850


def test_a_gguf_file_that_says_nothing_gives_no_cache() -> None:
    found = of_gguf(gguf.header(io.BytesIO(made.gguf_file({"general.architecture": "x"})).read))
    assert found.layers == ()
    assert "no cache counted" in found.doubts[0]
