"""`minircnn study NAME`: what the papers tried, tried again on the bundled scenes, several seeds each.

A study is one small file: what it asks, what was published, how it is measured, and the order that is expected.
`lab.py` trains and measures, `study.py` says what came out.
"""

from importlib import import_module

from minircnn.base.errors import InputError
from minircnn.tasks.studies.study import Study

#: Name → its file here; the order is that of the road.
STUDIES = {
    name: name.replace("-", "_")
    for name in ("multitask", "layers", "softmax-svm", "svd", "proposals", "pooling", "loss", "approximate")
}


def find_studies(name: str) -> dict[str, Study]:
    """The study of this name, or every one for "all"; InputError, with the names, where there is none."""
    if name != "all" and name not in STUDIES:
        raise InputError(f"there is no study {name}; there are {', '.join(STUDIES)}, and all")
    chosen = STUDIES if name == "all" else {name: STUDIES[name]}
    return {each: import_module(f"{__name__}.{file}").STUDY for each, file in chosen.items()}
