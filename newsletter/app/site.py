"""What is the site of this newsletter made of? Its files, its settings and what was sent, as a build wants them."""

from __future__ import annotations

import os
from collections.abc import Callable

from newsletter.app.workspace import Workspace
from newsletter.content.guide_files import guide_files
from newsletter.site.build import SiteInputs
from newsletter.site.entry import SiteOptions
from newsletter.site.extras import can_draw, encodings


def site_inputs(workspace: Workspace, *, named: Callable[[str], str], drafts: bool = False) -> SiteInputs:
    """The site's sources and settings; with `drafts`, issues that were not sent as well.

    Args:
        workspace: the newsletter.
        named: what findings call a file, by its path.
        drafts: whether it is to be looked at only.
    """
    settings = workspace.settings
    # A thousand paths are made of words in a tenth of the time.
    folder = str(workspace.issues_dir)
    issues = [f"{folder}{os.sep}{name}" for name in workspace.issue_names()]
    guides = [str(path) for path in guide_files(workspace.issues_dir)]
    return SiteInputs(
        publication=settings.publication,
        theme=settings.look,
        options=site_options(workspace, drafts=drafts),
        template_dirs=workspace.template_dirs,
        consent=settings.consent_words,
        issues=[(path, named(path)) for path in issues],
        guides=[(path, named(path)) for path in guides],
        sent=workspace.sent_slugs(),
        cache=workspace.state_dir / ("site-drafts.cache" if drafts else "site.cache"),
        workshop=workspace.workshop,
    )


def site_options(workspace: Workspace, *, drafts: bool = False) -> SiteOptions:
    """What the settings say of every page; see `site_inputs`."""
    settings = workspace.settings
    return SiteOptions(
        kinds=settings.kinds,
        per_page=settings.site.per_page,
        feed_items=settings.site.feed_items,
        licence=settings.site.licence,
        licence_url=settings.site.licence_url,
        drafts=drafts,
        cards=settings.site.cards and can_draw(),
        search=settings.site.search,
        precompress=encodings() if settings.site.precompress else (),
    )
