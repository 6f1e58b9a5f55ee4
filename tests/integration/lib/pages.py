"""The fenced blocks of the documentation, as its tests take them."""
import collections
import glob
import os
import re

from lib.place import ROOT

# `kind` and `argument` stand behind the fence; `note` is the comment at the end of the line before it: `not run: REASON`, `run by: TEST`.
Block = collections.namedtuple("Block", "line kind argument body note")
RUN = ("sh", "file", "output")  # kinds that a booted machine follows


def names():
    """Each page, by its path in the project."""
    found = [os.path.join(ROOT, "README.md")] + glob.glob(ROOT + "/packaging/**/*.md", recursive=True) + glob.glob(ROOT + "/daemon/**/*.md", recursive=True)
    return sorted(os.path.relpath(path, ROOT) for path in found)


def text_of(page):
    with open(os.path.join(ROOT, page)) as f:
        return f.read()


def mark(page, what):
    """What `<!-- what: ... -->` says of the page: in a line of its own, and not before a block."""
    found = re.search(rf"^<!-- {what}: (.+) -->\n(?!```)", text_of(page), re.M)
    return found[1].split() if found else []


def blocks(page):
    """All of them, in order."""
    found, begun, before = [], None, ""
    for number, line in enumerate(text_of(page).splitlines(), 1):
        fence = re.match(r" *```(.*)$", line)
        if not fence:
            if begun:
                begun[3].append(line)
            elif line:
                before = line
        elif begun:
            found.append(Block(*begun[:3], "".join(each + "\n" for each in begun[3]), begun[4]))
            begun, before = None, ""
        else:
            kind, _, argument = fence[1].partition(" ")
            note = re.search(r"<!-- ((?:not run|run by): .*) -->$", before)
            begun = [number, kind, argument.strip(), [], note[1] if note else ""]
    return found


def blocks_for(page, server):
    """Those of a machine with that mail server. The last word behind a fence may name the server that the block is for."""
    for block in blocks(page):
        if block.note or block.kind not in RUN:
            continue
        *rest, last = block.argument.split() or [""]
        if last not in mark(page, "run with"):
            yield block
        elif last == server:
            yield block._replace(argument=" ".join(rest))
