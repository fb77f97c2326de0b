#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# `fairlead metrics --listen`: the kernel's own metrics file over HTTP, to good clients, slow ones and
# hostile ones. All of it in a node's namespaces, where a tun device stands for the lane.
# shellcheck source=selftests/lib.sh
# shellcheck disable=SC2016,SC2317,SC2034	# words for eval, and functions and variables of those
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/metrics.bash
. "$TOP/selftests/metrics.bash"

ADDR=127.0.0.1:9820 URL=http://127.0.0.1:9820
SERVER='' FIRST=''
PATH=$PATH:${FAIRLEAD_CACHE:-/var/cache/fairlead}/bin

start()
{
	node_exec m "$FAIRLEAD" metrics "$@" 2>"$lib_work/log" &
	SERVER=$!
	poll 5 grep -q listening "$lib_work/log"
}
# The listener itself, not nsenter or the shell around it.
server_pid() { pgrep -P "$SERVER" -f 'metrics --listen' || echo "$SERVER"; }
# stop SIGNAL: its exit status.
stop() { kill -"$1" "$(server_pid)" && wait "$SERVER"; }
at_exit eval '[[ ! $SERVER ]] || kill -9 "$(server_pid)"; [[ ! $FIRST ]] || { SERVER=$FIRST; kill -9 "$(server_pid)"; }'
get() { node_exec m curl -sS --max-time 10 "$@"; }
# status ARG...: of an HTTP answer.
status() { get -o /dev/null -w '%{http_code}\n' "$@"; }
header() { get -D - -o /dev/null "$@" | tr -d '\r'; }
# raw TEXT: send it, whatever it is (%b), and print what comes back.
raw() { node_exec m bash -c 'exec 3<>/dev/tcp/127.0.0.1/9820; printf %b "$0" >&3; timeout 8 cat <&3' "$1" | tr -d '\r'; }

metrics_node m w1
on() { node_exec m "$FAIRLEAD" accel on metrics -c "$lib_work/mesh.conf" -k "$lib_work/m.key"; }

### wrong usage

check_fails 2 "'9820' is not ADDRESS:PORT" "a port alone" "$FAIRLEAD" metrics --listen 9820
check_fails 2 "'localhost:9820' is not ADDRESS:PORT" "a name" "$FAIRLEAD" metrics --listen localhost:9820
check_fails 2 "only one of" "JSON" "$FAIRLEAD" metrics --json --listen $ADDR
check_fails 2 "handed no socket over" "systemd, without systemd" "$FAIRLEAD" metrics --listen systemd
check_fails 1 "no user 'nonesuch'" "a user that is not there" \
	node_exec m timeout 5 "$FAIRLEAD" metrics -l $ADDR -u nonesuch
check_fails 1 "'root' is root" "root for a user" node_exec m timeout 5 "$FAIRLEAD" metrics -l $ADDR -u root
check_fails 1 "cannot listen on /none/s: No such file" "a socket in no directory" \
	node_exec m "$FAIRLEAD" metrics -l /none/s
check_fails 2 "given more than 16 times" "too many addresses" \
	eval '"$FAIRLEAD" metrics $(printf -- "-l 127.0.0.1:%d " {1..17})'

### before there is anything to read

check "it starts without metrics" start --listen $ADDR --listen '[::1]:9820' --listen "$lib_work/s"
check_fails 1 "cannot listen on $ADDR: Address already in use; something else does" "twice on one address" \
	node_exec m "$FAIRLEAD" metrics --listen $ADDR
check_fails 1 "cannot listen on $lib_work/s: Address already in use" "twice on one socket" \
	node_exec m "$FAIRLEAD" metrics --listen "$lib_work/s"
check "503 says how to get them" eval '[[ $(status $URL/metrics) == 503 ]] && get $URL/metrics | grep -q "fairlead accel on"'
check "the log says it, once" eval '[[ $(grep -c "fairlead accel on" "$lib_work/log") == 1 ]]'
check "metrics are made while it runs" on
check "and are served" poll 3 eval '[[ $(status $URL/metrics) == 200 ]]'

### these take their time, while the rest goes on

