#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What coaxd counts, as a resource and at /metrics: as curl and Python read it.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
# shellcheck source=tests/interop/coap_client.bash
. tests/interop/coap_client.bash

need_client
coax=${COAX_BUILD:-build}/coax
mkdir "$work/run"
give "$served"
give "$work/run"
printf hello >"$served/hello.txt"

get() {
	"$coax" get --timeout 5 "coap://127.0.0.1:$port$1"
}

# A TCP port of 127.0.0.1 that nothing is bound to.
free_tcp_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# fetch OPTIONS...: /metrics is in $work/metrics, the header in $work/header, the status in $fetched.
fetch() {
	fetched=$(curl --silent --max-time 10 --dump-header "$work/header" --output "$work/metrics" \
		--write-out '%{http_code}' "$@")
}

listens_on_tcp() {
	[ -n "$(ss -Hlnt "sport = :$1")" ]
}

off_by_default() {
	local before
	start_coaxd
	! get /figures >/dev/null 2>"$work/err" && grep -q 4.04 "$work/err" || return 1
	before=$(ss -Hlntp | grep -c "pid=$daemon,")
	stop_coaxd && [ "$before" -eq 0 ]
}

refused() {
	timeout --foreground 10 "$coaxd" --bind 127.0.0.1:0 "$@" "$served" 2>"$work/err"
	[ $? -eq 2 ] && grep -q 'see coaxd --help$' "$work/err"
}

checks_options() {
	refused --figures figures && refused --metrics 9100 && refused --metrics '*:9100' &&
		refused --metrics localhost:9100 && refused --metrics 127.0.0.1 &&
		refused --metrics 127.0.0.1:0 && refused --metrics unix:relative &&
		refused --metrics "unix:/$(printf '%0110d' 0)"
}

refuses_strangers() {
	refused --metrics 0.0.0.0:9100 && grep -q 'metrics-anywhere' "$work/err" &&
		refused --metrics '[::]:9100' && refused --metrics 192.0.2.1:9100 || return 1
	tcp=$(free_tcp_port)
	start_coaxd --metrics "0.0.0.0:$tcp" --metrics-anywhere
	fetch "http://127.0.0.1:$tcp/metrics" && [ "$fetched" = 200 ] && stop_coaxd
}

is_json() {
	start_coaxd --figures /about/figures
	get /hello.txt >/dev/null && get /about/figures >"$work/figures" || return 1
	python3 - "$work/figures" <<-'END' || return 1
		import json, sys
		figures = json.load(open(sys.argv[1]))
		# The first request, and those for the blocks of this one.
		assert 2 <= figures["coax_requests_total"] < 20, figures
		assert figures["coax_kernel_answering"] == 0
		assert "coax_kernel_packets_total" not in figures
		assert sum(figures["coax_worker_requests_total"].values()) >= figures["coax_requests_total"]
		assert len(figures["coax_worker_sessions"]) == figures["coax_workers"]
		assert all(isinstance(value, (int, dict)) for value in figures.values())
	END
	ask 2.05 /about/figures && has 'Content-Format:application/json' && has 'Max-Age:1' &&
		ask 4.06 /about/figures -A 0 && ask 4.05 /about/figures -m put -e x || return 1
	get /.well-known/core | grep -q '</about/figures>'
}

obeys_rules() {
	stop_coaxd
	start_coaxd --figures /figures --access '/ * all' --access '/figures secure read'
	get /hello.txt >/dev/null && ! get /figures >"$work/out" 2>"$work/err" &&
		[ ! -s "$work/out" ] && cat "$work/err" && grep -qE '4\.0[13]' "$work/err" && stop_coaxd
}

# The text format 0.0.4, read by its grammar: a name has one HELP and one TYPE, which come before its samples.
is_prometheus() {
	tcp=$(free_tcp_port)
	start_coaxd --figures /figures --metrics "127.0.0.1:$tcp"
	get /hello.txt >/dev/null && fetch "http://127.0.0.1:$tcp/metrics" || return 1
	[ "$fetched" = 200 ] && grep -qi '^content-type: text/plain; version=0.0.4' "$work/header" ||
		return 1
	get /figures >"$work/figures" || return 1
	python3 - "$work/metrics" "$work/figures" <<-'END'
		import json, re, sys
		helped, typed, seen, last, buckets = set(), {}, set(), None, []
		figures = json.load(open(sys.argv[2]))
		text = open(sys.argv[1]).read()
		assert text.endswith("\n")
		for line in text.splitlines():
		    if m := re.fullmatch(r"# HELP (\w+) (.+)", line):
		        assert m[1] not in helped, line
		        helped.add(m[1])
		        continue
		    if m := re.fullmatch(r"# TYPE (\w+) (counter|gauge|histogram)", line):
		        assert m[1] not in typed, line
		        typed[m[1]] = m[2]
		        last = m[1]
		        continue
		    if typed[last] == "histogram":
		        m = re.fullmatch(last + r'_(bucket\{le="([\d.]+(e-05)?|\+Inf)"\} (\d+)|sum \d+\.\d+|count (\d+))', line)
		        assert m, line
		        buckets += [int(m[4])] if m[4] else []
		        assert not m[5] or int(m[5]) == buckets[-1] > 0, line
		        seen.add((last, m[1]))
		        continue
		    m = re.fullmatch(r'(coax_[a-z_]+)(\{[a-z]+="[\w.]+"(,[a-z]+="[\w.]+")*\})? (\d+)', line)
		    assert m, line
		    assert m[1] == last and m[1] in helped, line
		    assert m[1].endswith("_total") == (typed[m[1]] == "counter"), line
		    assert (m[1], m[2]) not in seen, line
		    seen.add((m[1], m[2]))
		assert buckets == sorted(buckets) and len(buckets) == 10
		assert {name for name, labels in seen} == set(figures), "JSON has the same names"
		assert ("coax_requests_total", None) in seen and ("coax_malformed_total", '{reason="short"}') in seen
	END
}

