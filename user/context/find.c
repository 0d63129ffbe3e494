// SPDX-License-Identifier: BSD-2-Clause
/*
 * By what the host of a URI is reached.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "rcu.h"
#include "resolver.h"

#define SCHEME_SHOWN_MAX 24

struct finding {
	struct coax_lookup lookup;
	struct coax_context *context;
	bool secure;
	coax_found_fn found;
	void *arg;
};

static bool have_socket(const struct finding *finding, const union coax_address *address)
{
	struct coax_path path;

	return coax_worker_for(finding->context, address, finding->secure, &path) != NULL;
}

/* Those that no socket of ours reaches are of no use. */
static unsigned int keep_reachable(struct finding *finding)
{
	struct coax_addresses *addresses = &finding->lookup.addresses;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < addresses->count; i++)
		if (have_socket(finding, &addresses->at[i]))
			addresses->at[kept++] = addresses->at[i];
	addresses->count = kept;
	return kept;
}

static void tell(struct coax_lookup *lookup)
{
	struct finding *finding = caa_container_of(lookup, struct finding, lookup);
	struct coax_found found = {.transport = finding->secure ? "dtls" : "udp",
				   .error = lookup->error};
	int result = lookup->result;

	if (!result && !keep_reachable(finding)) {
		result = -EAFNOSUPPORT;
		found.error = "there is no socket for this kind of address";
	}
	if (!result) {
		found.remotes = lookup->addresses.at;
		found.count = lookup->addresses.count;
	}
	finding->found(finding->arg, result, &found);
	free(finding);
}

static void run_literal(struct coax_worker *worker, struct coax_work *work)
{
	struct coax_lookup *lookup = caa_container_of(work, struct coax_lookup, work);

	if (atomic_load(&worker->context->stopped)) {
		lookup->result = -ESHUTDOWN;
		lookup->error = "shutting down";
	}
	tell(lookup);
}

/* -EPROTONOSUPPORT, and why: which scheme it is that has no transport. */
static int refuse_scheme(const char *uri, const char **error)
{
	static _Thread_local char text[SCHEME_SHOWN_MAX + 32];
	size_t length = strcspn(uri, ":");

	snprintf(text, sizeof(text), "no transport for the scheme \"%.*s\"",
		 (int)(length < SCHEME_SHOWN_MAX ? length : SCHEME_SHOWN_MAX), uri);
	*error = text;
	return -EPROTONOSUPPORT;
}

static int parse(const struct coax_context *context, const char *text, struct coax_uri *uri,
		 const char **error)
{
	int err;

	*error = NULL;
	err = coax_uri_parse(uri, text, error);
	if (err == -EPROTONOSUPPORT || (!err && uri->secure && !context->dtls))
		return refuse_scheme(text, error);
	return err;
}

static int post(struct coax_context *context, struct finding *finding, bool literal)
{
	struct coax_lookup *lookup = &finding->lookup;
	int err = 0;

	rcu_read_lock();
	if (atomic_load(&context->stopping)) {
		err = -ESHUTDOWN;
	} else if (literal) {
		lookup->work.run = run_literal;
		coax_worker_post(context->workers[0], &lookup->work);
	} else {
		err = coax_resolver_submit(context, lookup);
	}
	rcu_read_unlock();
	return err;
}

int coax_find_remote(struct coax_context *context, const char *text, coax_found_fn found, void *arg,
		     const char **error)
{
	struct finding *finding;
	struct coax_uri uri;
	const char *why;
	union coax_address literal = {.in = {0}};
	int err, is_literal;

	if (!error)
		error = &why;
	err = parse(context, text, &uri, error);
	if (err)
		return err;
	is_literal = coax_literal_address(uri.host, uri.port, &literal);
	if (is_literal == -EINVAL) {
		*error = "no IP address, or no such interface";
		return -EINVAL;
	}
	finding = calloc(1, sizeof(*finding));
	if (!finding)
		return -ENOBUFS;
	finding->context = context;
	finding->secure = uri.secure;
	finding->found = found;
	finding->arg = arg;
	finding->lookup.done = tell;
	finding->lookup.port = uri.port;
	strcpy(finding->lookup.host, uri.host);
	finding->lookup.addresses = (struct coax_addresses){.count = 1, .at = {literal}};
	err = post(context, finding, is_literal == 0);
	if (err)
		free(finding);
	return err;
}
