// SPDX-License-Identifier: GPL-2.0
#include "view.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

enum colour { COLOUR_NONE, COLOUR_GOOD, COLOUR_WARN, COLOUR_BAD };

static bool utf8, began;

/* ---- the terminal ---- */

void fl_view_end(void)
{
	if (began && !isendwin()) {
		/* Where there is no other screen to go back to, the shell goes on in the last line. */
		move(LINES - 1, 0);
		clrtoeol();
		refresh();
		endwin();
	}
	began = false;
}

int fl_view_begin(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return fl_fail("top: needs a terminal; `fairlead metrics` prints the same once");
	/* The characters of names, but not the decimal comma: the parser reads numbers. */
	setlocale(LC_CTYPE, "");
	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	if (!newterm(NULL, stdout, stdin))
		return fl_fail("top: cannot use a terminal of the type '%s': set TERM to another",
			       term ? term : "");
	began = true;
	atexit(fl_view_end);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	set_escdelay(50);
	if (has_colors() && !(no && *no)) {
		start_color();
		use_default_colors();
		init_pair(COLOUR_GOOD, COLOR_GREEN, -1);
		init_pair(COLOUR_WARN, COLOR_YELLOW, -1);
		init_pair(COLOUR_BAD, COLOR_RED, -1);
	}
	return FL_OK;
}

/* Text in exactly `width` columns, on the left or the right of them; what is too long ends in "~",
 * what cannot be printed is "?". */
static void put(int y, int x, int width, bool right, const char *text)
{
	wchar_t out[256];
	mbstate_t state = { 0 };
	int cols = 0, n = 0;

	if (width <= 0 || y >= LINES || x >= COLS)
		return;
	while (*text && n < 255) {
		wchar_t c;
		size_t len = mbrtowc(&c, text, MB_CUR_MAX, &state);
		int w;

		if (len == (size_t)-1 || len == (size_t)-2 || !len) {
			memset(&state, 0, sizeof(state));
			c = L'?';
			len = 1;
		}
		w = wcwidth(c);
		if (w < 0) {
			c = L'?';
			w = 1;
		}
		if (cols + w > width) {
			/* Room for the mark: the last characters go. */
			while (n && cols >= width)
				cols -= wcwidth(out[--n]);
			out[n++] = L'~';
			cols++;
			break;
		}
		out[n++] = c;
		cols += w;
		text += len;
	}
	mvhline(y, x, ' ', width);
	mvaddnwstr(y, right ? x + width - cols : x, out, n);
}

static void put_coloured(int y, int x, int width, bool right, const char *text, enum colour colour)
{
	attr_t attr = colour == COLOUR_NONE ? A_NORMAL :
		      has_colors()	    ? (attr_t)COLOR_PAIR(colour) :
					      A_BOLD;

	attron(attr);
	put(y, x, width, right, text);
	attroff(attr);
}

/* The history as bars, the newest on the right; without UTF-8 by characters that grow darker. */
static void sparkline(int y, int x, int width, const struct fl_history *h)
{
	static const wchar_t bars[] = L" ▁▂▃▄▅▆▇█";
	static const char shades[] = " .:-=+*#@";
	double max = 0;

	if (width > FL_TOP_HISTORY)
		width = FL_TOP_HISTORY;
	for (int i = 0; i < width; i++)
		max = fmax(max, fl_history_at(h, i));
	for (int i = 0; i < width; i++) {
		double val = fl_history_at(h, width - 1 - i);
		int level = max > 0 && val > 0 ? 1 + (int)(val / max * 7.999) : 0;

		if (utf8)
			mvaddnwstr(y, x + i, &bars[level], 1);
		else
			mvaddch(y, x + i, shades[level]);
	}
}

/* ---- the head ---- */

/* Where the text of a line of the head begins. */
#define TEXT 11

