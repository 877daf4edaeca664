"""What is left of a request that was begun: to be finished, or dropped with what it held."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from proxy.begun import Begun
from proxy.edges.underway import UnderWay
from proxy.edges.wire import WireReply
from proxy.edges.wire_body import NO_PAYLOAD, Payload, WireBody
from proxy.errors import ClientError
from proxy.flow.budget import Budget
from proxy.visit import Visit
from tests.support.build import request

if TYPE_CHECKING:
    from aiohttp.base_protocol import BaseProtocol

    from proxy.flow.call import Call


def under_way(budget: Budget, payload: Payload = NO_PAYLOAD) -> UnderWay:
    """One whose body takes four bytes of the budget."""
    reply = WireReply(cast("BaseProtocol", None), "GET", (1, 1), expects=False)
    made = UnderWay(reply, payload, None)
    made.body = WireBody(payload, 4, reply, lambda: None, budget)  # type: ignore[arg-type,return-value]
    made.body.lease.hold(4)
    reply.ended = True
    return made


def begun(said: list[str]) -> Begun:
    """A visit that says what becomes of it."""

    async def rest() -> None:
        said.append("done")

    asked = Visit(request=request(), began_at=0.0, began=0.0)
    return Begun(asked, rest, lambda: said.append("told"))


def test_only_one_of_which_nothing_is_left_is_answered() -> None:
    unread = Payload(lambda: None, lambda: None)
    assert under_way(Budget()).is_answered
    assert not under_way(Budget(), unread).is_answered
    failed, going_on, closing = under_way(Budget()), under_way(Budget()), under_way(Budget())
    failed.error, going_on.begun = ValueError(), begun([])
    closing.reply.keep_alive = False
    assert not any(each.is_answered for each in (failed, going_on, closing))


async def test_finishing_gives_back_what_it_held() -> None:
    budget, said = Budget(), list[str]()
    made = under_way(budget)
    made.begun = begun(said)
    await made.finish()
    assert (said, budget.held) == (["done", "told"], 0)


async def test_what_went_wrong_at_once_is_raised_by_who_finishes_it() -> None:
    budget = Budget()
    made = under_way(budget)
    made.error = ClientError(400, "no")
    with pytest.raises(ClientError):
        await made.finish()
    assert budget.held == 0


def test_dropping_gives_it_back_and_tells() -> None:
    budget, said = Budget(), list[str]()
    made = under_way(budget)
    made.begun = begun(said)
    made.drop()
    assert (said, budget.held) == (["told"], 0)


class WentUp:
    """What went up before its driver was asked, and what becomes of it."""

    at = began = 0.0

    def __init__(self) -> None:
        self.said: list[str] = []
        self.call = cast("Call", self)

    def abort(self) -> None:
        self.said.append("aborted")

    def taken(self) -> None:
        self.said.append("taken")


async def test_what_went_up_for_nothing_is_given_up_at_its_end() -> None:
    made, dropped = under_way(Budget()), under_way(Budget())
    for each in (made, dropped):
        assert each.body is not None
        each.body.sent = WentUp()
    await made.finish()
    dropped.drop()
    for each in (made, dropped):
        assert each.body is not None
        assert isinstance(each.body.sent, WentUp)
        assert each.body.sent.said == ["aborted", "taken"]
