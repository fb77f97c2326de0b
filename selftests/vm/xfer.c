// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic whose every byte is checked, for tests of the data path.
 *
 *   xfer serve PORT              echo UDP datagrams, and TCP streams after checking them; until killed
 *   xfer tcp ADDR PORT BYTES     send BYTES of a known sequence, or what there is time for until SIGINT;
 *                                exit 0 if the server found them whole
 *   xfer udp ADDR PORT SIZE...   send a datagram of each size and compare its echo; A-B+S is a range
 *   xfer mark ADDR PORT N        send N datagrams, every second with ECT(0); IPv4
 *   xfer pace ADDR PORT N PPS    send N datagrams of 1,000 bytes, one by one, PPS a second; no answers are awaited
 *   xfer raw                     count what a raw socket for UDP gets, until SIGINT
 *
 * One line of result on stdout; exit 1 with a message if anything differs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "xfer: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Byte i of the sequence: no period that a lost, doubled or swapped segment could hide in. */
static void fill(uint8_t *buf, size_t n, uint64_t i)
{
	for (size_t k = 0; k < n; k++, i++) {
		uint64_t x = (i / 8 + 1) * 0x9e3779b97f4a7c15ULL;

		x ^= x >> 31;
		buf[k] = (uint8_t)(x >> (8 * (i % 8)));
	}
}

static int listen_on(int type, uint16_t port)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type, 0), off = 0, one = 1, size = 4 << 20;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 16))
		die("listen");
	return fd;
}

static void echo_udp(int fd)
{
	struct sockaddr_storage from;
	static uint8_t buf[65536];
	socklen_t len;
	ssize_t n;

	for (;;) {
		len = sizeof(from);
		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (n >= 0)
			sendto(fd, buf, n, 0, (struct sockaddr *)&from, len);
	}
}

/* Check a stream to its end, then answer with the number of good bytes. */
static void check_tcp(int fd)
{
	static uint8_t got[65536], want[65536];
	uint64_t total = 0;
	ssize_t n;

	while ((n = read(fd, got, sizeof(got))) > 0) {
		fill(want, n, total);
		if (memcmp(got, want, n)) {
			fprintf(stderr, "xfer: stream differs after byte %llu\n",
				(unsigned long long)total);
			exit(1);
		}
		total += n;
	}
	if (write(fd, &total, sizeof(total)) != sizeof(total))
		exit(1);
	exit(0);
}

__attribute__((noreturn)) static void serve(uint16_t port)
{
	int tcp = listen_on(SOCK_STREAM, port), udp = listen_on(SOCK_DGRAM, port), fd;
	pid_t child = fork();

	if (!child)
		echo_udp(udp);
	for (;;) {
		fd = accept(tcp, NULL, NULL);
		if (fd < 0)
			continue;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (!fork())
			check_tcp(fd);
		close(fd);
	}
}

static int dial(const char *host, const char *port, int type)
{
	struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_NUMERICHOST }, *ai;
	int fd;

	if (getaddrinfo(host, port, &hints, &ai))
		die(host);
	fd = socket(ai->ai_family, type, 0);
	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen))
		die("connect");
	freeaddrinfo(ai);
	return fd;
}

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int tcp(const char *host, const char *port, uint64_t total)
{
	struct sigaction action = { .sa_handler = on_signal };
	int fd = dial(host, port, SOCK_STREAM);
	static uint8_t buf[65536];
	uint64_t sent = 0, got = 0;
	ssize_t n;

	sigaction(SIGINT, &action, NULL);
	while (sent < total && !stop) {
		size_t want = total - sent < sizeof(buf) ? total - sent : sizeof(buf);

		fill(buf, want, sent);
		n = write(fd, buf, want);
		if (n < 0 && errno != EINTR)
			die("write");
		sent += n > 0 ? n : 0;
	}
	shutdown(fd, SHUT_WR);
	if (recv(fd, &got, sizeof(got), MSG_WAITALL) != sizeof(got) || got != sent) {
		fprintf(stderr, "xfer: sent %llu bytes, %llu arrived whole\n",
			(unsigned long long)sent, (unsigned long long)got);
		return 1;
	}
	printf("%llu bytes whole\n", (unsigned long long)sent);
	return 0;
}

