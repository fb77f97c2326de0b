// SPDX-License-Identifier: GPL-2.0
#include "key.h"
#include "mem.h"
#include "msg.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void init(void)
{
	if (sodium_init() < 0)
		exit(fl_fail("libsodium cannot be used: it found no source of randomness"));
}

struct fl_key *fl_key_new(void)
{
	struct fl_key *key;

	init();
	key = sodium_malloc(sizeof(*key));
	if (!key)
		exit(fl_fail("out of memory"));
	sodium_memzero(key, sizeof(*key));
	return key;
}

void fl_key_free(struct fl_key *key)
{
	sodium_free(key); /* wipes */
}

struct fl_keys {
	struct fl_key **blocks;
	size_t n;
};

/* One page less what sodium_malloc() puts before it. */
#define KEYS_OF_BLOCK 126

struct fl_key *fl_keys_new(struct fl_keys **keys)
{
	struct fl_keys *k = *keys ? *keys : fl_zalloc(sizeof(*k));
	size_t block = k->n / KEYS_OF_BLOCK, i = k->n % KEYS_OF_BLOCK;

	init();
	*keys = k;
	if (!i) {
		k->blocks = fl_realloc(k->blocks, block + 1, sizeof(struct fl_key *));
		k->blocks[block] = sodium_allocarray(KEYS_OF_BLOCK, sizeof(struct fl_key));
		if (!k->blocks[block])
			exit(fl_fail("out of memory"));
		memset(k->blocks[block], 0, KEYS_OF_BLOCK * sizeof(struct fl_key));
	}
	k->n++;
	return &k->blocks[block][i];
}

void fl_keys_free(struct fl_keys **keys)
{
	for (size_t i = 0; *keys && i * KEYS_OF_BLOCK < (*keys)->n; i++)
		sodium_free((*keys)->blocks[i]);
	if (*keys)
		free((*keys)->blocks);
	free(*keys);
	*keys = NULL;
}

bool fl_key_parse(struct fl_key *key, const char *base64)
{
	size_t len;

	return strlen(base64) == FL_KEY_BASE64 - 1 &&
	       !sodium_base642bin(key->bytes, sizeof(key->bytes), base64, FL_KEY_BASE64 - 1, NULL,
				  &len, NULL, sodium_base64_VARIANT_ORIGINAL) &&
	       len == sizeof(key->bytes);
}

const char *fl_key_format(const struct fl_key *key, char out[FL_KEY_BASE64])
{
	return sodium_bin2base64(out, FL_KEY_BASE64, key->bytes, sizeof(key->bytes),
				 sodium_base64_VARIANT_ORIGINAL);
}

int fl_key_cmp(const void *a, const void *b)
{
	return memcmp(a, b, FL_KEY_LEN);
}

bool fl_key_is_zero(const struct fl_key *key)
{
	return sodium_is_zero(key->bytes, sizeof(key->bytes));
}

/*
 * The encodings of the points of small order on Curve25519 and its twist, bit 255 ignored as
 * RFC 7748 (5) says: 0, 1, the two points of order 8, p - 1, p (= 0) and p + 1 (= 1). X25519 with
 * any of them gives zero (RFC 7748, 6.1). A table, because one multiplication a peer would cost
 * half a second on a mesh of 10,000 nodes.
 */
