"""format=flowed (RFC 3676): lines that were broken for the way are joined again, quote by quote."""


def _depth(line: str) -> int:
    """Count the > at the start of a line (RFC 3676 section 4.5)."""
    return len(line) - len(line.lstrip(">"))


def unflow(text: str, *, delsp: bool = False) -> str:
    """Given text with \\n line ends that was sent as format=flowed, join its soft line breaks.

    A line that ends in a blank flows into the next one of the same quote depth; "-- " alone is the signature
    line and never flows (section 4.3). With `delsp` the blank itself goes (section 4.6). Space-stuffing is
    undone (section 4.4). Quoted lines come back with "> " for every level.
    """
    out: list[str] = []
    paragraph: list[str] = []
    current = 0

    def flush() -> None:
        if paragraph:
            out.append("> " * current + "".join(paragraph))
            paragraph.clear()

    for line in text.split("\n"):
        depth = _depth(line)
        content = line[depth:]
        content = content.removeprefix(" ")
        if depth != current or content == "-- ":
            flush()
            current = depth
        if content == "-- ":
            out.append("> " * depth + content)
            continue
        soft = content.endswith(" ")
        paragraph.append(content[:-1] if soft and delsp else content)
        if not soft:
            flush()
    flush()
    return "\n".join(line.rstrip() if line.startswith(">") else line for line in out)
