"""What does a fenced `mermaid` or `dot` block of an issue show? Mail runs neither JavaScript nor SVG, so it becomes a PNG.

`source` reads the block, `look` has the colours, `drawing` has `worker` draw it in a process of its own, which
may crash, loop or take all memory without taking the command along.
"""