/* "1.23 G", for a unit to follow. */
static char *spaced(char *buf, double value)
{
	size_t len = strlen(fl_top_si(buf, value));
	char last = buf[len - 1];

	if (last >= '0' && last <= '9')
		strcpy(buf + len, " ");
	else
		sprintf(buf + len - 1, " %c", last);
	return buf;
}

static char *rate_text(double bytes, double packets)
{
	char a[20], b[20];

	return fl_asprintf("%sbit/s, %spackets/s", spaced(a, bytes * 8), spaced(b, packets));
}

static void direction(int y, const char *what, double bytes, double packets,
		      const struct fl_history *h)
{
	char *text = rate_text(bytes, packets);

	put(y, 0, TEXT, false, what);
	put(y, TEXT, 35, false, text);
	sparkline(y, TEXT + 36, COLS - TEXT - 36, h);
	free(text);
}

/* Appends to *line, which it may move. */
static void add(char **line, const char *text)
{
	char *more = fl_asprintf("%s%s%s", *line, **line ? "   " : "", text);

	free(*line);
	*line = more;
}

static char *lanes_text(const struct fl_top *t)
{
	char *line = fl_strdup(""), rx[16], tx[16];

	for (size_t i = 0; i < t->n_lanes; i++) {
		char *one = fl_asprintf("%s in %s out %s", t->lanes[i].name,
					fl_top_si(rx, t->lanes[i].rx_bytes.per_s * 8),
					fl_top_si(tx, t->lanes[i].tx_bytes.per_s * 8));

		add(&line, one);
		free(one);
	}
	return line;
}

/* What goes up now, and then what has. */
static char *events_text(const struct fl_top *t, bool *now)
{
	char *line = fl_strdup(""), rate[16], total[16];

	*now = false;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < t->n_events; i++) {
			const struct fl_top_event *ev = &t->events[i];
			char *one;

			if ((ev->count.per_s > 0) != !pass || !ev->count.last)
				continue;
			*now |= !pass;
			one = pass ? fl_asprintf("%s %s", ev->name,
						 fl_top_si(total, (double)ev->count.last)) :
				     fl_asprintf("%s %s/s of %s", ev->name,
						 fl_top_si(rate, ev->count.per_s),
						 fl_top_si(total, (double)ev->count.last));
			add(&line, one);
			free(one);
		}
	}
	if (!*line)
		add(&line, "none");
	return line;
}

static char *gauges_text(const struct fl_top *t)
{
	char *line = fl_strdup("");

	for (size_t i = 0; i < t->n_gauges; i++) {
		char *one =
			fl_asprintf("%s %.0f%%", t->gauges[i].name, fl_top_percent(&t->gauges[i]));

		add(&line, one);
		free(one);
	}
	return line;
}

static void labelled(int y, const char *label, char *text, enum colour colour)
{
	put(y, 0, TEXT, false, label);
	put_coloured(y, TEXT, COLS - TEXT, false, text, colour);
	free(text);
}

static void title(const struct fl_view *v, const struct fl_top *t)
{
	char host[64] = "", clock[16], *text;
	time_t now = time(NULL);
	struct tm tm;

	gethostname(host, sizeof(host) - 1);
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	text = t->has_state ?
		       fl_asprintf("%s  %s  %zu peers, %u up", host, clock, t->n_peers, t->up) :
		       fl_asprintf("%s  %s  %zu peers", host, clock, t->n_peers);
	attron(A_BOLD);
	put(0, 0, COLS, false, text);
	attroff(A_BOLD);
	free(text);
	if (v->paused || v->message) {
		put_coloured(0, COLS - 8, 8, true, v->paused ? "PAUSED" : "OLD", COLOUR_WARN);
	} else {
		text = fl_asprintf("every %u s", v->delay);
		put(0, COLS - 14, 14, true, text);
		free(text);
	}
}

