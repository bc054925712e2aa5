"""The item register: what it must say, what it may not, and one digest for one content."""

import copy
import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.audit import Event
from workbench.data.individual_number import check_digit
from workbench.data.item import Item, ItemRole, Kind
from workbench.data.register import Register
from workbench.data.register_document import PlainLoader
from workbench.data.registers import Registers
from workbench.errors import NotFound, Refused, Unusable
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.state import State

TEXT = """
schema: workbench-register/1
tables:
  resident:
    label: {ja: 住民記録, en: Residents}
    holder: 住民課
    source_process: 住民基本台帳の編製
    original_purpose: 居住関係の公証
    justification: {abuse_report: 世帯の状況を知るため}
    items:
      - {name: sex, label: {ja: 性別, en: Sex}, role: quasi_identifier, kind: category, values: {1: {ja: 男, en: male}, 02: {ja: 女, en: female}}}
      - {name: moves_3y, label: {ja: 転居回数, en: Moves}, role: other, kind: integer, minimum: 0, maximum: 5}
      - {name: birth_date, label: {ja: 生年月日, en: Birth}, role: quasi_identifier, kind: date, minimum: 1900-01-01}
      - {name: foreign, label: {ja: 国籍区分, en: Foreign}, role: quasi_identifier, kind: flag, special_care: true, harmful_values: [yes], holder: 市民課}
      - {name: answer, label: {ja: 回答, en: Answer}, role: other, kind: category, values: [yes, no, "on"]}
"""
DOCUMENT = yaml.load(TEXT, Loader=PlainLoader)  # noqa: S506 — builds plain values only


