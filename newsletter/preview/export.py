"""How does a preview leave the machine? As a folder of plain files: no server, no script, nothing to install."""

from __future__ import annotations

import json
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from newsletter.checks.clients import feature_page
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.errors import UsageError
from newsletter.interrupts import uninterrupted
from newsletter.preview.build import Builder
from newsletter.preview.files import guessed
from newsletter.preview.findings import counts, findings_json, place
from newsletter.preview.picture import Broken, Picture
from newsletter.preview.variants import with_addresses
from newsletter.send.plan import GMAIL_CLIPS_AT

# Says that a folder is ours to replace.
MARKER = ".newsletter-preview"
_TEMPLATES = Path(__file__).parent / "templates"
_STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written for one issue.

    Attributes:
        key: its folder's name.
        path: the issue file, as findings name it.
        number: of the issue.
        title: of the issue.
        files: relative to the output folder.
        size: bytes of the whole message; 0 where there is none.
        findings: everything found in it.
        rendered: whether there is a message.
    """

    key: str
    path: str
    number: int
    title: str
    files: tuple[str, ...]
    size: int
    findings: tuple[Diagnostic, ...]
    rendered: bool

    def as_json(self) -> dict[str, Any]:
        """The shape `--json` prints."""
        return {
            "number": self.number,
            "title": self.title,
            "path": self.path,
            "rendered": self.rendered,
            "size": self.size,
            "findings": counts(self.findings),
            "files": list(self.files),
        }


def export(builder: Builder, files: list[Path], out: Path) -> list[Exported]:
    """Write the previews of `files` into `out`, whole or not at all.

    Raises:
        UsageError: `out` is a file, or a folder with things in it that were not written by us.
        OSError: it can't be written; what was there before still is.
    """
    _require_ours(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = _beside(out)
    try:
        draft.mkdir()
        # A preview is meant to be handed on, whatever the umask.
        draft.chmod(0o755)
        written = _write_all(builder, files, draft)
        _replace(draft, out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return written


def _require_ours(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file", hint="name a folder for --out")
    if any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(
            f"{out} holds other files, and --out would replace them",
            hint="name a new folder, or empty this one first",
        )


def _replace(draft: Path, out: Path) -> None:
    """Put the finished folder in its place; the old one goes only when the new one stands."""
    if not out.exists():
        draft.rename(out)
        return
    old = _beside(out)
    # Between the two there is no preview.
    with uninterrupted():
        out.rename(old)
        try:
            draft.rename(out)
        except OSError:
            old.rename(out)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _beside(out: Path) -> Path:
    return out.with_name(f".{out.name}-{secrets.token_hex(6)}")


def _write_all(builder: Builder, files: list[Path], root: Path) -> list[Exported]:
    pages = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pages.filters["place"] = place
    (root / MARKER).write_text("Made by `newsletter preview --out`; the next run replaces this folder.\n")
    (root / "assets").mkdir()
    shutil.copyfile(_STATIC / "export.css", root / "assets" / "preview.css")
    written = [_write_issue(builder, path, root, pages) for path in files]
    index = pages.get_template("export_index.html").render(
        identity=builder.identity(), issues=sorted(written, key=lambda issue: -issue.number)
    )
    (root / "index.html").write_text(index, "utf-8")
    return written


def _write_issue(builder: Builder, path: Path, root: Path, pages: Environment) -> Exported:
    key = path.stem
    folder = root / key
    folder.mkdir()
    result = builder.build(path)
    findings = tuple(builder.findings(path))
    if isinstance(result, Broken):
        findings = findings if any(d.severity is Severity.ERROR for d in findings) else result.diagnostics
    support = builder.support(path) if isinstance(result, Picture) else None
    names = ["findings.json", "index.html"]
    found = findings_json(findings, builder.workspace.home, path)
    for finding in found:
        del finding["absolute"]  # a path of this machine is nobody else's business
    (folder / "findings.json").write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", "utf-8")
    if support is not None:
        names.append("clients.json")
        (folder / "clients.json").write_text(
            json.dumps(support.as_json(), ensure_ascii=False, indent=2) + "\n", "utf-8"
        )
    summary = guessed(path)
    picture = None
    if isinstance(result, Picture):
        picture, summary = result, result.summary
        names += _write_parts(picture, folder, root)
    page = pages.get_template("export_issue.html").render(
        identity=builder.identity(),
        summary=summary,
        picture=picture,
        findings=found,
        support=support,
        feature_page=feature_page,
        clip=GMAIL_CLIPS_AT,
    )
    (folder / "index.html").write_text(page, "utf-8")
    return Exported(
        key=key,
        path=builder.name_of(path),
        number=summary.number,
        title=summary.title,
        files=tuple(f"{key}/{name}" for name in names),
        size=len(picture.message.raw) if picture else 0,
        findings=findings,
        rendered=picture is not None,
    )


def _write_parts(picture: Picture, folder: Path, root: Path) -> list[str]:
    for image in picture.assets.values():
        (root / "assets" / image.filename).write_bytes(image.data)
    addresses = {a: f"../assets/{image.filename}" for a, image in picture.assets.items()}
    (folder / "email.html").write_text(with_addresses(picture.html, addresses), "utf-8")
    (folder / "email.txt").write_text(picture.text, "utf-8")
    (folder / "message.eml").write_bytes(picture.message.raw)
    return ["email.html", "email.txt", "message.eml"]
