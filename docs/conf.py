"""The site of the documents, built by `make docs`: Sphinx, MyST (Markdown) and the theme furo."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import vos

project = "vos"
author = "the authors of vos"
release = version = vos.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docs.generators.extension"]
exclude_patterns = ["results/*", "generators/*", "generated/fields.md"]  # the last is included in a page
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

# Markdown: headings are anchors, so that a link to a part of a page is checked.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

# Docstrings: Google style; what stands in single backticks is a name of this package where it is one, else code.
default_role = "py:obj"
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autoclass_content = "class"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
add_module_names = False

# Nothing is fetched, in building and in reading: no fonts, no scripts and no styles from elsewhere.
html_theme = "furo"
html_title = "vos"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_search_summary = False  # it would fetch pages, which a browser refuses for files
html_show_sphinx = False
html_show_copyright = False
pygments_style = "tango"
highlight_language = "none"
