// SPDX-License-Identifier: BSD-2-Clause
/*
 * The blocking forms of requests.
 */
#include <errno.h>
#include <string.h>
#include "request.h"

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t condition;
	atomic_bool finished;
};

#define WAITER                                                                            \
	{                                                                                 \
		.lock = PTHREAD_MUTEX_INITIALIZER, .condition = PTHREAD_COND_INITIALIZER, \
	}

static void wake(struct waiter *waiter)
{
	pthread_mutex_lock(&waiter->lock);
	atomic_store(&waiter->finished, true);
	pthread_cond_signal(&waiter->condition);
	pthread_mutex_unlock(&waiter->lock);
}

static void wait_for(struct coax_context *context, struct waiter *waiter)
{
	if (context->own_loop)
		coax_context_process_until(context, &waiter->finished, UINT64_MAX);
	pthread_mutex_lock(&waiter->lock);
	while (!atomic_load(&waiter->finished))
		pthread_cond_wait(&waiter->condition, &waiter->lock);
	pthread_mutex_unlock(&waiter->lock);
	pthread_mutex_destroy(&waiter->lock);
	pthread_cond_destroy(&waiter->condition);
}

struct response_waiter {
	struct waiter waiter;
	int result;
	void *buffer;
	size_t size;
	struct coax_message *response;
};

static int copy_out(struct response_waiter *waiter, const struct coax_message *response)
{
	if (response->length > waiter->size)
		return -EMSGSIZE;
	memcpy(waiter->buffer, response->data, response->length);
	*waiter->response = *response;
	waiter->response->data = waiter->buffer;
	waiter->response->capacity = 0;
	return 0;
}

static void take_response(void *arg, int result, const struct coax_message *response,
			  const union coax_address *remote)
{
	struct response_waiter *waiter = arg;
	int err = response ? copy_out(waiter, response) : 0;

	(void)remote;
	waiter->result = err ? err : result;
	wake(&waiter->waiter);
}

int coax_request_wait(struct coax_context *context, const union coax_address *remote,
		      const struct coax_message *message,
		      const struct coax_request_options *options, void *buffer, size_t size,
		      struct coax_message *response)
{
	struct response_waiter waiter = {
		.waiter = WAITER,
		.buffer = buffer,
		.size = size,
		.response = response,
	};
	int err;

	err = coax_request(context, remote, message, options, take_response, &waiter, NULL);
	if (err)
		return err;
	wait_for(context, &waiter.waiter);
	return waiter.result;
}

struct group_waiter {
	struct waiter waiter;
	coax_multicast_fn each;
	void *arg;
	int result; /* how many there were, or what ended it */
};

static void take_each(void *arg, int result, const struct coax_message *response,
		      const union coax_address *remote)
{
	struct group_waiter *waiter = arg;

	if (response) {
		waiter->each(waiter->arg, result, response, remote);
		waiter->result++;
		return;
	}
	if (result != -ETIMEDOUT)
		waiter->result = result;
	wake(&waiter->waiter);
}

int coax_request_multicast_wait(struct coax_context *context, const union coax_address *group,
				const struct coax_message *message,
				const struct coax_request_options *options, coax_multicast_fn each,
				void *arg)
{
	struct group_waiter waiter = {.waiter = WAITER, .each = each, .arg = arg};
	int err;

	err = coax_request_multicast(context, group, message, options, take_each, &waiter, NULL);
	if (err)
		return err;
	wait_for(context, &waiter.waiter);
	return waiter.result;
}
