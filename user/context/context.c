// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "clock.h"
#include "rcu.h"
#include "worker.h"

#define WORKERS_MAX	    256
#define SHUTDOWN_TIMEOUT_MS 3000
#define PORT_TRIES	    16

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
#undef DEFAULT
}

static unsigned int usable_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return (unsigned int)CPU_COUNT(&set);
}

static unsigned int wanted_workers(const struct coax_context_options *options)
{
	unsigned int workers = options->workers;

	if (!workers)
		workers = options->site ? usable_cpus() : 1;
	return workers < WORKERS_MAX ? workers : WORKERS_MAX;
}

/* The addresses of all workers' shared sockets, and of each worker's own for its requests. */
struct binding {
	struct coax_udp_socket sockets[COAX_SOCKETS_MAX];
	uint32_t count;
	uint32_t shared; /* the first of them are those asked for */
};

static int add_binding(struct binding *binding, const union coax_address *address, bool shared)
{
	if (binding->count == COAX_SOCKETS_MAX)
		return -E2BIG;
	binding->sockets[binding->count++] = (struct coax_udp_socket){*address, shared};
	return 0;
}

static int add_any(struct binding *binding, int family, in_port_t port, bool shared)
{
	union coax_address any = {.sa.sa_family = (sa_family_t)family};

	if (family == AF_INET6)
		any.in6.sin6_port = htons(port);
	else
		any.in.sin_port = htons(port);
	return add_binding(binding, &any, shared);
}

static bool have_ipv6(void)
{
	const union coax_address any = {.in6 = {.sin6_family = AF_INET6}};
	int err = coax_udp_probe(&any);

	return err != -EAFNOSUPPORT && err != -EADDRNOTAVAIL;
}

/* All addresses: one socket a family, of which a host may lack IPv6. */
static int add_all(struct binding *binding, in_port_t port, bool shared)
{
	int err = add_any(binding, AF_INET, port, shared);

	return err || !have_ipv6() ? err : add_any(binding, AF_INET6, port, shared);
}

static int parse_binding(struct coax_context *context, const struct coax_context_options *options,
			 struct binding *binding)
{
	const char *everywhere = options->site ? "*" : "*:0";
	const char *const *texts = options->bind_count ? options->bind : &everywhere;
	size_t count = options->bind_count ? options->bind_count : 1;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		union coax_address address;

		err = coax_address_parse(&address, texts[i], COAX_PORT);
		if (err) {
			coax_log(&context->logger, COAX_LOG_ERROR,
				 "cannot bind to \"%s\": not an address; write it as "
				 "192.0.2.1:5683, [2001:db8::1]:5683 or *:5683",
				 texts[i]);
			return err;
		}
		if (address.sa.sa_family == AF_UNSPEC)
			err = add_all(binding, ntohs(address.in.sin_port), true);
		else
			err = add_binding(binding, &address, true);
	}
	binding->shared = binding->count;
	/* Answers to a shared socket may be steered to any worker: requests leave by own ones. */
	if (!err && context->worker_count > 1)
		err = add_all(binding, 0, false);
	if (err)
		coax_log(&context->logger, COAX_LOG_ERROR, "too many addresses to bind to");
	return err;
}

static in_port_t *port_of(union coax_address *address)
{
	return address->sa.sa_family == AF_INET6 ? &address->in6.sin6_port : &address->in.sin_port;
}

static void log_bind_error(const struct coax_context *context, const union coax_address *address,
			   int err)
{
	char text[COAX_ADDRESS_TEXT_MAX];
	const char *hint = "";

	if (err == -EADDRINUSE)
		hint = "; another program has it: stop that one, or choose another port";
	else if (err == -EADDRNOTAVAIL)
		hint = "; no interface has this address";
	else if (err == -EACCES)
		hint = "; ports below 1024 need CAP_NET_BIND_SERVICE";
	coax_log(&context->logger, COAX_LOG_ERROR, "cannot bind to %s: %s%s",
		 coax_address_format(address, text), strerror(-err), hint);
}

static void log_worker_error(const struct coax_context *context, const struct binding *binding,
			     uint32_t failed, int err)
{
	if (failed == COAX_NO_SOCKET)
		coax_log(&context->logger, COAX_LOG_ERROR, "cannot set up a worker: %s%s",
			 strerror(-err), err == -EINVAL ? "; the tuning makes no sense" : "");
	else
		log_bind_error(context, &binding->sockets[failed].address, err);
}

/*
 * SO_REUSEPORT lets workers share an address, and would let another process of the same user
 * join in unnoticed: make sure that nobody is there first.
 */
static int probe_addresses(struct coax_context *context, const struct binding *binding)
{
	for (uint32_t i = 0; i < binding->shared; i++) {
		const union coax_address *address = &binding->sockets[i].address;
		int err = coax_address_port(address) ? coax_udp_probe(address) : 0;

		if (err) {
			log_bind_error(context, address, err);
			return err;
		}
	}
	return 0;
}

/* Open the first worker, all of whose sockets with "any port" get the same one where they can. */
static int open_first(struct coax_context *context, struct binding *binding)
{
	struct coax_worker *worker;
	uint32_t failed = 0;
	int err = -EADDRINUSE;

	for (int tries = 0; tries < PORT_TRIES && err == -EADDRINUSE; tries++) {
		struct binding bound = *binding;
		in_port_t port = 0;

		for (uint32_t i = 0; i < bound.shared; i++) {
			struct coax_transport *probe;
			in_port_t *wanted = port_of(&bound.sockets[i].address);

			if (*wanted)
				continue;
			if (!port) {
				err = coax_udp_open(&probe, &bound.sockets[i], 1, &failed);
				if (err) {
					log_worker_error(context, binding, i, err);
					return err;
				}
				port = htons(coax_address_port(probe->ops->bound(probe, 0)));
				probe->ops->close(probe);
			}
			*wanted = port;
		}
		err = coax_worker_create(&worker, context, 0, bound.sockets, bound.count, &failed);
		if (!err) {
			*binding = bound;
			context->workers[0] = worker;
			return 0;
		}
		if (!port)
			break;
	}
	log_worker_error(context, binding, failed, err);
	return err;
}

