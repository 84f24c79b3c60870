"""The build hook: a compiler where there is one, the one of the package index where not, and never a failed install."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

import engine

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
