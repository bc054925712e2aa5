"""Reading a YAML file of thresholds strictly: plain data, no key twice, nothing huge."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from workbench.errors import Unusable

MAX_BYTES = 200_000


class StrictLoader(yaml.SafeLoader):
    """YAML's plain data; a key that stands twice is an error, not the last one's win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if any(key in keys[:place] for place, key in enumerate(keys)):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def read_text(path: Path) -> str:
    """The text of a policy file. Raises Unusable when it is missing, too large or not UTF-8."""
    try:
        content = path.read_bytes()
        if len(content) <= MAX_BYTES:
            return content.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    raise Unusable(
        ja=f"方針のファイル {path.name} を読めません。UTF-8 の YAML（{MAX_BYTES} バイト以下）か確かめてください。",
        en=f"The policy file {path.name} cannot be read; it must be YAML in UTF-8 of at most {MAX_BYTES} bytes.",
    )


def read_yaml(text: str, *, name: str) -> dict[str, Any]:
    """The mapping in `text`. Raises Unusable, with the line, when it is not plain YAML."""
    try:
        value = yaml.load(text, Loader=StrictLoader)  # noqa: S506  a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise Unusable(
            ja=f"{name} の {line} 行目付近が YAML として読めません（同じ項目が二度あるなど）。直してください。",
            en=f"{name} is not plain YAML near line {line} (a key may stand twice); correct it.",
        ) from None
    if not isinstance(value, dict):
        raise Unusable(
            ja=f"{name} に項目がありません。雛形に沿って書いてください。",
            en=f"{name} holds no keys; follow the template.",
        )
    return value
