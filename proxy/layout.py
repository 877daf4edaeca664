"""How a stored response lies in memory, of which there may be millions.

Floor 0. What the answers of a route have in common is one object, which all of them may share;
what few have at all is another, the same for all that have none of it. Texts that end alike
are kept once: most tags hold the URL, and most readable heads end with it. It knows nothing of
what the parts mean. Invariant: tuples, so that equal ones are found by their hash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol, Self, TypeVar

from proxy.fields import Fields

Shared = TypeVar("Shared", bound=object)


class Share(Protocol):
    """Gives the one object that stands for all that are equal to it."""

    def __call__(self, part: Shared, /) -> Shared:
        """That object, which may be this one."""


class Common(NamedTuple):
    """What most answers of a route have in common: see StoredResponse.

    `tags` are those before its own. Its URL is its first own tag from `url_from` on, and its
    readable head `before_url` and that, unless `Seldom` has them.
    """

    status: int
    reason: str
    keep: float
    stale_while_revalidate: float
    stale_if_error: float
    must_revalidate: bool
    no_cache: bool
    selecting: tuple[str, ...]
    route: str
    route_digest: str
    method: str
    tags: tuple[str, ...] = ()
    url_from: int = 0
    before_url: str = ""


class Seldom(NamedTuple):
    """What few answers have; the first three are None where the rest of the entry tells them."""

    url: str | None = None
    head: str | None = None
    created_at: float | None = None
    part: object = None
    validators: tuple[tuple[str, str], ...] = ()
    aliases: tuple[bytes, ...] = ()
    cost: float = 0.0
    params: tuple[tuple[str, str], ...] = ()
    learned: float = 0.0

    @property
    def is_nothing(self) -> bool:
        """Whether it is the one that all share who have nothing of this."""
        return self is NOTHING_SELDOM


NOTHING_SELDOM: Final = Seldom()
"""What all share that have none of it."""
_SO_FAR: Final = Common._fields.index("tags")

OwnTags = str | tuple[str, ...]
"""The tags that are hardly ever another entry's; one alone needs no tuple around it."""


def _tags_of(entry: Laid) -> tuple[str, ...]:
    """All its tags, in order."""
    own, before = entry.own_tags, entry.common.tags
    return (*before, own) if isinstance(own, str) else (*before, *own) if before else own


def _url_of(entry: Laid) -> str:
    """Its URL."""
    url = entry.seldom.url
    if url is not None:
        return url
    own = entry.own_tags
    return (own if isinstance(own, str) else own[0])[entry.common.url_from :]


def _head_of(entry: Laid) -> str:
    """Its readable head."""
    head = entry.seldom.head
    return entry.common.before_url + _url_of(entry) if head is None else head


def _created_at_of(entry: Laid) -> float:
    """When it was first fetched."""
    created_at = entry.seldom.created_at
    return entry.response_time if created_at is None else created_at


def _cut(entry: Laid, share: Share) -> tuple[Common, Seldom, OwnTags]:
    """The same with every text kept once: the first tag that ends with the URL is cut for it.

    That tag and all behind it are the entry's own.
    """
    tags, url, head, before_url = _tags_of(entry), _url_of(entry), _head_of(entry), ""
    kept_url: str | None = url
    kept_head: str | None = head
    url_from, holder = 0, _holder(tags, url)
    if holder is not None:
        kept_url, url_from = None, len(tags[holder]) - len(url)
        if head.endswith(url):
            kept_head, before_url = None, head[: -len(url)]
    common = (*entry.common[:_SO_FAR], tags[: holder or 0], url_from, before_url)
    created_at = None if entry.created_at == entry.response_time else entry.created_at
    seldom = Seldom._make((kept_url, kept_head, created_at, *entry.seldom[3:]))
    own = tuple(map(share, tags[holder or 0 :]))
    return (
        share(Common._make(common)),
        NOTHING_SELDOM if seldom == NOTHING_SELDOM else seldom,
        own[0] if len(own) == 1 else own,
    )


def _holder(tags: tuple[str, ...], url: str) -> int | None:
    if url:
        for number, tag in enumerate(tags):
            if tag.endswith(url):
                return number
    return None


def common(name: str) -> Any:  # noqa: ANN401  whatever type the attribute is declared with
    """An attribute of Laid that lies in its `Common`."""
    return property(attrgetter(f"common.{name}"))


def seldom(name: str) -> Any:  # noqa: ANN401  whatever type the attribute is declared with
    """An attribute of Laid that lies in its `Seldom`."""
    return property(attrgetter(f"seldom.{name}"))


def made(how: Callable[[Any], object]) -> Any:  # noqa: ANN401  as above
    """An attribute of Laid that is made of its parts."""
    return property(how)


@dataclass(init=False)
class Laid:
    """The attributes of a stored response, and where each of them lies."""

    __slots__ = (
        *("body", "born", "common", "fields", "initial_age", "lifetime"),
        *("own_tags", "request_time", "response_time", "seldom"),
    )

    fields: Fields
    body: bytes
    request_time: float
    response_time: float
    initial_age: float
    lifetime: float
    born: tuple[int, int]
    status: int = common("status")
    reason: str = common("reason")
    keep: float = common("keep")
    stale_while_revalidate: float = common("stale_while_revalidate")
    stale_if_error: float = common("stale_if_error")
    must_revalidate: bool = common("must_revalidate")
    no_cache: bool = common("no_cache")
    selecting: tuple[str, ...] = common("selecting")
    route: str = common("route")
    route_digest: str = common("route_digest")
    method: str = common("method")
    validators: tuple[tuple[str, str], ...] = seldom("validators")
    aliases: tuple[bytes, ...] = seldom("aliases")
    cost: float = seldom("cost")
    params: tuple[tuple[str, str], ...] = seldom("params")
    learned: float = seldom("learned")
    tags: tuple[str, ...] = made(_tags_of)
    url: str = made(_url_of)
    head: str = made(_head_of)
    created_at: float = made(_created_at_of)

    def lay(self, common: Common, seldom: Seldom, own_tags: OwnTags) -> None:
        """Put these in their slots."""
        self.common, self.seldom, self.own_tags = common, seldom, own_tags

    def kept(self, fields: Fields, share: Share) -> Self:
        """An equal one, with these equal `fields`, that shares what it can with others."""
        kept = object.__new__(type(self))
        kept.lay(*_cut(self, share))
        kept.fields, kept.body, kept.born = fields, self.body, share(self.born)
        kept.request_time, kept.response_time = self.request_time, self.response_time
        kept.initial_age, kept.lifetime = self.initial_age, share(self.lifetime)
        return kept
