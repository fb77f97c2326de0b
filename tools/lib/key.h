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

#endif
