# SPDX-License-Identifier: GPL-2.0
# Prints what a kernel log says that no healthy kernel says, each complaint with the lines that
# follow it. Somebody who runs several things in one guest writes "lab: begin NAME" to /dev/kmsg
# before each; then a complaint is printed with the NAME that it fell under.
#
#	KERNEL LOG (NAME): first line
#	    the lines after it

BEGIN { lines_after = 25 }

{
	sub(/\r$/, "")
	text = $0
	sub(/^<[0-9]+>/, "", text)
	sub(/^\[ *[0-9]+\.[0-9]+\](\[ *[TC][0-9]+\])? /, "", text)
}

text ~ /^lab: begin / { name = substr(text, 12); next }

# A guest that was ended in the middle of a line, or several CPUs at once, may leave a second
# complaint inside the first one's lines: it is one of its own.
text ~ /^([a-zA-Z0-9_-]+: )?(\[ )?(WARNING: |BUG: |Oops[: ]|UBSAN: |KCSAN: |INFO: )/ ||
text ~ /^([a-zA-Z0-9_-]+: )?(kernel BUG at |Kernel panic - |refcount_t: |unregister_netdevice: waiting )/ ||
text ~ /^(general protection fault|divide error|invalid opcode|stack segment|int3|traps: PANIC)[:,]/ ||
text ~ /^(list_add corruption|list_del corruption|DEBUG_LOCKS_WARN_ON|page_pool_release_retry|NETDEV WATCHDOG)/ ||
text ~ /^kmemleak: [0-9]+ new suspected/ || text ~ /^BUG [^ ]+ \(.*\): / ||
text ~ /^percpu ref .* <= 0/ {
	# INFO is for hung tasks, stalls and lockdep; the rest of it is talk.
	if (text ~ /INFO: / && text !~ /INFO: (task .* blocked for more|rcu|trying to register|possible|suspicious|inconsistent|lockdep)/)
		next
	printf "KERNEL LOG%s: %s\n", name == "" ? "" : " (" name ")", text
	follow = lines_after
	next
}

follow > 0 {
	printf "    %s\n", text
	follow = text ~ /---\[ end (trace|Kernel panic)/ ? 0 : follow - 1
}
