"""How well texts in unknown or wrongly named charsets are read: `charsets [--locales DIR…] [--texts N] [--show]`.

Texts of 60 and more characters are taken from the translations of the programs of a Debian machine (the .mo files in
DIR, default /usr/share/locale), encoded as mail in that language is, and read

  unlabelled          without a charset
  wrongly labelled    under a charset that does not fit: the declared one gives errors or C1 control characters
  rightly labelled    under their own, which must never change anything

by the product and by the two libraries that guess charsets, each restricted to what mail is written in. Ends with 1
when the product reads fewer than 95 of 100 of the first two or changes one of the third.
"""

import gettext
import itertools
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import chardet
import charset_normalizer

from redmine_mailbridge.mail.mime import charset, charset_labels

LANGUAGES = {
    "ar": ["windows-1256", "iso-8859-6"], "be": ["windows-1251"], "bg": ["windows-1251", "koi8-r"],
    "bs": ["windows-1250", "iso-8859-2"], "ca": ["windows-1252"], "cs": ["windows-1250", "iso-8859-2"],
    "da": ["windows-1252"], "de": ["windows-1252", "iso-8859-15"], "el": ["windows-1253", "iso-8859-7"],
    "es": ["windows-1252"], "et": ["windows-1257", "windows-1252"], "eu": ["windows-1252"], "fi": ["windows-1252"],
    "fr": ["windows-1252", "iso-8859-15"], "ga": ["windows-1252"], "gl": ["windows-1252"],
    "he": ["windows-1255", "iso-8859-8"], "hr": ["windows-1250", "iso-8859-2"], "hu": ["windows-1250", "iso-8859-2"],
    "is": ["windows-1252"], "it": ["windows-1252"], "ja": ["shift_jis", "euc-jp", "iso-2022-jp"],
    "ko": ["cp949"], "lt": ["windows-1257", "iso-8859-13"], "lv": ["windows-1257", "iso-8859-13"],
    "mk": ["windows-1251"], "nb": ["windows-1252"], "nl": ["windows-1252"], "nn": ["windows-1252"],
    "pl": ["windows-1250", "iso-8859-2"], "pt": ["windows-1252"], "pt_BR": ["windows-1252"],
    "ro": ["windows-1250", "iso-8859-2"], "ru": ["windows-1251", "koi8-r"], "sk": ["windows-1250", "iso-8859-2"],
    "sl": ["windows-1250", "iso-8859-2"], "sq": ["windows-1252"], "sr": ["windows-1251"], "sv": ["windows-1252"],
    "th": ["cp874"], "tr": ["windows-1254"], "uk": ["windows-1251", "koi8-u"], "zh_CN": ["gb18030"], "zh_TW": ["big5"],
}  # fmt: skip
"""A language of the translations, and what its mail was written in before UTF-8."""
WRONG = ("us-ascii", "utf-8", "iso-8859-1", "shift_jis", "euc-kr", "big5")
SHORTEST, LONGEST = 60, 400
Reader = Callable[[bytes, str], str]


def main(arguments: list[str]) -> int:
    """Measure and print the table. Return the exit code."""
    named = list(itertools.takewhile(lambda word: not word.startswith("--"), after(arguments, "--locales")))
    most = int(next(iter(after(arguments, "--texts")), "40"))
    samples = list(collected([Path(name) for name in named] or [Path("/usr/share/locale")], most))
    languages = {language for language, *_ in samples}
    print(f"{len(samples)} texts in {len(languages)} languages, {SHORTEST} to {LONGEST} characters")
    readers: dict[str, Reader] = {"product": charset.decode, "chardet": by_chardet, "normalizer": by_normalizer}
    bad = 0
    for name, reader in readers.items():
        bad += report(name, reader, samples, show="--show" in arguments)
    return int(bad > 0 or len(languages) < 40)


def after(arguments: list[str], option: str) -> list[str]:
    """What stands behind an option."""
    return arguments[arguments.index(option) + 1 :] if option in arguments else []


