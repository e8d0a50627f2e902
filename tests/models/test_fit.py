"""From a model and a machine to bytes, settings and three answers."""

from __future__ import annotations

import dataclasses

import pytest

from tests.models import made
from twotier.models.choice import Room, Wishes, choose
from twotier.models.estimate import Costs, Model, Plan, costs_of, footprint
from twotier.models.shape_config import of_config
from twotier.models.verdict import Other, Verdict, gigabytes, judge

GB = 1_000_000_000
GIB = 1024**3
M25 = Model("M2.5", 128_900_000_000, of_config(made.M25))
METAL = costs_of("mlx_lm", metal=True)
ARTICLE = Room(256 * GIB)
SMALL = Model(
    "8B",
    5 * GB,
    of_config(
        {
            "model_type": "llama",
            "num_hidden_layers": 32,
            "hidden_size": 4096,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 131_072,
            "intermediate_size": 14_336,
            "vocab_size": 128_256,
        }
    ),
)
LLAMA = costs_of("llama_cpp", metal=False)


def verdict(
    plan: Plan,
    *,
    model: Model = M25,
    room: Room = ARTICLE,
    free: int | None = None,
    others: tuple[Other, ...] = (),
) -> Verdict:
    costs = METAL if model is M25 else LLAMA
    return judge(model, costs, plan=plan, room=room, free_bytes=free, others=others)


def test_the_published_figures_come_out() -> None:
    """One full window beside the weights: 129 + 50 and a step; 22 such caches of 22K: 56 GB."""
    need = footprint(M25, METAL, plan=Plan(196_608, 1, 0))
    assert need.kv_bytes == 196_608 * 253_952
    assert need.total_bytes == pytest.approx(181 * GB, rel=0.03)


def test_the_work_of_a_step_is_close_to_what_llama_cpp_logged() -> None:
    """1,990 MiB for M2.5 with steps of 2,048 tokens, logits included."""
    costs = Costs(0, 2048, logits=True)
    assert footprint(M25, costs, plan=Plan(65_536, 1, 0)).work_bytes == pytest.approx(
        1990 * 1024**2, rel=0.03
    )


def test_mlx_on_a_cpu_writes_scores_out() -> None:
    """Measured with the tiny model: 2,048 tokens against 5,053 before them, 4 heads, 32 bits."""
    tiny = Model("tiny", 0, of_config({**made.M25, "num_attention_heads": 4}), element_bytes=4)
    cpu = dataclasses.replace(costs_of("mlx_lm", metal=False), prompts_at_once=1)
    on_cpu = footprint(tiny, cpu, plan=Plan(5053, 2, 0)).work_bytes
    on_metal = footprint(
        tiny, dataclasses.replace(METAL, prompts_at_once=1), plan=Plan(5053, 2, 0)
    ).work_bytes
    assert on_cpu - on_metal == 2048 * 4 * 5053 * 4


def test_an_engine_that_reserves_has_all_of_the_cache_after_loading() -> None:
    need = footprint(SMALL, LLAMA, plan=Plan(8192, 2, GB))
    assert need.loaded_bytes == 5 * GB + need.kv_bytes + need.server_bytes
    assert costs_of("ollama", metal=True) == costs_of("llama_cpp", metal=True)


def test_the_articles_machine_gets_two_requests_with_a_large_window() -> None:
    """And leaves 30 % free, prompt cache included: by weights alone its own failure would pass."""
    plan = choose(M25, METAL, room=ARTICLE, wishes=Wishes())
    assert plan.parallel == 2
    assert 98_304 <= plan.window_tokens <= 131_072
    assert plan.prompt_cache_bytes >= 32_768 * 253_952
    need = footprint(M25, METAL, plan=plan)
    assert need.total_bytes <= ARTICLE.memory_bytes * 0.7
    one_more = dataclasses.replace(plan, window_tokens=plan.window_tokens + 1024)
    assert not ARTICLE.takes(M25, METAL, plan=one_more)


def test_a_small_model_gets_its_whole_window_and_no_more_than_four_conversations() -> None:
    plan = choose(SMALL, LLAMA, room=Room(256 * GIB), wishes=Wishes())
    assert (plan.window_tokens, plan.parallel) == (131_072, 2)
    assert plan.prompt_cache_bytes == 4 * 32_768 * 131_072


def test_where_memory_is_short_one_request_has_the_larger_window() -> None:
    plan = choose(SMALL, LLAMA, room=Room(16 * GIB), wishes=Wishes())
    assert plan.parallel == 1
    assert 4096 < plan.window_tokens < 65_536


def test_wishes_are_kept_and_the_rest_is_chosen() -> None:
    room = Room(64 * GIB)
    assert choose(SMALL, LLAMA, room=room, wishes=Wishes(8192, 3, 7)) == Plan(8192, 3, 7)
    assert choose(SMALL, LLAMA, room=room, wishes=Wishes(window_tokens=8192)).parallel == 2
    four = choose(SMALL, LLAMA, room=room, wishes=Wishes(parallel=4))
    assert four.parallel == 4
    assert choose(SMALL, LLAMA, room=room, wishes=Wishes(prompt_cache_bytes=0)) == Plan(
        131_072, 2, 0
    )


