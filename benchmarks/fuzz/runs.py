"""Run folders that were tampered with: the programs refuse them in one line, or behave as before."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml
from hypothesis import strategies as st

from benchmarks.fuzz.commands import call, small_synthesis, small_training
from benchmarks.fuzz.nasty import NUMBERS, SURROGATES, damaged, json_values, texts
from benchmarks.fuzz.outcome import Outcome
from vos.cli.main import synthesize, train

SETTINGS = ("config.yaml", "overrides.yaml")
FILES = (*SETTINGS, "manifest.json", "metrics.json", "model/vos.json", "model/config.json", "rounds/0.json",
         "model/tokenizer.json", "model/tokenizer_config.json", "density.safetensors",
         "model/head.safetensors")  # fmt: skip
REPLACED = ("nothing", "empty", "folder", "dangling", "loop", "device", "archive", "outside")
"""What may stand in the place of a file."""

RAN = "somebody-elses-code-ran"
"""A file in the folder of the case that only code named by the run's files would make."""

VALUES = (
    "${oc.env:HOME}",
    "${hydra:runtime.cwd}",
    "${seed}",
    "${a}",
    "${",
    "../../../etc/passwd",
    "/dev/zero",
    "x" * 5_000,
    "a\nb",
    "!!python/object/apply:os.system [id]",
    {"_target_": "os.system", "_args_": ["touch {ran}"]},
    {"_target_": "builtins.exec", "_args_": ["open('{ran}', 'w')"]},
    {"_target_": "pathlib.Path.touch", "_args_": [{"_target_": "pathlib.Path", "_args_": ["{ran}"]}]},
    {"_target_": "vos.data.FileData", "train": "/etc/passwd"},
    {"auto_map": {"AutoModel": "evil--evil.Model"}},
    [],
    {},
)


@dataclass
class RunCase:
    """One edit of a run.

    Attributes:
        file: that is edited.
        replaced: what stands in its place, see `REPLACED`; "" where its content is changed.
        content: the new content of the file.
        resume: whether `train resume=RUN` reads it, else `synthesize run=RUN`.
    """

    file: str
    replaced: str
    content: bytes
    resume: bool
    ending: str = ".bin"


@cache
def finished_run() -> tuple[Path, bytes]:
    """A folder with `run` and its `batch`, made once in this process; and the batch's content."""
    folder = Path(mkdtemp())
    code, said = call(train, *small_training(folder), f"hydra.run.dir={folder / 'run'}")
    if not code:
        code, said = call(synthesize, *small_synthesis(folder / "run"), f"output={folder / 'batch'}",
                          f"paths.cache={folder / 'cache'}")  # fmt: skip
    if code:
        raise RuntimeError(said)
    return folder, (folder / "batch/near_boundary.jsonl").read_bytes()


@st.composite
def _elsewhere(draw: st.DrawFn, values: Any) -> Any:
    """The values with one of them, at any depth, replaced or gone."""
    if isinstance(values, dict) and values and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(values, key=str)))
        if draw(st.integers(0, 7)) == 0:
            return {key: value for key, value in values.items() if key != name}
        return {**values, name: draw(_elsewhere(values[name]))}
    if isinstance(values, list) and values and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(values) - 1))
        return [*values[:place], draw(_elsewhere(values[place])), *values[place + 1 :]]
    return draw(st.sampled_from((*VALUES, *NUMBERS, None, *SURROGATES)) | json_values() | texts())


def edited() -> st.SearchStrategy[RunCase]:
    """Edits of the run of this process, which is made now."""
    return cases(finished_run()[0] / "run")


@st.composite
def cases(draw: st.DrawFn, run: Path) -> RunCase:
    """A file replaced, damaged, or with a value of it changed."""
    file, resume = draw(st.sampled_from(FILES)), draw(st.integers(0, 3)) == 0
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return RunCase(file, draw(st.sampled_from(REPLACED)), b"", resume)
    content = (run / file).read_bytes()
    if kind == 1 or file.endswith(".safetensors"):
        cut = content[: draw(st.integers(0, len(content)))]  # a changed number cannot be told from another run's
        return RunCase(file, "", cut if file.endswith(".safetensors") else draw(damaged(content)), resume)
    values = yaml.safe_load(content) if file.endswith(".yaml") else json.loads(content)
    if file == "overrides.yaml" and draw(st.booleans()):
        added = draw(
            st.sampled_from(("+x={_target_: os.system}", "data=/etc/passwd", "++hydra.searchpath=[/tmp]", "="))
        )
        return RunCase(file, "", yaml.safe_dump([*values, added]).encode(), resume)
    changed = draw(_elsewhere(values))
    text = yaml.safe_dump(changed) if file.endswith(".yaml") else json.dumps(changed)
    return RunCase(file, "", text.encode("utf-8", "surrogatepass"), resume)


def check(case: RunCase, folder: Path) -> tuple[str, Outcome]:
    """In words, what is wrong ("" for nothing), and whether the run was refused."""
    home, batch = finished_run()
    run, ran = folder / "run", folder / RAN
    for old in (run, folder / "out"):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(home / "run", run)
    _edit(run / case.file, case, ran)
    if case.resume:
        code, said = call(train, f"resume={run}", f"paths.cache={home / 'cache'}")
    else:
        code, said = call(
            synthesize, *small_synthesis(run), f"output={folder / 'out'}", f"paths.cache={home / 'cache'}"
        )
    if ran.exists():
        return f"{case.file}: code of the run's files was run", Outcome()
    found = Outcome(refused="" if code == 0 else said.strip() or "nothing said")
    if code == 0:
        made = folder / "out/near_boundary.jsonl"
        same = case.resume or case.file in SETTINGS or _texts(made.read_bytes()) == _texts(batch)
        return "" if same else f"{case.file}: another batch, without a word", found
    if code != 2 or "Traceback" in said:
        return f"{case.file} {case.replaced}: exit code {code}: {said.strip()[-300:]}", found
    told = [line for line in said.splitlines() if line.startswith("error: ")]
    return ("" if len(told) == 1 else f"{case.file}: {len(told)} lines of error"), found


def _texts(content: bytes) -> list[str]:
    return [json.loads(line)["text"] for line in content.decode().split("\n") if line]


def _edit(path: Path, case: RunCase, ran: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    if not case.replaced:
        path.write_bytes(case.content.replace(b"{ran}", os.fsencode(ran)))
    elif case.replaced == "empty":
        path.touch()
    elif case.replaced == "folder":
        path.mkdir()
    elif case.replaced == "dangling":
        path.symlink_to(path.with_name("nowhere"))
    elif case.replaced == "loop":
        path.symlink_to(path)
    elif case.replaced == "device":
        path.symlink_to("/dev/null")
    elif case.replaced == "archive":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", content)
    elif case.replaced == "outside":  # the same content through a link: nothing changes
        other = path.with_name(f"{path.name}.moved")
        other.write_bytes(content)
        path.symlink_to(other)
