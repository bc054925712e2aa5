"""
The hub's proxy: configurable-http-proxy in Python, with three things mended for kernels' websockets.

Each frame leaves at once (without this, one waits for the other side's delayed acknowledgement), a binary frame
stays binary, and the subprotocol that the room chose is the one the browser is told.
"""

from configurable_http_proxy import configproxy
from configurable_http_proxy.cli import main
from configurable_http_proxy.handlers import ProxyHandler

from workbench.lab.hub.lineage import end_with_parent


class PromptHandler(ProxyHandler):
    """Passes frames on as they are, without delay."""

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """What the room answered to the same offer."""
        chosen = self.ws_client.selected_subprotocol if self.ws_client else None
        return chosen if chosen in subprotocols else None

    def open(self, *_: str, **__: str) -> None:
        self.set_nodelay(True)
        if self.ws_client is not None and self.ws_client.protocol is not None:
            self.ws_client.protocol.stream.set_nodelay(True)

    def on_message(self, message: str | bytes) -> None:
        if self.ws_client:
            if self.target:
                self.proxy.update_last_activity(self.target["prefix"])
            self.ws_client.write_message(message, binary=isinstance(message, bytes))


if __name__ == "__main__":
    end_with_parent()
    configproxy.ProxyHandler = PromptHandler
    main()