static const uint8_t low_order[][FL_KEY_LEN] = {
	{ 0 },
	{ 1 },
	{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
	  0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
	  0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
	{ 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
	  0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
	  0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
	{ 0xec, [1 ... 30] = 0xff, 0x7f },
	{ 0xed, [1 ... 30] = 0xff, 0x7f },
	{ 0xee, [1 ... 30] = 0xff, 0x7f },
};

bool fl_key_is_low_order(const struct fl_key *public_key)
{
	struct fl_key masked = *public_key;

	masked.bytes[31] &= 0x7f;
	for (size_t i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++)
		if (!memcmp(masked.bytes, low_order[i], FL_KEY_LEN))
			return true;
	return false;
}

void fl_key_generate(struct fl_key *private_key)
{
	init();
	randombytes_buf(private_key->bytes, sizeof(private_key->bytes));
	private_key->bytes[0] &= 248;
	private_key->bytes[31] = (private_key->bytes[31] & 127) | 64;
}

void fl_key_public(struct fl_key *public_key, const struct fl_key *private_key)
{
	init();
	/* Fails for no private key: it clamps, and the base point has no small order. */
	crypto_scalarmult_base(public_key->bytes, private_key->bytes);
}

/* What messages call a key, and which verb makes one. */
struct kind {
	const char *name, *verb;
};

static const struct kind private_kind = { "private key", "genkey" };
static const struct kind secret_kind = { "preshared key or mesh secret", "genpsk" };

static struct fl_key *read_fd(int fd, const char *name, const struct kind *kind)
{
	char text[128]; /* one key and generous white space */
	struct fl_key *key = fl_key_new();
	size_t len = 0;
	ssize_t n = 0;
	char *start;
	bool full, ok;

	sodium_mlock(text, sizeof(text)); /* may be refused by RLIMIT_MEMLOCK: then only wiped */
	do {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n > 0)
			len += n;
	} while ((n > 0 && len < sizeof(text) - 1) || (n < 0 && errno == EINTR));
	if (n < 0)
		fl_err("%s: cannot read: %s", name, strerror(errno));
	full = len == sizeof(text) - 1; /* who knows what follows */
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	text[len] = '\0';
	for (start = text; isspace((unsigned char)*start); start++)
		;
	ok = n >= 0 && !full && strlen(start) == (size_t)(text + len - start) &&
	     fl_key_parse(key, start) && !fl_key_is_zero(key);
	if (n >= 0 && !ok)
		fl_err("%s: %s%s; it must hold one %s, 44 characters of base64, as `fairlead mesh "
		       "%s` makes it",
		       name, len ? "not a " : "empty", len ? kind->name : "", kind->name,
		       kind->verb);
	sodium_munlock(text, sizeof(text)); /* wipes */
	if (ok)
		return key;
	fl_key_free(key);
	return NULL;
}

struct fl_key *fl_key_read_fd(int fd, const char *name)
{
	return read_fd(fd, name, &private_kind);
}

static struct fl_key *read_file(const char *path, const struct kind *kind)
{
	struct fl_key *key = NULL;
	struct stat st;
	int fd;

	/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		fl_err("%s: cannot open: %s%s", path, strerror(errno),
		       errno != ENOENT	     ? "" :
		       kind == &private_kind ? "; `fairlead mesh genkey --out FILE` makes a key" :
					       "; `fairlead mesh genpsk --out FILE` makes one, "
					       "which the other nodes need, too");
		return NULL;
	}
	if (fstat(fd, &st)) {
		fl_err("%s: cannot read: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		fl_err("%s: not a regular file; a %s is read from a regular file only", path,
		       kind->name);
	} else if (st.st_uid && st.st_uid != geteuid()) {
		fl_err("%s: belongs to user %u, who could replace it; repair: chown root %s", path,
		       (unsigned int)st.st_uid, path);
	} else if (st.st_mode & 077) {
		fl_err("%s: mode %04o lets others use the %s; repair: chmod 600 %s", path,
		       (unsigned int)st.st_mode & 07777, kind->name, path);
	} else {
		key = read_fd(fd, path, kind);
	}
	close(fd);
	return key;
}

struct fl_key *fl_key_read_file(const char *path)
{
	return read_file(path, &private_kind);
}

struct fl_key *fl_key_read_secret(const char *path)
{
	return read_file(path, &secret_kind);
}

/* The name is only safe once the directory is on disk as well. */
static int sync_dir(const char *path)
{
	char *copy = strdup(path);
	int fd, err = -1;

	if (!copy)
		return -1;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (fd < 0)
		return -1;
	/* EINVAL: a file system that cannot sync a directory has nothing to sync. */
	if (!fsync(fd) || errno == EINVAL)
		err = 0;
	close(fd);
	return err;
}

int fl_key_write_file(const char *path, const struct fl_key *private_key)
{
	char text[FL_KEY_BASE64];
	int fd, err = -1;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		fl_err("%s: cannot create: %s%s", path, strerror(errno),
		       errno == EEXIST ? "; a key is never overwritten: move the file away first" :
					 "");
		return -1;
	}
	fl_key_format(private_key, text);
	text[FL_KEY_BASE64 - 1] = '\n';
	/* fchmod: the umask of the caller may have taken away more than others' rights. */
	if (!fchmod(fd, 0600) && write(fd, text, sizeof(text)) == sizeof(text) && !fsync(fd) &&
	    !sync_dir(path))
		err = 0;
	if (err) {
		fl_err("%s: cannot write: %s", path, strerror(errno));
		unlink(path);
	}
	sodium_memzero(text, sizeof(text));
	if (close(fd) && !err) {
		fl_err("%s: cannot write: %s", path, strerror(errno));
		unlink(path);
		err = -1;
	}
	return err;
}
