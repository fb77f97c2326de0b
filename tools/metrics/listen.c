// SPDX-License-Identifier: GPL-2.0
/*
 * The metrics file over HTTP. libmicrohttpd speaks it; what is here is what it shall not do: read
 * without need, keep much in memory, or wait for anybody.
 *
 * A reading of the file serves every request of the next second, in whichever format and
 * encoding, so that a crowd of clients costs no more than one. A connection is for one request
 * and lives LIFE_MS at most, however busy it looks; when there are too many the oldest go first, so
 * that those who do not let go keep nobody out.
 */
#include "listen.h"
#include "accept.h"
#include "confine.h"
#include "openmetrics.h"
#include "read.h"
#include "sockets.h"
#include "../lib/late.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define CONNECTIONS_MAX 64
#define LIFE_MS		15000 /* of a connection: a scraper waits 10 s for its answer */
#define IDLE_S		5
#define HEADER_MAX	16384
#define FRESH_MS	1000 /* a reading serves that long */
#define READINGS_MAX	4    /* held at once: by clients that have not got all of it yet */
#define DRAIN_MS	2000 /* for answers on their way when we are told to end */

/* clang-format off */
#define MHD(F) \
	F(MHD_, add_connection) F(MHD_, add_response_header) \
	F(MHD_, create_response_from_buffer) \
	F(MHD_, create_response_from_buffer_with_free_callback_cls) F(MHD_, destroy_response) \
	F(MHD_, get_connection_info) F(MHD_, get_daemon_info) F(MHD_, get_timeout) \
	F(MHD_, lookup_connection_value) F(MHD_, queue_response) F(MHD_, run) \
	F(MHD_, start_daemon) F(MHD_, stop_daemon)
/* clang-format on */
FL_LATE(mhd, "libmicrohttpd.so.12", MHD)

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- a reading of the file, in the forms that were asked for ---- */

struct form {
	char *data; /* NULL: nobody asked for it yet */
	size_t len;
};

struct reading {
	unsigned int users; /* answers that are being sent, and `current` */
	int64_t taken;
	struct form forms[FL_N_FORMATS][2]; /* [format][gzip] */
};

/* Of connections; slot i is free if its fd is -1. */
struct client {
	int fd;
	int64_t until, since;
	const struct reading *reading; /* that is being sent to it */
};

struct server {
	const char *file;
	struct MHD_Daemon *daemon;
	struct reading *current;
	unsigned int readings;
	struct client clients[CONNECTIONS_MAX];
	unsigned int n_clients;
	int last_err; /* of the last reading: each is said once */
};

/* The one that libmicrohttpd's callbacks are about: some of them are told nothing. */
static struct server server;

static void put_reading(struct reading *r)
{
	if (!r || --r->users)
		return;
	for (int i = 0; i < FL_N_FORMATS; i++) {
		/* Two formats may be one text. */
		if (i != FL_OPENMETRICS_2_0_0)
			free(r->forms[i][0].data);
		free(r->forms[i][1].data);
	}
	free(r);
	server.readings--;
}

static void hang_up(struct client *c)
{
	/* libmicrohttpd owns the descriptor; this makes it see the end. */
	shutdown(c->fd, SHUT_RDWR);
	c->until = INT64_MAX;
}

/* Those who still hold the oldest reading have had their time. */
static void drop_oldest_reading(void)
{
	const struct reading *oldest = NULL;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		const struct reading *r = server.clients[i].reading;

		if (r && r != server.current && (!oldest || r->taken < oldest->taken))
			oldest = r;
	}
	for (size_t i = 0; oldest && i < CONNECTIONS_MAX; i++)
		if (server.clients[i].reading == oldest && server.clients[i].fd >= 0)
			hang_up(&server.clients[i]);
}

/* 0, or -errno: then there is no current reading. */
static int refresh(void)
{
	struct reading *r;
	int err;

	if (server.current && now_ms() - server.current->taken < FRESH_MS)
		return 0;
	put_reading(server.current);
	server.current = NULL;
	if (server.readings >= READINGS_MAX)
		drop_oldest_reading();
	r = fl_zalloc(sizeof(*r));
	r->taken = now_ms();
	err = fl_metrics_read(server.file, &r->forms[FL_TEXT_0_0_4][0].data,
			      &r->forms[FL_TEXT_0_0_4][0].len);
	if (err && err != server.last_err)
		fl_metrics_read_failed(server.file, err);
	server.last_err = err;
	if (err) {
		free(r);
		return err;
	}
	r->forms[FL_OPENMETRICS_2_0_0][0] = r->forms[FL_TEXT_0_0_4][0];
	r->users = 1;
	server.current = r;
	server.readings++;
	return 0;
}

