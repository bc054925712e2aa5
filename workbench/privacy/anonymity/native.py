"""
The inner loops of the search as machine code that was kept, so that a new process need not start the compiler.

numba takes a second to start, most of it for work that is done by then: the kept code needs its loader only.
It is compiled for this processor, on first use, from the same functions that numba compiles in a running
process. What is kept is run only if nobody else could have written it.
"""

import ctypes
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.privacy.anonymity.layout import Desk, Laid, Walk, fields

# The functions that are kept, and the tuples each is handed.
KEPT: dict[str, tuple[type, ...]] = {
    "find": (Laid, Desk),
    "look": (Laid, Desk),
    "join": (Laid, Desk),
    "arrange": (Laid, Desk),
    "walk_on": (Laid, Desk, Walk),
}
# The arrays are Python's: code that would free one is never reached, and has nobody to ask here.
NOTHING_TO_FREE = "define void @NRT_MemInfo_call_dtor(ptr %0) { ret void }"
# What there is to be called here.
OFFERED = {*KEPT, "handed"}
SOURCES = ("kernels_compiled.py", "layout.py", "native.py")


@dataclass(frozen=True)
class Handed:
    """A tuple of arrays as compiled code takes it: where each array is, and its shape."""

    arrays: NamedTuple
    block: NDArray[np.int64]
    at: int
    word: str

    @classmethod
    def of(cls, arrays: Any) -> "Handed":
        numbers = [
            number for array in arrays for number in (array.__array_interface__["data"][0], *array.shape)
        ]
        block = np.array(numbers, dtype=np.int64)
        word = str(arrays.words.dtype) if isinstance(arrays, Laid) else ""
        return cls(arrays, block, block.__array_interface__["data"][0], word)


def handed(arrays: Any) -> Handed:
    """The tuple as the functions of this module take it; made once for many calls."""
    return Handed.of(arrays)


def caller(name: str) -> Callable[..., int]:
    """One of `KEPT`, for whatever words its table has."""

    def call(laid: Handed, *more: Handed) -> int:
        found, failed = ctypes.c_int64(), ctypes.c_void_p()
        function = library(laid.word)[name]
        if status := function(ctypes.byref(found), ctypes.byref(failed), laid.at, *(one.at for one in more)):
            raise RuntimeError(f"the compiled loop '{name}' ended with {status}")
        return found.value

    return call


find, look, join, arrange, walk_on = (caller(name) for name in KEPT)


@cache
def library(word: str) -> dict[str, Any]:
    """The functions for tables whose words are of this type, loaded."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    digest = identity(word, llvm)
    code = kept(digest)
    if code is not None:
        return linked(code, llvm)
    code = compiled(word, llvm)
    functions = linked(code, llvm)
    keep(digest, code)
    return functions


def linked(code: bytes, llvm: Any) -> dict[str, Any]:
    """The functions of some code, ready to be called. They keep it in memory."""
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    linker = llvm.create_lljit_compiler(machine)
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for name in KEPT:
        builder.export_symbol(name)
    loaded = builder.link(linker, "search")
    found: dict[str, Any] = {}
    for name, tuples in KEPT.items():
        shape = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * (2 + len(tuples)))
        found[name] = shape(loaded[name])
        found[name].code = linker, loaded
    return found


def identity(word: str, llvm: Any) -> str:
    """What the code depends on: its sources, the processor, the compiler's back end."""
    here = Path(__file__).parent
    told = [(here / name).read_bytes() for name in SOURCES]
    told += [
        text.encode()
        for text in (
            word,
            llvm.get_default_triple(),
            llvm.get_host_cpu_name(),
            llvm.get_host_cpu_features().flatten(),
            str(llvm.llvm_version_info),
        )
    ]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in told)).hexdigest()


