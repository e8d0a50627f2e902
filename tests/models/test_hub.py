"""The hub: what is read of a model before it is fetched, and how it is fetched.

Against a fake made from the hub's documented API; the real one is not asked in tests.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.hub import COMMIT, FakeHub, fake_hub
from tests.models import made
from twotier.errors import EngineError
from twotier.models import hub
from twotier.models.hub import Hub, Repo
from twotier.models.pull import Order, Pull, order

WEIGHTS = {"a.weight": ("U32", [64, 64]), "a.scales": ("BF16", [64, 8])}
MLX = {
    "config.json": json.dumps({**made.M25, "quantization": {"bits": 4}}).encode(),
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"hello",
    "README.md": b"# card",
    "pytorch_model.bin": b"old",
    "consolidated.safetensors": b"a second copy",
    "original/params.json": b"{}",
    "model.safetensors": made.safetensors_file(WEIGHTS),
}
GGUF = made.gguf_file(made.llama_values(), {"a": (2, [32, 320])})
GGUFS = {
    "L-Q4_K_M.gguf": GGUF,
    "L-Q4_K.gguf": GGUF + b"1",
    "L-Q8_0-00001-of-00002.gguf": GGUF,
    "L-Q8_0-00002-of-00002.gguf": made.gguf_file({"split.no": 1}, {"b": (0, [300])}),
    "mmproj-L.gguf": GGUF,
}


class Heard:
    """Progress and waits, as they were told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []
        self.waits: list[int] = []

    def __call__(self, file: str, done_bytes: int, *, total_bytes: int) -> None:
        self.told.append((file, done_bytes, total_bytes))


def pull(there: FakeHub, cache: Path, wish: Order, heard: Heard | None = None) -> Path:
    heard = heard or Heard()
    return Pull(Hub(there.url, there.token), cache, heard, heard.waits.append).run(wish)


def wish(there: FakeHub, name: str, quantisation: str = "") -> Order:
    return order(Hub(there.url, there.token).repo(name), quantisation)


def test_the_figures_of_a_model_come_from_a_few_hundred_bytes_of_it() -> None:
    """Config and the header of the tensors, by range; the file itself is never fetched."""
    with fake_hub(FakeHub({"o/mlx": MLX})) as there:
        chosen = wish(there, "o/mlx")
        model = hub.describe(Hub(there.url), chosen.repo, files=chosen.files)
    assert model.weights_bytes == 64 * 64 * 4 + 64 * 8 * 2
    assert model.shape.token_bytes(element_bytes=2) == 253_952
    assert chosen.repo.licence == "apache-2.0"
    assert COMMIT[:12] in model.origin
    ranges = [ask[2] for ask in there.asked if "model.safetensors" in ask[1]]
    assert ranges[:2] == ["bytes=0-7", "bytes=0-7"]  # the hub, and the store it redirects to
    assert len(chosen.files) == 4


def test_a_model_in_many_files_is_counted_by_its_index() -> None:
    total = 64 * 64 * 4 + 64 * 8 * 2
    index = json.dumps({"metadata": {"total_size": 2 * total}}).encode()
    two = {
        **{name: body for name, body in MLX.items() if name != "model.safetensors"},
        "model-1.safetensors": MLX["model.safetensors"],
        "model-2.safetensors": MLX["model.safetensors"],
    }
    with fake_hub(
        FakeHub({"o/i": {**two, "model.safetensors.index.json": index}, "o/n": two})
    ) as at:
        for name in ("o/i", "o/n"):
            chosen = wish(at, name)
            model = hub.describe(Hub(at.url), chosen.repo, files=chosen.files)
            assert model.weights_bytes == 2 * total


def test_a_gguf_header_is_read_from_afar() -> None:
    with fake_hub(FakeHub({"o/g": GGUFS})) as there:
        one = wish(there, "o/g")
        model = hub.describe(Hub(there.url), one.repo, files=one.files)
        assert model.weights_bytes == 18 * 320
        two = wish(there, "o/g", "Q8_0")
        parts = hub.describe(Hub(there.url), two.repo, files=two.files)
        assert parts.weights_bytes == 18 * 320 + 1200
    assert model.shape.window_tokens == 8192