/* Returns the next free line. On a small screen the peers come first. */
static int head(const struct fl_view *v, const struct fl_top *t)
{
	bool now;
	int y = 0;
	char *text, p50[16], p99[16];

	title(v, t);
	y++;
	if (LINES < 8)
		return y;
	direction(y++, "receive", t->rx_bytes, t->rx_packets, &t->rx);
	direction(y++, "transmit", t->tx_bytes, t->tx_packets, &t->tx);
	if (LINES < 14)
		return y;
	if (t->n_lanes)
		labelled(y++, "lanes", lanes_text(t), COLOUR_NONE);
	if (t->has_rtt)
		labelled(y++, "round trip",
			 fl_asprintf("p50 %s   p99 %s",
				     fl_top_seconds(p50, fl_histogram_quantile(&t->rtt, 0.5)),
				     fl_top_seconds(p99, fl_histogram_quantile(&t->rtt, 0.99))),
			 COLOUR_NONE);
	text = events_text(t, &now);
	labelled(y++, "drops", text, now ? COLOUR_BAD : COLOUR_NONE);
	if (t->n_gauges)
		labelled(y++, "pressure", gauges_text(t), COLOUR_NONE);
	return y + 1;
}

/* ---- the table ---- */

enum column { PEER, RX, TX, RX_PACKETS, TX_PACKETS, RTT, HANDSHAKE, STATE, HISTORY, N_COLUMNS };

static const struct {
	const char *title;
	int width;
	enum fl_top_sort sort; /* that this column shows; FL_N_SORTS: none */
} columns[N_COLUMNS] = {
	[PEER] = { "PEER", 16, FL_SORT_NAME },
	[RX] = { "RX bit/s", 8, FL_SORT_RX },
	[TX] = { "TX bit/s", 8, FL_SORT_TX },
	[RX_PACKETS] = { "RX p/s", 6, FL_N_SORTS },
	[TX_PACKETS] = { "TX p/s", 6, FL_N_SORTS },
	[RTT] = { "RTT", 7, FL_SORT_RTT },
	[HANDSHAKE] = { "HANDSHAKE", 9, FL_SORT_HANDSHAKE },
	[STATE] = { "STATE", 9, FL_SORT_STATE },
	[HISTORY] = { "RX+TX", 10, FL_SORT_TOTAL },
};

/* Columns for which there is room, the most telling first. What remains goes to the names, and then
 * to the history. Widths of 0 are not shown. */
static void choose(const struct fl_top *t, int width[N_COLUMNS])
{
	static const enum column wanted[] = { RX,	 TX,	  STATE,      RTT,
					      HANDSHAKE, HISTORY, RX_PACKETS, TX_PACKETS };
	int left = COLS, longest = columns[PEER].width;

	memset(width, 0, N_COLUMNS * sizeof(*width));
	width[PEER] = left < 16 ? left : 16;
	left -= width[PEER];
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		enum column c = wanted[i];

		if ((c == RTT && !t->has_peer_rtt) || (c == HANDSHAKE && !t->has_handshake) ||
		    (c == STATE && !t->has_state) || left < columns[c].width + 1)
			continue;
		/* Both or none. */
		if (c == TX_PACKETS ? !width[RX_PACKETS] :
				      c == RX_PACKETS && left < 2 * columns[c].width + 2)
			continue;
		width[c] = columns[c].width;
		left -= width[c] + 1;
	}
	for (size_t i = 0; i < t->n_peers; i++)
		if ((int)strlen(t->peers[i]->name) > longest)
			longest = (int)strlen(t->peers[i]->name);
	longest -= width[PEER];
	width[PEER] += longest < left ? longest : left;
	left -= longest < left ? longest : left;
	if (width[HISTORY])
		width[HISTORY] += left < FL_TOP_HISTORY - 10 ? left : FL_TOP_HISTORY - 10;
}