static bool gzip(const struct form *in, struct form *out)
{
	z_stream z = { .next_in = (Bytef *)in->data, .avail_in = in->len };
	int ret;

	/* 16: with gzip's header. Level 1 makes a tenth of it, and costs a third of level 6. */
	if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	out->len = deflateBound(&z, in->len);
	out->data = fl_zalloc(out->len);
	z.next_out = (Bytef *)out->data;
	z.avail_out = out->len;
	ret = deflate(&z, Z_FINISH);
	out->len -= z.avail_out;
	deflateEnd(&z);
	if (ret == Z_STREAM_END) {
		out->data = fl_realloc(out->data, out->len, 1);
		return true;
	}
	free(out->data);
	*out = (struct form){ 0 };
	return false;
}

/* Of the current reading. `zipped` comes back false if it cannot be had. */
static const struct form *form(enum fl_metrics_format format, bool *zipped)
{
	struct form *plain = &server.current->forms[format][0];
	struct form *small = &server.current->forms[format][1];

	if (!plain->data)
		plain->data = fl_openmetrics_1_0(server.current->forms[FL_TEXT_0_0_4][0].data,
						 server.current->forms[FL_TEXT_0_0_4][0].len,
						 &plain->len);
	if (*zipped && !small->data)
		*zipped = gzip(plain, small);
	return *zipped ? small : plain;
}

/* ---- requests ---- */

/* With the headers that every answer has. */
static enum MHD_Result answer(struct MHD_Connection *c, unsigned int status, struct MHD_Response *r,
			      const char *type)
{
	enum MHD_Result ret;

	if (!r)
		return MHD_NO;
	mhd.add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	mhd.add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	mhd.add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	mhd.add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		mhd.add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ret = mhd.queue_response(c, status, r);
	mhd.destroy_response(r);
	return ret;
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned int status, const char *text)
{
	return answer(c, status,
		      mhd.create_response_from_buffer(strlen(text), (void *)text,
						      MHD_RESPMEM_PERSISTENT),
		      "text/plain; charset=utf-8");
}

static void sent(void *cls)
{
	put_reading(cls);
}

static struct client *find_client(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		mhd.get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	for (size_t i = 0; info && i < CONNECTIONS_MAX; i++)
		if (server.clients[i].fd == info->connect_fd)
			return &server.clients[i];
	return NULL;
}

static enum MHD_Result metrics(struct MHD_Connection *c)
{
	const char *accept =
		mhd.lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	const char *encoding =
		mhd.lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT_ENCODING);
	enum fl_metrics_format format = fl_accept_format(accept);
	bool zipped = fl_accept_gzip(encoding);
	struct client *client = find_client(c);
	struct MHD_Response *r;
	const struct form *f;

	switch (-refresh()) {
	case 0:
		break;
	case ENOENT:
		return say(c, MHD_HTTP_SERVICE_UNAVAILABLE,
			   "The metrics are not there; `fairlead accel on` makes them.\n");
	case EACCES:
	case EPERM:
		return say(c, MHD_HTTP_SERVICE_UNAVAILABLE,
			   "The listener may not read the metrics: start it as root, or with "
			   "CAP_DAC_READ_SEARCH.\n");
	default:
		return say(c, MHD_HTTP_SERVICE_UNAVAILABLE,
			   "The metrics cannot be read; the listener's log says why.\n");
	}
	f = form(format, &zipped);
	r = mhd.create_response_from_buffer_with_free_callback_cls(f->len, f->data, sent,
								   server.current);
	if (!r)
		return MHD_NO;
	server.current->users++;
	if (client)
		client->reading = server.current;
	if (zipped)
		mhd.add_response_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	mhd.add_response_header(r, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
	return answer(c, MHD_HTTP_OK, r, fl_format_content_type(format));
}

/* As libmicrohttpd calls it, when the header of a request is there. */
static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *body,
			      size_t *body_len, void **state)
{
	(void)cls;
	(void)version;
	(void)body;
	(void)body_len;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return say(c, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD are possible.\n");
	if (!strcmp(url, "/metrics"))
		return metrics(c);
	if (!strcmp(url, "/"))
		return say(c, MHD_HTTP_OK, "fairlead: the metrics are at /metrics\n");
	return say(c, MHD_HTTP_NOT_FOUND, "There is nothing here; the metrics are at /metrics\n");
}

/* ---- connections ---- */

static void on_connection(void *cls, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct client *client;

	(void)cls;
	(void)context;
	if (what != MHD_CONNECTION_NOTIFY_CLOSED)
		return;
	client = find_client(c);
	if (!client)
		return;
	*client = (struct client){ .fd = -1 };
	server.n_clients--;
}

static void run(void)
{
	mhd.run(server.daemon);
}

static void make_room(void)
{
	struct client *oldest = NULL;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct client *c = &server.clients[i];

		if (c->fd >= 0 && c->until != INT64_MAX && (!oldest || c->since < oldest->since))
			oldest = c;
	}
	if (oldest)
		hang_up(oldest);
	run();
}

