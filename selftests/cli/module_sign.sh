#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make module-sign`, DKMS: what becomes of the module on its way to a machine.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"

sign=$TOP/scripts/module-sign
ko=$(find "$BUILD/module" -name fairlead.ko | sort | head -n 1)
[[ $ko ]] || skip_all "no module was built"

pair() { openssl req -new -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1/" -keyout "$lib_work/$1.key" -out "$lib_work/$1.pem" 2>/dev/null; }
pair alice
pair bob
openssl x509 -in "$lib_work/alice.pem" -outform DER -out "$lib_work/alice.der"
cp "$ko" "$lib_work/fairlead.ko"
sum() { sha256sum <"$lib_work/fairlead.ko"; }
signer() { modinfo -F signer "$lib_work/fairlead.ko"; }
signed_by() { "$sign" "$lib_work/$1.key" "$lib_work/$2" "$lib_work/fairlead.ko" && test "$(signer)" = "$1"; }

check_fails 2 "wants a key, a certificate and at least one module" "without arguments" "$sign"
check_fails 1 "$lib_work/none: no such key" "a key that is not there" "$sign" "$lib_work/none" "$lib_work/alice.pem" "$ko"
check_fails 1 "$lib_work/none: no such certificate" "a certificate that is not there" "$sign" "$lib_work/alice.key" "$lib_work/none" "$ko"
check_fails 1 "alice.pem: no private key in PEM" "a key that is none" "$sign" "$lib_work/alice.pem" "$lib_work/alice.pem" "$ko"
check_fails 1 "alice.key: no X.509 certificate" "a certificate that is none" "$sign" "$lib_work/alice.key" "$lib_work/alice.key" "$ko"
check_fails 1 "bob.pem is not the certificate of .*alice.key" "a pair that does not belong together" \
	"$sign" "$lib_work/alice.key" "$lib_work/bob.pem" "$lib_work/fairlead.ko"
echo "not a module" >"$lib_work/text.ko"
check_fails 1 "text.ko is no kernel module" "a file that is no module" \
	"$sign" "$lib_work/alice.key" "$lib_work/alice.pem" "$lib_work/text.ko"
check "none of these changed the module" test "$(sum)" = "$(sha256sum <"$ko")"

check "signed with a certificate in PEM" signed_by alice alice.pem
size=$(stat -c %s "$lib_work/fairlead.ko")
check "signed anew by somebody else" signed_by bob bob.pem
check "signed anew with a certificate in DER" signed_by alice alice.der
check "there is one signature, not three" test "$(stat -c %s "$lib_work/fairlead.ko")" -eq "$size"
check "what is signed is what was built" cmp -n "$(stat -c %s "$ko")" "$ko" "$lib_work/fairlead.ko"
check_fails 2 "say make module-sign KEY=key.pem CERT=cert.pem" "make module-sign without a key" make -C "$TOP" module-sign

check "modinfo says licence, version, author and what it is" bash -c '
	for field in license version author description vermagic; do [[ $(modinfo -F $field "$0") ]] || exit 1; done' "$ko"

check "make install-dkms installs the source" make -C "$TOP" install-dkms DESTDIR="$lib_work/root"
version=$(modinfo -F version "$ko")
src=$lib_work/root/usr/src/fairlead-$version
check "its dkms.conf names the version" grep -qx "PACKAGE_VERSION=\"$version\"" "$src/dkms.conf"
if command -v dkms >/dev/null; then
	mkdir "$lib_work/tree" "$lib_work/modules"
	# The newest one that was built: what the next upgrade of the kernel would be.
	for release in $(find "$BUILD/module" -name fairlead.ko -printf '%h\n' | xargs -n 1 basename | sort -V | tail -n 1); do
		kdir=$(for d in /lib/modules/"$release"/build "${FAIRLEAD_CACHE:-/var/cache/fairlead}"/kernels/*/root/usr/src/linux-headers-"$release"; do
			[[ ! -d $d ]] || echo "$d"; done | head -n 1)
		[[ $kdir ]] || continue
		check "dkms builds it for $release" dkms build -m fairlead -v "$version" -k "$release" --kernelsourcedir "$kdir" \
			--dkmstree "$lib_work/tree" --sourcetree "$lib_work/root/usr/src" --installtree "$lib_work/modules"
		built_for() { [[ $(find "$lib_work/tree" -path "*$1*" -name 'fairlead.ko*' -exec modinfo -F vermagic {} +) == "$1 "* ]]; }
		check "what it built is for $release" built_for "$release"
	done
else
	skip "dkms builds it" "dkms is not installed"
fi
done_testing
