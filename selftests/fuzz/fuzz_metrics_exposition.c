// SPDX-License-Identifier: GPL-2.0
/* Any text, and label text that must come back as it went in. */
#include "../../tools/lib/msg.h"
#include "../../tools/metrics/exposition.h"
#include "../../tools/metrics/maps.h"
#include "../../tools/metrics/show.h"
#include "../../tools/top/model.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fl_msg_stream = fopen("/dev/null", "w");
	return 0;
}

static int is_utf8(const char *s)
{
	char out[8192];

	/* Replaced bytes make it longer by a marker that the input did not have. */
	return fl_metrics_escape(out, sizeof(out), s) >= 0 && !strstr(out, "\xef\xbf\xbd");
}

/* Whatever is taken can be shown, and its JSON is JSON. */
static void show(const struct fl_exposition *e)
{
	struct json_object *doc = fl_metrics_json(e), *again;
	struct fl_top *top = fl_top_new();
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fl_metrics_print(e, f, 40);
	fclose(f);
	free(text);
	fl_top_update(top, e, 1);
	fl_top_update(top, e, 2);
	fl_top_free(top);
	again = json_tokener_parse(json_object_to_json_string(doc));
	if (!again)
		abort();
	json_object_put(again);
	json_object_put(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[2000], escaped[6001], text[6100];
	struct fl_exposition *e;

	e = fl_exposition_parse("fuzz", (const char *)data, size);
	if (e)
		show(e);
	fl_exposition_free(e);

	if (size >= sizeof(name))
		return 0;
	memcpy(name, data, size);
	name[size] = '\0';
	if (fl_metrics_escape(escaped, sizeof(escaped), name) < 0)
		abort();
	snprintf(text, sizeof(text), "a{peer=\"%s\"} 1\n# EOF\n", escaped);
	e = fl_exposition_parse("fuzz", text, strlen(text));
	if (!e)
		abort();
	if (is_utf8(name) && strcmp(fl_sample_label(&e->families[0].samples[0], "peer"), name))
		abort();
	fl_exposition_free(e);
	return 0;
}
