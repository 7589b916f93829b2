"""Who is on the list and why: joining, leaving, moving in and out."""
