"""
The kernels that are offered: those of this project's `kernels` folder, and no other.

Jupyter looks for kernelspecs in a dozen folders, some of them the analyst's own, and a kernelspec may name
the provisioner that starts it: one written by an analyst would run outside the sandbox.
"""

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import traitlets
import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

import workbench
from workbench.errors import Refused
from workbench.lab.outgoing import LARGEST

KERNEL = "workbench"
PROVISIONER = "workbench-sandbox"


def shipped(name: str) -> Path:
    """A folder that stands beside the package in the project, and under share/workbench when installed."""
    beside = Path(workbench.__file__).resolve().parent.parent / name
    return beside if beside.is_dir() else Path(sys.prefix) / "share" / "workbench" / name


class Kernels(KernelSpecManager):
    """Our kernelspec, built in memory. `room` is the session whose sandbox its kernels get, or None."""

    room = traitlets.Any(default_value=None)

    def find_kernel_specs(self) -> dict[str, str]:
        return {KERNEL: ""}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        if kernel_name != KERNEL:
            raise NoSuchKernel(kernel_name)
        written: dict[str, Any] = json.loads((shipped("kernels") / KERNEL / "kernel.json").read_bytes())
        # Whatever the file says, nothing but the sandbox starts a kernel.
        written["metadata"] = {"kernel_provisioner": {"provisioner_name": PROVISIONER}}
        return KernelSpec(resource_dir="", **written)

    def install_kernel_spec(self, *arguments: Any, **keywords: Any) -> NoReturn:
        raise closed()

    def remove_kernel_spec(self, *arguments: Any, **keywords: Any) -> NoReturn:
        raise closed()


def limited_context() -> zmq.asyncio.Context:
    """The sockets to a kernel take no message that could fill the memory of whoever listens."""
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.MAXMSGSIZE, LARGEST)
    return context


def closed() -> Refused:
    return Refused(
        ja="カーネルの追加・削除はできません。使えるのは囲われたカーネルだけです。",
        en="Kernels cannot be added or removed: only the sandboxed one is offered.",
    )