static bool udp_one(int fd, size_t size)
{
	static uint8_t out[65536], in[65536];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	fill(out, size, size * 131);
	/* UDP may lose; it may not change. */
	for (int try = 0; try < 5; try++) {
		if (send(fd, out, size, 0) < 0 && errno != ECONNREFUSED)
			die("send");
		while (poll(&p, 1, 500) > 0) {
			n = recv(fd, in, sizeof(in), 0);
			if (n == (ssize_t)size && !memcmp(in, out, size))
				return true;
			if (n < 0)
				break;
			fprintf(stderr, "xfer: sent %zu bytes, the echo has %zd or differs\n", size,
				n);
		}
	}
	fprintf(stderr, "xfer: no echo of %zu bytes\n", size);
	return false;
}

static int udp(int argc, char **argv)
{
	int fd = dial(argv[0], argv[1], SOCK_DGRAM), size = 4 << 20;
	unsigned int from, to, step, n = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	for (int i = 2; i < argc; i++) {
		if (sscanf(argv[i], "%u-%u+%u", &from, &to, &step) != 3) {
			from = to = strtoul(argv[i], NULL, 10);
			step = 1;
		}
		for (; from <= to; from += step, n++) {
			if (!udp_one(fd, from))
				return 1;
		}
	}
	printf("%u datagrams whole\n", n);
	return 0;
}

static int mark(const char *host, const char *port, unsigned int n)
{
	int fd = dial(host, port, SOCK_DGRAM);
	static uint8_t out[1000];

	for (unsigned int i = 0; i < n; i++) {
		int tos = i % 2 ? 2 : 0;

		if (setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)))
			die("IP_TOS");
		fill(out, sizeof(out), i);
		if (send(fd, out, sizeof(out), 0) < 0 && errno != ECONNREFUSED)
			die("send");
	}
	printf("%u datagrams sent\n", n);
	return 0;
}

static int pace(const char *host, const char *port, unsigned int n, unsigned int pps)
{
	int fd = dial(host, port, SOCK_DGRAM);
	static uint8_t out[1000];
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (unsigned int i = 0; i < n; i++) {
		if (send(fd, out, sizeof(out), 0) < 0 && errno != ECONNREFUSED)
			die("send");
		next.tv_nsec += 1000000000 / pps;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
	}
	printf("%u datagrams sent\n", n);
	return 0;
}

static int raw(void)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP), size = 16 << 20;
	struct sigaction action = { .sa_handler = on_signal };
	static uint8_t buf[65536];
	unsigned int n = 0;

	if (fd < 0)
		die("raw socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	sigaction(SIGINT, &action, NULL);
	while (!stop) {
		if (recv(fd, buf, sizeof(buf), 0) > 0)
			n++;
	}
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		n++;
	printf("%u\n", n);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(strtoul(argv[2], NULL, 10));
	if (argc == 5 && !strcmp(argv[1], "tcp"))
		return tcp(argv[2], argv[3], strtoull(argv[4], NULL, 10));
	if (argc >= 5 && !strcmp(argv[1], "udp"))
		return udp(argc - 2, argv + 2);
	if (argc == 5 && !strcmp(argv[1], "mark"))
		return mark(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	if (argc == 6 && !strcmp(argv[1], "pace") && atoi(argv[5]) > 0)
		return pace(argv[2], argv[3], strtoul(argv[4], NULL, 10), atoi(argv[5]));
	if (argc == 2 && !strcmp(argv[1], "raw"))
		return raw();
	fputs("usage: xfer serve PORT | tcp ADDR PORT BYTES | udp ADDR PORT SIZE... | mark ADDR PORT N | "
	      "pace ADDR PORT N PPS | raw\n",
	      stderr);
	return 2;
}
