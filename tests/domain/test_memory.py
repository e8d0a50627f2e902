"""What a model needs, in its parts, and what has to stay free beside it."""

from __future__ import annotations

from twotier.domain.memory import Footprint, headroom_bytes

GB = 1_000_000_000
ARTICLE = Footprint(
    weights_bytes=129 * GB,
    kv_bytes=50 * GB,
    prompt_cache_bytes=0,
    work_bytes=2 * GB,
    server_bytes=0,
)


def test_the_parts_add_up() -> None:
    """One full window of the article's model: 181 GB; on load only what is read at once."""
    assert ARTICLE.total_bytes == ARTICLE.predicted_bytes == 181 * GB
    assert ARTICLE.loaded_bytes == 129 * GB


def test_an_engine_that_reserves_its_cache_holds_it_from_the_start() -> None:
    reserved = Footprint(10, 5, 3, 2, 1, kv_reserved=True)
    assert reserved.loaded_bytes == 10 + 5 + 1


def test_what_was_seen_corrects_the_next_prediction() -> None:
    """Upwards and downwards, but weights are never smaller than they are."""
    assert ARTICLE.corrected(3 * GB).total_bytes == 184 * GB
    assert ARTICLE.corrected(-4 * GB).total_bytes == 177 * GB
    assert ARTICLE.corrected(-100 * GB).total_bytes == 129 * GB
    assert ARTICLE.corrected(3 * GB).loaded_bytes == 132 * GB


def test_the_headroom_is_a_share_of_the_memory_or_half_of_a_small_model() -> None:
    """30 % of 256 GiB beside a large model, half of a small one, never less than 1 GB."""
    memory = 256 * 1024**3
    small = Footprint(4 * GB, 0, 0, 0, 0)
    tiny = Footprint(100_000_000, 0, 0, 0, 0)
    assert headroom_bytes(memory, ARTICLE) == memory * 30 // 100
    assert headroom_bytes(memory, small) == 2 * GB
    assert headroom_bytes(memory, tiny) == GB
    assert headroom_bytes(memory, ARTICLE, percent=10) == memory // 10
    assert headroom_bytes(memory, ARTICLE, percent=0) == 0