# Sends a header for ever, a byte a second.
node_exec m bash -c 'exec 3<>/dev/tcp/127.0.0.1/9820; began=$EPOCHSECONDS
	printf "GET /metrics HTTP/1.1\r\n" >&3
	while printf x >&3 && ! { read -r -t 1 -n 1 -u 3; [[ $? -le 128 ]]; }; do :; done
	echo $((EPOCHSECONDS - began))' >"$lib_work/trickle" 2>/dev/null &
TRICKLE=$!
# Says nothing at all.
node_exec m bash -c 'exec 3<>/dev/tcp/127.0.0.1/9820; began=$EPOCHSECONDS
	cat <&3; echo $((EPOCHSECONDS - began))' >"$lib_work/silent" 2>/dev/null &
SILENT=$!

### rights

status_of() { cat "/proc/$(server_pid)/status"; }
check "it runs as nobody" eval 'status_of | grep -qP "^Uid:\t65534\t65534\t65534\t65534$" && status_of | grep -qP "^Gid:\t65534\t"'
check "with the one capability to read what root may read" eval 'status_of | grep -qP "^CapPrm:\t0{15}4$"'
check "and can never have another" eval 'status_of | grep -qP "^CapBnd:\t0{16}$" && status_of | grep -qP "^NoNewPrivs:\t1$"'
check "the socket is for root" eval '[[ $(stat -c %A%u "$lib_work/s") == srw-rw----0 ]]'

### good clients

check "IPv6" eval '[[ $(status "http://[::1]:9820/metrics") == 200 ]]'
check "UNIX socket" eval '[[ $(status --unix-socket "$lib_work/s" http://x/metrics) == 200 ]]'
check "HEAD has no body" eval '[[ ! $(get --head -o "$lib_work/head" -w "%{size_download}" $URL/metrics) =~ [1-9] ]] && grep -q "^Content-Length: [1-9]" "$lib_work/head"'
check "a query is passed over" eval '[[ $(status "$URL/metrics?a=b&c") == 200 ]]'
check "HTTP/1.0" eval '[[ $(status --http1.0 $URL/metrics) == 200 ]]'
same() { diff <(get "$@" $URL/metrics) <(node_exec m cat /sys/fs/bpf/fairlead/metrics); }
check "it is what cat reads" same
check "the same through gzip" same --compressed
check "which is smaller" eval '[[ $(get -H "Accept-Encoding: gzip" $URL/metrics | wc -c) -lt $(($(get $URL/metrics | wc -c) / 3)) ]]'
check "and says so" eval 'header -H "Accept-Encoding: gzip" $URL/metrics | grep -qx "Content-Encoding: gzip"'
check "text is text/plain; version=0.0.4" eval 'header $URL/metrics | grep -qx "Content-Type: text/plain; version=0.0.4; charset=utf-8"'
check "promtool takes it" eval 'get $URL/metrics | promtool check metrics'
check "OpenMetrics 1.0 for who asks" eval 'header -H "Accept: application/openmetrics-text;version=1.0.0" $URL/metrics | grep -qx "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"'
check "with families named as it wants them" eval \
	'get -H "Accept: application/openmetrics-text;version=1.0.0" $URL/metrics | grep -qx "# TYPE fairlead_peer_receive_bytes counter" && get -H "Accept: application/openmetrics-text;version=1.0.0" $URL/metrics | tail -n 1 | grep -qx "# EOF"'
check "through gzip as well" eval 'diff <(get -H "Accept: application/openmetrics-text;version=1.0.0" $URL/metrics) <(get --compressed -H "Accept: application/openmetrics-text;version=1.0.0" $URL/metrics)'
check "OpenMetrics 2.0 for who asks" eval \
	'header -H "Accept: application/openmetrics-text;version=2.0.0" $URL/metrics | grep -q "version=2.0.0"'
check "caches may not mix them" eval 'header $URL/metrics | grep -qx "Vary: Accept, Accept-Encoding"'
check "the front page says where they are" eval 'get $URL/ | grep -q /metrics'
check "counters move" eval \
	'node_exec m ping -c 3 -i 0.05 -W 1 10.200.0.12; poll 3 eval "get $URL/metrics | grep -qE \"^fairlead_peer_transmit_packets_total.* ([3-9]|[1-9][0-9])$\""'

### bad clients

