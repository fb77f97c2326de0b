#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: own
# append: module.sig_enforce=1
#
# A kernel that takes signed modules only takes ours, signed by `make module-sign` with a user's own key.
# The key is made known as a machine's owner would: here the kernel's own key vouches for it, where the firmware
# would on a PC (mokutil). Debian's kernels take no other: with them, what is refused is all that can be seen.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"

keyring=$(awk '$8 == "keyring" && $9 == ".secondary_trusted_keys:" { print "0x" $1 }' /proc/keys)
[[ $(</sys/module/module/parameters/sig_enforce) == Y ]] || skip_all "a kernel without module.sig_enforce=1"
kernel_key=$(find "${FAIRLEAD_CACHE:-/var/cache/fairlead}"/kernels/*/root/usr/src/linux-headers-"$(uname -r)" -path '*/certs/signing_key.pem' 2>/dev/null)

# pair NAME [CA]: NAME.key and NAME.pem, signed by CA if there is one.
pair() {
	openssl req -new -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1/" -addext extendedKeyUsage=codeSigning \
		-addext authorityKeyIdentifier=keyid -addext subjectKeyIdentifier=hash \
		-keyout "$lib_work/$1.key" -out "$lib_work/$1.pem" ${2:+-CA "$2" -CAkey "$2"} 2>"$lib_work/openssl"
}
# enrol NAME: add_key(2).
enrol() {
	openssl x509 -in "$lib_work/$1.pem" -outform DER -out "$lib_work/$1.der" &&
		perl -e 'my ($ring, $file, $nr) = @ARGV; local $/; open F, "<", $file or die; my $der = <F>;
			my ($type, $name) = ("asymmetric", ""); my $r = syscall $nr, $type, $name, $der, length $der, hex $ring;
			if ($r < 0) { print STDERR "add_key: $!\n"; exit 1 }' "$keyring" "$lib_work/$1.der" \
			"$([[ $(uname -m) == x86_64 ]] && echo 248 || echo 217)"
}
make_signed() {
	mkdir -p "$lib_work/build/module/$(uname -r)" &&
		cp "$FAIRLEAD_KO" "$lib_work/build/module/$(uname -r)/fairlead.ko" &&
		make -C "$TOP" BUILD="$lib_work/build" module-sign KEY="$lib_work/$1.key" CERT="$lib_work/$1.pem"
}
ko=$lib_work/build/module/$(uname -r)/fairlead.ko

refused="Key was rejected by service|Required key not available|Operation not permitted"
check_fails 1 "$refused" "unsigned it is refused" insmod "$FAIRLEAD_KO"
check "a user makes a key" pair user "$kernel_key"
check "and signs with it: make module-sign" make_signed user
# modinfo(8) calls the issuer of the certificate so.
issuer=user
[[ ! $kernel_key ]] || issuer=$(openssl x509 -in "$kernel_key" -noout -subject -nameopt multiline | sed -n 's/ *commonName *= //p')
check "modinfo names who vouches for it" test "$(modinfo -F signer "$ko")" = "$issuer"
check_fails 1 "$refused" "by a key that the kernel does not know it is refused" insmod "$ko"
check "nothing was loaded by any of these" bash -c '! grep -q ^fairlead /proc/modules'
if [[ ! $kernel_key ]]; then
	skip "by a key that the kernel knows it loads" "nobody here can vouch for a key: that takes a kernel in the cache whose headers have its certs/signing_key.pem"
	done_testing
fi
check "the kernel gets to know the key" enrol user
check "signed by it, it loads" insmod "$ko"
# Documentation/admin-guide/tainted-kernels.rst: 12 is O, out of tree, and 13 is E, unsigned.
check "and taints the kernel by O alone" test "$(</proc/sys/kernel/tainted)" -eq $((1 << 12))
rmmod fairlead
printf 'x' | dd of="$ko" bs=1 seek=4096 conv=notrunc 2>/dev/null
check_fails 1 "$refused|Bad message" "with one byte changed it is refused" insmod "$ko"
check "a key that nobody vouches for" pair stranger
check_fails 1 "add_key: " "is not taken by the kernel" enrol stranger

done_testing
