"""
The item register as a document: YAML or JSON text, and its schema.

YAML is read by the few rules of its core that mean what they look like: `yes`, `no`, `01` and `2024-04-01`
stay text, and an entry written twice is an error instead of a silent choice.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from workbench.data.individual_number import mentions
from workbench.errors import NotFound, Refused, Unusable

if TYPE_CHECKING:
    import jsonschema

BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PLAIN_TYPES = {
    "bool": (r"true|false", "tf"),
    "int": (r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    "float": (r"-?(?:0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
    "null": (r"null|~|", ["n", "~", ""]),
}


class Twice(ValueError):
    """An entry stands twice in one mapping."""


class PlainLoader(BASE):
    """YAML without surprises; see the module. A key is the text it is written as."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 — PyYAML reads this name on the class

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        return once((str(key.value), self.construct_object(value, deep=True)) for key, value in node.value)


for name, (pattern, first) in PLAIN_TYPES.items():
    PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{name}", re.compile(f"^(?:{pattern})$"), list(first)
    )


def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A dictionary of `pairs`. Raises Twice when a key comes again."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Twice
        found[key] = value
    return found


def read_document(path: Path) -> Any:
    """What the register's file says, not yet checked. Raises NotFound, Unusable, Refused."""
    text = read_text(path)
    if any(mentions(line) for line in text.splitlines()):
        raise Refused(
            ja="データ項目台帳の中に個人番号と見られる番号があります。取り除いてください。",
            en="The item register holds what reads as an Individual Number; remove it.",
        )
    try:
        if path.suffix == ".json":
            return json.loads(text, object_pairs_hook=once)
        return yaml.load(text, Loader=PlainLoader)  # noqa: S506 — a loader that only builds plain values
    except Twice:
        raise not_readable(ja="同じ項目が二度書かれています", en="an entry is written twice") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = line_of(error)
        raise not_readable(
            ja=f"{line} 行目あたりの書き方が YAML・JSON として正しくありません",
            en=f"it is not well-formed YAML or JSON near line {line}",
        ) from None


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound(
            ja="データ項目台帳のファイルが見つかりません。場所を確かめてください。",
            en="The item register's file was not found; check where it is.",
        ) from None
    except UnicodeDecodeError:
        raise not_readable(ja="UTF-8 ではありません", en="it is not UTF-8") from None


def line_of(error: Exception) -> int:
    """The line at which a parser gave up, counted from 1."""
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else getattr(error, "lineno", 1)


def not_readable(*, ja: str, en: str) -> Unusable:
    return Unusable(ja=f"データ項目台帳を読めません。{ja}。", en=f"The item register cannot be read: {en}.")


@cache
def validator() -> "jsonschema.Draft202012Validator":
    # Where its optional formats are installed, jsonschema builds a grammar for two seconds on import.
    import jsonschema

    schema = json.loads(files("workbench.data").joinpath("register.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def check(document: Any) -> None:
    """Raise Unusable, naming the entry, when the document is not of the register's schema."""
    from jsonschema import exceptions

    error = exceptions.best_match(validator().iter_errors(document))
    if error is None:
        return
    where = place(document, error.absolute_path)
    ja, en = SENTENCES.get(str(error.validator), malformed)(error)
    raise Unusable(
        ja=f"データ項目台帳の {where} を直してください。{ja}。",
        en=f"Correct {where} of the item register: {en}.",
    )


def place(document: Any, path: Iterable[str | int]) -> str:
    """Where in the document: `tables.resident.items.sex.kind`, with an item's name for its number."""
    words, here = [], document
    for step in path:
        here = here[step]
        named = isinstance(step, int) and isinstance(here, Mapping) and isinstance(here.get("name"), str)
        words.append(here["name"] if named else str(step))
    return ".".join(words) or "(top)"


def lacking(error: "jsonschema.ValidationError") -> tuple[str, str]:
    names = ", ".join(name for name in error.validator_value if name not in error.instance)
    return f"{names} がありません", f"{names} is lacking"


def unknown(error: "jsonschema.ValidationError") -> tuple[str, str]:
    names = ", ".join(sorted(str(name) for name in error.instance.keys() - error.schema["properties"].keys()))
    return f"知らない項目があります: {names}", f"it has an unknown entry: {names}"


def not_one_of(error: "jsonschema.ValidationError") -> tuple[str, str]:
    allowed = ", ".join(map(str, error.validator_value))
    return f"次のいずれかにします: {allowed}", f"it must be one of {allowed}"


def malformed(_error: "jsonschema.ValidationError") -> tuple[str, str]:
    return "空か、型か書き方が違います", "it is empty, or of another type or form than it must be"


SENTENCES: dict[str, Callable[["jsonschema.ValidationError"], tuple[str, str]]] = {
    "required": lacking,
    "additionalProperties": unknown,
    "enum": not_one_of,
}
