"""The build hook: a compiler where there is one, the one of the package index where not, and never a failed install."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

import engine
from engine.lowering.native import library as native_library

SCRIPT = Path(engine.__file__).parent / "lowering" / "native" / "build.py"
if not SCRIPT.exists():
    pytest.skip("the build hook is not part of a wheel", allow_module_level=True)
_spec = importlib.util.spec_from_file_location("engine_build_hook", SCRIPT)
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)


class App:
    """What hatchling gives a hook to speak through."""

    def __init__(self):
        self.warnings = []

    def display_warning(self, message):
        self.warnings.append(message)


class Hook(build.CustomBuildHook):
    app = App()

    def __init__(self):
        self.app = App()


@pytest.fixture
def no_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)


def test_a_compiler_is_asked_for_only_where_there_is_none(monkeypatch, tmp_path, no_compiler):
    """ziglang is a requirement of the build exactly where no cc, gcc or clang is found."""
    assert Hook().dependencies() == ["ziglang"]
    cc = tmp_path / "cc"
    cc.write_text("#!/bin/sh\n")
    cc.chmod(0o755)
    assert Hook().dependencies() == []
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build.system_compiler() == ["cc"]


@pytest.mark.parametrize("version", ["standard", "editable"])
def test_without_any_compiler_the_wheel_is_pure_python(monkeypatch, no_compiler, version):
    """No compiler and no ziglang: a warning, and a wheel for every machine."""
    monkeypatch.setattr(build, "zig", lambda: None)
    hook, data = Hook(), {"force_include": {}}
    hook.initialize(version, data)
    hook.finalize(version, data, "")
    assert data == {"force_include": {}}
    assert "no C compiler" in hook.app.warnings[0]


def test_a_compiler_that_fails_is_no_failure(monkeypatch):
    """A compiler that cannot compile is named with its message; the install goes on."""
    broken = [sys.executable, "-c", "raise SystemExit('broken compiler')"]
    monkeypatch.setattr(build, "system_compiler", lambda: broken)
    monkeypatch.setattr(build, "zig", lambda: None)
    hook, data = Hook(), {"force_include": {}}
    hook.initialize("standard", data)
    hook.finalize("standard", data, "")
    assert data == {"force_include": {}}
    assert "broken compiler" in hook.app.warnings[0]


def test_the_wheel_holds_the_library(monkeypatch):
    """What was built goes into the wheel, which is then tagged for this platform and any Python 3."""
    pytest.importorskip("packaging")
    made = []
    monkeypatch.setattr(build, "build_with_any", lambda target: made.append(target))
    hook, data = Hook(), {"force_include": {}}
    hook.initialize("standard", data)
    assert data["force_include"] == {made[0]: f"engine/lowering/native/{build.NAME}"}
    assert data["pure_python"] is False
    assert data["tag"].startswith("py3-none-")
    assert "manylinux" not in data["tag"]
    assert os.path.isdir(os.path.dirname(made[0]))
    hook.finalize("standard", data, "")
    assert not os.path.isdir(os.path.dirname(made[0]))


def test_an_editable_install_builds_in_place(monkeypatch):
    """The library lies beside build.py, where engine looks for it."""
    pytest.importorskip("packaging")
    made = []
    monkeypatch.setattr(build, "build_with_any", lambda target: made.append(target))
    data = {"force_include": {}}
    Hook().initialize("editable", data)
    assert made == [str(SCRIPT.parent / build.NAME)]
    assert data["force_include"] == {}


@pytest.mark.long
@pytest.mark.parametrize(
    ("target", "machine", "name", "magic"),
    [
        ("x86_64-windows-gnu", "AMD64", "_tape.dll", b"MZ"),
        ("aarch64-windows-gnu", "ARM64", "_tape.dll", b"MZ"),
        ("x86_64-macos", "x86_64", "_tape.so", b"\xcf\xfa\xed\xfe"),
        ("aarch64-macos", "arm64", "_tape.so", b"\xcf\xfa\xed\xfe"),
        ("aarch64-linux-gnu", "aarch64", "_tape.so", b"\x7fELF"),
        ("x86_64-linux-musl", "x86_64", "_tape.so", b"\x7fELF"),
    ],
)
def test_the_c_files_compile_for_other_systems(tmp_path, target, machine, name, magic):
    """zig makes a shared library of them for Windows, macOS, ARM and musl: a DLL, a Mach-O, an ELF file."""
    if build.zig() is None:
        pytest.skip("the ziglang package is not installed")
    build.build(str(tmp_path / name), build.zig(), ["-target", target], machine)
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_a_hook_that_built_nothing_has_nothing_to_remove():
    """finalize without initialize, and with a folder that is gone, is no error."""
    hook = Hook()
    hook.finalize("standard", {}, "")
    hook._folder = "/no/such/folder"
    hook.finalize("standard", {}, "")


@pytest.fixture
def compiler(tmp_path):
    """A compiler that only notes how it is called; it fails where a call has the word in the file "refuses"."""
    script = tmp_path / "compiler.py"
    script.write_text(
        "import json, sys, pathlib\n"
        "here, words = pathlib.Path(__file__).parent, sys.argv[1:]\n"
        "with open(here / 'calls', 'a') as file: print(json.dumps(words), file=file)\n"
        "refuses = here / 'refuses'\n"
        "if refuses.exists() and refuses.read_text() in words: sys.exit('unknown: ' + refuses.read_text())\n"
        "pathlib.Path(words[words.index('-o') + 1]).write_text('made of ' + str(len(words)))\n"
    )
    return [sys.executable, str(script)]


def calls(folder):
    """What the compiler was asked for, the kernels, which are compiled at the same time, in the order of their sets."""
    lines = (folder / "calls").read_text().splitlines()
    (folder / "calls").unlink()
    order = [f"-DTAPE_KERNELS={one}" for one in build.X86]
    return sorted(map(json.loads, lines), key=lambda words: [one not in words for one in order])


@pytest.mark.parametrize(
    ("machine", "sets"), [("AMD64", list(build.X86)), ("x86_64", list(build.X86)), ("arm64", list(build.OTHER))]
)
@pytest.mark.parametrize("name", ["_tape.so", "_tape.dll"])
def test_each_set_of_kernels_is_compiled_and_all_are_linked(tmp_path, compiler, machine, sets, name):
    """kernels.c once for each set of this processor, with its flags; then the driver, which knows the sets and the
    checksum that library.py will ask for; then one library of all that, where it belongs. For Windows the threads of
    GCC go into it.
    """
    target = tmp_path / name
    build.build(str(target), compiler, ["-target", "x"], machine)
    *kernels, driver, linked = calls(tmp_path)
    assert [words[words.index("-c") - 1] for words in kernels] == [f"-DTAPE_KERNELS={one}" for one in sets]
    flags = {one: (build.X86 if machine != "arm64" else build.OTHER)[one][False] for one in sets}
    for words, one in zip(kernels, sets):
        assert os.path.basename(words[words.index("-c") + 1]) == "kernels.c"
        assert words[: len(build.FLAGS) + 2 + len(flags[one])] == [*build.FLAGS, "-target", "x", *flags[one]]
    assert os.path.basename(driver[driver.index("-c") + 1]) == "driver.c"
    assert f'-DTAPE_SOURCE="{native_library.checksum()}"' in driver
    assert {f"-DTAPE_HAVE_{one.upper()}" for one in sets} <= set(driver)
    objects = [words[words.index("-o") + 1] for words in (*kernels, driver)]
    assert len(set(objects)) == len(sets) + 1
    assert [word for word in linked if word.endswith(".o")] == objects
    assert {"-shared", "-target", "x", "-lm", "-lpthread"} <= set(linked)
    assert ("-static" in linked) is name.endswith(".dll")
    assert target.read_text() == f"made of {len(linked)}"
    assert sorted(p.name for p in tmp_path.iterdir()) == [name, "compiler.py"]


def test_zig_is_given_flags_of_its_own(tmp_path, compiler):
    """It names processors in another way, and brings the threads of Windows unasked."""
    build.build(str(tmp_path / "_tape.dll"), [*compiler, "ziglang"], None, "AMD64")
    *kernels, _, linked = calls(tmp_path)
    for words, flags in zip(kernels, build.X86.values()):
        assert set(flags[True]) <= set(words)
    assert "-static" not in linked


@pytest.mark.parametrize("name", build.X86)
def test_a_set_that_the_compiler_does_not_know_is_left_out(tmp_path, compiler, name):
    """The others are linked, and the driver asks for no more; without the baseline there is no library."""
    (tmp_path / "refuses").write_text(f"-DTAPE_KERNELS={name}")
    target = tmp_path / "_tape.so"
    if name == "baseline":
        with pytest.raises(RuntimeError, match="failed:\nunknown: -DTAPE_KERNELS=baseline"):
            build.build(str(target), compiler, machine="AMD64")
        assert not target.exists()
        return
    build.build(str(target), compiler, machine="AMD64")
    driver, linked = calls(tmp_path)[-2:]
    have = {word for word in driver if word.startswith("-DTAPE_HAVE_")}
    assert have == {f"-DTAPE_HAVE_{one.upper()}" for one in build.X86 if one != name}
    assert len([word for word in linked if word.endswith(".o")]) == len(build.X86)


def test_the_first_compiler_that_can_builds(monkeypatch, tmp_path, compiler):
    """The system's, or else that of the package index; where none can, all their reasons are given."""
    target = str(tmp_path / "_tape.so")
    monkeypatch.setattr(build, "system_compiler", lambda: [sys.executable, "-c", "raise SystemExit('no disk')"])
    monkeypatch.setattr(build, "zig", lambda: compiler)
    assert build.build_with_any(target) is None
    assert os.path.exists(target)
    monkeypatch.setattr(build, "zig", lambda: [str(tmp_path / "no-such-program")])
    reason = build.build_with_any(target)
    assert "no disk" in reason
    assert "no-such-program" in reason


def test_the_checksum_is_the_one_that_is_compared():
    """build.py runs without the package, and computes what library.py computes of the C files."""
    assert build.checksum() == native_library.checksum()


def test_a_library_that_was_built_is_used():
    """All other tests of compiled code are skipped where it cannot be loaded: where it was built, it can."""
    if not os.path.exists(native_library.LIBRARY):
        pytest.skip("it was not built")
    available, reason = native_library.available()
    assert available, reason
