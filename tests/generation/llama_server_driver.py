"""Runs in the environment of `make llama-server-install`: llama.cpp's server with one GGUF file, until stopped."""

import importlib
import signal
import sys


def main(model: str, alias: str, key: str) -> None:
    """Serve on a free port of this machine and print the address."""
    xllamacpp = importlib.import_module("xllamacpp")  # is in that environment alone
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = 8
    params.n_ctx = 8192
    params.kv_unified = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.api_keys = [key]
    params.offline = True
    server = xllamacpp.Server(params)
    sys.stdout.write(f"listening {server.listening_address}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main(*sys.argv[1:])
