"""Run by the engine environment's python, not by twotier's: serves one GGUF file by llama.cpp.

Alone in this folder it imports nothing of twotier, because that is not installed where it runs.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

CACHE_MIB = 1024  # kept prompts in memory, where nothing is said; its own default is 8 GiB


def main() -> None:
    """Serve until told to end."""
    given = arguments()
    # The server has signal handlers of its own and after a TERM it lived on for over a second.
    # So nobody but the thread below ever gets these signals; later threads inherit the mask.
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    threading.Thread(target=end_at, args=(ends,), daemon=True).start()
    serve(given)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--window", type=int, required=True, help="tokens for one request")
    parser.add_argument("--parallel", type=int, required=True, help="requests at the same time")
    parser.add_argument("--batch", type=int, default=512, help="tokens read in one step")
    parser.add_argument("--cache-mib", type=int, default=CACHE_MIB, help="for kept prompts")
    given = parser.parse_args()
    if not given.model.is_file():
        sys.exit(f"FileNotFoundError: the model {given.model} does not exist")
    return given


def end_at(ends: set[signal.Signals]) -> None:
    """Leave at the first signal, at once: there is nothing here to save."""
    number = signal.sigwait(ends)
    os._exit(128 + number)


def serve(given: argparse.Namespace) -> None:
    """Load the model, serve, sleep."""
    import xllamacpp  # type: ignore[import-not-found] # lives in the engine's environment

    common = xllamacpp.CommonParams()
    common.model.path = str(given.model)
    common.hostnames = ["127.0.0.1"]
    common.port = given.port
    common.n_ctx = given.window * given.parallel  # the server divides it among its slots
    common.n_parallel = given.parallel
    common.n_batch = given.batch
    common.endpoint_metrics = True
    common.endpoint_slots = True
    common.ui = False
    common.model_alias = {given.model.stem}  # else answers carry the whole path
    common.cache_ram_mib = given.cache_mib
    common.cors_origins = f"http://127.0.0.1:{given.port}"  # its default is any page in a browser
    common.cors_credentials = False
    server = xllamacpp.Server(common)
    print(f"serving {given.model.name} on {server.listening_address}", flush=True)  # noqa: T201
    threading.Event().wait()


if __name__ == "__main__":
    main()
