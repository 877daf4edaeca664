"""Which parts of a route ask for the session.

Floor 2. Pure. Where the session is in the key or the scope an answer belongs to one session;
elsewhere (tags, invalidations) it is only named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from proxy.rules.keys import Keying, TemplateKey
from proxy.rules.scopes import Scope, SelectorScope, SessionScope

if TYPE_CHECKING:
    from proxy.rules.extensions import Extension
    from proxy.rules.invalidations import InvalidationRule
    from proxy.rules.subject import Readable
    from proxy.rules.templates import Template

_SESSION: Final = "session"


def names_session(selectors: Iterable[Readable]) -> bool:
    """Whether one of them is the session."""
    return any(selector.text == _SESSION for selector in selectors)


def names_in(
    templates: Iterable[Template], rules: Iterable[InvalidationRule], extension: Extension | None
) -> bool:
    """Whether tags, aliases, invalidations or an extension name the session."""
    names = [name for template in templates for name in template.selectors]
    names += [name for rule in rules for name in rule.selectors]
    return names_session((*names, *(extension.selectors if extension is not None else ())))


def keyed_by_session(scope: Scope, keying: Keying) -> bool:
    """Whether requests of different sessions never share an answer."""
    if isinstance(scope, SessionScope):
        return True
    if isinstance(scope, SelectorScope) and names_session(scope.selectors):
        return True
    return isinstance(keying, TemplateKey) and names_session(keying.template.selectors)
