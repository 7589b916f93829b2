"""What is known of one issue as one reader gets it: plain values, made in the rendering process and shown by the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from newsletter.diagnostics import Diagnostic
from newsletter.model.template import InlineImage
from newsletter.preview.message import MessageView


@dataclass(frozen=True, slots=True)
class Summary:
    """What the list of issues says about one of them."""

    number: int
    title: str
    date: str
    status: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One issue as one reader gets it.

    Attributes:
        summary: for the list.
        message: the whole message, taken apart.
        preheader: what the inbox shows after the subject.
        assets: pictures by what `src` says: `cid:…` where they travel along, an address where they are linked.
        took: seconds from reading the file to the finished message.
        reader: who reads it, as the page calls them.
    """

    summary: Summary
    message: MessageView
    preheader: str
    assets: Mapping[str, InlineImage]
    took: float
    reader: str = ""

    @property
    def subject(self) -> str:
        """The subject as the inbox shows it."""
        return self.message.header("Subject")

    @property
    def html(self) -> str:
        """The HTML part, decoded."""
        part = self.message.first("text/html")
        return part.text if part else ""

    @property
    def text(self) -> str:
        """The plain-text part, decoded."""
        part = self.message.first("text/plain")
        return part.text if part else ""


@dataclass(frozen=True, slots=True)
class Broken:
    """Why there is no picture of the file as it is.

    Attributes:
        diagnostics: at least one.
        text: the file's text, to show the places in it; empty where it can't be read.
    """

    diagnostics: tuple[Diagnostic, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class WebPage:
    """An issue as the site shows it.

    Attributes:
        folder: where the built site is; empty where it couldn't be built.
        address: the issue's page below it, such as `/hybrid-retrieval/`.
        findings: what stood in the way, or what the site says of the issue.
    """

    folder: str = ""
    address: str = ""
    findings: tuple[Diagnostic, ...] = ()
