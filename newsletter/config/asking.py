"""`[ask]`: the language model that answers from the archive, where one is wanted."""

from __future__ import annotations

from pydantic import Field

from newsletter.config.table import WEB_ADDRESS, Table


class AskSettings(Table):
    """`[ask]`: which model `newsletter ask` passes the passages to; none unless it is named. The key is a secret."""

    base_url: str = Field(
        default="",
        pattern=WEB_ADDRESS,
        description="What `/chat/completions` is appended to, such as https://api.openai.com/v1.",
    )
    model: str = Field(default="", max_length=200, description="The model's name there.")
