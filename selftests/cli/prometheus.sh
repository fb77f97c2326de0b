#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A real Prometheus scrapes a node's metrics from its listener, and is asked about them; it also loads the
# alert rules of docs/monitoring and runs every query of the dashboard. All of it on one node, where a
# tun device stands for the lane.
# shellcheck source=selftests/lib.sh
# shellcheck disable=SC2016,SC2317,SC2034	# words for eval, and functions and variables of those
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/metrics.bash
. "$TOP/selftests/metrics.bash"

MONITORING=$TOP/docs/monitoring
PATH=$PATH:${FAIRLEAD_CACHE:-/var/cache/fairlead}/bin
LISTENER=none PROMETHEUS=none
# node_exec in the background is a shell around what it runs.
at_exit eval 'kill $(pgrep -P "$LISTENER,$PROMETHEUS")'

command -v prometheus >/dev/null || { fail "there is a prometheus" "run scripts/setup"; done_testing; }

### rules and dashboard, as files

check "promtool takes the alert rules" promtool check rules "$MONITORING/alerts.yml"
check "each fires when it should, and not before" promtool test rules "$MONITORING/alerts_test.yml"
tested() { diff <(sed -n 's/.*- alert: //p' "$MONITORING/alerts.yml" | sort) <(grep -B1 -A3 'alertname' "$MONITORING/alerts_test.yml" | grep -B1 exp_alerts | sed -n 's/.*alertname: //p' | sort -u); }
check "each is tested to fire" tested
check "the dashboard is JSON, its panels have numbers of their own" \
	jq -e '.uid == "fairlead" and (.panels | length > 5) and ([.panels[].id] | length == (unique | length))' "$MONITORING/dashboard.json"
# Names of metrics there are no families of would be silent for ever.
names() { jq -r '.. | .expr? // empty' "$MONITORING/dashboard.json"; jq -r '.templating.list[].query.query? // empty' "$MONITORING/dashboard.json"; sed -n '/expr:/,/labels:\|for:/p' "$MONITORING/alerts.yml"; }
unknown()
{
	local name missing=

	for name in $(names | grep -o 'fairlead_[a-z_]*' | sed -E 's/_(bucket|sum|count)$//' | sort -u); do
		grep -q "\"$name\"" "$TOP/bpf/metrics_families.h" || missing+=" $name"
	done
	[[ ! $missing ]] || { echo "no such family:$missing"; return 1; }
}
check "every metric that they name exists" unknown

### a node, and a Prometheus

metrics_node m w1 w-2.example
cat >"$lib_work/prometheus.yml" <<CONF
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ "$MONITORING/alerts.yml" ]
scrape_configs:
  - job_name: fairlead
    static_configs: [ targets: [ "127.0.0.1:9820" ] ]
CONF
on() { node_exec m "$FAIRLEAD" accel on metrics -c "$lib_work/mesh.conf" -k "$lib_work/m.key"; }
api() { node_exec m curl -sS --max-time 5 --get "http://127.0.0.1:9090/api/v1/$1" "${@:2}"; }
# query EXPRESSION: the values of its answer, one a line, with the peer in front if there is one.
query() { api query --data-urlencode "query=$1" | jq -er '.data.result[] | "\(.metric.peer // "")\(if .metric.peer then " " else "" end)\(.value[1])"'; }
answers() { [[ $(query "$1" | sort) == "$2" ]]; }

check "promtool takes the configuration" promtool check config "$lib_work/prometheus.yml"
check "metrics are switched on" on || done_testing
node_exec m "$FAIRLEAD" metrics --listen 127.0.0.1:9820 2>/dev/null &
LISTENER=$!
node_exec m prometheus --config.file="$lib_work/prometheus.yml" --storage.tsdb.path="$lib_work/tsdb" \
	--web.listen-address=127.0.0.1:9090 --log.level=warn >"$lib_work/prometheus.log" 2>&1 &
