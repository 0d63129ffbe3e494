// SPDX-License-Identifier: BSD-2-Clause
/*
 * From addresses as text to workers with their sockets.
 */
#include <errno.h>
#include <string.h>
#include "binding.h"
#include "groups.h"
#include "options.h"

#define PORT_TRIES 16

/* What sockets are added for. */
struct purpose {
	bool shared; /* by all workers */
	bool secure;
};

static int add_binding(struct coax_binding *binding, const union coax_address *address,
		       struct purpose purpose)
{
	if (binding->count == COAX_SOCKETS_MAX)
		return -E2BIG;
	binding->sockets[binding->count++] = (struct coax_udp_socket){
		.address = *address,
		.reuse_port = purpose.shared,
		.secure = purpose.secure,
	};
	return 0;
}

static int add_any(struct coax_binding *binding, int family, in_port_t port, struct purpose purpose)
{
	union coax_address any = {.sa.sa_family = (sa_family_t)family};

	if (family == AF_INET6)
		any.in6.sin6_port = htons(port);
	else
		any.in.sin_port = htons(port);
	return add_binding(binding, &any, purpose);
}

bool coax_binding_has_ipv6(void)
{
	const union coax_address any = {.in6 = {.sin6_family = AF_INET6}};
	int err = coax_udp_probe(&any);

	return err != -EAFNOSUPPORT && err != -EADDRNOTAVAIL;
}

/* All addresses: one socket a family, of which a host may lack IPv6. */
static int add_all(struct coax_binding *binding, in_port_t port, struct purpose purpose)
{
	int err = add_any(binding, AF_INET, port, purpose);

	return err || !coax_binding_has_ipv6() ? err : add_any(binding, AF_INET6, port, purpose);
}

int coax_binding_add_group(struct coax_binding *binding, const union coax_address *group,
			   uint32_t *socket)
{
	for (*socket = binding->count; *socket < binding->total; (*socket)++)
		if (coax_address_equal(&binding->sockets[*socket].address, group))
			return 0;
	if (binding->total == COAX_SOCKETS_MAX)
		return -E2BIG;
	binding->sockets[binding->total++] =
		(struct coax_udp_socket){.address = *group, .reuse_port = true};
	return 0;
}

/* `beside`: at the port behind the one that is named. */
static int add_text(struct coax_context *context, struct coax_binding *binding, const char *text,
		    bool secure, bool beside)
{
	const struct purpose purpose = {.shared = true, .secure = secure};
	in_port_t port = secure && !beside ? COAX_PORT_SECURE : COAX_PORT;
	union coax_address address;

	if (coax_address_parse(&address, text, port)) {
		coax_log(&context->logger, COAX_LOG_ERROR,
			 "cannot bind to \"%s\": not an address; write it as "
			 "192.0.2.1:%u, [2001:db8::1]:%u or *:%u",
			 text, port, port, port);
		return -EINVAL;
	}
	/* Of IPv4 and IPv6 the port is at the same place. */
	if (beside && address.in.sin_port)
		address.in.sin_port = htons((uint16_t)(ntohs(address.in.sin_port) + 1));
	if (address.sa.sa_family == AF_UNSPEC)
		return add_all(binding, ntohs(address.in.sin_port), purpose);
	return add_binding(binding, &address, purpose);
}

static int add_shared(struct coax_context *context, const struct coax_context_options *options,
		      struct coax_binding *binding)
{
	const char *everywhere = coax_options_are_servers(options) ? "*" : "*:0";
	const char *const *plain = options->bind_count ? options->bind : &everywhere;
	size_t plain_count = options->bind_count ? options->bind_count : 1;
	bool beside = !options->bind_secure_count;
	const char *const *secure = beside ? plain : options->bind_secure;
	size_t secure_count = beside ? plain_count : options->bind_secure_count;
	int err = 0;

	for (size_t i = 0; context->plain && i < plain_count && !err; i++)
		err = add_text(context, binding, plain[i], false, false);
	for (size_t i = 0; context->secure_server && i < secure_count && !err; i++)
		err = add_text(context, binding, secure[i], true, beside);
	return err;
}

static int parse_binding(struct coax_context *context, const struct coax_context_options *options,
			 struct coax_binding *binding)
{
	int err = add_shared(context, options, binding);

