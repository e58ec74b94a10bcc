"""Reading XML answers. Pure; never expands an entity, never follows a reference."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from ..errors import UnexpectedResponseError

__all__ = ["XmlNode", "read_xml"]

MAX_XML_BYTES = 16 * 1024 * 1024
"""A listing of 1,000 keys has less than 4 MiB; an element of four bytes takes a hundred in memory."""

_NO_XML = re.compile(
    rb"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|x0*(?:[0-8bcefBCEF]|1[0-9a-fA-F])|x[fF]{3}[eEfF]);"
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]"
)
"""Characters that XML 1.0 cannot hold, plain or as references; servers echo them all the same."""


class XmlNode:
    """An element whose names are matched without their namespace, which vendors disagree about."""

    __slots__ = ("_element", "_namespace")

    def __init__(self, element: ElementTree.Element, namespace: str) -> None:
        self._element = element
        self._namespace = namespace

    @property
    def name(self) -> str:
        """The local name."""
        return self._element.tag.removeprefix(self._namespace)

    def text(self, name: str, default: str = "") -> str:
        """The text of the first child of this name."""
        return self._element.findtext(self._namespace + name) or default

    def find(self, name: str) -> XmlNode | None:
        """The first child of this name."""
        found = self._element.find(self._namespace + name)
        return None if found is None else XmlNode(found, self._namespace)

    def all(self, name: str) -> list[XmlNode]:
        """All children of this name."""
        return [XmlNode(e, self._namespace) for e in self._element.findall(self._namespace + name)]

    def rows(self, name: str) -> list[dict[str, str]]:
        """All children of this name, each as its children's texts by local name. For long lists."""
        skip = len(self._namespace)
        return [
            {child.tag[skip:]: child.text or "" for child in element}
            for element in self._element.findall(self._namespace + name)
        ]


def read_xml(content: bytes, *, lossy: bool = False) -> XmlNode:
    """The root of an answer.

    Args:
        lossy: replace characters that XML cannot hold, where no key is read from the answer.

    Raises:
        UnexpectedResponseError: it is no XML, declares entities, or is too long.
    """
    if len(content) > MAX_XML_BYTES:
        raise UnexpectedResponseError("the answer's XML is too long", outcome="unknown")
    if lossy:
        content = _NO_XML.sub(b"?", content)
    if b"\0" in content:
        # UTF-16 has some in every tag, and is found out by expat even where it was told UTF-8.
        raise UnexpectedResponseError("the answer's XML has zeros", outcome="unknown")
    if b"<!" in content:
        # Answers have no document type; entities could be made to grow without bound.
        raise UnexpectedResponseError("the answer's XML has declarations", outcome="unknown")
    try:
        # It is UTF-8, whatever it says: in another encoding a declaration would not show above.
        root = ElementTree.XML(content, ElementTree.XMLParser(encoding="utf-8"))
    except (ElementTree.ParseError, ValueError, LookupError) as exc:
        raise UnexpectedResponseError(f"the answer is no XML: {exc}", outcome="unknown") from exc
    namespace = root.tag[: root.tag.index("}") + 1] if root.tag.startswith("{") else ""
    return XmlNode(root, namespace)
