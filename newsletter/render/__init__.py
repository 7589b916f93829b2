"""From an issue to the bytes that leave: HTML, text, segments, headers, MIME."""