def test_a_quantisation_is_chosen_by_its_whole_name() -> None:
    """`Q4_K` is not `Q4_K_M`; without a wish the usual one; projectors are no models."""
    with fake_hub(FakeHub({"o/g": GGUFS, "o/one": {"x.gguf": GGUF}, "o/no": {"a": b""}})) as there:
        assert [file.name for file in wish(there, "o/g").files] == ["L-Q4_K_M.gguf"]
        assert [file.name for file in wish(there, "o/g", "q4_k").files] == ["L-Q4_K.gguf"]
        assert len(wish(there, "o/g", "Q8_0").files) == 2
        assert wish(there, "o/g", "L-Q4_K.gguf").files[0].name == "L-Q4_K.gguf"
        assert wish(there, "o/one").files[0].name == "x.gguf"
        with pytest.raises(EngineError, match="name one: L-Q4_K, L-Q4_K_M, L-Q8_0"):
            wish(there, "o/g", "Q2_K")
        with pytest.raises(EngineError, match="no engine reads it"):
            wish(there, "o/no")


def test_a_pull_lies_in_the_hubs_cache_as_its_own_client_puts_it(tmp_path: Path) -> None:
    """Blobs by digest, links by commit, a ref: other programs find it and need no second copy."""
    heard = Heard()
    with fake_hub(FakeHub({"o/mlx": MLX})) as there:
        chosen = wish(there, "o/mlx")
        assert chosen.missing_bytes(tmp_path) == chosen.size_bytes
        path = pull(there, tmp_path, chosen, heard)
        assert chosen.missing_bytes(tmp_path) == 0
    home = tmp_path / "models--o--mlx"
    assert path == home / "snapshots" / COMMIT
    assert (home / "refs" / "main").read_text() == COMMIT
    weights = path / "model.safetensors"
    assert weights.read_bytes() == MLX["model.safetensors"]
    assert weights.resolve().name == hashlib.sha256(MLX["model.safetensors"]).hexdigest()
    assert not str(weights.readlink()).startswith("/")
    assert (path / "config.json").read_bytes() == MLX["config.json"]
    assert not (path / "README.md").exists()
    assert heard.told[-1][1:] == (chosen.files[-1].size_bytes,) * 2
    assert list((home / "blobs").glob("*.incomplete")) == []


def test_a_pull_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    """Within one call, and in the next one; the bytes that are here are not fetched again."""
    size = len(MLX["model.safetensors"])
    heard = Heard()
    with fake_hub(FakeHub({"o/mlx": MLX}, breaks={"model.safetensors": [700, 900]})) as there:
        chosen = wish(there, "o/mlx")
        path = pull(there, tmp_path, chosen, heard)
    begun = [ask[2] for ask in there.asked if ask[0] == "store"]
    assert begun == ["", "bytes=700-", "bytes=1600-"]
    assert heard.waits == [1, 2]
    assert (path / "model.safetensors").stat().st_size == size
    with fake_hub(FakeHub({"o/mlx": MLX}, breaks={"model.safetensors": [100] * 5})) as there:
        other = tmp_path / "other"
        with pytest.raises(EngineError, match="goes on from there"):
            pull(there, other, chosen)
        assert chosen.missing_bytes(other) == size - 500
        pull(there, other, chosen)
        assert there.asked[-1][2] == "bytes=500-"


def test_a_hub_that_is_unwell_is_asked_again_and_one_that_says_no_is_not(tmp_path: Path) -> None:
    heard = Heard()
    with fake_hub(FakeHub({"o/mlx": MLX}, unwell=[503, 503])) as there:
        there.unwell_for = "resolve"
        assert pull(there, tmp_path, wish(there, "o/mlx"), heard).is_dir()
    assert heard.waits == [1, 2]
    with fake_hub(FakeHub({"o/mlx": MLX}, unwell=[403])) as there:
        there.unwell_for = "resolve"
        with pytest.raises(EngineError, match="403"):
            pull(there, tmp_path / "other", wish(there, "o/mlx"), heard)
    assert heard.waits == [1, 2]