def places() -> list[Path]:
    """Where the code may be kept: where the caller says, beside the sources, or with the user's caches."""
    asked = os.environ.get("NUMBA_CACHE_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return [Path(asked)] if asked else [Path(__file__).parent / "__pycache__", home / "workbench"]


def kept(digest: str) -> bytes | None:
    """The code kept under a digest, where it is whole and only this user or the system could have written it."""
    for place in places():
        with suppress(OSError):
            path = place / f"search-{digest[:32]}.o"
            if not only_ours(path) or not only_ours(place):
                continue
            content = path.read_bytes()
            if hashlib.sha256(content[32:]).digest() == content[:32]:
                return content[32:]
    return None


def only_ours(path: Path) -> bool:
    """Whether nobody but this user and the system may write here."""
    about = path.lstat()
    writable = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return about.st_uid in {os.geteuid(), 0} and not writable and not stat.S_ISLNK(about.st_mode)


def keep(digest: str, code: bytes) -> None:
    """Keep the code in the first place that only we can write; nowhere, if there is none."""
    for place in places():
        with suppress(OSError):
            place.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not only_ours(place):
                continue
            path = place / f"search-{digest[:32]}.o"
            aside = path.with_suffix(f".{os.getpid()}")
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            aside.replace(path)
            return


def compiled(word: str, llvm: Any) -> bytes:
    """The object code of all functions for words of this type."""
    whole = llvm.parse_assembly(NOTHING_TO_FREE)
    for name, tuples in KEPT.items():
        whole.link_in(llvm.parse_assembly(assembly(name, tuples, word)))
    # Only what the functions call stays: the rest refers to what is there in a process with numba alone.
    for one in whole.functions:
        if not one.is_declaration and one.name not in KEPT:
            one.linkage = "internal"
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="small",
    )
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(whole, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    code: bytes = machine.emit_object(whole)
    return code


def assembly(name: str, tuples: tuple[type, ...], word: str) -> str:
    """What numba makes of a function that takes tuples as `Handed` has them, under the function's own name."""
    from numba import carray, njit, types
    from numba.extending import intrinsic

    from workbench.privacy.anonymity import kernels_compiled

    def pointer(kind: Any) -> Any:
        @intrinsic  # type: ignore[untyped-decorator]
        def at(typing: Any, address: Any) -> Any:  # noqa: ARG001 (numba's own form)
            signature = types.CPointer(kind)(types.int64)

            def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
                return builder.inttoptr(given[0], context.get_value_type(signature.return_type))

            return signature, generate

        return at

    kinds = ("uint8", "uint16", "uint32", "int32", "int64", "float64")
    known = {f"at_{kind}": pointer(getattr(types, kind)) for kind in kinds}
    known |= {of.__name__: of for of in tuples}
    known |= {"carray": carray, "function": getattr(kernels_compiled, name)}
    # Made of the names above and of numbers: numba cannot yet take a tuple's fields in a loop.
    exec(entry(tuples, word), known)  # noqa: S102
    pointers = [types.CPointer(types.int64)] * len(tuples)
    made = njit(types.int64(*pointers), nogil=True, error_model="numpy")(known["entry"])
    (result,) = made.overloads.values()
    text: str = result.library.get_llvm_str()
    return text.replace(f"@{result.fndesc.mangled_name}(", f"@{name}(")


def entry(tuples: tuple[type, ...], word: str) -> str:
    """The source of a function that makes tuples of addresses and hands them on."""
    made = []
    for number, of in enumerate(tuples):
        arrays, place = [], 0
        for _, kind, dimensions in fields(of):
            shape = ", ".join(f"p{number}[{place + 1 + d}]" for d in range(dimensions))
            pointer = f"at_{word if kind == 'word' else kind}(p{number}[{place}])"
            arrays.append(f"carray({pointer}, ({shape},))")
            place += 1 + dimensions
        made.append(f"{of.__name__}({', '.join(arrays)})")
    names = ", ".join(f"p{number}" for number in range(len(tuples)))
    return f"def entry({names}):\n    return function({', '.join(made)})\n"
