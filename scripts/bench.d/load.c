// SPDX-License-Identifier: GPL-2.0
/*
 * Load for the bench, and what it cost.
 *
 *   load serve PORT                        be the other end of all of these; until killed
 *   load tcp ADDRESS PORT [OPTION...]      streams; a row of the result counts what was received
 *   load udp ADDRESS PORT [OPTION...]      datagrams, at the highest rate at which none is lost
 *   load rr  ADDRESS PORT [OPTION...]      one request and its response at a time, on one connection
 *   load crr ADDRESS PORT [OPTION...]      the same with a new connection for each
 *   load exec COMMAND [ARG...]             no load, but what a command costs, start of the program included
 *
 * Programs that do each of this exist. None reports the CPU time of exactly the measured part, that is,
 * without start, warm-up and the end, and in the instruction-budget lab a run has to be short: there
 * a second of guest time is many of the host's.
 *
 * Prints one JSON object: ns is the measured time; busy_ns the time in it that CPUs of this machine
 * were not idle, all of them together (in the lab, one CPU of 10^9 instructions a second: the
 * instructions); peer_busy_ns the same for the other end, which in the lab is the same machine.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_STREAMS 1024
#define CHUNK	    (128 << 10) /* of one send(2) or recv(2) of a stream */
#define MSEC	    1000000ull
/* A rate counts as lossless up to this: one in a thousand. */
#define LOSS_OK(sent) ((sent) / 1000)

enum mode { TCP = 1, UDP, RR, CRR };
enum direction { OUT = 1, IN = 2, BOTH = 3 };

/*
 * What the client asks for, first thing on the control connection, and before it opens another, it waits for a byte:
 * over several lanes a later connection may be there first, and be taken for the control connection.
 * Native byte order: both ends are the same program, and magic says so.
 */
struct request {
	uint32_t magic;
	uint32_t mode;
	uint32_t direction;
	uint32_t streams;
	uint32_t size;
	uint32_t window; /* receive buffer of a stream's ends; 0: as the kernel sees fit */
	uint64_t warm_ns;
	uint64_t time_ns;
};
#define MAGIC 0x666c6c35 /* fll5 */

/* What one end saw in its part of the measured time. */
struct report {
	uint64_t ns;
	uint64_t busy_ns;
	uint64_t received; /* bytes; for UDP datagrams, since the server started */
	uint64_t mss;
	uint64_t resent; /* segments, warm-up included */
};

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void die_short(const char *what)
{
	fprintf(stderr, "load: %s: the other end closed the connection\n", what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void nap(uint64_t ns)
{
	struct timespec ts = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

/* ---- CPU time ------------------------------------------------------------------------------- */

/* Idle time of all CPUs in ns. /proc/stat has it too, but in hundredths of a second. */
static uint64_t idle_ns(void)
{
	unsigned long long user, nice, sys, idle, iowait, sum = 0, v;
	static char buf[1 << 20];
	size_t have = 0;
	ssize_t n;
	FILE *f;
	bool found = false;

	f = fopen("/proc/timer_list", "r");
	if (f) {
		while ((n = fread(buf + have, 1, sizeof(buf) - 1 - have, f)) > 0)
			have += n;
		fclose(f);
		buf[have] = '\0';
		for (char *p = buf; (p = strstr(p, "_sleeptime")); p++) {
			/* idle_sleeptime and iowait_sleeptime, one a CPU */
			if (sscanf(p, "_sleeptime : %llu", &v) == 1) {
				sum += v;
				found = true;
			}
		}
		if (found)
			return sum;
	}
	f = fopen("/proc/stat", "r");
	if (!f ||
	    fscanf(f, "cpu %llu %llu %llu %llu %llu", &user, &nice, &sys, &idle, &iowait) != 5)
		die("/proc/stat");
	fclose(f);
	return (idle + iowait) * (1000000000 / sysconf(_SC_CLK_TCK));
}

static uint64_t window_began, window_idle;

static void window_begin(void)
{
	window_idle = idle_ns();
	window_began = now();
}

static void window_end(struct report *r)
{
	uint64_t idle, all;

	r->ns = now() - window_began;
	idle = idle_ns() - window_idle;
	all = r->ns * sysconf(_SC_NPROCESSORS_ONLN);
	r->busy_ns = all > idle ? all - idle : 0;
}

/* ---- sockets --------------------------------------------------------------------------------- */

static void write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;
	ssize_t n;

	for (; len; p += n, len -= n) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0)
			die("send");
	}
}

