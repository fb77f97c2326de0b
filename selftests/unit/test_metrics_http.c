// SPDX-License-Identifier: GPL-2.0
/* What the listener makes of header fields and addresses, and the text in OpenMetrics 1.0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/lib/msg.h"
#include "../../tools/metrics/accept.h"
#include "../../tools/metrics/openmetrics.h"
#include "../../tools/metrics/sockets.h"

#include <arpa/inet.h>

#define PROMETHEUS_2                                                                                    \
	"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75," \
	"text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
#define PROMETHEUS_3                                                                               \
	"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"                   \
	"application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"               \
	"escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
#define BROWSER "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

static void test_accept(void **state)
{
	static const struct {
		const char *accept;
		enum fl_metrics_format want;
	} cases[] = {
		{ NULL, FL_TEXT_0_0_4 },
		{ "", FL_TEXT_0_0_4 },
		{ "*/*", FL_TEXT_0_0_4 },
		{ BROWSER, FL_TEXT_0_0_4 },
		{ PROMETHEUS_2, FL_OPENMETRICS_1_0_0 },
		{ PROMETHEUS_3, FL_OPENMETRICS_1_0_0 },
		{ "application/openmetrics-text", FL_OPENMETRICS_1_0_0 },
		{ "application/openmetrics-text; version=2.0.0", FL_OPENMETRICS_2_0_0 },
		{ "application/openmetrics-text; version=\"2.0.0\"", FL_OPENMETRICS_2_0_0 },
		{ "APPLICATION/OpenMetrics-Text ; Version = 2.0.0", FL_OPENMETRICS_2_0_0 },
		{ "application/openmetrics-text; charset=utf-8; version=2.0.0",
		  FL_OPENMETRICS_2_0_0 },
		{ "application/*", FL_OPENMETRICS_1_0_0 },
		{ "text/*", FL_TEXT_0_0_4 },
		{ "application/*;q=0.5, text/*;q=0.6", FL_TEXT_0_0_4 },
		{ "application/*;q=0.6, text/*;q=0.5", FL_OPENMETRICS_1_0_0 },
		/* The most exact element decides, wherever it stands. */
		{ "*/*;q=1, text/plain;q=0.1, application/openmetrics-text;version=2.0.0;q=0.9,"
		  "application/openmetrics-text;q=0.2",
		  FL_OPENMETRICS_2_0_0 },
		{ "text/plain;q=0, */*", FL_OPENMETRICS_1_0_0 },
		/* None of ours: the first all the same. */
		{ "image/png", FL_TEXT_0_0_4 },
		{ "application/openmetrics-text; version=0.0.1", FL_TEXT_0_0_4 },
		{ "*/*;q=0", FL_TEXT_0_0_4 },
		/* Malformed elements are passed over. */
		{ "text/plain;q=2, application/openmetrics-text;q=0.1", FL_OPENMETRICS_1_0_0 },
		{ "text/plain;q=, application/openmetrics-text;q=0.1", FL_OPENMETRICS_1_0_0 },
		{ "text/plain;q=0.1234, application/openmetrics-text;q=0.1", FL_OPENMETRICS_1_0_0 },
		{ "text/plain;q=-1, application/openmetrics-text;q=0.1", FL_OPENMETRICS_1_0_0 },
		{ "text/plain x, application/openmetrics-text;q=0.1", FL_OPENMETRICS_1_0_0 },
		{ ",,, ;;;=,= ;q, application/openmetrics-text", FL_OPENMETRICS_1_0_0 },
		{ "application/openmetrics-text;version=\"2.0.0", FL_OPENMETRICS_2_0_0 },
		{ "application/openmetrics-text;version=\"2.0.0\\", FL_TEXT_0_0_4 },
		{ "application/openmetrics-text;version=\"a,text/plain\"", FL_TEXT_0_0_4 },
		{ "application/openmetrics-textual", FL_TEXT_0_0_4 },
		{ "application/openmetrics-tex", FL_TEXT_0_0_4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum fl_metrics_format got = fl_accept_format(cases[i].accept);

		if (got != cases[i].want)
			fail_msg("case %zu, \"%s\": %s", i, cases[i].accept,
				 fl_format_content_type(got));
	}
}