is_http() {
	fetch --head "http://127.0.0.1:$tcp/metrics" && [ "$fetched" = 200 ] || return 1
	fetch "http://127.0.0.1:$tcp/" && [ "$fetched" = 404 ] || return 1
	fetch -X POST --data x "http://127.0.0.1:$tcp/metrics" && [ "$fetched" = 405 ] &&
		grep -qi '^allow: GET, HEAD' "$work/header" || return 1
	printf 'nonsense\r\n\r\n' >"$work/nonsense"
	curl --silent --max-time 5 "telnet://127.0.0.1:$tcp" <"$work/nonsense" >/dev/null
	curl --silent --max-time 5 -H "X: $(printf '%020000d' 0)" -o /dev/null "http://127.0.0.1:$tcp/metrics"
	fetch "http://127.0.0.1:$tcp/metrics" && [ "$fetched" = 200 ]
}

# 40 who connect and say nothing: they get 16 places at most, and lose them after some seconds.
outlasts_idlers() {
	python3 - "$tcp" "$daemon" <<-'END'
		import glob, os, socket, sys, time
		def sockets():
		    return sum(os.readlink(fd).startswith("socket:") for fd in glob.glob(f"/proc/{sys.argv[2]}/fd/*"))
		before = sockets()
		idle = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(40)]
		time.sleep(1)
		assert sockets() - before <= 17, sockets() - before
		for i in range(60):
		    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as asker:
		        asker.settimeout(1)
		        try:
		            asker.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
		            if asker.recv(100).startswith(b"HTTP/1.1 200"):
		                sys.exit(0)
		        except OSError:
		            time.sleep(0.5)
		sys.exit("nobody is let in any more")
	END
}

has_no_capabilities() {
	local caps
	caps=$(cat /proc/"$daemon"/task/*/status | sed -n 's/^CapEff:[[:space:]]*//p' | sort -u)
	[ "$caps" = 0000000000000000 ]
}

# A name that is there: what somebody who was killed has left, but nothing else.
by_unix_socket() {
	stop_coaxd || return 1
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$work/run/metrics"
	give "$work/run"
	start_coaxd --metrics "unix:$work/run/metrics"
	fetch --unix-socket "$work/run/metrics" http://localhost/metrics && [ "$fetched" = 200 ] || return 1
	[ "$(stat -c %a "$work/run/metrics")" = 660 ] || return 1
	stop_coaxd && [ ! -e "$work/run/metrics" ] || return 1
	echo precious >"$work/run/metrics"
	start_coaxd --metrics "unix:$work/run/metrics"
	logged 'ERROR: no /metrics at unix:.*: File exists' && get /hello.txt >/dev/null &&
		stop_coaxd && grep -qx precious "$work/run/metrics"
}

goes_on_without() {
	python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
time.sleep(60)' >"$work/port" &
	local holder=$! result
	until [ -s "$work/port" ]; do sleep 0.05; done
	start_coaxd --metrics "127.0.0.1:$(cat "$work/port")"
	logged 'ERROR: no /metrics at 127.0.0.1:.*: Address already in use' && get /hello.txt >/dev/null
	result=$?
	kill "$holder"
	stop_coaxd && return "$result"
}

counts_proxied() {
	local origin status
	start_coaxd
	origin=$daemon
	start_coaxd --figures /figures --proxy "/far=coap://127.0.0.1:$port"
	get /far/hello.txt >/dev/null && get /far/hello.txt >/dev/null && get /figures >"$work/figures" &&
		python3 - "$work/figures" <<-'END'
			import json, sys
			figures = json.load(open(sys.argv[1]))
			assert figures["coax_proxy_requests_total"] == {"hit": 1, "miss": 1, "stale": 0}, figures
			assert figures["coax_proxy_forwarded_total"] == 1 and figures["coax_proxy_entries"] >= 1
			(origin, times), = figures["coax_origin_answer_seconds"].items()
			assert origin.startswith("coap://127.0.0.1:") and times["count"] == times["+Inf"] == 1
			assert 0 < times["sum"] < 5
			assert figures["coax_origin_requests_total"] == {origin: 1}
			assert figures["coax_origin_answers_total"] == {origin: {"2.xx": 1, "4.xx": 0, "5.xx": 0}}
			assert figures["coax_origin_failures_total"] == {origin: 0}
			assert figures["coax_origin_up"] == {origin: 1}
		END
	status=$?
	stop_coaxd && daemon=$origin && stop_coaxd && return "$status"
}

plan 12
check "without being asked for there is neither resource nor /metrics" off_by_default
check "--figures and --metrics want what they can use" checks_options
check "/metrics is at loopback addresses, elsewhere only when that is allowed" refuses_strangers
check "the figures are a resource in JSON, listed, for GET alone" is_json
check "access rules are about the figures, too" obeys_rules
check "/metrics is in Prometheus' text format, with the names that the resource has" is_prometheus
check "HEAD is answered, other paths get 404, other methods 405, nonsense does no harm" is_http
stop_coaxd
check "a proxy's hits, misses, and how each origin does are figures, too" counts_proxied
start_coaxd --metrics "127.0.0.1:$tcp"
check "those who connect and say nothing are few, and lose their place" outlasts_idlers
check "no thread has a capability in effect" has_no_capabilities
check "/metrics is at a Unix socket, for the user and the group, in the place of a dead one alone" by_unix_socket
check "where it cannot listen coaxd says so, and serves" goes_on_without
finish
