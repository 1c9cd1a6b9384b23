"""Joins ES modules, styles and data into one HTML file that runs from disk: no bundler, no network, no eval.

Modules are joined in the order of their imports; each becomes its own function, so that private names cannot
clash. The rules, whose violation is an error that names file and line:

- an import is at the start of one line: `import { a, b } from "./other.js";`
- `export` comes before a function, an async function, a class, or a const or let of one name;
- there are no import cycles, and no two modules export the same name;
- no module contains text that would end its script element.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from vos.errors import ConfigError
from vos.storage.json_files import finite

IMPORT = re.compile(r'import \{ ([\w$]+(?:, [\w$]+)*) \} from "(\.[\w./-]+\.js)";')
EXPORT = re.compile(r"export (?:(?:async )?function|class|const|let) ([\w$]+)")
UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
ENDS_SCRIPT = re.compile(r"</script|<!--", re.IGNORECASE)


@dataclass(frozen=True)
class _Module:
    """One file: its imports by module, its exports, and its lines without import and export statements."""

    path: str
    imports: Mapping[str, tuple[str, ...]]
    exports: tuple[str, ...]
    body: str


def bundle(root: Traversable, entry: str) -> str:
    r"""Join a module and all its imports into one script; the same files give the same bytes.

    Args:
        root: the folder to which module paths are relative.
        entry: path of the module that starts the page, with `/`, below `root`.

    Returns: a strict-mode script in its own scope.

    Raises:
        ConfigError: a rule of the module's docstring is violated.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "one.js").write_text("export const one = 1;\n")
        ...     _ = Path(folder, "main.js").write_text('import { one } from "./one.js";\nlet two = one + one;\n')
        ...     print(bundle(Path(folder), "main.js"))
        "use strict";
        (() => {
        // one.js
        const { one } = (() => {
        const one = 1;
        return { one };
        })();
        // main.js
        (() => {
        <BLANKLINE>
        let two = one + one;
        })();
        })();
        <BLANKLINE>
    """
    modules = _in_order(root, entry)
    _check_names(modules)
    return '"use strict";\n(() => {\n' + "".join(map(_as_function, modules)) + "})();\n"


def csp_hash(content: str) -> str:
    """The hash by which a content security policy allows one inline script or style.

    Example:
        >>> csp_hash("")
        'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def safe_json(values: object) -> str:
    r"""JSON that cannot end its script element, and that all parsers read in the same way.

    `<`, `>`, `&`, the line separators U+2028 and U+2029 and lone surrogates are escaped; non-finite numbers become
    null.

    Example:
        >>> safe_json({"text": "</script> é"})
        '{"text":"\\u003c/script\\u003e é"}'
    """
    content = json.dumps(finite(values), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", content)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replace every `{{NAME}}` of the template in a single pass; placeholders within values are not replaced.

    Raises:
        ConfigError: a placeholder has no value.
    """
    missing = sorted({place for place in re.findall(r"\{\{(\w+)\}\}", template) if place not in values})
    if missing:
        raise ConfigError(f"template of a page: expected a value for {missing}, got {sorted(values)}")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: values[place[1]], template)


def _in_order(root: Traversable, entry: str) -> list[_Module]:
    done: dict[str, _Module] = {}

    def take(path: str, above: Sequence[str]) -> None:
        if path in above:
            raise ConfigError(f"{path}: imports itself by way of {' -> '.join([*above, path])}; break the circle")
        if path in done:
            return
        module = _read(root, path, above[-1] if above else "the page")
        for other, names in module.imports.items():
            take(other, [*above, path])
            if unknown := sorted(set(names) - set(done[other].exports)):
                raise ConfigError(f"{path}: imports {unknown} from {other}, which exports {list(done[other].exports)}")
        done[path] = module

    take(posixpath.normpath(entry), [])
    return list(done.values())


def _read(root: Traversable, path: str, asked_by: str) -> _Module:
    try:
        source = root.joinpath(*path.split("/")).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: expected a module, imported by {asked_by}: {error}") from error
    imports: dict[str, tuple[str, ...]] = {}
    exports, lines = [], []
    for number, line in enumerate(source.split("\n"), 1):
        kept = line
        if line.startswith("import"):
            found = IMPORT.fullmatch(line)
            if not found:
                raise ConfigError(f'{path}:{number}: expected import {{ a, b }} from "./other.js"; got {line!r}')
            other = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[2]))
            imports[other] = (*imports.get(other, ()), *found[1].split(", "))
            kept = ""
        elif line.startswith("export"):
            found = EXPORT.match(line)
            if not found:
                raise ConfigError(
                    f"{path}:{number}: expected export before a function, a class, or a const or let of one name, "
                    f"got {line!r}"
                )
            exports.append(found[1])
            kept = line.removeprefix("export ")
        if ENDS_SCRIPT.search(line):
            raise ConfigError(f"{path}:{number}: would end its script element; write the sign as an escape: {line!r}")
        lines.append(kept)
    return _Module(path, imports, tuple(exports), "\n".join(lines).rstrip("\n"))


def _check_names(modules: Sequence[_Module]) -> None:
    owner: dict[str, str] = {}
    for module in modules:
        for name in module.exports:
            if name in owner:
                raise ConfigError(f"{module.path}: exports {name}, as {owner[name]} does; rename one of them")
            owner[name] = module.path


def _as_function(module: _Module) -> str:
    if not module.exports:
        return f"// {module.path}\n(() => {{\n{module.body}\n}})();\n"
    names = ", ".join(module.exports)
    return f"// {module.path}\nconst {{ {names} }} = (() => {{\n{module.body}\nreturn {{ {names} }};\n}})();\n"


def kit_style() -> str:
    """The shared style of the pages; each page's own style follows it."""
    return resources.files("vos.page").joinpath("kit.css").read_text(encoding="utf-8")
