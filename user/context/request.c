// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include "clock.h"
#include "codec/encoding.h"
#include "hash.h"
#include "ports.h"
#include "rcu.h"
#include "request.h"

/* What a message may carry besides the application's options: Block1, Block2, Size1, Echo, tag. */
#define OWN_OPTIONS_MAX 80

static void unreference(struct coax_request *request)
{
	if (atomic_fetch_sub(&request->references, 1) != 1)
		return;
	coax_body_release(&request->body);
	coax_transfer_free(&request->transfer);
	coax_group_free(request->group);
	free(request->addresses);
	free(request);
}

void coax_request_finish(struct coax_request *request, int result,
			 const struct coax_message *response)
{
	if (request->group)
		coax_group_finish(request, result);
	else
		coax_results_tell(request, result, response);
	atomic_store(&request->finished, true);
	unreference(request);
}

static void begin(struct coax_request *request);

/* On to the worker of the request's path. */
static void move(struct coax_request *request, struct coax_worker *worker)
{
	if (worker == request->worker) {
		begin(request);
		return;
	}
	if (atomic_load(&worker->context->stopped)) {
		coax_request_finish(request, -ESHUTDOWN, NULL);
		return;
	}
	request->moving = true;
	atomic_store(&request->worker, worker);
	coax_worker_post(worker, &request->submit);
}

/* The next address that there is a socket for. `result` is what became of the former one. */
static void try_next(struct coax_request *request, int result)
{
	const struct coax_addresses *addresses = request->addresses;
	struct coax_context *context = request->transfer.worker->context;
	struct coax_worker *worker = NULL;

	while (!worker && addresses && request->tried < addresses->count)
		worker = coax_worker_for(context, &addresses->at[request->tried++],
					 request->options.secure, &request->path);
	if (worker)
		move(request, worker);
	else
		coax_request_finish(request, result, NULL);
}

static void transferred(struct coax_transfer *transfer, int result,
			const struct coax_message *response)
{
	struct coax_request *request = caa_container_of(transfer, struct coax_request, transfer);

	request->reason = coax_secure_reason(transfer->worker, &transfer->path);
	if (result == -ETIMEDOUT)
		coax_secure_unanswered(transfer->worker, &transfer->path, request->begun);
	if (coax_is_out_of_reach(result) && !transfer->heard)
		try_next(request, result);
	else
		coax_request_finish(request, result, response);
}

static void begin_transfer(struct coax_request *request)
{
	request->begun = request->transfer.worker->now;
	request->transfer.path = request->path;
	coax_ports_choose(request->worker, &request->transfer.path);
	coax_transfer_begin(&request->transfer);
}

/* The session is there, or is not to be had. */
static void session_ready(struct coax_secure_waiter *waiter, int result, const char *reason)
{
	struct coax_request *request = caa_container_of(waiter, struct coax_request, waiter);

	request->reason = reason;
	if (!result)
		begin_transfer(request);
	else if (coax_is_out_of_reach(result))
		try_next(request, result);
	else
		coax_request_finish(request, result, NULL);
}

static void begin_session(struct coax_request *request)
{
	const char *reason;
	int result;

	request->waiter.ready = session_ready;
	result = coax_secure_begin(request->worker, &request->path, &request->message,
				   request->deadline, &request->waiter, &reason);
	if (result <= 0)
		session_ready(&request->waiter, result, reason);
}

static void begin(struct coax_request *request)
{
	request->reason = NULL;
	request->transfer.worker = request->worker;
	request->transfer.path = request->path;
	if (coax_address_is_multicast(&request->path.remote) != !!request->group)
		coax_request_finish(request, -EINVAL, NULL);
	else if (request->group)
		coax_group_begin(request);
	else if (request->options.secure)
		begin_session(request);
	else
		begin_transfer(request);
}

static void run_submit(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_request *request = caa_container_of(work, struct coax_request, submit);

	request->moving = false;
	if (atomic_load(&worker->context->stopped))
		coax_request_finish(request, -ESHUTDOWN, NULL);
	else if (atomic_load(&request->cancelled))
		coax_request_finish(request, -ECANCELED, NULL);
	else
		begin(request);
}

static void looked_up(struct coax_lookup *lookup)
{
	struct coax_request *request = lookup->arg;
	int result = lookup->result;

	if (!request) {
		free(lookup);
		return;
	}
	request->lookup = NULL;
	request->addresses = malloc(sizeof(*request->addresses));
	if (request->addresses)
		*request->addresses = lookup->addresses;
	else
		result = -ENOMEM;
	free(lookup);
	/* The name server's silence is the remote's, to who asks it. */
	if (result == -EAGAIN)
		result = -EHOSTUNREACH;
	if (result)
		coax_request_finish(request, result, NULL);
	else
		try_next(request, -EAFNOSUPPORT);
}

/* It waits for nothing but its name: that goes on without it. */
static void abandon_lookup(struct coax_request *request)
{
	request->lookup->arg = NULL;
	request->lookup = NULL;
	coax_request_finish(request, -ECANCELED, NULL);
}

