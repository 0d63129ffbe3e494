/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread that executes requests which change files, one after the other: changes wait for the
 * disk, which a worker must not, and their order is that in which they are acknowledged.
 */
#ifndef COAXD_WRITER_H
#define COAXD_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <coax/site.h>

struct coaxd_writer;

/* Execute a request and answer it. */
typedef void (*coaxd_execute_fn)(struct coax_responder *responder, void *arg);

/* What else is to be done on that thread. */
struct coaxd_chore {
	struct coaxd_chore *next;
	void (*run)(struct coaxd_chore *chore);
};

/* At most `capacity` requests wait. Returns 0 or a negative errno. */
int coaxd_writer_create(struct coaxd_writer **writer, size_t capacity, coaxd_execute_fn execute,
			void *arg);

/*
 * Requests that still wait are answered 5.03, chores are run. Nothing is submitted any more. NULL:
 * nothing.
 */
void coaxd_writer_destroy(struct coaxd_writer *writer);

/*
 * From a handler: have the request executed later. Returns false when too many wait already; the
 * handler then answers.
 */
bool coaxd_writer_submit(struct coaxd_writer *writer, struct coax_responder *responder);

/* Whether it has nothing to do, and is doing nothing. */
bool coaxd_writer_is_idle(struct coaxd_writer *writer);

/* Have it run, before the requests that wait. Any thread. */
void coaxd_writer_add(struct coaxd_writer *writer, struct coaxd_chore *chore);

#endif
