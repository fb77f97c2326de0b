// SPDX-License-Identifier: GPL-2.0
/* Expressions and values of profiles; what comes out must be in range and canonical. */
#include "tools/tune/value.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fl_fact facts[] = { { "cpus", 2, "" },
						{ "ram", 1LL << 32, "" },
						{ 0 } };
	static const struct fl_value_type types[] = {
		{ FL_VALUE_INT, 1, -100, 100 }, { FL_VALUE_UINT64, 1, 0, FL_NUM_MAX },
		{ FL_VALUE_INTS, 3, 0, 9 },	{ FL_VALUE_PORTS, 1, 0, 0 },
		{ FL_VALUE_STRING, 1, 0, 0 },
	};
	char *text = malloc(size + 1);
	struct fl_expr_error err;
	fl_num out[4];
	int n;

	memcpy(text, data, size);
	text[size] = '\0';
	n = fl_expr_eval(text, facts, out, 4, &err);
	if (n == 0 || n > 4 || (n < 0 && (!err.column || err.column > strlen(text) + 1)))
		abort();
	for (int i = 0; i < n; i++)
		if (out[i] < FL_NUM_MIN || out[i] > FL_NUM_MAX)
			abort();
	for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
		char *wanted = fl_value_wanted(&types[t], text, facts, &err);
		const char *why;
		char *again = wanted ? fl_value_canonical(&types[t], wanted, &why) : NULL;

		if (wanted && (!again || strcmp(wanted, again)))
			abort();
		if (wanted && types[t].kind != FL_VALUE_STRING) {
			char *raised = fl_value_raise(&types[t], wanted, wanted);

			if (strcmp(raised, wanted))
				abort();
			free(raised);
		}
		free(again);
		free(wanted);
	}
	free(text);
	return 0;
}