static void abandon_session(struct coax_request *request)
{
	coax_secure_leave(&request->waiter);
	coax_request_finish(request, -ECANCELED, NULL);
}

static void end_early(struct coax_request *request)
{
	if (request->lookup)
		abandon_lookup(request);
	else if (request->group)
		coax_group_cancel(request, -ECANCELED);
	else if (request->waiter.waits)
		abandon_session(request);
	else
		coax_transfer_cancel(&request->transfer, -ECANCELED);
}

static void run_cancel(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_request *request = caa_container_of(work, struct coax_request, cancel);
	struct coax_worker *owner = atomic_load(&request->worker);

	/* The reference goes along. One that is moving is looked at when it arrives. */
	if (!atomic_load(&request->finished) && owner != worker) {
		coax_worker_post(owner, &request->cancel);
		return;
	}
	if (!atomic_load(&request->finished) && !request->moving)
		end_early(request);
	unreference(request);
}

void coax_request_cancel(struct coax_request *request)
{
	struct coax_worker *worker = atomic_load(&request->worker);

	if (atomic_exchange(&request->cancelled, true))
		return;
	/* Once the Context has closed, all requests end by themselves. */
	rcu_read_lock();
	if (!atomic_load(&worker->context->closed)) {
		atomic_fetch_add(&request->references, 1);
		coax_worker_post(worker, &request->cancel);
	}
	rcu_read_unlock();
}

struct coax_worker *coax_worker_for(const struct coax_context *context,
				    const union coax_address *remote, bool secure,
				    struct coax_path *path)
{
	static const struct coax_hash_key key;
	struct coax_worker *worker =
		context->workers[coax_hash_address(&key, remote) % context->worker_count];
	uint32_t socket = worker->client[secure][remote->sa.sa_family == AF_INET6];

	if (socket == COAX_NO_SOCKET)
		return NULL;
	*path = (struct coax_path){
		.remote = *remote,
		.local.sa.sa_family = AF_UNSPEC,
		.socket = (uint16_t)socket,
	};
	return worker;
}

static int check_remote(const union coax_address *remote, bool group)
{
	if (remote->sa.sa_family != AF_INET && remote->sa.sa_family != AF_INET6)
		return -EINVAL;
	if (coax_address_is_multicast(remote) != group || !coax_address_port(remote))
		return -EINVAL;
	return 0;
}

static int check_options(const struct coax_request_options *options, bool group)
{
	if (options->block_size && (options->block_size < 16 || options->block_size > 1024))
		return -EINVAL;
	if (options->body && !options->body->data && !options->body->read && options->body->length)
		return -EINVAL;
	/* A sink could not tell the responders apart; DTLS has no groups (RFC 7252 section 9.1). */
	return group && (options->sink || options->secure) ? -EINVAL : 0;
}

static int check_message(const struct coax_message *message, const struct coax_body *body,
			 bool group)
{
	uint8_t code = coax_message_code(message);
	size_t rest_length;

	coax_message_rest(message, &rest_length);
	if (COAX_CODE_CLASS(code) != 0)
		return -EINVAL;
	if (code == COAX_EMPTY && (rest_length || body->length || group))
		return -EINVAL;
	return 0;
}

/* Whether what goes into one message leaves room for header and token. */
static int check_fit(const struct coax_request *request)
{
	const struct coax_request_options *options = &request->options;
	size_t size = COAX_TOKEN_MAX + request->message.length;
	uint64_t payload = request->body.length;

	if (!options->single)
		size += OWN_OPTIONS_MAX;
	/* RFC 7959 section 2.8: a group is not sent bodies in blocks. */
	if (request->transfer.upload.cut && request->group)
		return -EMSGSIZE;
	if (request->transfer.upload.cut)
		payload = 16U << request->transfer.upload.exponent;
	return size + !!payload + payload > COAX_DATAGRAM_OUT_MAX ? -EMSGSIZE : 0;
}

/*
 * The application cuts bodies itself when it names a block: that message goes as it is. A Block2
 * for the first block is only a wish for its size (RFC 7959 section 2.4).
 */
static int take_blocks_out(struct coax_request *request)
{
	struct coax_block block;
	int found;

	if (request->options.single)
		return 0;
	if (coax_message_find_block(&request->message, COAX_BLOCK1, &block)) {
		request->options.single = true;
		return 0;
	}
	found = coax_message_find_block(&request->message, COAX_BLOCK2, &block);
	if (found < 0)
		return -EINVAL;
	if (found && block.number) {
		request->options.single = true;
	} else if (found) {
		if (!request->options.block_size)
			request->options.block_size = coax_block_size(&block);
		coax_message_remove(&request->message, COAX_BLOCK2);
	}
	return 0;
}

