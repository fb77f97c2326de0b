// SPDX-License-Identifier: GPL-2.0
/*
 * fill WHAT N [WHERE]: takes N of a resource for real, says "ready", and holds them until it is
 * killed. Ends with status 1 and "only M" when the kernel gives no more than M; they are held until
 * its stdin ends all the same.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

static int a_file(int i, const char *where)
{
	(void)i;
	(void)where;
	return open("/dev/null", O_RDONLY) < 0;
}

static int an_instance(int i, const char *where)
{
	(void)i;
	(void)where;
	return inotify_init1(0) < 0;
}

static int a_process(int i, const char *where)
{
	pid_t pid = fork();

	(void)i;
	(void)where;
	if (pid)
		return pid < 0;
	for (;;)
		pause();
}

/* Every other one is a fork that shares what is there. */
static int a_shared_instance(int i, const char *where)
{
	if (i & 1)
		return a_process(i, where);
	return an_instance(i, where);
}

/* WHERE is a directory for the files that are watched. */
static int a_watch(int i, const char *where)
{
	static int fd = -1;
	char path[256];

	if (fd < 0)
		fd = inotify_init1(0);
	snprintf(path, sizeof(path), "%s/%d", where, i);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	return inotify_add_watch(fd, path, IN_MODIFY) < 0;
}

/* Neighbouring pages of different kinds, so that the kernel does not merge them. */
static int a_mapping(int i, const char *where)
{
	(void)where;
	return mmap(NULL, 4096, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int a_udp_port(int i, const char *where)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)i;
	(void)where;
	return fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any));
}

/* WHERE is an IPv4 or IPv6 address with somebody who listens at port 7777. */
static int connect_one(const char *where)
{
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(7777) };
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(7777) };
	int v6 = inet_pton(AF_INET6, where, &to6.sin6_addr) == 1;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, where, &to4.sin_addr);
	if (fd < 0 || connect(fd, v6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4,
			      v6 ? sizeof(to6) : sizeof(to4)))
		return -1;
	return fd;
}

static int a_connection(int i, const char *where)
{
	(void)i;
	return connect_one(where) < 0;
}

/* Bytes that nobody reads: a MiB a socket, on both ends. */
static int a_full_connection(int i, const char *where)
{
	static char mib[1 << 20];
	int fd = connect_one(where), size = sizeof(mib);

	(void)i;
	if (fd < 0)
		return 1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return send(fd, mib, sizeof(mib), MSG_DONTWAIT) < 0;
}

/* WHERE: where datagrams go; a socket that nobody reads. */
static int a_full_udp_socket(int i, const char *where)
{
	struct sockaddr_in me = { .sin_family = AF_INET }, to;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 1 << 20;
	static char data[32768];
	socklen_t len = sizeof(to);

	(void)i;
	inet_pton(AF_INET, where, &me.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof(me)) ||
	    getsockname(fd, (struct sockaddr *)&to, &len))
		return 1;
	for (int n = 0; n < 32; n++)
		if (sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			return 1;
	return 0;
}

/* Accepts what comes, and reads none of it. */
static int listen_at(int i, const char *where)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(7777) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), off = 0, size = 1 << 22;

	(void)i;
	(void)where;
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 4096))
		return 1;
	puts("ready");
	fflush(stdout);
	for (;;)
		accept(fd, NULL, NULL);
}

static const struct {
	const char *name;
	int (*take)(int i, const char *where);
} kinds[] = {
	{ "files", a_file },
	{ "instances", an_instance },
	{ "shared-instances", a_shared_instance },
	{ "watches", a_watch },
	{ "processes", a_process },
	{ "mappings", a_mapping },
	{ "udp-ports", a_udp_port },
	{ "connections", a_connection },
	{ "full-connections", a_full_connection },
	{ "full-udp", a_full_udp_socket },
	{ "listener", listen_at },
};

int main(int argc, char **argv)
{
	struct rlimit files = { 1 << 20, 1 << 20 };
	int n, want, status = 0;
	size_t k = 0;
	char c;

	if (argc < 3)
		return 2;
	while (k < sizeof(kinds) / sizeof(*kinds) && strcmp(kinds[k].name, argv[1]) != 0)
		k++;
	if (k == sizeof(kinds) / sizeof(*kinds))
		return 2;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGCHLD, SIG_IGN);
	want = atoi(argv[2]);
	for (n = 0; n < want && !kinds[k].take(n, argc > 3 ? argv[3] : ""); n++)
		;
	if (n < want) {
		printf("only %d: %s\n", n, strerror(errno));
		status = 1;
	} else {
		puts("ready");
	}
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	kill(0, SIGTERM); /* the processes that it made: its group is its own */
	return status;
}
