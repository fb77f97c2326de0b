// SPDX-License-Identifier: GPL-2.0
#include "sockets.h"
#include "../lib/msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG	 128
#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

/* "9820"; -1: no port. */
static int port_number(const char *text)
{
	int port = 0;

	if (!*text || strlen(text) > 5 || text[strspn(text, "0123456789")])
		return -1;
	port = (int)strtol(text, NULL, 10);
	return port >= 1 && port <= 65535 ? port : -1;
}

int fl_address_parse(const char *text, struct fl_address *addr)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t len;
	int port;

	*addr = (struct fl_address){ 0 };
	if (*text == '/') {
		if (strlen(text) >= sizeof(addr->un.sun_path))
			return fl_usage("--listen: %s: the path of a socket has at most %zu bytes",
					text, sizeof(addr->un.sun_path) - 1);
		addr->un.sun_family = AF_UNIX;
		strcpy(addr->un.sun_path, text);
		addr->len = sizeof(addr->un);
		return FL_OK;
	}
	len = colon ? colon - text : 0;
	port = colon ? port_number(colon + 1) : -1;
	if (port > 0 && len && len < sizeof(host)) {
		memcpy(host, text, len);
		host[len] = '\0';
		if (inet_pton(AF_INET, host, &addr->v4.sin_addr) == 1) {
			addr->v4.sin_family = AF_INET;
			addr->v4.sin_port = htons(port);
			addr->len = sizeof(addr->v4);
			return FL_OK;
		}
		if (host[0] == '[' && host[len - 1] == ']') {
			host[len - 1] = '\0';
			if (inet_pton(AF_INET6, host + 1, &addr->v6.sin6_addr) == 1) {
				addr->v6.sin6_family = AF_INET6;
				addr->v6.sin6_port = htons(port);
				addr->len = sizeof(addr->v6);
				return FL_OK;
			}
		}
	}
	return fl_usage("--listen: '%s' is not ADDRESS:PORT, [IPV6-ADDRESS]:PORT, /PATH or systemd",
			text);
}

static int add(struct fl_sockets *s, int fd)
{
	if (s->n == FL_SOCKETS_MAX)
		return fl_fail("metrics: more than %d sockets", FL_SOCKETS_MAX);
	s->fd[s->n++] = fd;
	return FL_OK;
}

/* A socket file that a listener left behind when it ended. Others' files are not touched. */
static void remove_stale(const struct fl_address *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd >= 0 && !lstat(addr->un.sun_path, &st) && S_ISSOCK(st.st_mode) &&
	    connect(fd, &addr->any, addr->len) && errno == ECONNREFUSED)
		unlink(addr->un.sun_path);
	if (fd >= 0)
		close(fd);
}

static int open_one(struct fl_sockets *s, const char *text)
{
	struct fl_address addr;
	int fd, err, on = 1;
	mode_t mask;

	if (fl_address_parse(text, &addr))
		return FL_USAGE;
	fd = socket(addr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fl_fail("metrics: %s: cannot open a socket: %s", text, strerror(errno));
	if (addr.any.sa_family == AF_UNIX) {
		remove_stale(&addr);
	} else {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		/* The mesh's own address may come later than we do. */
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
		/* [::] is IPv6 and nothing else: what one listens on is what one wrote. */
		if (addr.any.sa_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	}
	mask = umask(0117);
	err = bind(fd, &addr.any, addr.len) || listen(fd, BACKLOG) ? errno : 0;
	umask(mask);
	if (!err)
		return add(s, fd);
	close(fd);
	return fl_fail("metrics: cannot listen on %s: %s%s", text, strerror(err),
		       err == EADDRINUSE ? "; something else does already" : "");
}

/* The protocol is four lines of sd_listen_fds(3), and a library for it would have to be there on
 * machines without systemd, too. */
static int from_systemd(struct fl_sockets *s)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int n = fds ? atoi(fds) : 0;

	if (!pid || atol(pid) != getpid() || n < 1)
		return fl_usage(
			"--listen systemd: systemd handed no socket over; start fairlead-metrics.socket");
	for (int fd = FIRST_FD; fd < FIRST_FD + n; fd++) {
		int listening = 0;
		socklen_t len = sizeof(listening);

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) || !listening)
			return fl_fail(
				"metrics: socket %d from systemd is no listening stream socket; use ListenStream= and Accept=no",
				fd);
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) ||
		    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
			return fl_fail("metrics: socket %d from systemd: %s", fd, strerror(errno));
		if (add(s, fd))
			return FL_FAILED;
	}
	return FL_OK;
}

int fl_sockets_open(struct fl_sockets *s, const char *const *texts, size_t n)
{
	int ret = FL_OK;

	*s = (struct fl_sockets){ 0 };
	for (size_t i = 0; i < n && !ret; i++)
		ret = strcmp(texts[i], "systemd") ? open_one(s, texts[i]) : from_systemd(s);
	if (ret)
		fl_sockets_close(s);
	return ret;
}

void fl_sockets_close(struct fl_sockets *s)
{
	for (size_t i = 0; i < s->n; i++)
		close(s->fd[i]);
	s->n = 0;
}
