"""What the pages show, for checks that do it: blocks of commands and files, whole or of one section."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Sections whose commands need more than one machine or a server of their own, and the checks that run them there. Without a heading:
# the whole page.
ELSEWHERE = {
    ("deploy/migration.md", "## Before you move the cluster"): "compat/run peers",
    ("deploy/migration.md", "## 5. Move the cluster"): "compat/run peers",
    ("deploy/README.md", "## Moving from a Java StatefulSet"): "compat/run kubernetes",
    ("deploy/runbooks.md", ""): "compat/run prometheus",
}


def blocks(text):
    """Every block that has a kind, as (kind, body)."""
    return [(match[1], match[2]) for match in BLOCK.finditer(text)]


def section(page, heading):
    """A section of a page, up to the next heading of its rank; without a heading the whole page."""
    text = (ROOT / page).read_text()
    if not heading:
        return text
    assert f"\n{heading}\n" in text, f"{page} has no section {heading!r}"
    return re.split(rf"^{heading.split(' ')[0]} ", text.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def commands(body):
    """The commands of a block, without what is said behind them."""
    lines = (line.split("  #")[0].strip() for line in body.replace("\\\n", "").splitlines())
    return [line for line in lines if line]


def files(found):
    """The files among blocks, by name: those of `yaml` that begin with `# NAME`."""
    return {body[2:].split("\n", 1)[0]: body for kind, body in found if kind == "yaml" and body.startswith("# ")}