/* Now that all sockets are there, so that each sender has its worker. */
static int admit(struct coax_context *context)
{
	int err = 0;

	for (unsigned int i = 0; i < context->worker_count && !err; i++) {
		struct coax_transport *transport = context->workers[i]->transport;

		err = transport->ops->admit(transport);
	}
	if (err)
		coax_log(&context->logger, COAX_LOG_ERROR, "cannot take in datagrams: %s",
			 strerror(-err));
	return err;
}

static int open_workers(struct coax_context *context, const struct coax_context_options *options)
{
	struct binding binding = {.count = 0};
	uint32_t failed;
	int err;

	err = parse_binding(context, options, &binding);
	if (!err)
		err = probe_addresses(context, &binding);
	context->shared_sockets = binding.shared;
	if (!err)
		err = open_first(context, &binding);

	for (unsigned int i = 1; i < context->worker_count && !err; i++) {
		err = coax_worker_create(&context->workers[i], context, i, binding.sockets,
					 binding.count, &failed);
		if (err)
			log_worker_error(context, &binding, failed, err);
	}
	return err ? err : admit(context);
}

static int start_accel(struct coax_context *context, const struct coax_accel_options *options)
{
	struct coax_transport *transport = context->workers[0]->transport;
	int err;

	err = coax_accel_open(&context->accel, options, &context->logger);
	if (err)
		return err;
	for (uint32_t i = 0; i < context->shared_sockets && !err; i++)
		err = coax_accel_add_endpoint(context->accel, transport->ops->bound(transport, i));
	if (!err)
		err = coax_accel_attach(context->accel);
	if (err) {
		coax_accel_close(context->accel);
		context->accel = NULL;
		return err;
	}
	context->lease_interval = coax_accel_lease_ms(context->accel) * NS_PER_MS / 3;
	return 0;
}

static int start_workers(struct coax_context *context)
{
	int err = 0;

	for (unsigned int i = 0; i < context->worker_count && !err; i++) {
		err = coax_worker_start(context->workers[i]);
		if (!err)
			context->thread_count++;
	}
	if (err)
		coax_log(&context->logger, COAX_LOG_ERROR, "cannot start a worker thread: %s",
			 strerror(-err));
	return err;
}

void coax_context_unreference(struct coax_context *context)
{
	if (atomic_fetch_sub(&context->references, 1) == 1)
		free(context);
}

static void close_all(struct coax_context *context)
{
	atomic_store(&context->stopped, true);
	for (unsigned int i = 0; i < context->thread_count; i++)
		coax_worker_wake(context->workers[i]);
	for (unsigned int i = 0; i < context->thread_count; i++)
		pthread_join(context->workers[i]->thread, NULL);

	/* From here on a responder that is answered late frees itself. */
	atomic_store(&context->closed, true);
	synchronize_rcu();
	for (unsigned int i = 0; context->workers && i < context->worker_count; i++)
		if (context->workers[i])
			coax_worker_destroy(context->workers[i]);
	coax_accel_close(context->accel);
	free(context->workers);
	coax_context_unreference(context);
}

int coax_context_create(struct coax_context **result, const struct coax_context_options *options)
{
	struct coax_context *context = calloc(1, sizeof(*context));
	int err;

	if (!context)
		return -ENOMEM;
	atomic_init(&context->references, 1);
	context->site = options->site;
	context->logger = options->logger;
	context->tuning = options->tuning;
	fill_tuning(&context->tuning);
	context->worker_count = wanted_workers(options);
	context->workers = calloc(context->worker_count, sizeof(*context->workers));
	err = context->workers ? 0 : -ENOMEM;
	if (!err)
		err = open_workers(context, options);
	if (!err && options->accel.interface_count && start_accel(context, &options->accel))
		coax_log(&context->logger, COAX_LOG_WARNING,
			 "no answers from the kernel: every request is served from userspace");
	if (!err)
		err = start_workers(context);
	if (err)
		close_all(context);
	else
		*result = context;
	return err;
}

void coax_context_shutdown(struct coax_context *context)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	uint64_t deadline;

	if (!context)
		return;
	atomic_store(&context->stopping, true);
	deadline = coax_now() + SHUTDOWN_TIMEOUT_MS * NS_PER_MS;
	while (atomic_load(&context->deferred) && coax_now() < deadline)
		nanosleep(&pause, NULL);
	if (atomic_load(&context->deferred))
		coax_log(&context->logger, COAX_LOG_ERROR,
			 "%u requests were not answered before shutdown",
			 atomic_load(&context->deferred));
	close_all(context);
}

in_port_t coax_context_port(const struct coax_context *context)
{
	struct coax_transport *transport = context->workers[0]->transport;

	return coax_address_port(transport->ops->bound(transport, 0));
}

void coax_context_stats_read(const struct coax_context *context, struct coax_context_stats *stats)
{
	const size_t count = sizeof(*stats) / sizeof(uint64_t);
	uint64_t *sum = (uint64_t *)stats;

	memset(stats, 0, sizeof(*stats));
	for (unsigned int i = 0; i < context->worker_count; i++) {
		const uint64_t *one = (const uint64_t *)&context->workers[i]->stats;

		for (size_t field = 0; field < count; field++)
			sum[field] += __atomic_load_n(&one[field], __ATOMIC_RELAXED);
	}
}
