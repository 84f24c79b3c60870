"""Builds the compiled interpreter when the package is installed: a hook that hatchling runs, or a script run by hand.

Takes the system's C compiler (or that of the environment variable CC), and where there is none the one of the ziglang
package, which is then a requirement of the build. Where that fails too, the package is installed without the compiled
interpreter, and engine falls back on generated Python. On Linux the result is tested; for macOS and Windows it is
compiled in the tests, and runs untested.

    python engine/lowering/native/build.py        builds _tape.so (on Windows _tape.dll) beside itself, as an editable
                                                  install does
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zlib import crc32

Hook: Any
try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface as Hook
except ImportError:  # run by hand
    Hook = object

FOLDER = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(FOLDER, "c")
NAME = "_tape.dll" if os.name == "nt" else "_tape.so"  # library.py looks for the same
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-fvisibility=hidden"]
# The flags of each set of kernels, for cc and for zig, which would otherwise build for the machine it runs on.
X86 = {
    "avx512": (["-mavx512f", "-mavx512dq", "-mavx2", "-mfma"], ["-mcpu=x86_64+avx512f+avx512dq+avx2+fma"]),
    "avx2": (["-mavx2", "-mfma"], ["-mcpu=x86_64+avx2+fma"]),
    "baseline": ([], ["-mcpu=x86_64"]),
}
OTHER: dict[str, tuple[list[str], list[str]]] = {"baseline": ([], ["-mcpu=baseline"])}


def system_compiler() -> list[str] | None:
    """The command of a C compiler that is installed, or None."""
    asked = shlex.split(os.environ.get("CC", ""))
    for command in (asked, ["cc"], ["gcc"], ["clang"]):
        if command and shutil.which(command[0]):
            return command
    return None


def zig() -> list[str] | None:
    """The command of the C compiler in the ziglang package, or None."""
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else None


def checksum() -> str:
    """A number that changes with the C files; library.py compares it with that of the files it finds."""
    total = 0
    for name in sorted(os.listdir(SOURCES)):
        if name.endswith((".c", ".h")):
            with open(os.path.join(SOURCES, name), "rb") as file:
                total = crc32(file.read(), total)
    return f"{total:08x}"


def build(target: str, command: list[str], extra: list[str] | None = None, machine: str | None = None) -> None:
    """Compile the C files with the compiler of this command into the shared object ``target``.

    extra    options for each call of the compiler, such as ["-target", "aarch64-macos"], which zig knows
    machine  the processor it is for, as platform.machine() names it: this one, where it is left out

    Raises RuntimeError with the compiler's words where it fails. A set of kernels that this compiler does not know is
    left out.
    """
    is_zig, extra = "ziglang" in command, extra or []

    def compile_file(source: str, object_file: str, flags: list[str], defines: list[str]) -> None:
        path = os.path.join(SOURCES, source)
        _run([*command, *FLAGS, *extra, *flags, *defines, "-c", path, "-o", object_file])

    sets = X86 if (machine or platform.machine()).lower() in ("x86_64", "amd64") else OTHER
    with tempfile.TemporaryDirectory() as folder:

        def kernels_of(name: str) -> str | None:
            object_file = os.path.join(folder, f"{name}.o")
            try:
                compile_file("kernels.c", object_file, sets[name][is_zig], [f"-DTAPE_KERNELS={name}"])
            except RuntimeError:
                if name == "baseline":
                    raise
                return None
            return name

        with ThreadPoolExecutor() as pool:  # each takes several seconds
            known = [name for name in pool.map(kernels_of, sets) if name]
        objects = [os.path.join(folder, f"{name}.o") for name in known]
        have = [f"-DTAPE_HAVE_{name.upper()}" for name in known]
        objects.append(os.path.join(folder, "driver.o"))
        compile_file("driver.c", objects[-1], sets["baseline"][is_zig], [f'-DTAPE_SOURCE="{checksum()}"', *have])
        library = os.path.join(folder, os.path.basename(target))
        # The threads of GCC on Windows are a library of its own, which -static takes in; zig does so unasked.
        static = ["-static"] if library.endswith(".dll") and not is_zig else []
        _run([*command, "-shared", *static, *extra, "-o", library, *objects, "-lm", "-lpthread"])
        beside = f"{target}.{os.getpid()}"  # in the same folder, so that the library appears whole or not at all
        shutil.copyfile(library, beside)
        os.replace(beside, target)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RuntimeError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)} failed:\n{done.stderr}")


def build_with_any(target: str) -> str | None:
    """Build with the first compiler that can; None if one did, else why none did."""
    commands = [command for command in (system_compiler(), zig()) if command]
    failures = []
    for command in commands:
        try:
            build(target, command)
            return None
        except (RuntimeError, OSError) as error:
            failures.append(str(error))
    return "\n".join(failures) or "there is no C compiler (cc, gcc, clang), and no ziglang package"


class CustomBuildHook(Hook):  # type: ignore[misc]
    """What hatchling calls for a wheel, and for an editable install, which is a wheel of another version."""

    def dependencies(self) -> list[str]:
        """The compiler of the package index, where the system has none."""
        return [] if system_compiler() else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and put the library into the wheel; or leave the wheel as it is, pure Python."""
        self._folder = tempfile.mkdtemp()
        target = os.path.join(FOLDER if version == "editable" else self._folder, NAME)
        failure = build_with_any(target)
        if failure:
            self.app.display_warning(f"The compiled interpreter is left out; engine uses generated Python.\n{failure}")
            return
        if version != "editable":
            build_data["force_include"][target] = f"engine/lowering/native/{NAME}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform_tag()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what is now in the wheel."""
        shutil.rmtree(getattr(self, "_folder", ""), ignore_errors=True)


def _platform_tag() -> str:
    """The tag of this platform, without a claim to run on others of its kind."""
    from packaging.tags import platform_tags  # hatchling requires it

    return next(tag for tag in platform_tags() if not tag.startswith(("manylinux", "musllinux")))


if __name__ == "__main__":
    reason = build_with_any(os.path.join(FOLDER, NAME))
    sys.exit(f"engine/lowering/native/{NAME} was not built: {reason}" if reason else None)