def test_two_pulls_of_one_file_do_not_write_into_each_other(tmp_path: Path) -> None:
    with fake_hub(FakeHub({"o/mlx": MLX})) as there:
        chosen = wish(there, "o/mlx")
        large = next(file for file in chosen.files if file.large)
        half = tmp_path / "models--o--mlx" / "blobs" / f"{large.digest}.incomplete"
        half.parent.mkdir(parents=True)
        with half.open("ab") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(EngineError, match="another process"):
                pull(there, tmp_path, chosen)
        assert pull(there, tmp_path, chosen).is_dir()


def test_a_cache_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    """No second try, no wait: it would not help."""
    heard = Heard()
    with fake_hub(FakeHub({"o/mlx": MLX})) as there:
        chosen = wish(there, "o/mlx")
        blobs = tmp_path / "models--o--mlx" / "blobs"
        for file in chosen.files:
            (blobs / f"{file.digest}.incomplete").mkdir(parents=True)
        with pytest.raises(EngineError, match="broke off"):
            pull(there, tmp_path, chosen, heard)
    assert heard.waits == []


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_what_is_not_what_was_promised_is_thrown_away(tmp_path: Path, name: str) -> None:
    """By SHA-256 for a large file, by git's id for a small one."""
    with fake_hub(FakeHub({"o/mlx": MLX}, spoilt={name})) as there:
        chosen = wish(there, "o/mlx")
        with pytest.raises(EngineError, match="not what the hub promised"):
            pull(there, tmp_path, chosen)
        assert not (tmp_path / "models--o--mlx" / "refs").exists()
        assert list((tmp_path / "models--o--mlx" / "blobs").glob("*.incomplete")) == []
        there.spoilt.clear()
        assert pull(there, tmp_path, chosen).is_dir()


def test_the_token_goes_to_the_hub_and_to_nobody_else(tmp_path: Path) -> None:
    with fake_hub(FakeHub({"o/mlx": MLX}, token="t0ken")) as there:
        chosen = wish(there, "o/mlx")
        pull(there, tmp_path, chosen)
        assert chosen.repo.gated
        assert {ask[3] for ask in there.asked if ask[0] == "hub"} == {"Bearer t0ken"}
        assert {ask[3] for ask in there.asked if ask[0] == "store"} == {""}
        assert "t0ken" not in repr(Hub(there.url, "t0ken"))
        with pytest.raises(EngineError, match="set HF_TOKEN"):
            Hub(there.url).repo("o/mlx")
        with pytest.raises(EngineError, match="accept its terms"):
            Hub(there.url, "t0ken").repo("o/none")


def test_a_hub_that_is_not_there_or_makes_no_sense_is_an_error_with_a_way_out() -> None:
    with pytest.raises(EngineError, match="cannot be reached"):
        Hub("http://127.0.0.1:9").repo("o/x")
    with pytest.raises(EngineError, match="OWNER/NAME"):
        Hub().repo("../x")
    with pytest.raises(EngineError, match="HF_ENDPOINT"):
        Hub.of({"HF_ENDPOINT": "file:///etc"})
    assert Hub.of({"HF_ENDPOINT": "http://h/", "HF_TOKEN": "t"}) == Hub("http://h", "t")
    with fake_hub(FakeHub({"o/mlx": MLX}, no_ranges=True)) as there:
        chosen = wish(there, "o/mlx")
        with pytest.raises(EngineError, match="does not send parts"):
            Hub(there.url).open(chosen.repo, chosen.files[0], begin=5)
        gone = Repo("o/gone", COMMIT, chosen.files)
        with pytest.raises(EngineError, match="has no o/gone"):
            Hub(there.url).open(gone, chosen.files[0])
        with pytest.raises(EngineError, match="no GGUF file"):
            hub.describe(Hub(there.url), Repo("o/mlx", COMMIT, ()), files=chosen.files)


