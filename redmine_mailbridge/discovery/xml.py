"""Reads XML of strangers: no entities, no document types, no network, no huge trees."""

from itertools import islice

from lxml import etree

from redmine_mailbridge.discovery.model import NothingFound

MOST_ELEMENTS = 5000


def parse(content: bytes) -> etree._Element:
    """Given bytes, return the root element. Raise NothingFound when they are no harmless XML."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise NothingFound("not XML") from None
    too_many = len(list(islice(root.iter(), MOST_ELEMENTS + 1))) > MOST_ELEMENTS
    if root.getroottree().docinfo.doctype or too_many:
        raise NothingFound("not the expected kind of XML")
    return root


def local(element: etree._Element) -> str:
    """Given an element, return its name without the namespace, in lower case."""
    return etree.QName(element).localname.lower() if isinstance(element.tag, str) else ""


def children(element: etree._Element, name: str) -> list[etree._Element]:
    """Given an element and a name in lower case, return its children of that name, in any namespace."""
    return [child for child in element if local(child) == name]


def text(element: etree._Element, name: str) -> str:
    """Given an element, return the text of its first child of that name, or an empty text."""
    matches = children(element, name)
    return (matches[0].text or "").strip() if matches else ""
