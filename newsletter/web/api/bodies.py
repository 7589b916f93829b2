"""What do the operations take and give? The shapes, from which the OpenAPI document is made as well."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from newsletter.audience.preferences import LONGEST_NAME
from newsletter.model.subscriber import Subscriber, SubscriberStatus
from newsletter.store.base import utc_text

_LONGEST_EMAIL = 320
# A key's site may be a program gone wrong: a person has no thousand tags.
_MOST_TAGS = 50

Email = Annotated[
    str,
    Field(
        min_length=3,
        max_length=_LONGEST_EMAIL,
        examples=["ada@example.com"],
        description="Their address, such as `ada@example.com`, in any spelling.",
    ),
]
Tag = Annotated[str, Field(min_length=1, max_length=100, examples=["rag"])]
Tags = Annotated[list[Tag], Field(max_length=_MOST_TAGS)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Join(_Body):
    """Somebody who wants to join, or who confirmed elsewhere that they do."""

    email: Email
    source: str = Field(
        default="", max_length=300, description="The page they asked on, for the consent record."
    )
    form_id: str = Field(default="", max_length=60, description="Which of your forms it was.")
    ip: str = Field(
        default="", max_length=45, description="The person's network address, for the consent record."
    )
    user_agent: str = Field(default="", max_length=300, description="Their browser, for the same.")
    confirmed: bool = Field(
        default=False,
        description="They pressed a link in a mail of yours: no other is sent. Needs the scope subscribers:import.",
    )
    proof: str = Field(
        default="",
        max_length=300,
        description="How and when they confirmed, for the consent record. Needed with `confirmed`.",
    )
    name: str = Field(default="", max_length=LONGEST_NAME, description="Display name; with `confirmed` only.")
    tags: Tags = Field(default=[], description="With `confirmed` only.")


class Lookup(_Body):
    """Whom to look for. Addresses are never part of a URL, where they would end up in logs."""

    email: Email


class TagChange(_Body):
    """Tags to give and to take."""

    add: Tags = Field(default=[], description="Tags to give: a list of texts.")
    remove: Tags = Field(default=[], description="Tags to take.")


class Asked(BaseModel):
    """What is said about somebody who wants to join, whoever it is: a confirmation is mailed where one may be."""

    status: str = Field(examples=["asked"], pattern="^asked$")


class Person(BaseModel):
    """A person on the list."""

    id: int = Field(ge=1)
    email: str
    name: str
    status: SubscriberStatus
    tags: list[str]
    created_at: str | None = Field(description="UTC, ISO 8601.")


class Left(BaseModel):
    """What became of taking somebody off."""

    id: int = Field(ge=1)
    status: SubscriberStatus
    changed: bool = Field(description="False where they had left before.")


def person_of(subscriber: Subscriber) -> Person:
    """A person as the API shows them."""
    return Person(
        id=subscriber.id,
        email=subscriber.email,
        name=subscriber.name,
        status=subscriber.status,
        tags=list(subscriber.tags),
        created_at=utc_text(subscriber.created_at) if subscriber.created_at else None,
    )
