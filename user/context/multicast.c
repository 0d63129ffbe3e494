// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests to groups (RFC 7252 section 8): one message out, and what comes back from whom.
 */
#include <errno.h>
#include <stdlib.h>
#include "clock.h"
#include "hash.h"
#include "request.h"

#define COLLECT_MS     10000
#define RESPONDERS_MAX 1024 /* that are told of; what others send is dropped */
#define CHAINS	       64   /* a power of two */

struct responder {
	struct responder *next;
	union coax_address address;
};

/* Something that is left to be had from one of them, by unicast. */
struct fetch {
	struct cds_list_head node;
	struct coax_request *request;
	struct coax_transfer transfer;
};

struct coax_group {
	coax_multicast_fn done;
	struct coax_pending *pending; /* NULL: collecting is over */
	int result;		      /* of it */
	struct cds_list_head fetches;
	unsigned int responder_count;
	struct responder *responders[CHAINS];
};

static struct responder **chain_of(struct coax_group *group, const union coax_address *address)
{
	static const struct coax_hash_key key; /* there are too few to aim at a chain */

	return &group->responders[coax_hash_address(&key, address) & (CHAINS - 1)];
}

/* Returns whether nothing has come from there before. */
static bool is_first_from(struct coax_group *group, const union coax_address *address)
{
	struct responder **chain = chain_of(group, address), *responder;

	for (responder = *chain; responder; responder = responder->next)
		if (coax_address_equal(&responder->address, address))
			return false;
	if (group->responder_count == RESPONDERS_MAX)
		return false;
	responder = malloc(sizeof(*responder));
	if (!responder)
		return false;
	*responder = (struct responder){*chain, *address};
	*chain = responder;
	group->responder_count++;
	return true;
}

void coax_group_free(struct coax_group *group)
{
	if (!group)
		return;
	for (unsigned int i = 0; i < CHAINS; i++) {
		while (group->responders[i]) {
			struct responder *responder = group->responders[i];

			group->responders[i] = responder->next;
			free(responder);
		}
	}
	free(group);
}

void coax_group_finish(struct coax_request *request, int result)
{
	request->group->done(request->arg, result, NULL, &request->path.remote);
}

static void finish_if_over(struct coax_request *request)
{
	struct coax_group *group = request->group;

	if (!group->pending && cds_list_empty(&group->fetches))
		coax_request_finish(request, group->result, NULL);
}

static void give(struct coax_request *request, const struct coax_message *response,
		 const struct coax_path *from)
{
	if (!atomic_load(&request->cancelled))
		request->group->done(request->arg, 0, response, &from->remote);
}

static void fetched(struct coax_transfer *transfer, int result, const struct coax_message *response)
{
	struct fetch *fetch = caa_container_of(transfer, struct fetch, transfer);
	struct coax_request *request = fetch->request;
	const struct coax_logger *logger = &transfer->worker->context->logger;
	char text[COAX_ADDRESS_TEXT_MAX];

	if (!result)
		give(request, response, &transfer->path);
	else
		coax_log(logger, COAX_LOG_INFO,
			 "the rest of a group's response is not to be had from %s (%d)",
			 coax_address_format(&transfer->path.remote, text), result);
	cds_list_del(&fetch->node);
	coax_transfer_free(transfer);
	free(fetch);
	finish_if_over(request);
}

/* RFC 7959 section 2.8: by unicast, from the one that has responded. */
static void fetch_rest(struct coax_request *request, const struct coax_message *response,
		       const struct coax_path *from)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));
	struct coax_transfer *transfer;

	if (!fetch)
		return;
	fetch->request = request;
	transfer = &fetch->transfer;
	transfer->worker = request->transfer.worker;
	transfer->path = *from;
	transfer->message = &request->message;
	transfer->options = &request->options;
	transfer->deadline = request->transfer.deadline;
	transfer->done = fetched;
	cds_list_add_tail(&fetch->node, &request->group->fetches);
	if (coax_transfer_init(transfer, &request->body))
		fetched(transfer, -EMSGSIZE, NULL);
	else
		coax_transfer_take(transfer, response);
}

static void take_response(struct coax_request *request, const struct coax_message *response,
			  const struct coax_path *from)
{
	if (!is_first_from(request->group, &from->remote))
		return;
	if (!request->options.single && coax_transfer_has_more(response))
		fetch_rest(request, response, from);
	else
		give(request, response, from);
}

static void cancel_fetches(struct coax_group *group, int result)
{
	struct fetch *fetch, *next;

	cds_list_for_each_entry_safe (fetch, next, &group->fetches, node)
		coax_transfer_cancel(&fetch->transfer, result);
}

static void answered(void *arg, int result, const struct coax_message *response,
		     const struct coax_path *from, bool last)
{
	struct coax_request *request = arg;
	struct coax_group *group = request->group;

	if (!result && response)
		take_response(request, response, from);
	if (!last)
		return;
	group->result = result ? result : -ETIMEDOUT;
	if (group->result != -ETIMEDOUT)
		cancel_fetches(group, group->result);
	group->pending = NULL;
	finish_if_over(request);
}

void coax_group_begin(struct coax_request *request)
{
	struct coax_worker *worker = request->transfer.worker;
	uint32_t timeout_ms = request->options.timeout_ms;
	struct coax_ask ask = {.non_confirmable = true, .multicast = true};
	uint8_t buffer[COAX_DATAGRAM_OUT_MAX];
	struct coax_message message;
	int err;

	ask.timeout_ms = timeout_ms ? timeout_ms : COLLECT_MS;
	request->transfer.deadline = worker->now + ask.timeout_ms * NS_PER_MS;
	err = coax_transfer_build(&request->transfer, buffer, &message);
	if (!err)
		err = coax_exchange_request(worker->exchange, worker->now, &request->path, &message,
					    &ask, answered, request, &request->group->pending);
	if (err)
		coax_request_finish(request, err, NULL);
}

void coax_group_cancel(struct coax_request *request, int result)
{
	struct coax_group *group = request->group;

	group->result = result;
	if (group->pending)
		coax_exchange_cancel(request->transfer.worker->exchange, group->pending, result);
	else
		cancel_fetches(group, result);
}

int coax_request_multicast(struct coax_context *context, const union coax_address *remote,
			   const struct coax_message *message,
			   const struct coax_request_options *options, coax_multicast_fn done,
			   void *arg, struct coax_request **request)
{
	struct coax_group *group = calloc(1, sizeof(*group));

	if (!group) {
		coax_body_release(options ? options->body : NULL);
		return -ENOBUFS;
	}
	group->done = done;
	CDS_INIT_LIST_HEAD(&group->fetches);
	return coax_request_submit(context, remote, message, options, NULL, arg, group, request);
}
