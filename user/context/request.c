// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests of the application: handed to a worker, ended by a callback there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/request.h>
#include "hash.h"
#include "rcu.h"
#include "worker.h"

struct coax_request {
	struct coax_work submit;
	struct coax_work cancel;
	atomic_bool cancelled; /* the cancel work is queued, or never will be */
	bool finished;
	struct coax_worker *worker;
	struct coax_pending *pending;
	struct coax_path path;
	struct coax_request_options options;
	coax_response_fn done;
	void *arg;
	struct coax_message message;
	uint8_t bytes[COAX_DATAGRAM_OUT_MAX];
};

static void finish(void *arg, int result, const struct coax_message *response,
		   const struct coax_path *from, bool last)
{
	struct coax_request *request = arg;

	request->pending = NULL;
	request->finished = true;
	(void)last;
	request->done(request->arg, result, response, &from->remote);
	/* A cancellation that is on its way still needs the memory, and frees it. */
	if (!atomic_exchange(&request->cancelled, true))
		free(request);
}

static void run_submit(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_request *request = caa_container_of(work, struct coax_request, submit);
	const struct coax_ask ask = {.non_confirmable = request->options.non_confirmable,
				     .timeout_ms = request->options.timeout_ms};
	int err;

	if (atomic_load(&worker->context->stopped)) {
		finish(request, -ESHUTDOWN, NULL, &request->path, true);
		return;
	}
	err = coax_exchange_request(worker->exchange, worker->now, &request->path,
				    &request->message, &ask, finish, request, &request->pending);
	if (err)
		finish(request, err, NULL, &request->path, true);
}

static void run_cancel(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_request *request = caa_container_of(work, struct coax_request, cancel);

	if (!request->finished)
		coax_exchange_cancel(worker->exchange, request->pending, -ECANCELED);
	free(request);
}

/* One worker for all requests to a remote: it sees to NSTART (RFC 7252 section 4.7). */
static struct coax_worker *worker_for(const struct coax_context *context,
				      const union coax_address *remote)
{
	static const struct coax_hash_key key;
	uint64_t hash;

	if (remote->sa.sa_family == AF_INET6)
		hash = coax_hash(&key, &remote->in6.sin6_addr, sizeof(remote->in6.sin6_addr));
	else
		hash = coax_hash(&key, &remote->in.sin_addr, sizeof(remote->in.sin_addr));
	return context->workers[(hash + coax_address_port(remote)) % context->worker_count];
}

static int check(const union coax_address *remote, const struct coax_message *message)
{
	uint8_t code = coax_message_code(message);
	size_t rest_length;

	coax_message_rest(message, &rest_length);
	if (COAX_CODE_CLASS(code) != 0 || (code == COAX_EMPTY && rest_length))
		return -EINVAL;
	if (remote->sa.sa_family != AF_INET && remote->sa.sa_family != AF_INET6)
		return -EINVAL;
	if (coax_address_is_multicast(remote) || !coax_address_port(remote))
		return -EINVAL;
	if (COAX_HEADER_SIZE + COAX_TOKEN_MAX + rest_length > COAX_DATAGRAM_OUT_MAX)
		return -EMSGSIZE;
	return 0;
}

static int fill_path(const struct coax_worker *worker, const union coax_address *remote,
		     struct coax_path *path)
{
	bool ipv6 = remote->sa.sa_family == AF_INET6;

	path->remote = *remote;
	path->local.sa.sa_family = AF_UNSPEC;
	path->ifindex = 0;
	path->socket = ipv6 ? worker->client_ipv6 : worker->client_ipv4;
	return path->socket == COAX_NO_SOCKET ? -EAFNOSUPPORT : 0;
}

int coax_request(struct coax_context *context, const union coax_address *remote,
		 const struct coax_message *message, const struct coax_request_options *options,
		 coax_response_fn done, void *arg, struct coax_request **result)
{
	struct coax_worker *worker;
	struct coax_request *request;
	int err;

	err = check(remote, message);
	if (err)
		return err;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOBUFS;
	worker = worker_for(context, remote);
	err = fill_path(worker, remote, &request->path);
	if (err) {
		free(request);
		return err;
	}

	request->submit.run = run_submit;
	request->cancel.run = run_cancel;
	request->worker = worker;
	if (options)
		request->options = *options;
	request->done = done;
	request->arg = arg;
	request->message = *message;
	request->message.data = request->bytes;
	memcpy(request->bytes, message->data, message->length);
	if (result)
		*result = request;
	/* Shutdown waits for those who have seen that it has not begun. */
	rcu_read_lock();
	if (atomic_load(&context->stopping))
		err = -ESHUTDOWN;
	else
		coax_worker_post(worker, &request->submit);
	rcu_read_unlock();
	if (err)
		free(request);
	return err;
}

void coax_request_cancel(struct coax_request *request)
{
	if (!atomic_exchange(&request->cancelled, true))
		coax_worker_post(request->worker, &request->cancel);
}

/* What coax_request_wait() waits for. */
struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t condition;
	bool finished;
	int result;
	void *buffer;
	size_t size;
	struct coax_message *response;
};

static void wake_waiter(void *arg, int result, const struct coax_message *response,
			const union coax_address *remote)
{
	struct waiter *waiter = arg;

	(void)remote;
	if (!result && response) {
		if (response->length > waiter->size) {
			result = -EMSGSIZE;
		} else {
			memcpy(waiter->buffer, response->data, response->length);
			*waiter->response = *response;
			waiter->response->data = waiter->buffer;
			waiter->response->capacity = 0;
		}
	}
	pthread_mutex_lock(&waiter->lock);
	waiter->result = result;
	waiter->finished = true;
	pthread_cond_signal(&waiter->condition);
	pthread_mutex_unlock(&waiter->lock);
}

int coax_request_wait(struct coax_context *context, const union coax_address *remote,
		      const struct coax_message *message,
		      const struct coax_request_options *options, void *buffer, size_t size,
		      struct coax_message *response)
{
	struct waiter waiter = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.condition = PTHREAD_COND_INITIALIZER,
		.buffer = buffer,
		.size = size,
		.response = response,
	};
	int err;

	err = coax_request(context, remote, message, options, wake_waiter, &waiter, NULL);
	if (err)
		return err;
	pthread_mutex_lock(&waiter.lock);
	while (!waiter.finished)
		pthread_cond_wait(&waiter.condition, &waiter.lock);
	pthread_mutex_unlock(&waiter.lock);
	pthread_mutex_destroy(&waiter.lock);
	pthread_cond_destroy(&waiter.condition);
	return waiter.result;
}
