"""From a file to a valid issue, or to findings that say where and why not."""