	if (err == -EINVAL)
		return err;
	binding->shared = binding->count;
	/* Answers to a shared socket may be steered to any worker: requests leave by own ones. */
	if (!err && context->plain && context->worker_count > 1)
		err = add_all(binding, 0, (struct purpose){.secure = false});
	/* And sessions of our own apart from those that others begin, from the same address even.
	 */
	if (!err && context->secure_client)
		err = add_all(binding, 0, (struct purpose){.secure = true});
	binding->total = binding->count;
	if (!err && context->groups)
		err = coax_groups_bind(context->groups, binding);
	if (err)
		coax_log(&context->logger, COAX_LOG_ERROR, "%s",
			 err == -E2BIG ? "too many addresses to bind to" : strerror(-err));
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

static void log_worker_error(const struct coax_context *context, const struct coax_binding *binding,
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
static int probe_addresses(struct coax_context *context, const struct coax_binding *binding)
{
	for (uint32_t i = 0; i < binding->shared; i++) {
		const union coax_address *address = &binding->sockets[i].address;
		bool probed = coax_address_port(address) && !binding->sockets[i].late;
		int err = probed ? coax_udp_probe(address) : 0;

		if (err) {
			log_bind_error(context, address, err);
			return err;
		}
	}
	return 0;
}

static bool wants_any(const struct coax_udp_socket *socket, bool secure)
{
	return socket->secure == secure && !coax_address_port(&socket->address);
}

/* The port that those of a kind get who want any: one that is free at the first of these now. */
static int find_port(const struct coax_binding *binding, bool secure, in_port_t *port,
		     uint32_t *failed)
{
	struct coax_transport *probe;
	struct coax_udp_socket alone;
	uint32_t first = 0, unused;
	int err;

	while (first < binding->shared && !wants_any(&binding->sockets[first], secure))
		first++;
	*port = 0;
	if (first == binding->shared)
		return 0;
	*failed = first;
	/* Who shares may be given a port that others of this user share already. */
	alone = binding->sockets[first];
	alone.reuse_port = false;
	err = coax_udp_open(&probe, &alone, 1, &unused);
	if (err)
		return err;
	*port = htons(coax_address_port(probe->ops->bound(probe, 0)));
	probe->ops->close(probe);
	return 0;
}

/* A group's socket hears what comes to the port that the addresses of its family have. */
static in_port_t group_port(struct coax_binding *binding, int family)
{
	for (uint32_t i = 0; i < binding->shared; i++)
		if (binding->sockets[i].address.sa.sa_family == family &&
		    !binding->sockets[i].secure)
			return *port_of(&binding->sockets[i].address);
	return *port_of(&binding->sockets[0].address);
}

static void set_ports(struct coax_binding *binding, const in_port_t ports[2])
{
	for (uint32_t i = 0; i < binding->shared; i++)
		for (int secure = 0; secure < 2; secure++)
			if (wants_any(&binding->sockets[i], secure))
				*port_of(&binding->sockets[i].address) = ports[secure];
	for (uint32_t i = binding->count; i < binding->total; i++) {
		union coax_address *group = &binding->sockets[i].address;

		*port_of(group) = group_port(binding, group->sa.sa_family);
	}
}

/* With those of its sockets that are inherited. */
static int create_worker(struct coax_context *context, const struct coax_binding *binding,
			 unsigned int index, uint32_t *failed)
{
	struct coax_binding own = *binding;

	if (index)
		own.total = own.count;
	coax_inherited_assign(&own, context, index);
	return coax_worker_create(&context->workers[index], context, index, own.sockets, own.total,
				  failed);
}

/* Open the first worker, all of whose sockets with "any port" get the same one where they can. */
static int open_first(struct coax_context *context, struct coax_binding *binding)
{
	uint32_t failed = 0;
	int err = -EADDRINUSE;

	for (int tries = 0; tries < PORT_TRIES && err == -EADDRINUSE; tries++) {
		struct coax_binding bound = *binding;
		in_port_t ports[2];

		err = find_port(binding, false, &ports[0], &failed);
		if (!err)
			err = find_port(binding, true, &ports[1], &failed);
		if (err)
			break;
		if (ports[0] && ports[0] == ports[1]) {
			err = -EADDRINUSE;
			continue;
		}
		set_ports(&bound, ports);
		err = create_worker(context, &bound, 0, &failed);
		if (!err || !(ports[0] || ports[1])) {
			*binding = bound;
			break;
		}
	}
	if (err)
		log_worker_error(context, binding, failed, err);
	return err;
}

/* Now that all sockets are there, so that each sender has its worker. */
int coax_binding_admit(struct coax_context *context)
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

int coax_binding_open(struct coax_context *context, const struct coax_context_options *options)
{
	struct coax_binding binding = {.succession = options->succession};
	uint32_t failed;
	int err;

	err = parse_binding(context, options, &binding);
	context->own_sockets_end = binding.count;
	coax_inherited_mark(&binding);
	if (!err)
		err = probe_addresses(context, &binding);
	context->shared_sockets = binding.shared;
	if (!err)
		err = open_first(context, &binding);

	for (unsigned int i = 1; i < context->worker_count && !err; i++) {
		err = create_worker(context, &binding, i, &failed);
		if (err)
			log_worker_error(context, &binding, failed, err);
	}
	return err;
}