/* False if the other end closed before the first byte. */
static bool read_all(int fd, void *buf, size_t len)
{
	char *p = buf;
	ssize_t n;

	for (; len; p += n, len -= n) {
		n = recv(fd, p, len, 0);
		if (n < 0)
			die("recv");
		if (!n && p == buf)
			return false;
		if (!n)
			die_short("recv");
	}
	return true;
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		die("setsockopt");
}

/* What is still queued when a run is over would be part of the next: an end by RST drops it. */
static void set_abort(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)))
		die("SO_LINGER");
}

/* Where the server is: an address, because a static program has no resolver. */
static struct sockaddr_storage server_addr;

static bool parse_address(const char *host, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&server_addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&server_addr;

	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return true;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
}

static int connect_to_server(int type)
{
	int fd = socket(server_addr.ss_family, type, 0);

	if (fd < 0)
		die("socket");
	if (connect(fd, (struct sockaddr *)&server_addr, sizeof(server_addr)))
		die("connect");
	if (type == SOCK_STREAM)
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return fd;
}

static int bind_to(int type, uint16_t port)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type, 0);

	if (fd < 0)
		die("socket");
	set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 1024))
		die("listen");
	return fd;
}

static int accept_on(int fd)
{
	int s = accept(fd, NULL, NULL);

	if (s < 0)
		die("accept");
	set(s, IPPROTO_TCP, TCP_NODELAY, 1);
	return s;
}

/* ---- streams ----------------------------------------------------------------------------------- */

static atomic_bool stop;

struct stream {
	int fd;
	pthread_t sender, receiver;
	_Atomic uint64_t received;
};

static struct stream streams[MAX_STREAMS];

/* Held until both ends have all their threads. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void pass_gate(void)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

static void *send_stream(void *arg)
{
	static const char chunk[CHUNK];
	struct stream *s = arg;

	pass_gate();
	while (!stop && send(s->fd, chunk, sizeof(chunk), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static void *receive_stream(void *arg)
{
	char *chunk = malloc(CHUNK);
	struct stream *s = arg;
	ssize_t n;

	if (!chunk)
		die("malloc");
	pass_gate();
	while (!stop && (n = recv(s->fd, chunk, CHUNK, 0)) > 0)
		atomic_fetch_add_explicit(&s->received, n, memory_order_relaxed);
	free(chunk);
	return NULL;
}

static uint64_t received(unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += streams[i].received;
	return sum;
}

static void start(pthread_t *thread, void *(*run)(void *), struct stream *s)
{
	int err = pthread_create(thread, NULL, run, s);

	if (err) {
		errno = err;
		die("pthread_create");
	}
}

/* The thread that keeps the time wakes up on time, however many others want to run. Not being allowed to is no
 * error: a run with few streams does without. */
static void keep_time(bool on)
{
	struct sched_param param = { .sched_priority = on ? 1 : 0 };

	sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &param);
}

/*
 * One end of a TCP run over the connections in streams[]; false if the other end is gone. Both ends measure by
 * their own clock, from the same moment on, or else one could count the time before or after the other's bytes.
 */