static void test_gzip(void **state)
{
	static const char *const yes[] = { "gzip",
					   "GZIP",
					   "x-gzip",
					   "deflate, gzip",
					   "gzip;q=0.1",
					   "*",
					   "br;q=1.0, gzip;q=0.8, *;q=0.1",
					   "*;q=0, gzip" };
	static const char *const no[] = {
		NULL,	   "",	      "identity", "gzip;q=0", "gzip;q=0, *", "*, gzip;q=0",
		"gzipped", "deflate", "gzip;q=x", "*;q=0",    "gzip gzip"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		if (!fl_accept_gzip(yes[i]))
			fail_msg("\"%s\" is not taken", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		if (fl_accept_gzip(no[i]))
			fail_msg("\"%s\" is taken", no[i]);
}

static void test_address(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		":9820",
		"9820",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		"127.0.0.1:1x",
		"127.0.0.1: 1",
		"127.0.0.1:-1",
		"127.0.0.1:+1",
		"127.0.0.1:000001",
		"localhost:9820",
		"1.2.3:9820",
		"::1:9820",
		"[::1]",
		"[::1:9820",
		"::1]:9820",
		"[]:9820",
		"[fe80::1%eth0]:9820",
		"[127.0.0.1]:9820",
		"run/x.sock",
		"unix:/x",
		"[:9820",
	};
	struct fl_address a;
	char path[200];

	(void)state;
	assert_int_equal(fl_address_parse("192.0.2.1:9820", &a), FL_OK);
	assert_true(a.v4.sin_family == AF_INET && a.v4.sin_port == htons(9820) &&
		    a.v4.sin_addr.s_addr == inet_addr("192.0.2.1"));
	assert_int_equal(fl_address_parse("[2001:db8::1]:65535", &a), FL_OK);
	assert_true(a.v6.sin6_family == AF_INET6 && a.v6.sin6_port == htons(65535) &&
		    a.v6.sin6_addr.s6_addr[15] == 1);
	assert_int_equal(fl_address_parse("/run/a:1", &a), FL_OK);
	assert_true(a.un.sun_family == AF_UNIX);
	assert_string_equal(a.un.sun_path, "/run/a:1");
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[107] = '\0';
	assert_int_equal(fl_address_parse(path, &a), FL_OK);
	path[107] = 'a';
	path[108] = '\0';
	fl_msg_stream = fopen("/dev/null", "w");
	assert_int_equal(fl_address_parse(path, &a), FL_USAGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (fl_address_parse(bad[i], &a) != FL_USAGE)
			fail_msg("\"%s\" is taken", bad[i]);
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
}

static void test_openmetrics(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "# TYPE a_bytes_total counter\n# UNIT a_bytes_total bytes\n"
		  "# HELP a_bytes_total A_total.\na_bytes_total{x=\"# TYPE b_total counter\"} 1\n# EOF\n",
		  "# TYPE a_bytes counter\n# UNIT a_bytes bytes\n"
		  "# HELP a_bytes A_total.\na_bytes_total{x=\"# TYPE b_total counter\"} 1\n# EOF\n" },
		{ "# TYPE a gauge\n# HELP a The b_total of it.\na 1\n# EOF\n",
		  "# TYPE a gauge\n# HELP a The b_total of it.\na 1\n# EOF\n" },
		{ "# TYPE _total counter\n", "# TYPE _total counter\n" },
		{ "# TYPE a_total", "# TYPE a_total" },
		{ "# ", "# " },
		{ "#", "#" },
		{ "", "" },
		{ "\n\n", "\n\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t len;
		char *got = fl_openmetrics_1_0(cases[i].in, strlen(cases[i].in), &len);

		assert_int_equal(len, strlen(cases[i].want));
		assert_string_equal(got, cases[i].want);
		free(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_openmetrics),
	};

	return cmocka_run_group_tests_name("metrics, over HTTP", tests, NULL, NULL);
}
