"""Builds the documentation: ``sphinx-build -W --keep-going -n -b html docs docs/_build``."""

from typing import TYPE_CHECKING, Any

import decnef_data

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

project = "decnef-data"
author = "The decnef-data developers"
version = release = decnef_data.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}  # autosummary writes the latter

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
maximum_signature_line_length = 60
numpydoc_show_class_members = False
# Links into other projects' documentation would need the network to build; their names are plain text here.
_FOREIGN = "collections|datetime|hashlib|json|numpy|os|pandas|pathlib|pd|pooch|sklearn|typing|xarray|xr"
nitpick_ignore_regex = [
    ("py:.*", rf"({_FOREIGN})(\..*)?"),
    ("py:class", r"decnef_data\.(?!model\.)\w+\..*|[A-Z]\w*"),  # of rooms that are not public
    ("py:class", r"decnef_data\.model\.catalog\..*"),  # records are tables of fields
    ("py:.*", r"(dict|tuple|typing\.Literal)\[.*"),  # pieces of an annotation
]

# A button copies what can be run: commands without their prompt and without what they print.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_remove_prompts = True
copybutton_line_continuation_character = "\\"
copybutton_copy_empty_lines = False
copybutton_selector = ", ".join(
    f"div.{kind} pre" for kind in ("highlight-python", "highlight-console", "highlight-sh", "doctest")
)

html_theme = "pydata_sphinx_theme"
html_title = "decnef-data"
html_static_path = ["_static"]
html_css_files = ["narrow.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars: dict[str, list[str]] = {"index": [], "ja/README.ja": []}
html_theme_options = {
    "navbar_align": "left",
    "show_nav_level": 2,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
project_copyright = "the decnef-data developers; the code is under the MIT licence, the data are not"


def setup(app: "Sphinx") -> None:
    """Treat Japanese pages as Japanese, and show one signature where types need several."""
    app.connect("html-page-context", _say_language)
    app.connect("doctree-read", _join_lines)
    app.connect("builder-inited", _one_signature)


def _say_language(_app: "Sphinx", page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    if page.startswith("ja/"):
        context["language"] = "ja"


def _join_lines(app: "Sphinx", tree: "nodes.document") -> None:
    """Japanese has no blanks between sentences, which each have a line of their own in the source."""
    from docutils import nodes

    if app.env.docname.startswith("ja/"):
        for text in tuple(tree.findall(nodes.Text)):
            if text.astext() == "\n":
                text.parent.remove(text)


def _one_signature(_app: "Sphinx") -> None:
    # The overloads of fetch_dataset repeat all parameters four times; the text says what they say.
    from sphinx.pycode import ModuleAnalyzer

    for module in ("decnef_data.api.fetch", "decnef_data.client.methods.fetch"):
        analyzer = ModuleAnalyzer.for_module(module)
        analyzer.analyze()
        analyzer.overloads.clear()