static bool run_streams(const struct request *q, int control, bool server, bool sends,
			bool receives, struct report *r)
{
	bool together;
	struct tcp_info info;
	socklen_t len = sizeof(info);
	uint64_t before;
	char byte;

	stop = false;
	pthread_mutex_lock(&gate);
	for (unsigned int i = 0; i < q->streams; i++) {
		set_abort(streams[i].fd);
		if (q->window)
			set(streams[i].fd, SOL_SOCKET, SO_RCVBUFFORCE, q->window);
		streams[i].received = 0;
		if (receives)
			start(&streams[i].receiver, receive_stream, &streams[i]);
		if (sends)
			start(&streams[i].sender, send_stream, &streams[i]);
	}
	keep_time(true);
	if (server)
		write_all(control, "", 1);
	together = read_all(control, &byte, 1);
	if (!server)
		write_all(control, "", 1);
	pthread_mutex_unlock(&gate);
	if (together) {
		nap(q->warm_ns);
		window_begin();
		before = received(q->streams);
		nap(q->time_ns);
		r->received = received(q->streams) - before;
		window_end(r);
	}
	keep_time(false);
	r->mss = r->resent = 0;
	for (unsigned int i = 0; i < q->streams; i++) {
		if (getsockopt(streams[i].fd, IPPROTO_TCP, TCP_INFO, &info, &len))
			continue;
		r->mss = sends ? info.tcpi_snd_mss : info.tcpi_rcv_mss;
		r->resent += info.tcpi_total_retrans;
	}
	stop = true;
	/* shutdown wakes threads that wait in send or recv; only then may the descriptor go. */
	for (unsigned int i = 0; i < q->streams; i++) {
		shutdown(streams[i].fd, SHUT_RDWR);
		if (receives)
			pthread_join(streams[i].receiver, NULL);
		if (sends)
			pthread_join(streams[i].sender, NULL);
		close(streams[i].fd);
	}
	return together;
}

/* ---- the server ---------------------------------------------------------------------------------- */

static _Atomic uint64_t datagrams;

static void *count_datagrams(void *arg)
{
	static char buf[65536];

	while (recv(*(int *)arg, buf, sizeof(buf), 0) >= 0)
		datagrams++;
	die("recv");
	return NULL;
}

/* Requests of q->size bytes, each answered by as many, until the client closes. */
static void answer(int fd, uint32_t size)
{
	static char buf[65536];

	while (read_all(fd, buf, size))
		write_all(fd, buf, size);
}

static void serve_one(int listener, int control)
{
	struct report r = { 0 };
	struct request q;
	char byte;

	if (!read_all(control, &q, sizeof(q)))
		return;
	if (q.magic != MAGIC || q.streams > MAX_STREAMS || q.size > 65536) {
		fprintf(stderr, "load: a client that is no load, or another version of it\n");
		return;
	}
	if (send(control, "", 1, MSG_NOSIGNAL) != 1)
		return;
	switch (q.mode) {
	case TCP:
		for (unsigned int i = 0; i < q.streams; i++)
			streams[i].fd = accept_on(listener);
		/* Nobody is there any more to hear it? The next client is. */
		if (run_streams(&q, control, true, q.direction & IN, q.direction & OUT, &r) &&
		    send(control, &r, sizeof(r), MSG_NOSIGNAL) != sizeof(r))
			fprintf(stderr, "load: the client is gone\n");
		break;
	case UDP: /* a report for each byte that the client sends */
		window_begin();
		while (read_all(control, &byte, 1)) {
			window_end(&r);
			r.received = datagrams;
			write_all(control, &r, sizeof(r));
		}
		break;
	case RR:
	case CRR:
		window_begin();
		for (;;) {
			struct pollfd fds[] = { { .fd = listener, .events = POLLIN },
						{ .fd = control, .events = POLLIN } };

			if (poll(fds, 2, -1) < 0)
				die("poll");
			/* First: of a client that is gone, what waits at the listener is the next one. */
			if (fds[1].revents) {
				if (!read_all(control, &byte, 1))
					break;
				window_end(&r);
				write_all(control, &r, sizeof(r));
			} else {
				int fd = accept_on(listener);

				answer(fd, q.size);
				close(fd);
			}
		}
		break;
	}
}

/*
 * Until killed. Whatever goes wrong with one client, say that it was killed, is the end of a child only, and of what
 * waits on its sockets; but one that ends at once has not got its port.
 */
