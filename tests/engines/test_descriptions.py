"""What an engine says of itself: its command, its questions, its parsers. No server is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twotier.config.schema import USUAL_URLS, EngineName
from twotier.engines import lmstudio, ollama
from twotier.engines.base import REGISTRY, Ownership, Settings, engine, engine_of
from twotier.engines.llama_cpp import read_progress
from twotier.engines.questions import Held, read_version
from twotier.engines.sampling import sampling
from twotier.engines.vllm import SERVED, parsers
from twotier.errors import EngineError

PROGRAM, MODEL = Path("/bin/server"), Path("/models/Some-Model.gguf")


def test_every_engine_a_person_can_name_is_there_and_knows_its_usual_place() -> None:
    names = set(EngineName.__args__)  # type: ignore[attr-defined] # a Literal's own
    assert names == REGISTRY.keys() - {"llama_server", "vllm_serve"}
    for name, url in USUAL_URLS.items():
        assert engine(name).traits.base_url + "/v1" == url


def test_a_program_of_the_owners_has_a_description_of_its_own() -> None:
    """What is told of its answers is the same."""
    assert engine_of("llama_cpp").traits.name == "llama_cpp"
    assert engine_of("llama_cpp", program="llama-server").traits.name == "llama_server"
    assert engine_of("vllm").traits.name == "vllm_serve"
    assert engine_of("vllm", base_url="http://127.0.0.1:8000").traits.name == "vllm"
    for one, other in (("llama_cpp", "llama_server"), ("vllm", "vllm_serve")):
        assert engine(one).traits.manners == engine(other).traits.manners
        assert engine(one).traits.fields == engine(other).traits.fields
        assert engine(one).traits.provider == engine(other).traits.provider


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_what_is_asked_in_words_can_be_checked(name: str) -> None:
    """The check reads a stream; so a server that ignores half of a request is asked for one."""
    traits = engine(name).traits
    emulated = traits.manners.tool_choice or traits.manners.response_format == "ignored"
    assert traits.stream_always or not emulated
    if traits.manners.tool_choice:
        assert {"tool_choice", "parallel_tool_calls"} <= traits.fields["openai_chat"]
    if traits.ownership is Ownership.MANAGED:
        assert bool(traits.lock) != bool(traits.program)


def test_llama_cpp_tells_what_its_slots_have_read_and_written() -> None:
    """As the real server (xllamacpp 2026.10) says it; one at rest has nothing to tell."""
    idle = {"id": 0, "n_ctx": 8192, "speculative": False, "is_processing": False}
    written = {"has_next_token": True, "n_remain": 60, "n_decoded": 3}
    busy = idle | {
        "is_processing": True,
        "id_task": 2,
        "n_prompt_tokens": 4096,
        "n_prompt_tokens_processed": 2048,
        "next_token": [written],
    }
    assert read_progress(json.dumps([idle, busy]).encode()) == ((2, 2048, 3),)
    assert read_progress(json.dumps([idle]).encode()) == ()
    older = busy.copy()
    del older["n_prompt_tokens_processed"]
    with pytest.raises(ValueError, match="how much of a prompt"):
        read_progress(json.dumps([older]).encode())


@pytest.mark.parametrize("name", ["ollama", "lmstudio", "vllm", "openai"])
def test_somebody_elses_server_is_never_started(name: str) -> None:
    kind = engine(name)
    with pytest.raises(EngineError, match="base_url"):
        kind.launch(PROGRAM, MODEL, port=1, settings=Settings(4096))
    assert kind.model_upstream("qwen3:8b") == "qwen3:8b"
    assert kind.version_command(PROGRAM) == ()


def test_a_llama_server_gets_options_that_every_build_knows() -> None:
    """The rest goes by environment: an option that is not known ends the start."""
    settings = Settings(2048, parallel=3, prompt_cache_bytes=3 * 1024**3)
    launch = engine("llama_server").launch(PROGRAM, MODEL, port=4711, settings=settings)
    assert launch.argv[:5] == ("/bin/server", "--model", str(MODEL), "--alias", "Some-Model")
    assert "6144" in launch.argv
    assert launch.env["LLAMA_ARG_CACHE_RAM"] == "3072"
    assert launch.env["LLAMA_ARG_CORS_ORIGINS"] == "http://127.0.0.1:4711"
    default = engine("llama_server").launch(PROGRAM, MODEL, port=1, settings=Settings(2048))
    assert default.env["LLAMA_ARG_CACHE_RAM"] == "1024"
    assert engine("llama_server").version_command(PROGRAM) == ("/bin/server", "--version")
    assert engine("llama_server").model_upstream("any") == "any"


def test_vllm_gets_its_window_its_parsers_and_one_name() -> None:
    folder = Path("/models/MiniMax-M2.5")
    launch = engine("vllm_serve").launch(PROGRAM, folder, port=4711, settings=Settings(4096, 2))
    words = " ".join(launch.argv)
    assert words.startswith("/bin/server serve /models/MiniMax-M2.5 --host 127.0.0.1 --port 4711")
    assert "--tool-call-parser minimax_m2 --reasoning-parser minimax_m2" in words
    assert f"--served-model-name {SERVED}" in words
    assert '["http://127.0.0.1:4711"]' in launch.argv
    assert engine("vllm_serve").model_upstream("anything") == SERVED
    assert engine("vllm_serve").version_command(PROGRAM) == ("/bin/server", "--version")
    plain = engine("vllm_serve").launch(PROGRAM, MODEL, port=1, settings=Settings(4096))
    assert "--reasoning-parser" not in plain.argv


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("Qwen/Qwen3-Coder-Next", "qwen3_coder"),
        ("Qwen3-8B", "hermes"),
        ("zai-org/GLM-4.7", "glm47"),
        ("moonshotai/Kimi-K2", "kimi_k2"),
        ("openai/gpt-oss-20b", "openai"),
        ("DeepSeek-V3.1", "deepseek_v31"),
        ("mistralai/Codestral-22B", "mistral"),
        ("Llama-3.1-8B", "llama3_json"),
        ("nobody/knows", "hermes"),
    ],
)
def test_the_parser_is_chosen_by_the_models_name(model: str, found: str) -> None:
    assert parsers(model)[0] == found


def test_what_servers_hold_reads_as_they_document_it() -> None:
    running = {"models": [{"name": "a:8b", "size": 7, "context_length": 4096}, {"model": "b"}]}
    assert ollama.read_held(json.dumps(running).encode()) == (Held("a:8b", 7, 4096), Held("b"))
    assert ollama.read_held(b'{"models": null}') == ()
    with pytest.raises(ValueError, match="array"):
        lmstudio.read_held(b'{"models": 7}')
    assert read_version(b'{"version": "0.19.0"}') == "0.19.0"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"temperature": 1.0, "top_p": 0.95, "top_k": 40, "eos_token_id": 1}', 3),
        ('{"do_sample": false, "temperature": 0.7}', 1),
        ('{"temperature": true, "top_p": -1}', 0),
        ("[]", 0),
        ("nonsense", 0),
        (None, 0),
    ],
)
def test_a_models_own_sampling_is_read_where_it_stands(
    tmp_path: Path, text: str | None, found: int
) -> None:
    if text is not None:
        (tmp_path / "generation_config.json").write_text(text)
    assert len(sampling(tmp_path)) == found


def test_mlx_lm_is_told_what_the_models_makers_say() -> None:
    """Its own default is temperature 0."""
    said = {"temperature": 1.0, "top_p": 0.95, "top_k": 40.0}
    settings = Settings(4096, sampling=said)
    argv = engine("mlx_lm").launch(PROGRAM, MODEL, port=1, settings=settings).argv
    assert " ".join(argv).endswith("--temp 1 --top-p 0.95 --top-k 40")
    plain = engine("mlx_lm").launch(PROGRAM, MODEL, port=1, settings=Settings(4096)).argv
    assert "--temp" not in plain
