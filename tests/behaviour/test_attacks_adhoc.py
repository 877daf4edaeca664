from __future__ import annotations
import asyncio, json
import pytest
from itertools import count
from tests.support.answers import answer
from tests.support.behind import settled
from tests.support.larder import StartLarder, x_cache, until
from tests.support.origin import Origin
from tests.support.clock import ManualClock

BY_COOKIE = "sessions: {from: cookie.sid, issue: cookie, ttl: 10m}"
BY_HEADER = "sessions: {from: header.x-session-id, issue: header, ttl: 10m}"

# fixation by upstream
async def test_fix_cookie(larder, origin):
    proxy = await larder('- {name: mine, match: "GET /mine", scope: session, ttl: 1d}\n- {name: all, ttl: 1d, scope: shared, set_cookie: store}', top=BY_COOKIE)
    origin.reply(answer(b"x"))
    mine = (await proxy.get("/db/mine"))["Set-Cookie"].partition(";")[0]
    origin.reply(answer(b"y", fields={"Set-Cookie": mine + "; Path=/"}))
    r = await proxy.get("/db/logo")
    r = await proxy.get("/db/logo")
    print("FIX cookie", r.fields.get("Set-Cookie"), r["X-Cache"])

async def test_fix_header(larder, origin):
    proxy = await larder('- {name: mine, match: "GET /mine", scope: session, ttl: 1d}\n- {name: all, ttl: 1d, scope: shared}', top=BY_HEADER)
    origin.reply(answer(b"x"))
    mine = (await proxy.get("/db/mine"))["X-Session-ID"]
    origin.reply(answer(b"y", fields={"X-Session-ID": mine}))
    r = await proxy.get("/db/logo")
    r = await proxy.get("/db/logo")
    print("FIX header", r.fields.get("X-Session-ID"), r["X-Cache"])

@pytest.mark.parametrize("value", [1e300, 10**400, "9999-12-31T23:59:59Z", "99999999-01-01T00:00:00Z", -1e300, True, 253402300799, 1e18, "NaN", "Infinity"])
async def test_extend_until(larder, origin, every_store, value):
    routes = '''
- {name: stream, match: "POST /s/{d}", key: "stream:{path.d}", ttl: 5m, tags: ["s:{path.d}"]}
- name: ext
  match: POST /s/{d}/extend
  ttl: off
  extend: {key: "stream:{path.d}", tags: ["s:{path.d}"], until: response.body.end}
'''
    proxy = await larder(routes, shared=every_store)
    origin.reply(answer(b"x"), answer(json.dumps({"end": value}).encode(), fields={"Content-Type": "application/json"}))
    await proxy.post("/db/s/1", b"")
    r = await proxy.post("/db/s/1/extend", b"")
    origin.handler = lambda _: answer(b"again")
    r2 = await proxy.post("/db/s/1", b"")
    print("EXT", value, r.status, r2.status, r2["X-Cache"], r2["Cache-Status"])
    e = await proxy.entries()
    print([ (x.get("ttl_s"), x.get("expires_s")) for x in e])

async def test_etag_inject(larder, origin):
    proxy = await larder('- {name: a, ttl: 1d, etag: response.body.u}')
    for i, v in enumerate(["a\r\nX-Evil: 1", 'a", "b', "\u20ac", "\x00", " ", "a\tb", "", '*', 'W/"x"', ["a"], {"a":1}, "x"*5000]):
        origin.reply(answer(json.dumps({"u": v}).encode(), fields={"Content-Type": "application/json"}))
        r = await proxy.get(f"/db/{i}")
        print("ETAG", repr(v)[:30], r.fields.get("ETag"), "x-evil" in r.fields.names(), r["X-Cache"])

async def test_cost_spoof(larder, origin):
    proxy = await larder('- {name: paid, match: "GET /paid", ttl: 1d, cost: {miss: 20}}\n- {name: a, ttl: 1d}\n')
    f = {"X-Cost": "0", "X-Cost-Saved": "99", "X-Cost-Unit": "usd", "X-Cache": "HIT", "Cache-Status": "Larder; hit", "Idempotent-Replayed": "true"}
    origin.handler = lambda _: answer(b"x", fields=f)
    for t in ("/db/paid", "/db/free"):
        r = await proxy.get(t)
        print("COST", t, {n: r.fields.get(n) for n in f})

async def test_prefetch_mount(larder, origin):
    top = '''
'''
    import tests.support.larder as L
    proxy = await larder('- {name: a, match: "GET /list", ttl: 1d, prefetch: "GET /{item.k}/{item.id} for item in response.body.items"}\n- {name: b, ttl: 1d}', upstream="", top="")
    
async def test_session_query_leak(larder, origin, capfd, caplog):
    top = "sessions: {from: [query.sid, header.x-session-id], ttl: 10m, count: {all: query.sid}}"
    proxy = await larder('- {name: mine, scope: session, key: "k:{session}:{path}", ttl: 1d, tags: ["s:{session}"], params: [query.sid, session], cost: {miss: 1}}', top=top)
    origin.handler = lambda _: answer(b"x")
    for _ in range(4):
        await proxy.get("/db/mine?sid=TOPSECRETSID")
        await proxy.get("/db/mine?SID=TOPSECRETSID")
    text = ""
    for t in ("/metrics", "/api/entries", "/api/stats", "/api/sessions", "/api/routes", "/api/alerts", "/api/warm"):
        text += (await proxy.manage("GET", t)).body.decode()
    for e in await proxy.entries():
        text += (await proxy.manage("GET", "/api/entries/" + e["key"])).body.decode()
    out, err = capfd.readouterr()
    for where, t in (("admin", text), ("out", out), ("err", err), ("log", caplog.text)):
        i = t.find("TOPSECRETSID")
        print("LEAK", where, i, t[max(0,i-200):i+40] if i >= 0 else "")

async def test_dedupe_full(larder, origin):
    proxy = await larder('- {name: pay, match: "POST /pay", dedupe: 10m}')
    body = b"x" * 32_000
    origin.handler = lambda _: answer(body)
    async def some(a, b):
        for i in range(a, b):
            await proxy.post("/db/pay", str(i))
    await asyncio.gather(*(some(i*600, i*600+600) for i in range(8)))
    n = len(origin.requests)
    r = [await proxy.post("/db/pay", "victim", {"Authorization": "v"}) for _ in range(2)]
    print("DEDUPE", n, [x.status for x in r], [x.fields.get("X-Cache") for x in r], len(origin.requests)-n, r[0].body[:200])