check "no other page" eval '[[ $(status $URL/metricsx) == 404 && $(status $URL//metrics) == 404 && $(status $URL/metrics/) == 404 ]]'
check "no way up" eval '[[ $(status --path-as-is $URL/../../etc/passwd) == 404 && $(status --path-as-is $URL/metrics/../x) == 404 ]]'
for method in POST PUT DELETE OPTIONS TRACE PATCH BOGUS; do
	check "405 for $method" eval '[[ $(status -X $method -d x $URL/metrics) == 405 ]]'
done
check "405 says what is possible" eval 'header -X POST $URL/metrics | grep -qx "Allow: GET, HEAD"'
big=$(head -c 20000 /dev/zero | tr '\0' a)
check "a header that is too long" eval '[[ $(status -H "X: $big" $URL/metrics) == 4* ]]'
check "a URL that is too long" eval '[[ $(status $URL/$big) == 4* ]]'
check "no Host in HTTP/1.1" eval 'raw "GET /metrics HTTP/1.1\r\n\r\n" | head -n 1 | grep -q "^HTTP/1.1 400"'
no_metrics() { ! raw "$1" | grep -q '^fairlead_'; }
check "no HTTP" no_metrics 'SSH-2.0-x\r\n\r\n'
check "TLS" no_metrics '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'
check "NUL in the path" no_metrics 'GET /\0metrics HTTP/1.1\r\nHost: x\r\n\r\n'
check "NUL in the header" eval 'raw "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: \0\r\n\r\n" >/dev/null'
check "a body with GET" eval '[[ $(status -X GET -d "$big" $URL/metrics) =~ 200|400|413 ]]'
check "a second request in one connection is not answered" eval \
	'[[ $(raw "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n" | grep -c ^HTTP) -le 1 ]]'
check "Accept that makes no sense" eval '[[ $(status -H "Accept: ;;q=,,\"" -H "Accept-Encoding: ;q=9,gzip;;;" $URL/metrics) == 200 ]]'
gone() { node_exec m bash -c 'exec 3<>/dev/tcp/127.0.0.1/9820; printf "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" >&3'; }
check "a client that leaves before the answer" eval 'for i in {1..20}; do gone; done; [[ $(status $URL/metrics) == 200 ]]'

### systemd: units, and sockets from it

mkdir "$lib_work/units"
for unit in "$TOP"/tools/systemd/*; do
	sed "s|/usr/sbin/fairlead|$FAIRLEAD|" "$unit" >"$lib_work/units/${unit##*/}"
done
check "systemd finds nothing wrong with the units" eval \
	'[[ ! $(systemd-analyze verify --man=no "$lib_work"/units/* 2>&1) ]]'
check "the service's exposure is below 2 of 10" systemd-analyze security --offline=true --threshold=20 \
	"$lib_work/units/fairlead-metrics.service"
node_exec m systemd-socket-activate -l 127.0.0.1:9822 -l "$lib_work/s3" "$FAIRLEAD" metrics --listen systemd 2>/dev/null &
ACTIVATED=$!
check "sockets that systemd hands over" poll 3 eval '[[ $(status http://127.0.0.1:9822/metrics) == 200 ]]'
check "all of them" eval '[[ $(status --unix-socket "$lib_work/s3" http://x/metrics) == 200 ]]'
kill "$(pgrep -P $ACTIVATED)" && wait $ACTIVATED
node_exec m systemd-socket-activate -d -l 127.0.0.1:9823 "$FAIRLEAD" metrics --listen systemd 2>"$lib_work/datagram" &
ACTIVATED=$!
check "a socket of another kind is refused" eval \
	'poll 3 eval "node_exec m bash -c \"echo >/dev/udp/127.0.0.1/9823\"; grep -q \"no listening stream socket\" $lib_work/datagram"'
wait $ACTIVATED

### textfile