static _Noreturn void serve(uint16_t port)
{
	const pid_t parent = getpid();
	int listener, udp, control, err;
	pthread_t counter;
	uint64_t born;
	pid_t pid;

	for (born = now(); (pid = fork()); born = now()) {
		if (pid < 0)
			die("fork");
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (now() - born < 50 * MSEC)
			exit(1);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		exit(0);
	listener = bind_to(SOCK_STREAM, port);
	udp = bind_to(SOCK_DGRAM, port);
	err = pthread_create(&counter, NULL, count_datagrams, &udp);
	if (err) {
		errno = err;
		die("pthread_create");
	}
	for (;;) {
		control = accept_on(listener);
		serve_one(listener, control);
		close(control);
	}
}

/* ---- the client ---------------------------------------------------------------------------------- */

static void result(uint64_t ns, const struct report *mine, const struct report *theirs)
{
	printf("{\"ns\":%llu,\"busy_ns\":%llu,\"peer_busy_ns\":%llu,", (unsigned long long)ns,
	       (unsigned long long)mine->busy_ns, (unsigned long long)theirs->busy_ns);
}

static void run_tcp(int control, const struct request *q)
{
	struct report mine, theirs;
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < q->streams; i++)
		streams[i].fd = connect_to_server(SOCK_STREAM);
	if (!run_streams(q, control, false, q->direction & OUT, q->direction & IN, &mine) ||
	    !read_all(control, &theirs, sizeof(theirs)))
		die_short("control");
	/* Each direction is timed where it is received. With both, the two clocks' windows differ little. */
	if (q->direction & OUT)
		bytes += theirs.received;
	if (q->direction & IN)
		bytes += mine.received;
	if (!bytes) {
		fprintf(stderr, "load: nothing arrived in the measured time\n");
		exit(1);
	}
	result(q->direction == OUT ? theirs.ns : mine.ns, &mine, &theirs);
	printf("\"bytes\":%llu,\"mss\":%llu,\"resent\":%llu}\n", (unsigned long long)bytes,
	       (unsigned long long)mine.mss, (unsigned long long)(mine.resent + theirs.resent));
}

static struct report ask(int control)
{
	struct report r;

	write_all(control, "", 1);
	if (!read_all(control, &r, sizeof(r)))
		die_short("control");
	return r;
}

struct burst {
	uint64_t sent, lost, send_ns;
	struct report mine, theirs;
};

/* Sends at rate for ns, and waits until what is on its way has arrived or is lost. */
static void send_at(int control, int fd, unsigned int size, uint64_t rate, uint64_t ns,
		    struct burst *b)
{
	static const char buf[65536];
	struct report before = ask(control), r;
	uint64_t begin, t, due, seen, patience;

