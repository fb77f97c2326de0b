/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TOP_VIEW_H
#define FL_TOP_VIEW_H

#include "model.h"

/* The screen of `fairlead top`, by ncurses; it needs nothing of a terminal but a cursor. */

struct fl_view {
	enum fl_top_sort sort;
	bool reverse, paused, help;
	char filter[64];
	bool editing;	     /* the filter */
	size_t first;	     /* row that is shown at the top */
	unsigned int delay;  /* seconds between readings */
	const char *message; /* why there is no fresh reading; NULL: there is */
};

/* Take the terminal; it is given back by fl_view_end(), and by exit() in any case. Returns
 * enum fl_exit after a message if there is none. */
int fl_view_begin(void);
void fl_view_end(void);

void fl_view_draw(struct fl_view *v, const struct fl_top *t);

/* What a key asked for. */
enum fl_view_does { FL_VIEW_NOTHING, FL_VIEW_REDRAW, FL_VIEW_READ, FL_VIEW_QUIT };

/* Take one key from the terminal, if there is one. */
enum fl_view_does fl_view_key(struct fl_view *v, const struct fl_top *t);

#endif