def test_a_redirect_is_followed_where_it_is_as_safe(tmp_path: Path) -> None:
    """By HTTP where we came by HTTP; to nothing but the web."""
    with (
        fake_hub(FakeHub({"o/mlx": MLX}, elsewhere="ftp://127.0.0.1/x")) as there,
        pytest.raises(EngineError, match="sends us on to ftp"),
    ):
        pull(there, tmp_path, wish(there, "o/mlx"))


def test_a_hub_that_hangs_up_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    """In the middle of its list, which is no JSON then; before it says a word, and it is asked
    again while a file is fetched.
    """
    heard = Heard()
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"

        def hang_up() -> None:
            for said in (b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", *(b"",) * 5):
                with deaf.accept()[0] as line:
                    line.recv(65536)
                    line.sendall(said)
                    # A reset, so that nothing is lost on the way.
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        thread = threading.Thread(target=hang_up)
        thread.start()
        for _ in range(2):
            with pytest.raises(EngineError, match=r"cannot be reached|no JSON"):
                Hub(url).repo("o/x")
        file = hub.HubFile("a.gguf", 5, "0" * 64)
        with pytest.raises(EngineError, match="broke off at 0 of 5"):
            Pull(Hub(url), tmp_path, heard, heard.waits.append).run(
                Order(Repo("o/x", COMMIT, (file,)), (file,), "llama_cpp")
            )
        thread.join()
    assert heard.waits == [1, 2, 3, 4]


def test_a_card_cannot_steer_the_terminal_it_is_shown_on() -> None:
    card = {"license": "\x1b[2Jmit\n" + "x" * 90}
    with fake_hub(FakeHub({"o/x": {}}, card=card)) as there:
        assert Hub(there.url).repo("o/x").licence == "[2Jmit" + "x" * 52


@pytest.mark.parametrize("name", ["o/na\u00efve", "o/x\n", "o/", "a/b/c"])
def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    with pytest.raises(EngineError, match="OWNER/NAME"):
        Hub("http://127.0.0.1:9").repo(name)


def test_what_another_process_has_fetched_meanwhile_is_taken(tmp_path: Path) -> None:
    """It has its name since we looked: nothing is fetched again, and nothing half is left."""
    body = MLX["model.safetensors"]
    with fake_hub(FakeHub({"o/mlx": MLX})) as there:
        chosen = wish(there, "o/mlx")
        large = next(file for file in chosen.files if file.large)
        blob = tmp_path / large.digest
        blob.write_bytes(body)
        heard = Heard()
        one = Pull(Hub(there.url), tmp_path, heard, heard.waits.append)
        one._go_on(chosen.repo, large, blob=blob)
        assert [ask for ask in there.asked if "model.safetensors" in ask[1]] == []
    assert [path.name for path in tmp_path.iterdir()] == [large.digest]


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a/../b", "a//b", "a\\b", "a\0b", "", "a\x1b[2J", "a\nb"],
)
def test_a_file_name_that_leaves_the_folder_is_not_believed(name: str) -> None:
    with fake_hub(FakeHub({"o/x": {name: b"x", "config.json": b"{}"}})) as there:
        assert [file.name for file in Hub(there.url).repo("o/x").files] == ["config.json"]


@pytest.mark.parametrize(
    "rows", [None, [1], [{"rfilename": "a"}], [{"rfilename": "a", "size": -1, "blobId": "b"}]]
)
def test_a_list_of_files_without_sense_has_none(rows: Any) -> None:
    class Odd(FakeHub):
        def siblings(self, name: str) -> Any:
            return rows

    with fake_hub(Odd({"o/x": {}})) as there:
        if rows is None:
            with pytest.raises(EngineError, match="cannot be read"):
                Hub(there.url).repo("o/x")
        else:
            assert Hub(there.url).repo("o/x").files == ()