PROMETHEUS=$!
check "Prometheus scrapes the listener" poll 20 answers 'up{job="fairlead"}' 1 || done_testing
check "without a complaint" eval '[[ $(api targets | jq -r ".data.activeTargets[0].lastError") == "" ]] && ! grep -iE "error|warn" "$lib_work/prometheus.log"'

### what it knows

check "the peers" answers fairlead_peers 2
check "each of them by its name" answers 'fairlead_peer_info' $'w-2.example 1\nw1 1'
check "its public key" eval '[[ $(api query --data-urlencode "query=fairlead_peer_info{peer=\"w1\"}" | jq -r ".data.result[0].metric.public_key") == "$(sed -n "/w1/,+1s/^PublicKey = //p" "$lib_work/mesh.conf")" ]]'
check "types, units and help, in OpenMetrics' names" eval \
	'api metadata --data-urlencode metric=fairlead_peer_transmit_bytes | jq -e ".data.fairlead_peer_transmit_bytes[0] | .type == \"counter\" and .unit == \"bytes\" and (.help | length > 10)"'
every_sample()
{
	# le is a number to Prometheus, and text in the file.
	diff <(node_exec m cat /sys/fs/bpf/fairlead/metrics | sed -E '/^#/d; s/[{ ].*//' | sort | uniq -c) \
		<(api query --data-urlencode 'query={__name__=~"fairlead_.*"}' | jq -r '.data.result[].metric.__name__' | sort | uniq -c)
}
check "every sample of the file" every_sample
before=$(query 'fairlead_peer_transmit_packets_total{peer="w1"}')
node_exec m ping -q -c 100 -i 0.01 -s 972 -W 1 10.200.0.12 >/dev/null
check "100 packets to a peer, to the packet" poll 5 answers 'fairlead_peer_transmit_packets_total{peer="w1"}' "w1 $((${before#w1 } + 100))"
check "and byte" poll 5 answers 'fairlead_peer_transmit_bytes_total{peer="w1"}' "w1 $(node_exec m "$FAIRLEAD" metrics -j |
	jq '.families[] | select(.name == "fairlead_peer_transmit_bytes_total").samples[] | select(.labels.peer == "w1").value')"
check "which are a rate" eval '[[ $(query "rate(fairlead_peer_transmit_bytes_total{peer=\"w1\"}[10s]) > bool 1000") == "w1 1" ]]'

### rules and dashboard, loaded

check "the rules are loaded and have no error" eval \
	'poll 5 eval "[[ \$(api rules | jq -r \"[.data.groups[].rules[].health] | unique | join(\\\",\\\")\") == ok ]]"'
dashboard()
{
	local expr failed=0

	while IFS= read -r expr; do
		expr=${expr//\$instance/.*} expr=${expr//\$peer/.*} expr=${expr//\$__rate_interval/10s}
		if ! api query --data-urlencode "query=$expr" | jq -e '.status == "success"' >/dev/null; then
			echo "$expr"
			failed=1
		fi
	done < <(jq -r '.. | .expr? // empty' "$MONITORING/dashboard.json")
	return $failed
}
check "every query of the dashboard is one" dashboard
check "that of the traffic has an answer" eval \
	'expr=$(jq -r "[.panels[] | select(.title == \"Sent to peers\")][0].targets[0].expr" "$MONITORING/dashboard.json"); expr=${expr//\$instance/.*} expr=${expr//\$peer/.*}; query "${expr//\$__rate_interval/10s}" | grep -q "^w1 [1-9]"'

### when the metrics go

node_exec m "$FAIRLEAD" accel off metrics
check "switched off, the target is down" poll 5 answers 'up{job="fairlead"}' 0
check "and says why" eval 'api targets | jq -r ".data.activeTargets[0].lastError" | grep -q 503'
check "and no old value is taken for a new one" eval '[[ ! $(query fairlead_peers) ]]'
check "which the rule is about to say" poll 5 eval '[[ $(api alerts | jq -r ".data.alerts[] | select(.labels.alertname == \"FairleadMetricsMissing\").state") == pending ]]'

done_testing