static void row(int y, const struct fl_top_peer *p, const int width[N_COLUMNS], double now)
{
	static const char *const states[] = { "down", "handshake", "up" };
	static const enum colour colours[] = { COLOUR_BAD, COLOUR_WARN, COLOUR_GOOD };
	char buf[16];
	int x = 0;

	for (int c = 0; c < N_COLUMNS; c++) {
		if (!width[c])
			continue;
		switch (c) {
		case PEER:
			put(y, x, width[c], false, p->name);
			break;
		case RX:
			put(y, x, width[c], true, fl_top_si(buf, p->rx_bytes.per_s * 8));
			break;
		case TX:
			put(y, x, width[c], true, fl_top_si(buf, p->tx_bytes.per_s * 8));
			break;
		case RX_PACKETS:
			put(y, x, width[c], true, fl_top_si(buf, p->rx_packets.per_s));
			break;
		case TX_PACKETS:
			put(y, x, width[c], true, fl_top_si(buf, p->tx_packets.per_s));
			break;
		case RTT:
			put(y, x, width[c], true, fl_top_seconds(buf, p->rtt));
			break;
		case HANDSHAKE:
			put(y, x, width[c], true, fl_top_age(buf, p->handshake, now));
			break;
		case STATE:
			if (p->state == FL_STATE_UNKNOWN)
				put(y, x, width[c], false, "-");
			else
				put_coloured(y, x, width[c], false, states[p->state],
					     colours[p->state]);
			break;
		case HISTORY:
			sparkline(y, x, width[c], &p->bytes);
			break;
		}
		x += width[c] + 1;
	}
}

static bool is_left(int c)
{
	return c == PEER || c == STATE || c == HISTORY;
}

static void titles(const struct fl_view *v, int y, const int width[N_COLUMNS])
{
	int x = 0;

	attron(A_REVERSE);
	mvhline(y, 0, ' ', COLS);
	for (int c = 0; c < N_COLUMNS; c++) {
		if (!width[c])
			continue;
		/* Reverse video says nothing on a terminal without it: an asterisk does. */
		if (columns[c].sort == v->sort) {
			char *text = fl_asprintf("%s*", columns[c].title);

			attron(A_BOLD);
			put(y, x, width[c] + 1, !is_left(c), text);
			attroff(A_BOLD);
			free(text);
		} else {
			put(y, x, width[c], !is_left(c), columns[c].title);
		}
		x += width[c] + 1;
	}
	attroff(A_REVERSE);
}

static size_t page(int top)
{
	return LINES - 1 > top ? (size_t)(LINES - 1 - top) : 0;
}

static int table_top;

static void table(struct fl_view *v, const struct fl_top *t, int y)
{
	const struct fl_top_peer **order = fl_zalloc((t->n_peers + 1) * sizeof(void *));
	size_t n = fl_top_order(t, v->sort, v->reverse, v->filter, order), rows;
	double now = (double)time(NULL);
	int width[N_COLUMNS];

	choose(t, width);
	titles(v, y++, width);
	table_top = y;
	rows = page(y);
	if (v->first + rows > n)
		v->first = n > rows ? n - rows : 0;
	for (size_t i = 0; i < rows && v->first + i < n; i++)
		row(y + (int)i, order[v->first + i], width, now);
	if (!n && rows)
		put(y, 0, COLS, false, t->n_peers ? "no peer has that in its name" : "no peers");
	free(order);
}

/* ---- the foot ---- */

static void foot(const struct fl_view *v)
{
	char *text;

	if (v->editing || *v->filter)
		text = fl_asprintf("filter: %s%s", v->filter,
				   v->editing ? "_   Enter keep  Esc drop" : "   Esc drop");
	else
		text = fl_asprintf("q quit  p %s  s sort: %s%s  / filter  ? help",
				   v->paused ? "go on" : "pause", fl_top_sort_name(v->sort),
				   v->reverse ? ", reversed" : "");
	if (v->message && !v->editing)
		put_coloured(LINES - 1, 0, COLS, false, v->message, COLOUR_WARN);
	else
		put(LINES - 1, 0, COLS, false, text);
	free(text);
}

