"""How Sphinx makes the site out of this folder: `./rig docs`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from rig_capture import __version__

project = "rig_capture"
author = "the rig_capture project"
copyright = "the rig_capture project, Apache-2.0"  # noqa: A001 - Sphinx's name
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docs.generated"]
exclude_patterns = ["generated", "examples"]

myst_enable_extensions = ["attrs_inline", "deflist", "fieldlist"]
myst_heading_anchors = 3
"""Headings can be linked to as on a git host."""

html_theme = "furo"
html_title = f"rig_capture {release}"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["site.css"]
pygments_style = "friendly"
pygments_dark_style = "monokai"
smartquotes = False

# Nothing is fetched while building, so names of other projects have no page to point to. Those of our own must have one.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?!rig_capture\b).*"),
    (r"py:.*", r"rig_capture\.profiles\.settings\..*"),  # on the page of settings
    (r"py:.*", r".*\.(_\w+|SampleT|SampleT_co|Stamps)"),
]

default_role = "code"
add_module_names = False
python_use_unqualified_type_names = True
python_display_short_literal_types = True
toc_object_entries_show_parents = "hide"
napoleon_numpy_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
