// SPDX-License-Identifier: GPL-2.0
#include "maps.h"

#include <stdint.h>
#include <string.h>

/* Bytes of the UTF-8 character at s (RFC 3629), 0 if it is none. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n;
	uint32_t c;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	c = s[0] & (0xff >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0; /* also the NUL */
		c = c << 6 | (s[i] & 0x3f);
	}
	/* Overlong forms, surrogates, beyond Unicode. */
	if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
	    (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	return n;
}

int fl_metrics_escape(char *out, size_t size, const char *text)
{
	size_t len = 0;

	while (*text) {
		size_t in = utf8_len((const unsigned char *)text), n = in;
		const char *from = text;

		switch (*text) {
		case '\\':
			from = "\\\\";
			n = 2;
			break;
		case '"':
			from = "\\\"";
			n = 2;
			break;
		case '\n':
			from = "\\n";
			n = 2;
			break;
		}
		if (!in) {
			from = "\xef\xbf\xbd";
			n = 3;
			in = 1;
		}
		if (len + n >= size)
			return -1;
		memcpy(out + len, from, n);
		len += n;
		text += in;
	}
	if (!size)
		return -1;
	out[len] = '\0';
	return (int)len;
}
