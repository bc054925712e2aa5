"""
What JupyterLab shows: in which language, with which of its parts.

What is refused is not offered either. This is courtesy and depth, not the lock: the authoriser and the
content policy refuse the same things whatever the page does.
"""

import json
from pathlib import Path
from typing import Any

from workbench.errors import language

# Parts of Lab that are not loaded, with the reason.
ABSENT: dict[str, str] = {
    "@jupyterlab/apputils-extension:announcements": "asks a server on the internet for news",
    "@jupyterlab/apputils-extension:print": "takes a page out of the room",
    "@jupyterlab/debugger-extension": "its messages run code that no cell shows",
    "@jupyterlab/docmanager-extension:download": "files leave through a request only",
    "@jupyterlab/docmanager-extension:open-browser-tab": "files leave through a request only",
    "@jupyterlab/extensionmanager-extension": "nothing is installed here",
    "@jupyterlab/filebrowser-extension:download": "files leave through a request only",
    "@jupyterlab/filebrowser-extension:open-browser-tab": "files leave through a request only",
    "@jupyterlab/filebrowser-extension:open-url": "nothing is fetched from elsewhere",
    "@jupyterlab/filebrowser-extension:share-file": "the link would hold for nobody else",
    "@jupyterlab/help-extension:jupyter-forum": "a page on the internet",
    "@jupyterlab/help-extension:resources": "pages on the internet",
    "@jupyterlab/htmlviewer-extension": "shows pages that a kernel wrote",
    "@jupyterlab/javascript-extension": "runs code in the page that a kernel wrote",
    "@jupyterlab/fileeditor-extension:language-server": "there are no language servers",
    "@jupyterlab/lsp-extension": "there are no language servers",
    "@jupyterlab/notebook-extension:language-server": "there are no language servers",
    "@jupyterlab/notebook-extension:export": "notebooks leave without their outputs, by 'workbench lab strip'",
    "@jupyterlab/notebook-extension:trust-status": "no output is ever trusted",
    "@jupyterlab/pdf-extension": "shows documents that a kernel wrote, in a viewer with scripts",
    "@jupyterlab/pluginmanager-extension": "which parts there are is decided here",
    "@jupyterlab/terminal-extension": "a terminal would stand outside the sandbox",
    "@jupyterlab/vega5-extension": "fetches what a kernel names",
    "@jupyterlab/workspaces-extension": "exports and imports files",
}
# Commands of parts that stay: they are in no menu and on no key.
ABSENT_COMMANDS: dict[str, str] = {
    "filemenu:shutdown": "the server stops with the room, not with a page",
    "jupyterlab-translation:install-languages": "nothing is installed here",
    "notebook:create-subshell-console": "its messages are not among those that a kernel is asked",
    "notebook:trust": "no output is ever trusted",
}
LOCALES = {"ja": "ja_JP", "en": "en"}
EXTENSIONS = Path(__file__).with_name("labextensions")


def prepare(folder: Path) -> None:
    """Write the settings of the page into `folder`, from which the server reads them."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, content in (("page_config", page_config()), ("overrides", overrides())):
        (folder / f"{name}.json").write_text(json.dumps(content))


def page_config() -> dict[str, Any]:
    return {
        "disabledExtensions": dict.fromkeys(ABSENT, True),
        "workbenchAbsent": json.dumps(sorted(ABSENT_COMMANDS)),
    }


def overrides() -> dict[str, Any]:
    """Settings of Lab that are ours until the analyst chooses otherwise."""
    return {
        "@jupyterlab/translation-extension:plugin": {"locale": LOCALES[language()]},
        # A link in what a kernel prints carries out, at one click, whatever its address holds.
        "@jupyterlab/apputils-extension:sanitizer": {"autolink": False, "allowedSchemes": []},
    }