	b->sent = 0;
	window_begin();
	begin = now();
	while ((t = now() - begin) < ns) {
		due = t * rate / 1000000000 + 1;
		if (b->sent >= due) {
			/* Timers are coarser than packets; a short sleep makes short bursts. */
			nap(50000);
			continue;
		}
		for (due -= b->sent, due = due > 64 ? 64 : due; due; due--, b->sent++)
			if (send(fd, buf, size, 0) < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
				die("send");
	}
	b->send_ns = now() - begin;
	for (seen = 0, patience = 5; patience;) {
		r = ask(control);
		r.received -= before.received;
		if (r.received >= b->sent)
			break;
		patience = r.received > seen ? 5 : patience - 1;
		seen = r.received;
		nap(2 * MSEC);
	}
	window_end(&b->mine);
	b->theirs = r;
	b->theirs.busy_ns -= before.busy_ns;
	b->lost = b->sent - r.received;
}

/* Is what was offered also what went out, and did it arrive? */
static bool sustained(const struct burst *b, uint64_t rate)
{
	return b->lost <= LOSS_OK(b->sent) &&
	       b->sent * 1000000000ull / b->send_ns >= rate / 100 * 97;
}

static void run_udp(int control, const struct request *q, uint64_t rate)
{
	uint64_t good = 0, bad = 0, part = 24;
	int fd = connect_to_server(SOCK_DGRAM);
	struct burst b;
	bool fits;

	/*
	 * Up or down until the limit lies between two rates, then close in. In small steps first: the rate to try
	 * first is mostly that of the round before.
	 */
	for (int i = 0; i < 24 && (!good || !bad || bad - good > good / 64); i++) {
		/* What fails once may have been a hiccup, and the search would not come back up. */
		fits = false;
		for (int tries = 0; tries < 2 && !fits; tries++) {
			send_at(control, fd, q->size, rate, q->warm_ns, &b);
			fits = sustained(&b, rate);
		}
		if (fits)
			good = rate;
		else
			bad = rate;
		if (good && bad)
			rate = (good + bad) / 2;
		else
			rate = good ? rate + rate / part : rate - rate / (part + 1);
		part = part > 4 ? part / 2 : 2;
		if (rate < 100)
			break;
	}
	for (rate = good ?: rate; rate >= 100; rate -= rate / 64) {
		send_at(control, fd, q->size, rate, q->time_ns, &b);
		if (sustained(&b, rate))
			break;
	}
	if (rate < 100) {
		fprintf(stderr, "load: not even 100 datagrams a second arrive\n");
		exit(1);
	}
	result(b.send_ns, &b.mine, &b.theirs);
	printf("\"packets\":%llu,\"lost\":%llu,\"rate\":%llu}\n",
	       (unsigned long long)(b.sent - b.lost), (unsigned long long)b.lost,
	       (unsigned long long)rate);
}

static void transact(int fd, unsigned int size)
{
	static char buf[65536];

	write_all(fd, buf, size);
	if (!read_all(fd, buf, size))
		die_short("response");
}

/* For ns; the number of transactions. */
static uint64_t transact_for(uint64_t ns, const struct request *q)
{
	const uint64_t begin = now();
	uint64_t count = 0;
	int fd = -1;

	do {
		if (fd < 0)
			fd = connect_to_server(SOCK_STREAM);
		transact(fd, q->size);
		count++;
		if (q->mode == CRR) {
			close(fd);
			fd = -1;
		}
	} while (now() - begin < ns);
	if (fd >= 0)
		close(fd);
	return count;
}

static void run_rr(int control, const struct request *q)
{
	struct report mine, before, theirs;
	uint64_t count;

	transact_for(q->warm_ns, q);
	before = ask(control);
	window_begin();
	count = transact_for(q->time_ns, q);
	window_end(&mine);
	theirs = ask(control);
	theirs.busy_ns -= before.busy_ns;
	result(mine.ns, &mine, &theirs);
	printf("\"transactions\":%llu}\n", (unsigned long long)count);
}

/* Its exit status is ours. Its output goes where it goes; the result to the descriptor 3. */
static int run_command(char **argv)
{
	struct rusage usage;
	struct report r;
	int status;
	pid_t pid;
	FILE *f;

	f = fdopen(3, "w");
	if (!f)
		die("descriptor 3, for the result");
	window_begin();
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		close(3);
		execvp(argv[0], argv);
		die(argv[0]);
	}
	if (wait4(pid, &status, 0, &usage) < 0)
		die("wait4");
	window_end(&r);
	fprintf(f, "{\"ns\":%llu,\"busy_ns\":%llu,\"rss_kib\":%ld}\n", (unsigned long long)r.ns,
		(unsigned long long)r.busy_ns, usage.ru_maxrss);
	fclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the command line ------------------------------------------------------------------------------ */

static void usage(FILE *f)
{
	fputs("Usage: load serve PORT\n"
	      "       load tcp|udp|rr|crr ADDRESS PORT [OPTION...]\n"
	      "       load exec COMMAND [ARG...]     its cost on descriptor 3\n\n"
	      "  --streams N       TCP connections at a time (default 1)\n"
	      "  --direction D     out, in (the server sends) or both (default out)\n"
	      "  --window BYTES    of the receive buffer of each stream (default: as the kernel sees fit)\n"
	      "  --size BYTES      of a datagram, a request, a response (default 1)\n"
	      "  --warm MS         before measuring; for udp: how long each rate is tried (default 50)\n"
	      "  --time MS         to measure (default 200)\n"
	      "  --netns FILE      in this network namespace\n"
	      "  --rate PPS        for udp: the rate to try first (default 50000)\n",
	      f);
}

static void enter(const char *netns)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(netns);
	close(fd);
}

