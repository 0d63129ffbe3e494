// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a Context is asked to be: defaults filled in, nonsense refused.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include "options.h"

#define WORKERS_MAX	256
#define BLOCK_SIZE_MIN	16
#define BLOCK_SIZE_MAX	1024
#define DAY_MS		86400000
#define TRANSPORTS_TEXT 64

static const char *const transports[] = {"udp", "dtls"};

#define TRANSPORT_COUNT (sizeof(transports) / sizeof(transports[0]))

static void fill_tuning(struct coax_tuning *tuning)
{
	static const struct coax_tuning defaults = {
		.ack_timeout_ms = COAX_ACK_TIMEOUT_MS,
		.ack_random_percent = COAX_ACK_RANDOM_PERCENT,
		.max_retransmit = COAX_MAX_RETRANSMIT,
		.empty_ack_delay_ms = 100,
		.handler_timeout_ms = 60000,
		.exchanges_max = 262144,
		.deferred_max = 4096,
		.leisure_ms = COAX_DEFAULT_LEISURE_MS,
		.probing_rate = 1,
		.nstart = 1,
		.block_size = BLOCK_SIZE_MAX,
		.body_max = 1 << 20,
		.bodies_max = 64 << 20,
		.bodies_per_peer = 8,
		.block_timeout_ms = COAX_EXCHANGE_LIFETIME_MS,
		.observers_max = 131072,
		.observers_per_peer = 256,
		.notify_confirm_ms = 3600000,
		.observations_max = 4096,
		.sessions_max = 16384,
		.handshakes_max = 1024,
		.session_idle_ms = DAY_MS,
	};

#define DEFAULT(field)                                  \
	do {                                            \
		if (!tuning->field)                     \
			tuning->field = defaults.field; \
	} while (0)
	DEFAULT(ack_timeout_ms);
	DEFAULT(ack_random_percent);
	DEFAULT(max_retransmit);
	DEFAULT(empty_ack_delay_ms);
	DEFAULT(handler_timeout_ms);
	DEFAULT(exchanges_max);
	DEFAULT(deferred_max);
	DEFAULT(leisure_ms);
	DEFAULT(probing_rate);
	DEFAULT(nstart);
	DEFAULT(block_size);
	DEFAULT(body_max);
	DEFAULT(bodies_max);
	DEFAULT(bodies_per_peer);
	DEFAULT(block_timeout_ms);
	DEFAULT(observers_max);
	DEFAULT(observers_per_peer);
	DEFAULT(notify_confirm_ms);
	DEFAULT(observations_max);
	DEFAULT(sessions_max);
	DEFAULT(handshakes_max);
	DEFAULT(session_idle_ms);
#undef DEFAULT
}

/* What is about messages is checked by the exchange layer. Returns what is wrong, or NULL. */
static const char *tuning_complaint(const struct coax_tuning *tuning)
{
	if (tuning->block_size < BLOCK_SIZE_MIN || tuning->block_size > BLOCK_SIZE_MAX ||
	    tuning->block_size & (tuning->block_size - 1))
		return "block_size has to be 16, 32, 64, 128, 256, 512 or 1024";
	if (tuning->body_max > COAX_BODY_LENGTH_MAX)
		return "body_max is more than block numbers can express (1 GiB)";
	if (tuning->bodies_max < tuning->body_max)
		return "bodies_max is too small for one body of body_max";
	/* RFC 7641 section 4.5 */
	if (tuning->notify_confirm_ms > DAY_MS)
		return "notify_confirm_ms is more than a day";
	return NULL;
}

static unsigned int usable_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return (unsigned int)CPU_COUNT(&set);
}

bool coax_options_are_servers(const struct coax_context_options *options)
{
	return options->site || options->server;
}

static unsigned int wanted_workers(const struct coax_context_options *options)
{
	unsigned int workers = options->workers;

	if (options->own_loop)
		return 1;
	if (!workers)
		workers = coax_options_are_servers(options) ? usable_cpus() : 1;
	return workers < WORKERS_MAX ? workers : WORKERS_MAX;
}

static bool is_transport(const char *name)
{
	for (size_t i = 0; i < TRANSPORT_COUNT; i++)
		if (strcmp(transports[i], name) == 0)
			return true;
	return false;
}

static int check_transports(const struct coax_context *context,
			    const struct coax_context_options *options)
{
	char known[TRANSPORTS_TEXT] = "";

	for (size_t i = 0; i < options->transport_count; i++) {
		if (is_transport(options->transports[i]))
			continue;
		for (size_t at = 0, k = 0; k < TRANSPORT_COUNT && at < sizeof(known); k++)
			at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s",
					       k ? ", " : "", transports[k]);
		coax_log(&context->logger, COAX_LOG_ERROR,
			 "there is no transport \"%s\"; there are: %s", options->transports[i],
			 known);
		return -EPROTONOSUPPORT;
	}
	return 0;
}

/* Whether a transport is among those to use. */
static bool is_named(const struct coax_context_options *options, const char *name)
{
	for (size_t i = 0; i < options->transport_count; i++)
		if (strcmp(options->transports[i], name) == 0)
			return true;
	return false;
}

/* Returns what is wrong, or NULL. */
static const char *choose_transports(struct coax_context *context,
				     const struct coax_context_options *options)
{
	bool any = !options->transport_count, named = is_named(options, "dtls");
	bool server = coax_options_are_servers(options);

	context->plain = any || is_named(options, "udp");
	context->secure_client = named || (any && options->client_credentials);
	context->secure_server =
		server &&
		(named || (any && (options->server_credentials || options->bind_secure_count)));
	if (options->bind_secure_count && !context->secure_server)
		return server ? "bind_secure is about \"dtls\", which is not among the transports"
			      : "bind_secure is for servers";
	if (options->group_count && !context->plain)
		return "DTLS has no groups: to listen to some takes \"udp\"";
	return NULL;
}

int coax_options_apply(struct coax_context *context, const struct coax_context_options *options)
{
	const char *complaint;
	int err;

	context->logger = options->logger;
	if (!context->logger.name)
		context->logger.name = coax_options_are_servers(options) ? "coap-server" : "coap";
	context->site = options->site;
	context->own_loop = options->own_loop;
	context->worker_count = wanted_workers(options);
	context->tuning = options->tuning;
	fill_tuning(&context->tuning);

	err = check_transports(context, options);
	if (err)
		return err;
	complaint = tuning_complaint(&context->tuning);
	if (!complaint)
		complaint = choose_transports(context, options);
	if (!complaint && options->own_loop && options->workers > 1)
		complaint = "an application's own loop is one worker, not several";
	if (complaint) {
		coax_log(&context->logger, COAX_LOG_ERROR, "%s", complaint);
		return -EINVAL;
	}
	return 0;
}
