/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MSG_H
#define FL_MSG_H

/* Messages for people go to stderr as "fairlead: message"; data goes to stdout. */

/* Exit status of every command. */
enum fl_exit {
	FL_OK = 0,	 /* done */
	FL_FAILED = 1,	 /* could not be done; nothing was changed unless the message says so */
	FL_USAGE = 2,	 /* wrong usage: nothing was tried */
	FL_DEGRADED = 3, /* works but degraded or drifted; also "plan has something to do" */
};

/* "fairlead: MESSAGE\n". The message names the place and the remedy. */
void fl_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "fairlead: warning: MESSAGE\n". */
void fl_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* fl_err() and return FL_FAILED, so that a verb can `return fl_fail(...)`. */
int fl_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* fl_err() and return FL_USAGE. */
int fl_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Progress of long work: one line on stderr that overwrites itself; nothing when stderr is no
 * terminal. fl_progress(NULL) clears the line. */
void fl_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Where the messages go; tests redirect it. NULL means stderr. */
#include <stdio.h>
extern FILE *fl_msg_stream;

#endif