static void help(void)
{
	static const char *const lines[] = {
		"q             quit",
		"p, space      pause, go on",
		"s, S          sort by the next column, the one before",
		"r             reverse the order",
		"/             show peers with a text in their name",
		"Esc           show all peers",
		"+, -          read less often, more often",
		"up, down      a row; Page Up, Page Down; Home, End",
		"",
		"Rates are since the reading before, in bits and packets a second of inner",
		"IP traffic. The history is of both directions, the newest on the right.",
		"",
		"Any key leaves this page; fairlead-top(8) is the manual.",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		put((int)i + 1, 2, COLS - 2, false, lines[i]);
}

void fl_view_draw(struct fl_view *v, const struct fl_top *t)
{
	erase();
	if (v->help) {
		help();
	} else {
		table(v, t, head(v, t));
		foot(v);
	}
	refresh();
}

/* ---- keys ---- */

static enum fl_view_does edit(struct fl_view *v, int key)
{
	size_t len = strlen(v->filter);

	switch (key) {
	case '\n':
	case '\r':
	case KEY_ENTER:
		v->editing = false;
		return FL_VIEW_REDRAW;
	case 27:
		v->editing = false;
		*v->filter = '\0';
		return FL_VIEW_REDRAW;
	case KEY_BACKSPACE:
	case 127:
	case '\b':
		/* A whole character, if it has several bytes. */
		while (len && ((unsigned char)v->filter[len - 1] & 0xc0) == 0x80)
			len--;
		v->filter[len ? len - 1 : 0] = '\0';
		return FL_VIEW_REDRAW;
	default:
		if (key < ' ' || key > 0xff || len + 1 >= sizeof(v->filter))
			return FL_VIEW_NOTHING;
		v->filter[len] = (char)key;
		v->filter[len + 1] = '\0';
		v->first = 0;
		return FL_VIEW_REDRAW;
	}
}

static void sort_by(struct fl_view *v, int step)
{
	v->sort = (v->sort + FL_N_SORTS + step) % FL_N_SORTS;
	v->first = 0;
}

enum fl_view_does fl_view_key(struct fl_view *v, const struct fl_top *t)
{
	int key = getch();
	size_t rows = page(table_top);

	if (key == ERR)
		return FL_VIEW_NOTHING;
	if (key == KEY_RESIZE)
		return FL_VIEW_REDRAW;
	if (v->help) {
		v->help = false;
		return FL_VIEW_REDRAW;
	}
	if (v->editing)
		return edit(v, key);
	switch (key) {
	case 'q':
	case 'Q':
		return FL_VIEW_QUIT;
	case 'p':
	case ' ':
		v->paused = !v->paused;
		return v->paused ? FL_VIEW_REDRAW : FL_VIEW_READ;
	case 's':
		sort_by(v, 1);
		break;
	case 'S':
		sort_by(v, -1);
		break;
	case 'r':
		v->reverse = !v->reverse;
		break;
	case '/':
		v->editing = true;
		break;
	case 27:
		*v->filter = '\0';
		break;
	case '?':
	case 'h':
		v->help = true;
		break;
	case '+':
		v->delay += v->delay < 60;
		break;
	case '-':
		v->delay -= v->delay > 1;
		break;
	case KEY_DOWN:
	case 'j':
		v->first++; /* fl_view_draw() knows where the end is */
		break;
	case KEY_UP:
	case 'k':
		v->first -= v->first > 0;
		break;
	case KEY_NPAGE:
		v->first += rows;
		break;
	case KEY_PPAGE:
		v->first -= v->first < rows ? v->first : rows;
		break;
	case KEY_HOME:
	case 'g':
		v->first = 0;
		break;
	case KEY_END:
	case 'G':
		v->first = t->n_peers;
		break;
	case 'L' & 0x1f:
		clearok(stdscr, TRUE);
		break;
	default:
		return FL_VIEW_NOTHING;
	}
	return FL_VIEW_REDRAW;
}