def collected(folders: list[Path], most: int) -> Iterator[tuple[str, str, str]]:
    """Given folders of locales, yield (language, charset, text); the same ones each time."""
    for language, codecs in LANGUAGES.items():
        found: list[str] = []
        for file in sorted(file for folder in folders for file in folder.glob(f"{language}/LC_MESSAGES/*.mo")):
            try:
                with file.open("rb") as stream:
                    catalog = gettext.GNUTranslations(stream)._catalog  # type: ignore[attr-defined]
            except UnicodeDecodeError:  # a catalog that does not say its own charset
                continue
            found += [text for key, text in sorted(catalog.items(), key=str) if key and isinstance(text, str)]
        random.Random(language).shuffle(found)  # the same each time; nothing secret
        for codec in codecs:
            texts = (text for text in joined(found) if fits(text, codec))
            yield from ((language, codec, text) for text in itertools.islice(texts, most))


def joined(texts: list[str]) -> Iterator[str]:
    """Given sentences, yield texts of them that are long enough."""
    held = ""
    for text in texts:
        held = f"{held}\n{text}".strip()
        if len(held) >= SHORTEST:
            yield held[:LONGEST]
            held = ""


def fits(text: str, codec: str) -> bool:
    """Can the text be written in the charset, and does it hold enough that is not ASCII to tell?"""
    foreign = sum(1 for letter in text if ord(letter) > 0x7F and letter.isalpha())
    try:
        data = text.encode(codec)
        same = data.decode(codec) == text
    except UnicodeError:
        return False
    return foreign >= 3 and same and "\x1b" not in text and (data.isascii() or not is_utf8(data))


def is_utf8(data: bytes) -> bool:
    """Is it UTF-8 by itself? Then the translation had been read in a wrong charset before it was written."""
    try:
        data.decode("utf-8")
    except UnicodeError:
        return False
    return True


def report(name: str, reader: Reader, samples: list[tuple[str, str, str]], *, show: bool) -> int:
    """Print what a reader gets right. Return how many goals it misses, when it is the product."""
    missed = 0
    kinds = {"unlabelled": unlabelled, "wrongly labelled": wrongly, "rightly labelled": rightly}
    for kind, labels in kinds.items():
        right = count = 0
        wrong: dict[str, int] = {}
        for language, codec, text in samples:
            data = text.encode(codec)
            for label in labels(data, codec):
                count += 1
                good = reader(data, label) == text
                right += good
                if not good:
                    wrong[f"{language} {codec}"] = wrong.get(f"{language} {codec}", 0) + 1
        share = 100 * right / max(count, 1)
        print(f"{name:11} {kind:17} {right:6} of {count:6} right, {share:6.2f} %")
        if show:
            print("    " + ", ".join(f"{key}: {n}" for key, n in sorted(wrong.items(), key=lambda one: -one[1])[:16]))
        goal = 100.0 if kind == "rightly labelled" else 95.0
        missed += name == "product" and share < goal
    return missed


def unlabelled(_data: bytes, _codec: str) -> list[str]:
    """No label."""
    return [""]


def rightly(_data: bytes, codec: str) -> list[str]:
    """Its own."""
    return [codec]


def wrongly(data: bytes, codec: str) -> list[str]:
    """The labels under which these bytes give errors or C1 controls."""
    return [label for label in WRONG if label != codec and is_wrong(data, label)]


def is_wrong(data: bytes, label: str) -> bool:
    """Can it be seen that the label does not fit? ISO 8859-1 means windows-1252 (WHATWG Encoding Standard)."""
    try:
        return any("\x80" <= letter <= "\x9f" for letter in data.decode({"iso-8859-1": "cp1252"}.get(label, label)))
    except UnicodeError:
        return True


def by_chardet(data: bytes, label: str) -> str:
    """As declared when that fits, else as this library guesses."""
    if label and not is_wrong(data, label):
        return data.decode(label)
    found = chardet.detect(data, include_encodings=charset_labels.WRITTEN_IN)["encoding"]
    return data.decode(found or "windows-1252", "replace")


def by_normalizer(data: bytes, label: str) -> str:
    """As declared when that fits, else as the other library guesses."""
    if label and not is_wrong(data, label):
        return data.decode(label)
    best = charset_normalizer.from_bytes(data, cp_isolation=list(charset_labels.WRITTEN_IN)).best()
    return str(best) if best is not None else data.decode("windows-1252", "replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
