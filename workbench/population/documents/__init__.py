"""
What goes with the city: its item register, a project's charter, the map, and the dictionary made of them.

The register is the source; the dictionaries in both languages are drawn from it and from params.yaml.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path

from workbench.data.register import Register
from workbench.home import write_atomically
from workbench.population.documents.dictionary import dictionary
from workbench.population.places import places_csv

LANGUAGES = ("ja", "en")


def shipped(name: str) -> bytes:
    return (files(__name__) / name).read_bytes()


@cache
def register() -> Register:
    """The item register of the city's tables and of `child_year`."""
    return Register.load(Path(str(files(__name__) / "register.yaml")))


def labels(table: str) -> dict[str, str]:
    """The Japanese headings of a table's columns."""
    return {item.name: item.label["ja"] for item in register()[table]}


def documents() -> dict[str, bytes]:
    """Every document by file name."""
    return {
        "register.yaml": shipped("register.yaml"),
        "project.yaml": shipped("project.yaml"),
        "places.csv": places_csv(),
        **{f"dictionary.{language}.md": dictionary(register(), language).encode() for language in LANGUAGES},
    }


def write_documents(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        write_atomically(folder / name, content, mode=0o644)
