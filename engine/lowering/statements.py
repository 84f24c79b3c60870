"""Python statements as text: indented, and broken into lines of limited width."""

from __future__ import annotations

WIDTH = 100  # characters a line


def indented(statement: str) -> str:
    """A statement one level deeper, each of its lines."""
    return "    " + statement.replace("\n", "\n    ")


def wrapped(start: str, text: str) -> str:
    """start + text, broken at spaces into lines of limited width."""
    if len(start) + len(text) <= WIDTH:
        return start + text
    opening, closing = ("[", "]") if text[0] == "[" and text[-1] == "]" else ("(", ")")
    lines, line = [start + opening], "   "
    for word in (text[1:-1] if opening == "[" else text).split(" "):
        if len(line) + len(word) >= WIDTH:
            lines.append(line)
            line = "   "
        line += " " + word
    return "\n".join([*lines, line, closing])


def chained(names: list[str], value: str) -> list[str]:
    """Assignments of a value to all names, as many in a line as fit. A list is made anew for each name."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) + len(value) + 6 <= WIDTH and value[0] != "[":
            lines[-1] += f" = {name}"
        else:
            lines.append(name)
    return [f"{line} = {value}" for line in lines]


def wrapped_names(before: str, names: list[str], after: str) -> str:
    """An assignment to names; a comma makes a tuple of one."""
    text = ", ".join(names) if len(names) > 1 else f"{names[0]}," if names else "_"
    return wrapped(before, text) + after
