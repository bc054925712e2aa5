"""
Naming what was run: a digest over the cells, so that a model can be traced to its notebook.

The kernel's own history is taken, not the file: the file may be saved later, and what ran is what counts.
"""

import sys
from pathlib import Path

from workbench.artifact.canonical import canonical, sha256
from workbench.errors import Refused
from workbench.scoring import plain_json


def digest_of_notebook(path: Path | None = None) -> str:
    """The digest of the code of the notebook at `path`, or of what this kernel has run so far."""
    sources = executed() if path is None else code_of(path)
    if not sources:
        raise Refused(
            ja="どのノートブックの結果か分かりません。ノートブックから実行するか、notebook= でファイルを指定してください。",
            en="It is not known which notebook this comes from; run it in a notebook or name the file with notebook=.",
        )
    return sha256(canonical(sources))


def executed() -> list[str]:
    """The cells this kernel has run, in order; empty outside of IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return [str(cell) for cell in shell.user_ns.get("In", []) if cell] if shell is not None else []


def code_of(path: Path) -> list[str]:
    """The code cells of a notebook file, or a script as one cell."""
    if path.suffix != ".ipynb":
        return [path.read_text(encoding="utf-8")]
    cells = plain_json.read(path.read_bytes(), name=path.name)["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
