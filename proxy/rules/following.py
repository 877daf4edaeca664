"""`write_through`, `expand` and `prefetch` as written, and from there to a `Following`.

Floor 2. What their texts may say, and what they cannot know of their route: whether it has
answers from which anything follows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from proxy.caching.invalidation import SAFE_METHODS
from proxy.rules.lifetimes import OffTtl, Ttl
from proxy.rules.problems import Mistakes
from proxy.rules.request_templates import Expand, Following, RequestTemplate
from proxy.rules.selectors import parse_selector
from proxy.rules.shapes import Field, Many, Reading, Record, Refusal, Single, Written
from proxy.rules.templates import Template, parse_template
from proxy.rules.words import of_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.rules.nodes import Scalar
    from proxy.rules.patterns import Pattern
    from proxy.rules.problems import Report
    from proxy.rules.selectors import Selector

_FORM: Final = re.compile(r"\s*GET\s+(.+?)(?:\s+for\s+item\s+in\s+(.+?))?\s*", re.DOTALL)
_OTHERWISE: Final = re.compile(r"\sfor\s+\S+\s+in\s", re.IGNORECASE)
"""What is left of the form where the item has another name, or the words are in capitals."""
_PLAIN: Final = re.compile(r"[!-~]*")
NEVER_WRITTEN: Final = frozenset({"DELETE", *SAFE_METHODS})
"""Methods whose answers are no new state of anything."""


def _parsed(node: Scalar, reading: Reading, *, item: bool) -> RequestTemplate:
    """The request of a text; `item`: its target is about one even without `for`."""
    found = _FORM.fullmatch(node.template)
    if found is None:
        raise Refusal("a request that follows is a GET: write GET /path/{response.body.id}")
    if _OTHERWISE.search(found[1]):
        raise Refusal("each one is called `item`: write GET /path/{item.id} for item in SELECTOR")
    each = parse_selector(found[2], reading.secrets) if found[2] else None
    through_items = item or each is not None
    target = parse_template(found[1], reading.secrets, item=through_items)
    wrong = _mistakes(target)
    if through_items and not any(name.root == "item" for name in target.selectors):
        wrong.append("every item has the same target: name it by the item, as in {item.id}")
    if wrong:
        raise Mistakes(*dict.fromkeys(wrong))
    return RequestTemplate(node.text.strip(), target, each)


def _mistakes(target: Template) -> list[str]:
    wrong = []
    texts = [piece for piece in target.pieces if isinstance(piece, str)]
    if not target.literal.startswith("/"):
        wrong.append("a target begins with /, after the upstream's mount: write GET /path")
    if not all(_PLAIN.fullmatch(text) and "#" not in text for text in texts):
        wrong.append("a target has no spaces and no fragment: percent-encode what is not plain")
    secrets = (name.text for name in target.selectors if name.secret)
    return wrong + [f"`{name}` is a secret: credentials go along by themselves" for name in secrets]


def request_template(*, each: bool = False, item: bool = False) -> Single[RequestTemplate]:
    """A request that follows; `each`: it may say `for item in`; `item`: it is about one."""
    form = "GET /path/{item.id}" if item else "GET /path/{response.body.id}"
    form = f"{form}, or GET /path/{{item.id}} for item in SELECTOR" if each else form

    def parse(node: Scalar, reading: Reading) -> RequestTemplate | None:
        if node.value is None or not node.text.strip():
            return None
        made = _parsed(node, reading, item=item)
        if made.each is not None and not each:
            raise Refusal("only prefetch goes through a list: take `for item in …` out")
        return made

    return Single("a request that follows", form, parse, {"type": "string"})


WRITE_THROUGH: Final = Field(
    "write_through",
    request_template(),
    "A successful write's answer is stored as the answer to this request.",
)
EXPAND_EACH: Final = Field("each", of_answer(), "The list in the answer.", required=True)
EXPAND_AS: Final = Field(
    "as", request_template(item=True), "The request that an item answers.", required=True
)
EXPAND: Final = Field(
    "expand",
    Record("expand", (EXPAND_EACH, EXPAND_AS)),
    "Each item of a stored list is stored as the answer to a request of its own.",
)
PREFETCH: Final = Field(
    "prefetch",
    Many(request_template(each=True), lone=True),
    "Requests that are made behind, once an answer was fetched here.",
)
FOLLOWING: Final = (WRITE_THROUGH, EXPAND, PREFETCH)


def compile_following(written: Written) -> Following:
    """What follows from a route's answers; parts with problems are left out."""
    expand = written.get(EXPAND)
    each = expand.get(EXPAND_EACH) if expand is not None else None
    request = expand.get(EXPAND_AS) if expand is not None else None
    return Following(
        write_through=written.get(WRITE_THROUGH),
        expand=None if each is None or request is None else Expand(each, request),
        prefetch=written.get(PREFETCH) or (),
    )


def check_following(written: Written, pattern: Pattern | None, ttl: Ttl, report: Report) -> None:
    """Report what a route says although nothing can follow from its answers."""
    methods = pattern.methods if pattern is not None else frozenset()
    if written.given(WRITE_THROUGH) and methods and methods <= NEVER_WRITTEN:
        report.add(
            written.mark_of(WRITE_THROUGH),
            "no answer of this route is what a write has left",
            "put it on a route of POST, PUT or PATCH",
        )
    reads = [each for each in written.get(PREFETCH) or () if each.reads_response_body]
    for key, given in ((EXPAND, written.given(EXPAND)), (PREFETCH, bool(reads))):
        if given and isinstance(ttl, OffTtl) and not ttl.for_now:
            report.add(
                written.mark_of(key),
                f"`{key.name}` reads answers that are stored, and this route stores none",
                "give it a ttl",
            )


def following_selectors(written: Written) -> Iterator[tuple[Field[object], Selector]]:
    """Every selector in them, with the key it stands under."""
    made = compile_following(written)
    for key, part in (
        (WRITE_THROUGH, Following(write_through=made.write_through)),
        (EXPAND, Following(expand=made.expand)),
        (PREFETCH, Following(prefetch=made.prefetch)),
    ):
        yield from ((key, found) for found in part.selectors)
