"""Floor 4: where stored responses are kept, and how every instance learns what died.

Knows nothing of HTTP semantics or rules. `Cache` is what the driver uses; the
protocol it keeps is told in `proxy/README.md`, "Tags, facts, positions".
"""
