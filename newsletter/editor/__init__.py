"""The checker inside an editor: findings, completions and explanations by the Language Server Protocol."""
