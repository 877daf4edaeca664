"""HTTP caching as pure functions (RFC 9110, 9111, 5861, 8246, 9211, 9213, 9875).

Floor 1: imports only floor 0. Everything is a function of its arguments, `now`
among them, and nothing raises on what came from the wire. A shared cache speaks.

| question | function | RFC |
|---|---|---|
| what does the response allow? | `targeted.response_directives` | 9213 §2, 9111 §5.2.2 |
| what does one field line say? | `directives.parse_cache_control` | 9111 §5.2 |
| what does the client ask? | `directives.request_directives` | 9111 §5.2.1, §5.4 |
| what date is this? | `dates.parse_http_date`, `format_http_date` | 9110 §5.6.7 |
| how long is it fresh? | `freshness.freshness_lifetime` | 9111 §4.2.1-2 |
| how old was it on arrival? | `freshness.corrected_initial_age` | 9111 §4.2.3 |
| may it be reused unvalidated? | `freshness.may_reuse` | 9111 §4, §5.2.1 |
| may it be stored? what of it? | `storability.may_store`, `stored_fields` | 9111 §3 |
| which variant fits? | `vary.selecting_names`, `select` | 9111 §4.1 |
| how is it validated? | `validation.conditional_fields` | 9111 §4.3.1 |
| which does a 304 freshen, and how? | `validation.is_about`, `freshen` | 9111 §4.3.4, §3.2 |
| does a HEAD still describe it? | `validation.head_freshens` | 9111 §4.3.5 |
| is the client's copy current? | `preconditions.precondition` | 9110 §13 |
| what goes into our 304? | `preconditions.not_modified_fields` | 9110 §15.4.5 |
| which part was asked for? | `ranges.partial` | 9110 §14 |
| is this 206 to be believed? | `partial.received_part`, `parse_content_range` | 9110 §15.3.7 |
| what do stored parts make? | `partial.combine`, `completed` | 9111 §3.4 |
| does a stored part hold it? | `partial.excerpt` | 9111 §3.3 |
| what does a write invalidate? | `invalidation.urls_invalidated` | 9111 §4.4 |
| which groups is it in, which fall? | `groups.groups`, `groups_invalidated` | 9875 |
| which ETag is ours? | `etags.content_tag`, `values_tag`, `opaque_of` | 9110 §8.8.3 |
| what passes to the next hop? | `hop_by_hop.end_to_end` | 9110 §7.6.1 |
| through whom did it come? | `forwarding.via`, `forwarded_for`, `hops_left` | 9110 §7.6, 7239 |
| how did the cache treat it? | `cache_status.render`, `append` | 9211 |

`status` has the sets of status codes, `entity_tags` the comparisons of validators,
`structured` the parser of Structured Fields, `syntax` the grammar all share.
"""