def test_where_nothing_fits_the_smallest_is_taken_and_the_answer_is_no() -> None:
    room = Room(64 * GIB)
    assert choose(M25, METAL, room=room, wishes=Wishes()) == Plan(4096, 1, 0)
    assert choose(M25, METAL, room=room, wishes=Wishes(8192, 2, 5)) == Plan(8192, 2, 5)
    unsaid = Model("?", GB, of_config({}))
    assert choose(unsaid, LLAMA, room=room, wishes=Wishes()).window_tokens == 32_768
    found = verdict(Plan(4096, 1, 0), room=room)
    assert (found.ever.yes, found.now.yes, found.headroom.yes) == (False, None, False)
    assert "smaller quantisation" in found.advice[0]


def test_where_only_the_headroom_is_in_the_way_its_setting_is_named() -> None:
    """129 GB on a machine of 128 GiB: it may start, and nearly nothing is left for the rest."""
    room = Room(128 * GIB)
    found = verdict(choose(M25, METAL, room=room, wishes=Wishes()), room=room)
    assert (found.ever.yes, found.headroom.yes) == (True, False)
    assert "4,096 tokens x 1 it starts at headroom_percent = 4" in found.advice[0]
    assert Room(128 * GIB, percent=4).takes(M25, METAL, plan=Plan(4096, 1, 0))


def test_less_than_a_gigabyte_beside_it_is_no_headroom_at_all() -> None:
    """Any other percentage asks for a gigabyte, so the setting that was named did not help."""
    least = footprint(SMALL, LLAMA, plan=Plan(4096, 1, 0)).total_bytes
    room = Room(least + GB // 2)
    found = verdict(Plan(4096, 1, 0), model=SMALL, room=room)
    assert "it starts at headroom_percent = 0," in found.advice[0]
    assert dataclasses.replace(room, percent=0).takes(SMALL, LLAMA, plan=Plan(4096, 1, 0))


def test_what_the_gpu_may_hold_is_what_is_named() -> None:
    """And all the smallest settings need, not the weights alone, which may well fit."""
    room = Room(64 * GIB, gpu_bytes=5 * GB)
    assert (
        "of 5.0 GB; take a smaller" in verdict(Plan(4096, 1, 0), model=SMALL, room=room).advice[0]
    )


def test_a_window_of_any_size_is_only_a_number() -> None:
    """A file may claim what it likes; a list of all windows up to it would fill the memory."""
    vast = dataclasses.replace(
        SMALL, shape=dataclasses.replace(SMALL.shape, window_tokens=2**40 - 1)
    )
    plan = choose(vast, LLAMA, room=Room(256 * GIB), wishes=Wishes())
    assert 131_072 < plan.window_tokens < 2_000_000


def test_three_times_yes_needs_no_advice() -> None:
    found = verdict(Plan(98_304, 1, 0), free=260 * GB)
    assert (found.ever.yes, found.now.yes, found.headroom.yes) == (True, True, True)
    assert found.advice == ()


def test_the_articles_own_failure_is_seen_before_it_happens() -> None:
    """M2.5 beside Qwen3-Coder-Next in Ollama: it may fit alone, not now, and who is in the way."""
    plan = choose(M25, METAL, room=ARTICLE, wishes=Wishes())
    others = (Other("llama3.1 in ollama", 5 * GB), Other("qwen3-coder-next in ollama", 51 * GB))
    found = verdict(plan, free=150 * GB, others=others)
    assert (found.ever.yes, found.now.yes, found.headroom.yes) == (True, False, False)
    assert found.advice[-1].endswith(
        "unload qwen3-coder-next in ollama (51.0 GB), llama3.1 in ollama (5.0 GB)"
    )
    assert "end a large program" in verdict(plan, free=150 * GB).advice[-1]


@pytest.mark.parametrize(
    ("plan", "setting"),
    [
        (Plan(196_608, 1, 56 * GB), "prompt_cache_bytes = "),
        (Plan(200_000, 2, 0), "parallel = 1"),
        (Plan(300_000, 1, 0), "window_tokens = "),
        (Plan(300_000, 1, 90 * GB), "window_tokens = "),
        (Plan(300_000, 9, 90 * GB), "window_tokens = "),
    ],
)
def test_the_setting_that_would_make_it_fit_is_named(plan: Plan, setting: str) -> None:
    """The first that is enough alone, then several together."""
    found = verdict(plan)
    assert found.headroom.yes is False
    assert setting in found.advice[0]


def test_other_tiers_and_the_gpus_own_limit_count() -> None:
    plan = Plan(98_304, 1, 0)
    crowded = dataclasses.replace(ARTICLE, reserved_bytes=100 * GB)
    found = verdict(plan, room=crowded)
    assert found.ever.yes is True
    assert "less 100.0 GB for other tiers" in found.ever.text
    assert found.headroom.yes is False
    pinned = dataclasses.replace(ARTICLE, gpu_bytes=140 * GB)
    assert "the GPU may hold 140.0 GB" in verdict(plan, room=pinned).ever.text


def test_what_was_seen_changes_the_answer() -> None:
    plan = Plan(98_304, 1, 0)
    assert verdict(plan).headroom.yes
    seen = dataclasses.replace(ARTICLE, correction_bytes=60 * GB)
    assert not verdict(plan, room=seen).headroom.yes


def test_amounts_are_short() -> None:
    assert [gigabytes(count) for count in (0, 98_000_000, 128_900_000_000)] == [
        "0 MB",
        "98 MB",
        "128.9 GB",
    ]