def write(tmp_path, text: str, name: str = "register.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def changed(*path, to) -> str:
    """The document with one entry changed, removed (None) or added, as JSON."""
    document = copy.deepcopy(DOCUMENT)
    *steps, last = path
    here = document
    for step in steps:
        here = here[step]
    if to is None:
        del here[last]
    else:
        here[last] = to
    return json.dumps(document)


@pytest.fixture
def register(tmp_path) -> Register:
    return Register.load(write(tmp_path, TEXT))


def test_yaml_means_what_it_looks_like(register):
    """`yes` is no boolean, `02` no number and 1900-01-01 no moment."""
    resident = register["resident"]

    assert resident["foreign"].harmful_values == ("yes",)
    assert resident["answer"].domain == ("yes", "no", "on")
    assert resident["sex"].domain == ("1", "02")
    assert resident["birth_date"].minimum == "1900-01-01"
    assert resident["foreign"].special_care is True
    assert resident["moves_3y"].minimum == 0


def test_what_a_table_says_holds_for_its_items_unless_they_say_it_themselves(register):
    assert register["resident"]["sex"].holder == "住民課"
    assert register["resident"]["foreign"].holder == "市民課"


def test_roles_and_domains(register):
    resident = register["resident"]

    assert resident.of_role(ItemRole.QUASI_IDENTIFIER) == ("sex", "birth_date", "foreign")
    assert resident["foreign"].domain == ("yes", "no")
    assert resident["moves_3y"].domain is None
    assert register.size == 5


def test_a_register_comes_back_from_its_own_json(register):
    again = Register.from_json(json.loads(json.dumps(register.to_json())))

    assert again == register
    assert again.digest == register.digest
    assert register["resident"]["moves_3y"].to_json()["minimum"] == 0


def test_the_digest_is_of_the_content_not_of_the_layout(tmp_path, register):
    as_json = Register.load(write(tmp_path, json.dumps(register.to_json(), indent=7), "register.json"))
    other = Register.load(write(tmp_path, TEXT.replace("maximum: 5", "maximum: 6")))

    assert as_json.digest == register.digest
    assert other.digest != register.digest


def test_a_table_that_is_not_there_is_not_found(register):
    with pytest.raises(NotFound) as raised:
        register["tax"]

    assert "resident" in raised.value.en


ITEM = ("tables", "resident", "items", 1)
WRONG = {
    "another schema": (changed("schema", to="workbench-register/2"), "schema"),
    "no tables": (changed("tables", to={}), "tables"),
    "a table without items": (changed("tables", "resident", "items", to=[]), "tables.resident.items"),
    "a table's name as a path": (changed("tables", "../x", to=DOCUMENT["tables"]["resident"]), "tables"),
    "an unknown entry": (changed(*ITEM, "colour", to="red"), "colour"),
    "no role": (changed(*ITEM, "role", to=None), "role"),
    "an unknown role": (changed(*ITEM, "role", to="secret"), "moves_3y.role"),
    "an unknown kind": (changed(*ITEM, "kind", to="float"), "moves_3y.kind"),
    "a label in one language": (changed(*ITEM, "label", to={"ja": "転居"}), "moves_3y.label"),
    "an empty label": (changed(*ITEM, "label", "en", to=" "), "moves_3y.label.en"),
    "an item's name with a space": (changed(*ITEM, "name", to="moves 3y"), "name"),
    "no holder": (changed("tables", "resident", "holder", to=None), "holder"),
    "no purpose": (changed("tables", "resident", "original_purpose", to=None), "original_purpose"),
    "no reason": (changed("tables", "resident", "justification", to=None), "justification"),
    "an empty reason": (changed("tables", "resident", "justification", to=""), "justification"),
    "an item twice": (changed(*ITEM, "name", to="sex"), "sex"),
    "a minimum above the maximum": (changed(*ITEM, "minimum", to=9), "minimum"),
    "a date's range for a number": (changed(*ITEM, "minimum", to="2014-04-01"), "minimum"),
    "a fraction for a whole number": (changed(*ITEM, "minimum", to=0.5), "minimum"),
    "values for a number": (changed(*ITEM, "values", to=["1"]), "values"),
    "a category without values": (changed("tables", "resident", "items", 0, "values", to=None), "values"),
    "a harm that cannot be": (
        changed("tables", "resident", "items", 0, "harmful_values", to=["9"]),
        "harmful",
    ),
    "not a mapping": ("[1, 2]", "item register"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_register_is_refused_with_the_entry_that_is_wrong(tmp_path, fault):
    text, named = WRONG[fault]

    with pytest.raises(Unusable) as raised:
        Register.load(write(tmp_path, text, "register.json"))

    assert named in raised.value.en
    assert "台帳" in raised.value.ja
    assert "\n" not in raised.value.en


@pytest.mark.parametrize("field", ["schema", "    holder"])
def test_an_entry_written_twice_is_refused(tmp_path, field):
    line = next(line for line in TEXT.splitlines() if line.startswith(field))

    with pytest.raises(Unusable, match="二度"):
        Register.load(write(tmp_path, TEXT.replace(line, f"{line}\n{line}")))


def test_an_entry_written_twice_in_json_is_refused(tmp_path):
    with pytest.raises(Unusable, match="二度"):
        Register.load(write(tmp_path, '{"schema": "a", "schema": "b"}', "register.json"))


@pytest.mark.parametrize("text", ["a: [", "a: !!python/object:os.system {}", "\ta: 1", "&a [*a]"])
def test_yaml_that_is_broken_or_runs_code_is_refused(tmp_path, text):
    with pytest.raises(Unusable):
        Register.load(write(tmp_path, text))


def test_a_register_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "register.yaml"
    path.write_bytes(TEXT.encode("cp932"))

    with pytest.raises(Unusable, match="UTF-8"):
        Register.load(path)


def test_a_register_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        Register.load(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["my_number", "juki_code"])
def test_a_column_of_individual_numbers_cannot_be_registered(tmp_path, name):
    with pytest.raises(Refused):
        Register.load(write(tmp_path, changed(*ITEM, "name", to=name), "register.json"))
    with pytest.raises(Refused):
        Register.load(write(tmp_path, changed(*ITEM, "label", "ja", to="個人番号"), "register.json"))


def test_an_individual_number_in_the_register_itself_is_refused_and_not_echoed(tmp_path):
    number = "98765432109" + check_digit("98765432109")

    with pytest.raises(Refused) as raised:
        Register.load(write(tmp_path, TEXT.replace("世帯の状況", f"{number} の状況")))

    assert number not in raised.value.ja + raised.value.en


@settings(deadline=None, max_examples=30)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_whatever_the_document_holds_it_is_a_register_or_unusable(document):
    with pytest.raises(Unusable):
        Register.from_json(copy.deepcopy(document))


def test_an_item_that_contradicts_itself_cannot_be_made():
    with pytest.raises(Unusable):
        Item("x", {"ja": "値", "en": "x"}, "課", ItemRole.OTHER, Kind.FLAG, harmful_values=("maybe",))


@pytest.fixture
def state(tmp_path) -> State:
    return State.open(Home.create(tmp_path / "home", seed=1))


def test_the_newest_register_is_in_force_and_every_one_is_in_the_log(tmp_path, state, register):
    newer = Register.load(write(tmp_path, TEXT.replace("maximum: 5", "maximum: 6")))
    registers = Registers(state)

    registers.add(register)
    registers.add(newer)
    registers.add(newer)

    assert registers.current() == newer
    assert registers.digests() == [register.digest, newer.digest]
    stored = [record for record in state.log.records() if record["event"] == Event.REGISTER_STORED]
    assert [record["details"]["digest"] for record in stored] == registers.digests()


def test_without_a_register_the_next_step_is_named(state):
    with pytest.raises(NotFound, match="data register"):
        Registers(state).current()


def test_only_who_may_puts_a_register_in_force(state, register):
    people = People(state)
    people.add(Person("mori", "森", Role.COORDINATOR, "企画課"))
    people.add(Person("kato", "加藤", Role.ANALYST, "大学"))

    for actor in ("kato", "workbench"):
        with pytest.raises(Refused):
            Registers(state).add(register, actor=actor)
    Registers(state).add(register, actor="mori")

    assert Registers(state).current() == register
