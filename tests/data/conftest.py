"""A small register with an item of every kind, and a way to write what a holder might send."""

from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.data.register import Register, Table

DOCUMENT = {
    "schema": "workbench-register/1",
    "tables": {
        "pupil": {
            "label": {"ja": "学籍", "en": "Pupils"},
            "holder": "学校教育課",
            "source_process": "学齢簿の編製",
            "original_purpose": "就学の事務",
            "justification": "登校の状況を知るため",
            "items": [
                {
                    "name": "pupil_no",
                    "label": {"ja": "学籍番号", "en": "Pupil number"},
                    "role": "direct_identifier",
                    "kind": "code",
                },
                {
                    "name": "name",
                    "label": {"ja": "氏名", "en": "Name"},
                    "role": "direct_identifier",
                    "kind": "text",
                },
                {
                    "name": "birth_date",
                    "label": {"ja": "生年月日", "en": "Date of birth"},
                    "role": "quasi_identifier",
                    "kind": "date",
                    "minimum": "1900-01-01",
                    "maximum": "2030-12-31",
                },
                {
                    "name": "sex",
                    "label": {"ja": "性別", "en": "Sex"},
                    "role": "quasi_identifier",
                    "kind": "category",
                    "values": {"1": {"ja": "男", "en": "male"}, "2": {"ja": "女", "en": "female"}},
                },
                {
                    "name": "absent_days",
                    "label": {"ja": "欠席日数", "en": "Days absent"},
                    "role": "other",
                    "kind": "integer",
                    "minimum": 0,
                    "maximum": 366,
                },
                {
                    "name": "fee",
                    "label": {"ja": "給食費", "en": "Fee"},
                    "role": "sensitive",
                    "kind": "number",
                    "unit": "円",
                },
                {
                    "name": "aid",
                    "label": {"ja": "就学援助", "en": "School aid"},
                    "role": "sensitive",
                    "kind": "flag",
                    "harmful_values": ["yes"],
                },
            ],
        }
    },
}
HEADER = "pupil_no,name,birth_date,sex,absent_days,fee,aid"
ROW = "S0000001,青葉 花子,2014-05-06,2,3,4500,有"


@pytest.fixture
def pupil() -> Table:
    return Register.from_json(DOCUMENT)["pupil"]


@pytest.fixture
def send(tmp_path: Path) -> Callable[..., Path]:
    """Write rows beneath the usual header, or any bytes, as a holder's file."""

    def write(*rows: str, header: str = HEADER, encoding: str = "utf-8", name: str = "pupil.csv") -> Path:
        path = tmp_path / name
        path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
        return path

    return write
