"""``python -m engine``: which backend lowered graphs run on here, and why."""

from __future__ import annotations

import platform
import sys

from .lowering.kernel import choose_backend


def main() -> int:
    """Print the backend, the instruction set and the compiler."""
    backend, reason = choose_backend("auto")
    print(f"backend: {backend} ({reason})")
    if backend == "native":
        from .lowering import native

        sets = native.instruction_sets()
        print(f"instructions: {', '.join(sets)} (best first; ENGINE_INSTRUCTION_SET chooses another)")
        print(f"compiled by: {native.compiler()}")
        print(f"library: {native.LIBRARY}")
    print(f"machine: {platform.machine()} {platform.system()}, Python {platform.python_version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
