/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_KEY_H
#define FL_KEY_H

#include <stdbool.h>
#include <stdint.h>

#define FL_KEY_LEN    32
#define FL_KEY_BASE64 45 /* 44 characters and the NUL */

/* A Curve25519 key, public or private. Private ones live in locked memory and are wiped. */
struct fl_key {
	uint8_t bytes[FL_KEY_LEN];
};

/* Locked, guarded memory for a private key; never NULL. fl_key_free(NULL) does nothing. */
struct fl_key *fl_key_new(void);
void fl_key_free(struct fl_key *key);

/* The same for thousands of keys, which would take three pages each: they share blocks, and all go
 * together. Starts as NULL. */
struct fl_keys;
struct fl_key *fl_keys_new(struct fl_keys **keys);
void fl_keys_free(struct fl_keys **keys);

/* Exactly 44 characters of canonical base64, nothing before or after. */
bool fl_key_parse(struct fl_key *key, const char *base64);
const char *fl_key_format(const struct fl_key *key, char out[FL_KEY_BASE64]);

int fl_key_cmp(const void *a, const void *b); /* for sorting public keys; not in constant time */
bool fl_key_is_zero(const struct fl_key *key);

/* A public key with which every shared secret is the same, known value. */
bool fl_key_is_low_order(const struct fl_key *public_key);

void fl_key_generate(struct fl_key *private_key); /* clamped, as WireGuard stores it */
void fl_key_public(struct fl_key *public_key, const struct fl_key *private_key);

/*
 * Read the one private key of a file, which must be a regular file of root or of the caller that
 * nobody else can read. Prints what is wrong and returns NULL if it cannot be used.
 */
struct fl_key *fl_key_read_file(const char *path);

/* The same for a preshared key, or the secret that those of a mesh are derived from. */
struct fl_key *fl_key_read_secret(const char *path);

/* The same from a stream, for `mesh pubkey`; `name` is what messages call it. */
struct fl_key *fl_key_read_fd(int fd, const char *name);

/* Create a file of mode 0600 that did not exist; on disk when this returns 0, gone otherwise. */
int fl_key_write_file(const char *path, const struct fl_key *private_key);

#endif