PROM=$lib_work/fairlead.prom
textfile() { node_exec m "$FAIRLEAD" metrics --textfile "$@"; }
check "a file for node_exporter" textfile "$PROM"
check "which others can read, and is whole" eval '[[ $(stat -c %a "$PROM") == 644 && $(tail -n 1 "$PROM") == "# EOF" ]]'
check "which promtool takes" eval 'promtool check metrics <"$PROM"'
check "and nothing beside it" eval '[[ $(ls "$lib_work"/fairlead.prom*) == "$PROM" ]]'
printf 'a 1\n' >"$lib_work/cut"
check_fails 1 "cut off" "half a text" textfile "$PROM" --file "$lib_work/cut"
check "does not leave an old one behind" eval '[[ ! -e $PROM ]]'
check_fails 1 "/none/x: cannot write: No such file" "a directory that is not there" textfile /none/x
check_fails 1 "cannot read" "nothing to read, nothing to remove" textfile "$PROM" --file "$lib_work/nonesuch"
check_fails 2 "only one of" "both outputs" textfile "$PROM" --listen $ADDR

### large answers, slow readers

awk 'BEGIN { print "# TYPE a gauge"; for (i = 0; i < 400000; i++) printf "a{peer=\"node-%06d-%064d\"} %d\n", i, i, i; print "# EOF" }' >"$lib_work/large"
FIRST=$SERVER
chmod 600 "$lib_work/large"
mv "$lib_work/log" "$lib_work/first.log"
check "a file of 38 MB" start --listen 127.0.0.1:9821 --file "$lib_work/large"
# Each begins to read in another second, and then stops.
for i in {1..7}; do
	node_exec m bash -c 'exec 3<>/dev/tcp/127.0.0.1/9821; printf "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" >&3
		read -r -u 3; exec sleep 30' &
	SLOW[i]=$!
	sleep 1.05
done
rss() { awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$(server_pid)/status"; }
check "slow readers do not pile up in memory: $(rss) MB" eval '[[ $(rss) -lt 250 ]]'
check "and the next one gets it whole" eval 'get 127.0.0.1:9821/metrics | cmp - "$lib_work/large"'
check "and through gzip" eval 'get --compressed 127.0.0.1:9821/metrics | cmp - "$lib_work/large"'
{ kill "${SLOW[@]}"; wait "${SLOW[@]}"; } 2>/dev/null
printf 'a 1\n' >"$lib_work/large"
check "a text that is cut off is not served" poll 3 eval '[[ $(status 127.0.0.1:9821/metrics) == 503 ]]'
check "which the log says" grep -q "no '# EOF' at the end" "$lib_work/log"
check "SIGTERM ends it with status 0" stop TERM
SERVER=$FIRST
mv "$lib_work/first.log" "$lib_work/log"

### the end of the file, and of the listener

check "metrics are switched off while it runs" node_exec m "$FAIRLEAD" accel off metrics
check "and 503 is back" poll 3 eval '[[ $(status $URL/metrics) == 503 ]]'
check "and on again" eval 'on && poll 3 eval "[[ \$(status $URL/metrics) == 200 ]]"'

wait $SILENT $TRICKLE
check "who says nothing is cut off after 5 s: $(<"$lib_work/silent")" eval '[[ $(<"$lib_work/silent") -ge 4 && $(<"$lib_work/silent") -le 8 ]]'
check "who never ends after 15 s: $(<"$lib_work/trickle")" eval '[[ $(<"$lib_work/trickle") -ge 14 && $(<"$lib_work/trickle") -le 18 ]]'
# More of them than there is room for, all silent: who comes with a request is served nevertheless.
node_exec m bash -c 'for i in {1..200}; do exec {fd}<>/dev/tcp/127.0.0.1/9820 || exit; done; : >'"$lib_work"'/crowd; exec sleep 30' &
CROWD=$!
check "200 silent connections" poll 5 test -e "$lib_work/crowd"
check "keep nobody out" eval '[[ $(status $URL/metrics) == 200 && $(status $URL/metrics) == 200 ]]'
check "nor make it hold more than its limit" eval '[[ $(ls "/proc/$(server_pid)/fd" | wc -l) -lt 80 ]]'
{ kill "$(pgrep -P $CROWD)" $CROWD; wait $CROWD; } 2>/dev/null
check "the log is not theirs to fill" eval '[[ $(wc -l <"$lib_work/log") -le 6 ]]'
check "SIGTERM ends it with status 0" stop TERM
check "the address is free" start --listen $ADDR --listen "$lib_work/s"
check "a socket that was left is taken over" eval '[[ $(status --unix-socket "$lib_work/s" http://x/metrics) == 200 ]]'
check "SIGINT ends it with status 0" stop INT

SERVER=

done_testing
