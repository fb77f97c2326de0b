// SPDX-License-Identifier: GPL-2.0
/*
 * What WireGuard's AEAD alone costs: the kernel's own ChaCha20-Poly1305, in place over a scatterlist, as
 * wireguard.ko calls it. Done once at load; the results are in
 * /sys/module/flbench_aead/parameters/{seal,open}, in ns a packet, in the order of `sizes`.
 */
#include <crypto/chacha20poly1305.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#define MAX_SIZES 8
#define MAX_SIZE  16384
#define ROUNDS	  200
#define WARM	  20 /* rounds that do not count */

static unsigned int sizes[MAX_SIZES] = { 1424 };
static unsigned int n_sizes = 1;
module_param_array(sizes, uint, &n_sizes, 0444);
MODULE_PARM_DESC(sizes, "bytes of plaintext");

static unsigned int seal[MAX_SIZES], n_seal;
module_param_array(seal, uint, &n_seal, 0444);
MODULE_PARM_DESC(seal, "result: ns to encrypt one");

static unsigned int open[MAX_SIZES], n_open;
module_param_array(open, uint, &n_open, 0444);
MODULE_PARM_DESC(open, "result: ns to authenticate and decrypt one");

static int measure(u8 *buf, unsigned int i)
{
	static const u8 key[CHACHA20POLY1305_KEY_SIZE] = { 1 };
	const unsigned int size = sizes[i];
	struct scatterlist sg;
	u64 t, sealing = 0, opening = 0;
	unsigned int k;
	bool ok;

	for (k = 0; k < WARM + ROUNDS; k++) {
		if (k == WARM)
			sealing = opening = 0;
		sg_init_one(&sg, buf, size + CHACHA20POLY1305_AUTHTAG_SIZE);
		t = ktime_get_ns();
		ok = chacha20poly1305_encrypt_sg_inplace(&sg, size, NULL, 0, k, key);
		sealing += ktime_get_ns() - t;
		if (!ok)
			return -EIO;
		sg_init_one(&sg, buf, size + CHACHA20POLY1305_AUTHTAG_SIZE);
		t = ktime_get_ns();
		ok = chacha20poly1305_decrypt_sg_inplace(&sg, size + CHACHA20POLY1305_AUTHTAG_SIZE,
							 NULL, 0, k, key);
		opening += ktime_get_ns() - t;
		if (!ok)
			return -EBADMSG;
		cond_resched();
	}
	seal[i] = div_u64(sealing, ROUNDS);
	open[i] = div_u64(opening, ROUNDS);
	return 0;
}

static int __init flbench_aead_init(void)
{
	unsigned int i;
	u8 *buf;
	int err = 0;

	for (i = 0; i < n_sizes; i++)
		if (!sizes[i] || sizes[i] > MAX_SIZE)
			return -EINVAL;
	buf = kzalloc(MAX_SIZE + CHACHA20POLY1305_AUTHTAG_SIZE, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	for (i = 0; !err && i < n_sizes; i++)
		err = measure(buf, i);
	kfree(buf);
	n_seal = n_open = n_sizes;
	return err;
}

static void __exit flbench_aead_exit(void)
{
}

module_init(flbench_aead_init);
module_exit(flbench_aead_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Times the AEAD that WireGuard uses");
