"""A Sphinx extension: a page for each file of the code, and the links to it.

`[losses.py](../minircnn/losses.py#L40)` leads to the file on GitHub and, on the site, to its page at that line. The
"[source]" links of the API reference lead there too. When all is written, every link within the site is followed.
"""

import inspect
import posixpath
import re
import sys
from html import unescape
from operator import attrgetter
from pathlib import Path
from urllib.parse import unquote

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.util import logging

LOG = logging.getLogger(__name__)
ROOT = Path(__file__).parent.parent
SCHEME = "code:"
FORMAT = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True, wrapcode=True)


def source_files() -> list[str]:
    """Those of the code and the examples, from the repository's root."""
    return sorted(
        path.relative_to(ROOT).as_posix() for room in ("minircnn", "examples") for path in (ROOT / room).rglob("*.py")
    )


def source_pages(app):
    """One page for each file: (name, context, template)."""
    for path in source_files():
        code = highlight((ROOT / path).read_text(encoding="utf-8"), PythonLexer(), FORMAT)
        code = re.sub(r'((?:id|name|href)="#?L)-(\d+")', r"\1\2", code)  # anchors as on GitHub: L40, not L-40
        body = f'<h1>{path.replace("/", "/<wbr>")}</h1>\n<div class="source-file">{code}</div>'
        yield f"source/{path}", {"title": path, "body": body}, "page.html"


def mark_links(app, docname, source):
    """Give links to files of the code a scheme of their own, for MyST would make downloads of them."""
    known, folder = set(source_files()), posixpath.dirname(docname)

    def marked(link: re.Match) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, link[1]))
        if path not in known:
            return link[0]
        return f"]({SCHEME}{posixpath.relpath(f'source/{path}.html', folder or '.')}{link[2]})"

    source[0] = re.sub(r"\]\(([\w./]+\.py)((?:#L\d+)?)\)", marked, source[0])


def lead_links(app, doctree):
    """Take the scheme off again: what is left is the way to the file's page."""
    for link in doctree.findall(nodes.reference):
        link["refuri"] = link.get("refuri", "").removeprefix(SCHEME)


def linkcode_resolve(domain: str, info: dict) -> str | None:
    """For `sphinx.ext.linkcode`: the page and the line of a name of the API reference, which stands in docs/ itself."""
    thing = inspect.unwrap(attrgetter(info["fullname"])(sys.modules[info["module"]]))
    thing = getattr(thing, "fget", getattr(thing, "py_func", thing))  # of a property, and of what Numba compiles
    if not inspect.isroutine(thing) and not inspect.isclass(thing):
        return None
    path = Path(inspect.getsourcefile(thing)).resolve().relative_to(ROOT).as_posix()
    return f"source/{path}.html#L{inspect.getsourcelines(thing)[1]}"


def follow_links(app, error):
    """Warn of each link within the site whose page or place is not there, and of each page that asks a server.

    Only now are all pages written.
    """
    if error or app.builder.name != "html":
        return
    site = Path(app.outdir)
    anchors: dict[Path, set[str]] = {}
    for page in sorted(site.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        anchors[page] = set(re.findall(r'\bid="([^"]+)"', text))
        anchors[page].add("")
        for asked in re.findall(r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="(https?:[^"]+)"', text):
            LOG.warning("%s asks a server for %s", page.relative_to(site), asked)
    for page in anchors:
        for link in set(re.findall(r'<a\b[^>]*\bhref="([^"]+)"', page.read_text(encoding="utf-8"))):
            there, _, anchor = unquote(unescape(link)).partition("#")
            if re.match(r"[a-z]+:", there):
                continue
            target = (page.parent / there).resolve() if there else page
            if not target.exists() or anchor not in anchors.get(target, {anchor}):
                LOG.warning("%s links to %s, which is not there", page.relative_to(site), link)


def setup(app):
    app.connect("source-read", mark_links)
    app.connect("doctree-read", lead_links)
    app.connect("html-collect-pages", source_pages)
    app.connect("build-finished", follow_links)
    return {"parallel_read_safe": True}
