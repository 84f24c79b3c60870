"""``python -m engine``: which backend lowered graphs run on here, and why."""

from __future__ import annotations

import argparse
import platform
import sys

from .lowering.kernel import choose_backend


def main(arguments: list[str] | None = None) -> int:
    """Print the backend, the instruction set and the compiler."""
    argparse.ArgumentParser(
        prog="python -m engine",
        description="Says which backend lowered graphs run on here, and why.",
        epilog="ENGINE_INSTRUCTION_SET chooses the vector instructions, ENGINE_THREADS (1 to 64) how many threads.",
    ).parse_args(arguments)
    try:
        print("\n".join(_lines()), flush=True)
    except OSError as error:  # a full disk, a reader that went away
        print(f"python -m engine: the output cannot be written: {error.strerror or error}", file=sys.stderr)
        # Python would try once more at its end.
        sys.stdout = None
        return 1
    return 0


def _lines() -> list[str]:
    backend, reason = choose_backend("auto")
    lines = [f"backend: {backend} ({reason})"]
    if backend == "native":
        from .lowering import native

        sets = native.instruction_sets()
        lines += [f"instructions: {', '.join(sets)} (best first; ENGINE_INSTRUCTION_SET chooses another)",
                  f"compiled by: {native.compiler()}", f"library: {native.LIBRARY}"]  # fmt: skip
    return [*lines, f"machine: {platform.machine()} {platform.system()}, Python {platform.python_version()}"]


if __name__ == "__main__":
    sys.exit(main())