/* False: nobody waits, or there is no room now. */
static bool accept_one(int listener)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	struct client *c = server.clients;
	int fd;

	if (server.n_clients == CONNECTIONS_MAX)
		make_room();
	if (server.n_clients == CONNECTIONS_MAX)
		return false;
	fd = accept4(listener, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return false; /* also EMFILE and its like: the next round tries again */
	while (c->fd >= 0)
		c++;
	*c = (struct client){ .fd = fd, .since = now_ms(), .until = now_ms() + LIFE_MS };
	server.n_clients++;
	/* It closes the descriptor if it cannot take it; on_connection() may have been called. */
	if (mhd.add_connection(server.daemon, fd, (struct sockaddr *)&addr, len) != MHD_YES &&
	    c->fd >= 0) {
		c->fd = -1;
		server.n_clients--;
	}
	return true;
}

/* How long poll() may sleep. */
static int sleep_ms(int64_t now, int64_t until)
{
	MHD_UNSIGNED_LONG_LONG ms;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (server.clients[i].fd >= 0 && server.clients[i].until < until)
			until = server.clients[i].until;
	if (server.current && server.current->taken + FRESH_MS < until)
		until = server.current->taken + FRESH_MS;
	if (mhd.get_timeout(server.daemon, &ms) == MHD_YES && now + (int64_t)ms < until)
		until = now + (int64_t)ms;
	return until == INT64_MAX ? -1 : until <= now ? 0 : (int)(until - now);
}

static int loop(const struct fl_sockets *sockets, int signals)
{
	const union MHD_DaemonInfo *info =
		mhd.get_daemon_info(server.daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[FL_SOCKETS_MAX + 2] = { { .fd = signals, .events = POLLIN },
						  { .fd = info->epoll_fd, .events = POLLIN } };
	int64_t end = INT64_MAX;

	for (size_t i = 0; i < sockets->n; i++)
		fds[i + 2] = (struct pollfd){ .fd = sockets->fd[i], .events = POLLIN };
	for (;;) {
		int64_t now = now_ms();

		if (now >= end || (end != INT64_MAX && !server.n_clients))
			return FL_OK;
		if (poll(fds, sockets->n + 2, sleep_ms(now, end)) < 0 && errno != EINTR)
			return fl_fail("metrics: poll: %s", strerror(errno));
		now = now_ms();
		for (size_t i = 0; i < CONNECTIONS_MAX; i++)
			if (server.clients[i].fd >= 0 && server.clients[i].until <= now)
				hang_up(&server.clients[i]);
		if (fds[0].revents) {
			/* A second signal does not wait for anybody. */
			struct signalfd_siginfo got;

			if (read(signals, &got, sizeof(got)) > 0)
				end = end == INT64_MAX ? now + DRAIN_MS : now;
			for (size_t i = 0; i < sockets->n; i++)
				fds[i + 2].fd = -1;
		}
		for (size_t i = 0; i < sockets->n && end == INT64_MAX; i++)
			while (fds[i + 2].revents && accept_one(sockets->fd[i]))
				;
		run();
		/* An old reading is of no use to anybody. */
		if (server.current && now - server.current->taken >= FRESH_MS) {
			put_reading(server.current);
			server.current = NULL;
		}
	}
}

/* libmicrohttpd says something of every client that misbehaves: a log must not be theirs to fill. */
static void log_nothing(void *cls, const char *fmt, va_list ap)
{
	(void)cls;
	if (getenv("FAIRLEAD_DEBUG"))
		vfprintf(stderr, fmt, ap);
}

int fl_metrics_listen(const char *file, const char *const *addresses, size_t n, const char *user)
{
	struct fl_sockets sockets;
	int ret, signals;
	sigset_t set;

	/* A signal that comes now waits until it is listened for. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Before it loses the right to read files. */
	if (!mhd_open())
		return FL_FAILED;
	ret = fl_sockets_open(&sockets, addresses, n);
	if (ret)
		return ret;
	ret = fl_confine(user, file);
	if (ret)
		goto out;

	server = (struct server){ .file = file };
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		server.clients[i].fd = -1;
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0) {
		ret = fl_fail("metrics: signalfd: %s", strerror(errno));
		goto out;
	}
	server.daemon = mhd.start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle,
		NULL, MHD_OPTION_EXTERNAL_LOGGER, log_nothing, NULL, MHD_OPTION_CONNECTION_LIMIT,
		CONNECTIONS_MAX + 1, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MAX,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL,
		MHD_OPTION_END);
	if (server.daemon) {
		for (size_t i = 0; i < n; i++)
			fl_err("metrics: listening on %s", addresses[i]);
		ret = loop(&sockets, signals);
		mhd.stop_daemon(server.daemon);
		put_reading(server.current);
		server.current = NULL;
	} else {
		ret = fl_fail("metrics: libmicrohttpd does not start");
	}
	close(signals);
out:
	fl_sockets_close(&sockets);
	return ret;
}
