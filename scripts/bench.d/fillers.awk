# SPDX-License-Identifier: GPL-2.0
# n more nodes, idle0 and so on, for a mesh file. Nobody has their keys (24 bits that count, and zeroes); they have no endpoint.
BEGIN {
	digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	zeroes = sprintf("%39s=", "")
	gsub(" ", "A", zeroes)
	for (i = 0; i < n; i++) {
		key = ""
		for (rest = i + 1000; length(key) < 4; rest = int(rest / 64))
			key = substr(digits, rest % 64 + 1, 1) key
		printf "[Node \"idle%d\"]\nPublicKey = %s%s\n", i, key, zeroes
		printf "Address = 10.201.%d.%d/32, fd00:201::%x/128\n", int(i / 256), i % 256, i
		printf "PodCIDR = 10.%d.%d.0/24, fd00:%x::/64\n", 100 + int(i / 256), i % 256, i + 4096
	}
}
