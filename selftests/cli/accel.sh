#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `fairlead accel` where there is no module to talk to, and wrong usage.
# shellcheck source=selftests/lib.sh
# shellcheck disable=SC2016,SC2317	# words for eval and functions, for check to run
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/metrics.bash
. "$TOP/selftests/metrics.bash"

umask 077
"$FAIRLEAD" mesh genkey >"$lib_work/key"
public=$("$FAIRLEAD" mesh pubkey <"$lib_work/key")
cat >"$lib_work/mesh.conf" <<CONF
[Mesh]
Name = test
ListenPort = 51820
[Node "a"]
PublicKey = $public
Endpoint = 192.0.2.1:51820
Address = 10.200.0.1/32
CONF
accel() { "$FAIRLEAD" accel "$@"; }
files=(-c "$lib_work/mesh.conf" -k "$lib_work/key")

check_fails 2 "unknown verb 'accel faster'" "an unknown verb" accel faster
check_fails 2 "there is no part 'wheels'; the parts are module and metrics" "an unknown part" accel on wheels
check_fails 2 "unknown option '--fast'" "an unknown option" accel on --fast
check_fails 2 "option '--config' wants a value" "an option without its value" accel on --config
check_fails 2 "unexpected argument" "an argument too many" accel status now
check_fails 1 "$lib_work/none: .*No such file" "a mesh file that is not there" accel on -c "$lib_work/none"
check_fails 1 "$lib_work/none: .*No such file" "a key file that is not there" \
	accel on -c "$lib_work/mesh.conf" -k "$lib_work/none"
"$FAIRLEAD" mesh genkey >"$lib_work/other"
check_fails 1 "no node has this node's public key .* \(made from $lib_work/other\)" "a key that is not in the mesh" \
	accel on -c "$lib_work/mesh.conf" -k "$lib_work/other"

if [[ -e /proc/modules ]] && grep -q '^fairlead ' /proc/modules; then
	skip "status, on and off without the module" "fairlead.ko is loaded here"
else
	check_fails 1 "fairlead\.ko|loadable modules" "on without a module for this kernel says where it looked" \
		accel on module "${files[@]}"
	check_fails 1 "$lib_work/no.ko: " "on with a module file that is not there" \
		accel on module -m "$lib_work/no.ko" "${files[@]}"
	echo "not a module" >"$lib_work/bad.ko"
	check_fails 1 "$lib_work/bad.ko: " "on with a module file that is none" \
		accel on module -m "$lib_work/bad.ko" "${files[@]}"
	check "off without the module is no error" accel off module
	status() { accel status -j | jq -e '.schema == 1 and .module.loaded == false and .module.version == null
		and .module.ports == [] and .module.counters.held == 0 and .metrics.attached == false'; }
	check "status -j has every field" status
	check_fails 3 "" "status says 3" bash -c "'$FAIRLEAD' accel status >/dev/null; s=\$?; echo >&2; exit \$s"
fi

### metrics on several lanes

metrics_node m w1
sed -i 's/^Name = test$/&\nLanes = 2/' "$lib_work/mesh.conf"
on() { node_exec m "$FAIRLEAD" accel on metrics -c "$lib_work/mesh.conf" -k "$lib_work/m.key" "$@"; }
counted() { node_exec m cat /sys/fs/bpf/fairlead/metrics | sed -n 's/^fairlead_lane_receive_packets_total{lane="\(.*\)"} .*/\1/p' | sort | xargs; }
check_fails 1 "no interface fl1; bring the mesh up first" "a lane that is not there" on
check "the other counts all the same" eval '[[ $(counted) == fl0 ]]'
node_exec m ip tuntap add fl1 mode tun
check "on, on both lanes" on
check "status names both" eval '[[ $(node_exec m "$FAIRLEAD" accel status) =~ "metrics:  on fl0, fl1, 1 peers" ]]'
check "both count" eval '[[ $(counted) == "fl0 fl1" ]]'
check_fails 1 "'lane-with-name9' is too long for the names of 2 lanes" "a name with no room for a number" \
	on -i lane-with-name9
check_fails 1 "no group 'nonesuch'; make it: groupadd" "a group that is not there" on --group nonesuch
node_exec m tc qdisc del dev fl1 clsact
check "status names the one that lost its programs" eval '[[ $(node_exec m "$FAIRLEAD" accel status) =~ "not attached to fl1"$ ]]'
lanes() { node_exec m "$FAIRLEAD" accel status -j | jq -c '.metrics | [.attached, (.lanes[] | .interface, .attached)]'; }
check "... also as JSON" eval '[[ $(lanes) == "[false,\"fl0\",true,\"fl1\",false]" ]]'
check "off, on both" eval 'node_exec m "$FAIRLEAD" accel off metrics && ! node_exec m tc qdisc | grep clsact'
done_testing
