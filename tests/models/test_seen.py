"""What was seen of a model corrects the next prediction, and a broken file costs only that."""

from __future__ import annotations

from pathlib import Path

from twotier.domain.memory import Footprint
from twotier.models.seen import Seen, SeenFile, seen_after_load, seen_at_peak

NEED = Footprint(100, 50, 20, 10, 5, kv_reserved=True)


def test_the_difference_after_loading_is_the_correction(tmp_path: Path) -> None:
    """Both ways; a correction of the last time is not counted twice."""
    file = SeenFile(tmp_path / "memory.json")
    file.put("m", seen_after_load(Seen(), NEED.corrected(7), held_bytes=165, at="now"))
    seen = file.get("m")
    assert (seen.loaded_predicted, seen.peak_predicted) == (155, 185)
    assert seen.correction_bytes == 10
    assert seen_after_load(seen, NEED, held_bytes=150, at="").correction_bytes == -5
    assert Seen().correction_bytes == 0


def test_a_peak_corrects_only_upwards() -> None:
    """Below the prediction it says how full the server became, not how full it can become."""
    seen = seen_after_load(Seen(), NEED, held_bytes=155, at="")
    assert seen_at_peak(seen, 170).correction_bytes == 0
    assert seen_at_peak(seen, 200).correction_bytes == 15
    assert seen_at_peak(seen_at_peak(seen, 200), 160).peak_seen == 200


def test_models_do_not_mix_and_the_oldest_go(tmp_path: Path) -> None:
    file = SeenFile(tmp_path / "memory.json")
    for number in range(505):
        file.put(f"m{number}", Seen(loaded_seen=number))
    assert file.get("m504").loaded_seen == 504
    assert file.get("m0") == Seen()


def test_a_file_that_cannot_be_read_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    file = SeenFile(path)
    for text in ("{", "[]", '{"m": 1}', '{"m": {"later": 1}}', '{"m": {"loaded_seen": "x"}}'):
        path.write_text(text)
        assert file.get("m") == Seen()
    SeenFile(tmp_path / "none" / "memory.json").put("m", Seen())
    SeenFile(path, writes=False).put("m", Seen(loaded_seen=5))
    assert file.get("m") == Seen()
