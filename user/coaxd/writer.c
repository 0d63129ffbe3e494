// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include "coaxd/writer.h"

struct coaxd_writer {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	coaxd_execute_fn execute;
	void *arg;
	bool stopping;
	bool busy;
	struct coaxd_chore *chores;
	size_t capacity;
	size_t reserved; /* places taken, of those waiting and of those about to be deferred */
	size_t first;
	size_t waiting;
	struct coax_responder *queue[];
};

static void run_all(struct coaxd_chore *chore)
{
	while (chore) {
		struct coaxd_chore *next = chore->next;

		chore->run(chore);
		chore = next;
	}
}

/* With the lock held, which is let go of meanwhile. */
static void do_chores(struct coaxd_writer *writer)
{
	while (writer->chores) {
		struct coaxd_chore *chores = writer->chores;

		writer->chores = NULL;
		pthread_mutex_unlock(&writer->lock);
		run_all(chores);
		pthread_mutex_lock(&writer->lock);
	}
}

/* NULL: it is over. */
static struct coax_responder *take(struct coaxd_writer *writer)
{
	struct coax_responder *responder = NULL;

	pthread_mutex_lock(&writer->lock);
	writer->busy = true;
	do_chores(writer);
	while (!writer->waiting && !writer->stopping) {
		writer->busy = false;
		pthread_cond_wait(&writer->wake, &writer->lock);
		writer->busy = true;
		do_chores(writer);
	}
	if (!writer->stopping) {
		responder = writer->queue[writer->first];
		writer->first = (writer->first + 1) % writer->capacity;
		writer->waiting--;
		writer->reserved--;
	}
	pthread_mutex_unlock(&writer->lock);
	return responder;
}

static void *execute_all(void *arg)
{
	struct coaxd_writer *writer = arg;
	struct coax_responder *responder;

	while ((responder = take(writer)))
		writer->execute(responder, writer->arg);
	return NULL;
}

int coaxd_writer_create(struct coaxd_writer **result, size_t capacity, coaxd_execute_fn execute,
			void *arg)
{
	struct coaxd_writer *writer;
	int err;

	writer = calloc(1, sizeof(*writer) + capacity * sizeof(writer->queue[0]));
	if (!writer)
		return -ENOMEM;
	writer->capacity = capacity;
	writer->execute = execute;
	writer->arg = arg;
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->wake, NULL);
	err = -pthread_create(&writer->thread, NULL, execute_all, writer);
	if (err) {
		pthread_cond_destroy(&writer->wake);
		pthread_mutex_destroy(&writer->lock);
		free(writer);
		return err;
	}
	*result = writer;
	return 0;
}

void coaxd_writer_destroy(struct coaxd_writer *writer)
{
	if (!writer)
		return;
	pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);

	for (size_t i = 0; i < writer->waiting; i++)
		coax_respond_error(writer->queue[(writer->first + i) % writer->capacity],
				   COAX_SERVICE_UNAVAILABLE, "shutting down");
	run_all(writer->chores);
	pthread_cond_destroy(&writer->wake);
	pthread_mutex_destroy(&writer->lock);
	free(writer);
}

static bool reserve(struct coaxd_writer *writer)
{
	bool reserved;

	pthread_mutex_lock(&writer->lock);
	reserved = writer->reserved < writer->capacity;
	if (reserved)
		writer->reserved++;
	pthread_mutex_unlock(&writer->lock);
	return reserved;
}

bool coaxd_writer_submit(struct coaxd_writer *writer, struct coax_responder *responder)
{
	struct coax_responder *deferred;

	if (!reserve(writer))
		return false;
	deferred = coax_responder_defer(responder);

	pthread_mutex_lock(&writer->lock);
	if (deferred) {
		writer->queue[(writer->first + writer->waiting) % writer->capacity] = deferred;
		writer->waiting++;
		pthread_cond_signal(&writer->wake);
	} else {
		writer->reserved--;
	}
	pthread_mutex_unlock(&writer->lock);
	return deferred != NULL;
}

bool coaxd_writer_is_idle(struct coaxd_writer *writer)
{
	bool idle;

	pthread_mutex_lock(&writer->lock);
	idle = !writer->busy && !writer->reserved && !writer->chores;
	pthread_mutex_unlock(&writer->lock);
	return idle;
}

void coaxd_writer_add(struct coaxd_writer *writer, struct coaxd_chore *chore)
{
	pthread_mutex_lock(&writer->lock);
	chore->next = writer->chores;
	writer->chores = chore;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
}
