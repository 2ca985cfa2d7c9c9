"""How the documentation is built: `make docs`. Numbers on the pages are doctests, figures come from the examples."""

import importlib.util
import logging
import re
import sys
from pathlib import Path

import minircnn
from minircnn.explain.page import write_page

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from source_pages import SCHEME, linkcode_resolve  # noqa: E402, F401  (linkcode asks for it)

logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)

project = "minircnn"
author = "the minircnn authors"
version = release = minircnn.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.linkcode",
    "sphinx-mathjax-offline",  # formulas without asking a server
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "source_pages",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_examples", "_extra", "*.py"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
myst_url_schemes = ["http", "https", "mailto", SCHEME.rstrip(":")]
suppress_warnings = ["config.cache"]  # the gallery is given a function
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!minircnn\.).*")]  # other people's names, and the shapes of docstrings

autodoc_typehints = "none"
autodoc_member_order = "bysource"  # forward above backward, as in the code
default_role = "py:obj"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
doctest_test_doctest_blocks = ""
doctest_global_setup = "import numpy as np\nnp.set_printoptions(precision=4, suppress=True)"


def figure_of_the_example(block, block_vars, gallery_conf):
    """The examples draw on a `figure` of their own, without pyplot: save it where the gallery looks."""
    from sphinx_gallery.scrapers import figure_rst

    figure = block_vars["example_globals"].get("figure")
    if figure is None or getattr(figure, "in_the_gallery", False):
        return ""
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, dpi=100)
    figure.in_the_gallery = True
    return figure_rst([path], gallery_conf["src_dir"])


def examples_to_run():
    """All of them; without PyTorch less those that compare with it, which are shown as they are."""
    if importlib.util.find_spec("torch"):
        return r"/\d\d_"
    texts = {path.name: path.read_text(encoding="utf-8") for path in (HERE.parent / "examples").glob("[0-9]*.py")}
    left_out = sorted(name for name, text in texts.items() if "import torch" in text)
    print(f"shown, not run, for PyTorch is not installed: {', '.join(left_out)}")  # noqa: T201
    return rf"/(?:{'|'.join(re.escape(name) for name in texts if name not in left_out)})$"


sphinx_gallery_conf = {
    "examples_dirs": ["_examples"],
    "gallery_dirs": ["gallery"],
    "filename_pattern": examples_to_run(),
    "image_scrapers": (figure_of_the_example,),
    "reset_modules": (),
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,  # a page of its own, which asks servers for scripts
    "min_reported_time": 1e9,
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
}

html_theme = "furo"
html_title = f"minircnn {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}


GALLERY = """
Examples
========

Fourteen scripts in the order of the journey, one idea each. Each runs in seconds on bundled data and checks what it
says.
"""


def write_examples(folder: Path) -> None:
    """The examples as the gallery wants them: the first line of the docstring underlined, as a title."""
    folder.mkdir(exist_ok=True)
    (folder / "README.rst").write_text(GALLERY, encoding="utf-8")
    for path in sorted((HERE.parent / "examples").glob("[0-9]*.py")):
        title, rest = path.read_text(encoding="utf-8").removeprefix('"""').split("\n", 1)
        title = title.removesuffix(".")
        words, rest = rest.split('"""', 1)
        words = re.sub(r":\n\n(?=    )", "::\n\n", words)  # formulas as they are written
        underlined = f'"""\n{title}\n{"=" * len(title)}\n{words}"""{rest}'
        target = folder / path.name
        if not target.exists() or target.read_text(encoding="utf-8") != underlined:
            target.write_text(underlined, encoding="utf-8")


(HERE / "_extra").mkdir(exist_ok=True)
for language, name in (("en", "the_gradient_page.html"), ("ko", "the_gradient_page_ko.html")):
    write_page(HERE / "_extra" / name, language)  # made by this version, beside the other pages
write_examples(HERE / "_examples")


def bring_the_questions(app, docname, source):
    """The page study.md is examples/README.md, whose examples lead to the gallery, where their output stands too."""
    if docname == "study":
        path = HERE.parent / "examples" / "README.md"
        app.env.note_dependency(path)
        app.env.note_dependency(__file__)

        def in_words(link: re.Match) -> str:
            text = path.with_name(f"{link[1]}.py").read_text(encoding="utf-8")
            title = re.match(r'"""\d\d +([^:.\n]+)', text)[1]
            return f"[{title}](gallery/{link[1]}.rst)"

        text = path.read_text(encoding="utf-8").replace("(../docs/ko/study.md)", "(ko/study.md)")
        source[0] = re.sub(r"\[(\d\d_\w+)\.py\]\(\1\.py\)", in_words, text)
    if docname == "ko/study":
        source[0] = source[0].replace("(../../examples/README.md)", "(../study.md)")


def say_korean(app, pagename, templatename, context, doctree):
    """Pages under ko/ are in Korean, and say so to browsers and screen readers."""
    if pagename.startswith("ko/"):
        context["language"] = "ko"


def setup(app):
    app.connect("source-read", bring_the_questions, priority=400)  # before the links to code are led to their pages
    app.connect("html-page-context", say_korean)