static void wrong(const char *what, const char *value)
{
	fprintf(stderr, "load: %s '%s'\n", what, value);
	usage(stderr);
	exit(2);
}

static uint64_t number(const char *what, const char *value, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(value, &end, 10);
	if (errno || *end || *value < '0' || *value > '9' || !n || n > max) {
		fprintf(stderr, "load: %s must be 1 to %llu, not '%s'\n", what,
			(unsigned long long)max, value);
		exit(2);
	}
	return n;
}

static void gave_up(int signal)
{
	static const char why[] =
		"load: gave up: not done after a minute and a hundred times what was asked for\n";

	(void)signal;
	(void)!write(STDERR_FILENO, why, sizeof(why) - 1);
	_exit(1);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "streams", required_argument, NULL, 's' },
						      { "direction", required_argument, NULL, 'd' },
						      { "window", required_argument, NULL, 'W' },
						      { "size", required_argument, NULL, 'l' },
						      { "warm", required_argument, NULL, 'w' },
						      { "time", required_argument, NULL, 't' },
						      { "rate", required_argument, NULL, 'r' },
						      { "netns", required_argument, NULL, 'n' },
						      { "help", no_argument, NULL, 'h' },
						      { 0 } };
	struct request q = { .magic = MAGIC,
			     .direction = OUT,
			     .streams = 1,
			     .size = 1,
			     .warm_ns = 50 * MSEC,
			     .time_ns = 200 * MSEC };
	uint64_t rate = 50000;
	int c, control;
	char byte;

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1);
	if (argc > 2 && !strcmp(argv[1], "exec"))
		return run_command(argv + 2);
	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (c) {
		case 's':
			q.streams = number("--streams", optarg, MAX_STREAMS);
			break;
		case 'd':
			q.direction = !strcmp(optarg, "out")  ? OUT :
				      !strcmp(optarg, "in")   ? IN :
				      !strcmp(optarg, "both") ? BOTH :
								0;
			if (!q.direction)
				wrong("--direction is out, in or both, not", optarg);
			break;
		case 'W':
			q.window = number("--window", optarg, 1 << 30);
			break;
		case 'l':
			q.size = number("--size", optarg, 65507);
			break;
		case 'w':
			q.warm_ns = number("--warm", optarg, 3600000) * MSEC;
			break;
		case 't':
			q.time_ns = number("--time", optarg, 3600000) * MSEC;
			break;
		case 'r':
			rate = number("--rate", optarg, 1000000000);
			break;
		case 'n':
			enter(optarg);
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc == 2 && !strcmp(argv[0], "serve"))
		serve(number("PORT", argv[1], 65535));
	if (argc != 3) {
		usage(stderr);
		return 2;
	}
	q.mode = !strcmp(argv[0], "tcp") ? TCP :
		 !strcmp(argv[0], "udp") ? UDP :
		 !strcmp(argv[0], "rr")	 ? RR :
		 !strcmp(argv[0], "crr") ? CRR :
					   0;
	if (!q.mode)
		wrong("unknown load", argv[0]);
	if (!parse_address(argv[1], number("PORT", argv[2], 65535)))
		wrong("not an address:", argv[1]);
	/* Whatever goes wrong, the next measurement must not wait for this one. Long: in the lab the
	 * clock leaps while the guest waits for the host. */
	signal(SIGALRM, gave_up);
	alarm(60 + (unsigned int)((q.warm_ns + q.time_ns) / (10 * MSEC)));
	control = connect_to_server(SOCK_STREAM);
	write_all(control, &q, sizeof(q));
	if (!read_all(control, &byte, 1))
		die_short("control");
	switch (q.mode) {
	case TCP:
		run_tcp(control, &q);
		break;
	case UDP:
		run_udp(control, &q, rate);
		break;
	case RR:
	case CRR:
		run_rr(control, &q);
		break;
	}
	/* Not before the server has seen it: it would take the next client's control connection for one of ours. */
	shutdown(control, SHUT_WR);
	(void)!recv(control, &byte, 1, 0);
	return 0;
}
