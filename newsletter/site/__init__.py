"""The public archive as plain files: issues, guides, the question bank, feeds, and a Markdown twin of every page."""
