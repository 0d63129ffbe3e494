/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue hands requests to a thread of the application's: the handlers of resources that name one
 * run where it is processed, not on a worker, and may take their time.
 */
#ifndef COAX_QUEUE_H
#define COAX_QUEUE_H

#include <stdbool.h>

struct coax_queue;

/**
 * coax_queue_create - an empty queue. Returns 0 or a negative errno (-ENOMEM, -EMFILE).
 */
int coax_queue_create(struct coax_queue **queue);

/**
 * coax_queue_destroy - when no resource names it any more. What is still in it is answered 5.03.
 * NULL: nothing.
 */
void coax_queue_destroy(struct coax_queue *queue);

/**
 * coax_queue_fd - a descriptor that polls readable while there is something to process.
 */
int coax_queue_fd(const struct coax_queue *queue);

/**
 * coax_queue_process - run the handlers of what has come. One thread at a time. `wait`: until there
 * is something. Returns how many ran.
 */
int coax_queue_process(struct coax_queue *queue, bool wait);

#endif
