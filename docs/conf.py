"""How Sphinx builds these pages. It needs no network: nothing is fetched while it builds."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cloudstore

project = "cloudstore"
author = "The cloudstore authors"
copyright = "The cloudstore authors"
version = release = cloudstore.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["examples/**"]
html_theme = "furo"
html_title = "cloudstore"
html_static_path = ["_static"]
html_show_copyright = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings write names in single backticks; a name that has no page of its own is just code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Keys", "params_style"), ("Raises (into the flow)", "returns_style")]
# Attributes of the same name in several classes ("bucket") are no mistake.
suppress_warnings = ["ref.python"]
