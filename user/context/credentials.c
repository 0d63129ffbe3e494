// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whom a Context believes, as client and as server, and what its workers' sessions share of it.
 */
#include <errno.h>
#include <sys/random.h>
#include "options.h"
#include "secure.h"

int coax_secure_open(struct coax_context *context, const struct coax_context_options *options)
{
	const struct coax_tuning *tuning = &context->tuning;
	const struct coax_dtls_shared_options shared = {
		.client = options->client_credentials,
		.server = options->server_credentials,
		.cookie_key = &context->cookie_key,
		.limits =
			{
				.sessions_max = tuning->sessions_max,
				.handshakes_max = tuning->handshakes_max,
				.idle_ms = tuning->session_idle_ms,
			},
		.logger = &context->logger,
	};
	int err;

	if (!context->secure_client && !context->secure_server)
		return 0;
	if (getrandom(&context->cookie_key, sizeof(context->cookie_key), 0) !=
	    sizeof(context->cookie_key))
		return -EIO;
	err = coax_dtls_shared_create(&context->dtls, &shared);
	if (!err)
		context->client_credentials = coax_credentials_hold(options->client_credentials);
	return err;
}

void coax_secure_close(struct coax_context *context)
{
	if (context->dtls)
		coax_dtls_shared_destroy(context->dtls);
	coax_credentials_release(context->client_credentials);
	pthread_mutex_destroy(&context->credentials_lock);
}

/* Sessions by what is not there any more end as soon as their workers look. */
static void look_again(struct coax_context *context)
{
	for (unsigned int i = 0; i < context->worker_count; i++) {
		atomic_store(&context->workers[i]->reloaded, true);
		coax_worker_wake(context->workers[i]);
	}
}

/* Who looks up an entry uses it before there is another set. */
int coax_context_set_client_credentials(struct coax_context *context,
					struct coax_credentials *credentials)
{
	struct coax_credentials *former = NULL;
	int err;

	if (!context->secure_client)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&context->credentials_lock);
	err = coax_dtls_set_client_credentials(context->dtls, credentials);
	if (!err) {
		former = context->client_credentials;
		context->client_credentials = coax_credentials_hold(credentials);
	}
	pthread_mutex_unlock(&context->credentials_lock);
	coax_credentials_release(former);
	if (!err)
		look_again(context);
	return err;
}

int coax_context_set_server_credentials(struct coax_context *context,
					struct coax_credentials *credentials)
{
	int err;

	if (!context->secure_server)
		return -EOPNOTSUPP;
	err = coax_dtls_set_server_credentials(context->dtls, credentials);
	if (!err)
		look_again(context);
	return err;
}