/* Code and options, and behind them the payload, which becomes the body. */
static void copy_message(struct coax_request *request, const struct coax_message *message)
{
	struct coax_message *copy = &request->message;
	const uint8_t *options, *payload;
	size_t options_length, length;

	options = coax_message_rest(message, &options_length);
	options_length = (size_t)(message->data + options_end(message) - options);
	coax_message_start(copy, request->bytes, COAX_HEADER_SIZE + options_length, COAX_TYPE_CON,
			   coax_message_code(message), 0, NULL, 0);
	memcpy(copy->data + COAX_HEADER_SIZE, options, options_length);
	copy->length = copy->payload = copy->capacity;
	copy->last_option = message->last_option;
	if (request->options.body)
		return;
	payload = coax_message_payload(message, &length);
	request->body = (struct coax_body){.length = length, .data = request->bytes + copy->length};
	if (length)
		memcpy(request->bytes + copy->length, payload, length);
}

static struct coax_request *allocate(const struct coax_message *message,
				     const struct coax_request_options *options)
{
	struct coax_request *request = calloc(1, sizeof(*request) + message->length);

	if (!request)
		return NULL;
	atomic_init(&request->references, 1);
	request->submit.run = run_submit;
	request->cancel.run = run_cancel;
	request->options = *options;
	request->transfer.message = &request->message;
	request->transfer.options = &request->options;
	request->transfer.done = transferred;
	copy_message(request, message);
	if (options->timeout_ms)
		request->deadline = coax_now() + options->timeout_ms * NS_PER_MS;
	request->transfer.deadline = request->deadline;
	return request;
}

static int begin_lookup(struct coax_request *request, const char *host, in_port_t port)
{
	struct coax_lookup *lookup = calloc(1, sizeof(*lookup));

	if (!lookup)
		return -ENOBUFS;
	strcpy(lookup->host, host);
	lookup->port = port;
	lookup->done = looked_up;
	lookup->arg = request;
	request->lookup = lookup;
	return 0;
}

/* Find the worker, or what has to be looked up to find it. */
static int aim(struct coax_request *request, struct coax_context *context,
	       const union coax_address *remote)
{
	union coax_address literal;
	struct coax_worker *worker;
	char host[256];
	in_port_t port;
	int err;

	if (!remote) {
		err = coax_target_take(&request->message, request->options.secure, host, &port);
		if (err)
			return err;
		atomic_init(&request->worker, context->workers[0]);
		err = coax_literal_address(host, port, &literal);
		if (err == -ENOENT)
			return begin_lookup(request, host, port);
		if (err)
			return err;
		coax_message_remove(&request->message, COAX_URI_HOST);
		remote = &literal;
	}
	err = check_remote(remote, request->group);
	if (err)
		return err;
	worker = coax_worker_for(context, remote, request->options.secure, &request->path);
	atomic_init(&request->worker, worker);
	return worker ? 0 : -EAFNOSUPPORT;
}

static int post(struct coax_request *request, struct coax_context *context)
{
	int err = 0;

	request->moving = !request->lookup;
	if (request->lookup)
		err = coax_resolver_submit(context, request->lookup);
	else
		coax_worker_post(request->worker, &request->submit);
	if (err)
		free(request->lookup);
	return err;
}

/* All that can be found wrong at once. */
static int prepare(struct coax_request *request, struct coax_context *context,
		   const union coax_address *remote)
{
	int err = check_message(&request->message, &request->body, request->group);

	if (!err)
		err = check_options(&request->options, request->group);
	if (!err && request->options.secure && !context->dtls)
		err = -EPROTONOSUPPORT;
	if (!err)
		err = take_blocks_out(request);
	if (err)
		return err;
	request->transfer.worker = context->workers[0];
	err = coax_transfer_init(&request->transfer, &request->body);
	if (!err)
		err = check_fit(request);
	return err ? err : aim(request, context, remote);
}

int coax_request_submit(struct coax_context *context, const union coax_address *remote,
			const struct coax_message *message,
			const struct coax_request_options *options, coax_response_fn done,
			void *arg, struct coax_group *group, struct coax_request **result)
{
	static const struct coax_request_options defaults;
	struct coax_request *request;
	int err;

	if (!options)
		options = &defaults;
	request = allocate(message, options);
	if (!request) {
		coax_body_release(options->body);
		coax_group_free(group);
		return -ENOBUFS;
	}
	request->group = group;
	request->done = done;
	request->arg = arg;
	if (options->body)
		request->body = *options->body;
	/* Shutdown waits for those who have seen that it has not begun: there are workers still. */
	rcu_read_lock();
	err = atomic_load(&context->stopping) ? -ESHUTDOWN : prepare(request, context, remote);
	/* It may have ended by the time that post() returns. */
	if (!err && result)
		*result = request;
	if (!err)
		err = post(request, context);
	rcu_read_unlock();
	if (err)
		unreference(request);
	return err;
}

int coax_request(struct coax_context *context, const union coax_address *remote,
		 const struct coax_message *message, const struct coax_request_options *options,
		 coax_response_fn done, void *arg, struct coax_request **request)
{
	return coax_request_submit(context, remote, message, options, done, arg, NULL, request);
}
