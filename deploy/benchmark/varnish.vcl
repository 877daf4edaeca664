# Varnish in deploy/bench.py, which fills in what stands between at signs.
vcl 4.1;
backend default { .host = "@origin_host@"; .port = "@origin_port@"; }
sub vcl_recv {
    if (req.url == "/bench/pass") { return (pass); }
}
sub vcl_deliver {
    if (req.url == "/bench/pass") { set resp.http.X-Cache = "BYPASS"; }
    elsif (obj.hits > 0) { set resp.http.X-Cache = "HIT"; }
    else { set resp.http.X-Cache = "MISS"; }
}
