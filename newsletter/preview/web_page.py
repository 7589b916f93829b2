"""What will the archive show of this issue? The site's own build, of what is published and of this issue as if it were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from newsletter.app import Workspace
from newsletter.app.site import site_inputs
from newsletter.checks.across import read_claims
from newsletter.content.issue import read_issue
from newsletter.diagnostics import Diagnostic
from newsletter.preview.files import shown_name
from newsletter.preview.picture import WebPage
from newsletter.site.build import Built, SiteInputs, build_site


def build_web_page(workspace: Workspace, path: Path, base: str, folder: Path) -> WebPage:
    """The issue in `path` on a site at `base`, built into `folder`.

    Args:
        workspace: the newsletter.
        path: the issue's file.
        base: the address the site is looked at under, without a trailing slash.
        folder: where it is built, and where work is kept between builds.

    Raises:
        NewsletterError: a template has a mistake, or a file can't be read.
        OSError: the folder can't be written.
    """
    parsed = read_issue(path, workspace.settings.kinds, shown_name(workspace.home, path))
    if parsed.issue is None:
        return WebPage(findings=tuple(parsed.diagnostics))
    inputs = _inputs(workspace, path, base, folder)
    built = build_site(inputs, folder / "site")
    if built.failed and not _concerning(built, workspace, path):
        # Another issue stands in the way of the site, not of this one's page.
        alone = replace(inputs, sent=frozenset(read_claims(path).slugs), cache=folder / "alone.cache")
        built = build_site(alone, folder / "site")
    if built.failed:
        return WebPage(findings=_concerning(built, workspace, path) or built.findings)
    return WebPage(str(folder / "site"), f"/{parsed.issue.slug}/", _concerning(built, workspace, path))


def _concerning(built: Built, workspace: Workspace, path: Path) -> tuple[Diagnostic, ...]:
    name = shown_name(workspace.home, path)
    return tuple(found for found in built.findings if found.path == name)


def _inputs(workspace: Workspace, path: Path, base: str, folder: Path) -> SiteInputs:
    inputs = site_inputs(workspace, named=lambda file: shown_name(workspace.home, Path(file)))
    issues = list(inputs.issues)
    if not any(path.samefile(file) for file, _ in issues):
        issues.append((str(path), shown_name(workspace.home, path)))
    return replace(
        inputs,
        publication=replace(inputs.publication, base_url=base),
        # What is made for the public alone takes time that nobody looks at.
        options=replace(inputs.options, cards=False, search="", precompress=()),
        issues=issues,
        sent=inputs.sent | frozenset(read_claims(path).slugs),
        cache=folder / "site.cache",
    )
