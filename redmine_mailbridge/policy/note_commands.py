"""Commands at the top of an agent's note or mail: who gets it from now on, or that it is not mailed at all. Pure.

    /cc boss@client.example                  a line of addresses: /to, /cc, /uncc, /requester
    /private He never pays.                  a word, and the rest of its line is text: /private, /nomail, the marker

Commands are the first lines, in any order; blank lines may be between them. The first other line ends them, so a line
that is quoted, in code or further down is none. A line of addresses is taken out whole, whatever is in it. What is not
understood is a problem, in words for the agent: a mistyped command must not become a mail to the wrong people.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import field
from difflib import SequenceMatcher

from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.mail.text.characters import INVISIBLE
from redmine_mailbridge.mail.text.named_addresses import named_addresses
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.printable import printable_line
from redmine_mailbridge.util.suggest import closest, did_you_mean

PRIVATE, NO_MAIL = "/private", "/nomail"
RECIPIENTS = ("/to", "/cc", "/uncc", "/requester")
"""The commands that take addresses."""
MOST_ADDRESSES = 50
"""How many addresses the commands of one note may name."""
MOST_PROBLEMS = 10
MOST_LINES = 100
LONGEST_LINE = 5000
LONGEST_LEAD = 1000
SHOWN = 80

_BLOCKS = "p|div|li|h[1-6]"
_ELEMENTS = rf"{_BLOCKS}|ul|ol|section|article|span|b|strong|i|em|u|s|del|ins|font"
_TAG = rf"</?(?:{_ELEMENTS}|br|a)(?=[\s/>])[^<>]{{0,400}}>"
_SPACE = r"&(?:nbsp|zwj|zwnj|shy|#160|#xa0|#8203|#x200b);"
_NOTHING = re.compile(rf"(?:[{INVISIBLE}*_`\\]|{_TAG}|{_SPACE})*", re.IGNORECASE)
"""Invisible characters and markup without anything to read."""
_BLOCK_MARK = r"(?:(?:h[1-6]|p)[^\s.]{0,20}\.|#{1,6}|[0-9]{1,3}[.)])(?=[ \t])"
"""The mark of a heading, a paragraph or a numbered list, in Textile or Markdown."""
_LEADING = rf"[{INVISIBLE}*_\\]|{_TAG}|{_SPACE}|[-+•](?=[ \t])|{_BLOCK_MARK}"
"""What may precede a command: nothing to read, or the mark of a block."""
_FLAG = re.compile(
    rf"(?:{_LEADING}|[`~(\[{{'\"“„«]|[-+](?![ \t]))*"
    rf"[/／]{{1,2}}[ \t]{{0,2}}(private|nomail)(?![\w/-])[:;,.!*_`]*[{INVISIBLE}]*",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    rf"(?:{_LEADING})*[/／](?P<odd>[/／]?[ \t]{{0,2}})"
    rf"(?P<word>[^\W\d_][\w-]{{0,30}})(?=[{INVISIBLE}:：=;,<(\[*_&]|$)[*_]*[:：=]?[*_]*",
    re.IGNORECASE,
)
_LINE_END = re.compile(r"<br\s{0,9}/?>[ \t]*\r?\n?|</(?:" + _BLOCKS + r")>[ \t]*\r?\n?|\r?\n|\r", re.IGNORECASE)
_BLANK_START = re.compile(rf"^[{INVISIBLE}]+")
_CODE = re.compile(r" {4}| {0,3}\t")
_ELEMENT = re.compile(rf"<(?P<close>/?)(?P<name>{_ELEMENTS})(?=[\s/>])[^<>]{{0,400}}>", re.IGNORECASE)
_CONTINUED = re.compile(rf"[,;](?:[{INVISIBLE}*_\\]|{_TAG}|{_SPACE})*$", re.IGNORECASE)
"""The end of a line of addresses that continues in the next one, which is not read."""
_KEYWORD = re.compile(r"\s*[^\W\d_][^:\n]{0,60}:[ \t]*\S.*")
"""A line that may be a keyword line."""


@dataclass(frozen=True, slots=True)
class CommandProblem:
    """What is not understood of a command, in words for the agent. `command` is the one that is meant; "": several."""

    command: str
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class NoteCommands:
    """The commands of a note. `to`, `cc`, `uncc` and `requester` are addresses that mail can go to, each once, with
    their names if these are written; `private` and `nomail` hold the note back; `marked`: it has the marker.
    `problems` has one for each command that is not understood. `text` is the note without commands.
    """

    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    uncc: tuple[Address, ...] = ()
    requester: Address | None = None
    private: bool = False
    nomail: bool = False
    problems: tuple[CommandProblem, ...] = ()
    text: str = ""
    marked: bool = False

    @property
    def by_name(self) -> dict[str, tuple[Address, ...]]:
        """The addresses by the command that names them, without those that name none."""
        requester = () if self.requester is None else (self.requester,)
        addresses = dict(zip(RECIPIENTS, (self.to, self.cc, self.uncc, requester), strict=True))
        return {name: them for name, them in addresses.items() if them}

    @property
    def for_third_parties(self) -> bool:
        """Is `/to` among the commands, understood or not?"""
        return bool(self.to) or any(problem.command == "/to" for problem in self.problems)

    @property
    def complaint(self) -> str:
        """The problems in one line; "" if there are none."""
        return "; ".join(map(str, self.problems))

    @property
    def held_back(self) -> str:
        """The command by which the note is not mailed, whoever wrote it; "" if there is none."""
        return PRIVATE if self.private else NO_MAIL if self.nomail else ""

    @property
    def line(self) -> str:
        """The commands in one line: `/cc a@b c@d, /private`; "" if there are none."""
        names = [f"{name} {' '.join(person.address for person in them)}" for name, them in self.by_name.items()]
        return ", ".join((*names, *(name for name, on in ((PRIVATE, self.private), (NO_MAIL, self.nomail)) if on)))


def parse(text: str, *, marker: str = "") -> NoteCommands:
    """Given a note as Redmine has it (Textile, Markdown, or a visual editor's HTML), return its commands. `marker`: a
    word that counts as a command too, "" for none. Linear in the length.
    """
    reading = _Reading(text, marker)
    reading.read()
    people = {name: _once(reading.addresses.get(name, ())) for name in RECIPIENTS}
    problems = [*reading.problems, *_contradictions(people)]
    return NoteCommands(
        to=people["/to"],
        cc=people["/cc"],
        uncc=people["/uncc"],
        requester=next(iter(people["/requester"]), None),
        private=PRIVATE in reading.flags,
        nomail=NO_MAIL in reading.flags,
        problems=tuple(dict.fromkeys(problems))[:MOST_PROBLEMS],
        text=reading.rest(),
        marked=marker in reading.flags,
    )


def without_private(text: str) -> str | None:
    """Given an agent's mail, return it without the word that makes its note private; None if it has none. Keyword lines
    may precede it; they and other commands stay in the note.
    """
    reading = _Reading(text, "", keyword_lines=True)
    reading.read()
    spans = reading.flags.get(PRIVATE)
    if spans is None:
        return None
    pieces, behind = [], 0
    for start, stop in spans:
        pieces.append(text[behind:start])
        behind = stop
    return "".join((*pieces, text[behind:])).lstrip("\r\n")


@dataclass(slots=True)
class _Reading:
    """A note that is read up to the first line of its text. `end` is behind its last command; `flags` are the
    commands without addresses, each with the places where it is; `lines` counts the others.
    """

    text: str
    marker: str
    keyword_lines: bool = False
    end: int = 0
    lines: int = 0
    in_code: bool = False
    flags: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    addresses: dict[str, list[Address]] = field(default_factory=dict)
    problems: list[CommandProblem] = field(default_factory=list)

    def read(self) -> None:
        """Read the commands."""
        at = 0
        while at < len(self.text):
            ending = _LINE_END.search(self.text, at)
            stop, following = (len(self.text), len(self.text)) if ending is None else ending.span()
            begin = at
            while (behind := self._flag(at, stop)) > at:
                at = self.end = behind
            line = self.text[at:stop]
            if _NOTHING.fullmatch(line):
                self.in_code |= "```" in line
                self.end = following if at > begin else self.end
            elif self._is_command(line):
                self.end = following
            elif not (self.keyword_lines and _KEYWORD.fullmatch(line)):
                return
            at = following

    def rest(self) -> str:
        """The text without what was read, but with HTML elements that end in it."""
        if not self.end:
            return self.text
        return "".join((*_unclosed(self.text[: self.end]), self.text[self.end :].lstrip("\r\n")))

    def _flag(self, start: int, stop: int) -> int:
        """Note a command without addresses at the start of a line. Return the place behind it; `start` if there is
        none.
        """
        line = self.text[start : min(stop, start + LONGEST_LEAD)]
        flag = _FLAG.match(line)
        if flag is not None:
            self.flags.setdefault(f"/{flag[1].lower()}", []).append((start, start + flag.end()))
            return start + flag.end()
        begin = len(line) - len(_BLANK_START.sub("", line))
        behind = begin + len(self.marker)
        if not self.marker or line[begin:behind].lower() != self.marker.lower() or line[behind : behind + 1].isalnum():
            return start
        behind += len(line[behind:]) - len(line[behind:].lstrip(" \t:,"))
        self.flags.setdefault(self.marker, []).append((start, start + behind))
        return start + behind

    def _is_command(self, line: str) -> bool:
        """Note a command with addresses. Is the line one, or meant as one?"""
        command = None if self.in_code or _CODE.match(line) else _COMMAND.match(line)
        if command is None:
            return False
        self.lines += 1
        if self.lines > MOST_LINES:
            self.problems[MOST_PROBLEMS:] = [CommandProblem("", "there are too many commands")]
            return True
        name, argument = f"/{command['word'].lower()}", line[command.end() :]
        if name not in RECIPIENTS:
            return self._is_meant(name, argument)
        if command["odd"] and "@" not in argument:
            return False
        if len(argument) > LONGEST_LINE:
            self.problems.append(CommandProblem(name, f"{name}: the line is too long"))
            return True
        people, problems = named_addresses(argument)
        if _CONTINUED.search(argument):
            problems = (*problems, "the line ends with a comma, and addresses in the next one are not read")
        self.problems += [CommandProblem(name, f"{name}: {problem}") for problem in problems]
        if not people and not problems:
            self.problems.append(CommandProblem(name, f"{name} names no mail address"))
        self.addresses.setdefault(name, []).extend(people)
        return True

    def _is_meant(self, name: str, argument: str) -> bool:
        """Is another word meant as a command? Without an address only if it is spelled almost like one: a text may
        begin with a path.
        """
        if "@" in argument[:LONGEST_LINE]:
            people, problems = named_addresses(argument[:LONGEST_LINE])
            meant = bool(people and not problems) or bool(did_you_mean(name, RECIPIENTS))
        else:
            meant = _is_almost(name.replace("-", "").replace("_", ""), PRIVATE, NO_MAIL)
        if meant:
            known = (*RECIPIENTS, PRIVATE, NO_MAIL)
            words = f"{printable_line(name)} is not a command{did_you_mean(name, known)}"
            self.problems.append(CommandProblem(closest(name, known) or "", words))
        return meant


def _is_almost(name: str, *commands: str) -> bool:
    return any(SequenceMatcher(None, name[1:], command[1:]).ratio() > 0.8 for command in commands)


def _once(people: Iterable[Address]) -> tuple[Address, ...]:
    """These people, each once, with a name if one is written anywhere."""
    by_key: dict[str, Address] = {}
    for person in people:
        key = comparable(person.address)
        if key not in by_key or (person.name and not by_key[key].name):
            by_key[key] = person
    return tuple(by_key.values())


def _contradictions(people: dict[str, tuple[Address, ...]]) -> Iterator[CommandProblem]:
    """What the commands of a note cannot all mean."""
    if len(people["/requester"]) > 1:
        yield CommandProblem("/requester", "/requester names more than one address")
    removed = {comparable(person.address) for person in people["/uncc"]}
    for person in people["/cc"]:
        if comparable(person.address) in removed:
            both = f"/cc and /uncc both name {printable_line(person.address)[:SHOWN]}"
            yield CommandProblem("/cc", both)
    if sum(map(len, people.values())) > MOST_ADDRESSES:
        yield CommandProblem("", f"the commands name more than {MOST_ADDRESSES} addresses")


def _unclosed(markup: str) -> list[str]:
    """Given HTML, return the tags of the elements that it opens and does not close."""
    opened: list[tuple[str, str]] = []
    for tag in _ELEMENT.finditer(markup):
        if not tag["close"]:
            opened.append((tag["name"].lower(), tag[0]))
        elif opened and opened[-1][0] == tag["name"].lower():
            opened.pop()
    return [shown for _, shown in opened]
