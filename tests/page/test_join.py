"""Joining modules, styles and data into one file: the rules of the joiner, and the content security of a page."""

import base64
import hashlib
import json
import shutil
import subprocess
from importlib import resources

import pytest

from vos.errors import ConfigError
from vos.page.join import bundle, csp_hash, fill, safe_json

D3 = resources.files("vos.page").joinpath("d3")


@pytest.fixture
def folder(tmp_path):
    def write(**files):
        for name, source in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.js"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        return tmp_path

    return write


def test_modules_come_in_the_order_of_their_imports_and_twice_the_same(folder):
    root = folder(
        main='import { b } from "./sub/b.js";\nimport { a } from "./a.js";\nconst own = a + b;\n',
        a="export const a = 1;\nconst own = 2;\n",
        sub__b='import { a } from "../a.js";\nexport function b() { return a; }\nexport class C {}\n',
        unused="this is not even JavaScript",
    )
    script = bundle(root, "main.js")
    assert [line[3:] for line in script.split("\n") if line.startswith("// ")] == ["a.js", "sub/b.js", "main.js"]
    assert "const { b, C } = (() => {" in script
    assert "import" not in script
    assert "export" not in script
    assert script == bundle(root, "main.js")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"main": 'import { a }\n  from "./a.js";\n'}, r"main\.js:1: expected import"),
        ({"main": 'import a from "./a.js";\n'}, r"main\.js:1: expected import"),
        ({"main": 'import { a as b } from "./a.js";\n'}, r"main\.js:1: expected import"),
        ({"main": 'import { a } from "https://x.org/a.js";\n'}, r"main\.js:1: expected import"),
        ({"main": "let x = 1;\nexport default x;\n"}, r"main\.js:2: expected export before"),
        ({"main": "const x = 1;\nexport { x };\n"}, r"main\.js:2: expected export before"),
        ({"main": 'import { a } from "./a.js";\n'}, r"a\.js: expected a module, imported by main\.js"),
        ({"main": 'import { b } from "./a.js";\n', "a": "export const a = 1;\n"}, r"imports \['b'\] from a\.js"),
        (
            {"main": 'import { a } from "./a.js";\n', "a": 'import { x } from "./main.js";\nexport const a = 1;\n'},
            r"main\.js -> a\.js -> main\.js",
        ),
        (
            {
                "main": 'import { a } from "./a.js";\nimport { b } from "./b.js";\n',
                "a": "export const a = 1;\nexport const x = 1;\n",
                "b": "export const b = 1;\nexport const x = 1;\n",
            },
            r"b\.js: exports x, as a\.js does",
        ),
        ({"main": 'const x = "</SCRIPT>";\n'}, r"main\.js:1: would end its script element"),
        ({"main": 'const x = 1;\nconst y = "<!--";\n'}, r"main\.js:2: would end its script element"),
    ],
)
def test_a_broken_rule_is_an_error_that_names_the_file(folder, files, message):
    with pytest.raises(ConfigError, match=message):
        bundle(folder(**files), "main.js")


@pytest.mark.slow
def test_private_names_do_not_clash_when_it_runs(folder):
    node = shutil.which("node")
    if not node:
        pytest.skip("NO NODE: the joined script was not run")
    root = folder(
        main='import { a } from "./a.js";\nimport { b } from "./b.js";\nconst c = 3;\nconsole.log(a() + b() + c);\n',
        a="const own = 1;\nexport function a() { return own; }\n",
        b="const own = 20;\nexport function b() { return own; }\n",
    )
    done = subprocess.run([node, "-e", bundle(root, "main.js")], capture_output=True, text=True, check=True)
    assert done.stdout == "24\n"


def test_data_cannot_end_its_element_and_reads_back_as_it_was():
    values = {"t": ["</script><!--", "a & b", "\u2028\u2029", "\ud800", "é😀", "a\r\n\x00"], "x": float("nan")}
    content = safe_json(values)
    assert not set(content) & set("<>&\u2028\u2029\ud800")
    assert json.loads(content) == {**values, "x": None}
    assert "é😀" in content


def test_a_value_is_never_filled_in_again_and_none_may_miss():
    assert fill("{{A}}{{B}}", {"A": "{{B}}", "B": "b"}) == "{{B}}b"
    with pytest.raises(ConfigError, match=r"\['B'\]"):
        fill("{{A}}{{B}}", {"A": "a"})


def test_the_hash_is_the_one_browsers_compute():
    assert csp_hash("é") == "sha256-" + base64.b64encode(hashlib.sha256("é".encode()).digest()).decode()


def test_d3_is_the_published_file_with_its_licence():
    listed = dict(reversed(line.split()) for line in D3.joinpath("SHA256SUMS").read_text("utf-8").splitlines())
    assert set(listed) == {"d3.min.js", "LICENSE"}
    found = {name: hashlib.sha256(D3.joinpath(name).read_bytes()).hexdigest() for name in listed}
    assert found == listed
    assert listed["d3.min.js"] == "912111098ea99503a6f4967361d2bbdc9dbf58cf9c678c8e27e5b02d1a07f0c1"
    assert D3.joinpath("d3.min.js").read_text("utf-8").startswith("// https://d3js.org v7.9.2 ")
    assert "Permission to use, copy, modify" in D3.joinpath("LICENSE").read_text("utf-8")
