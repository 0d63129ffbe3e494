// SPDX-License-Identifier: BSD-2-Clause
/*
 * A sensor server: /temperature can be read and observed, and changes each second.
 *
 *	sensor [ADDRESS:PORT]
 */
#include <coax/coax.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static atomic_int tenths = 215;

static void get(struct coax_responder *responder, void *arg)
{
	struct coax_message *response = coax_responder_response(responder);
	int now = atomic_load(&tenths);
	char text[16];

	(void)arg;
	snprintf(text, sizeof(text), "%d.%d", now / 10, now % 10);
	coax_message_add_uint(response, COAX_CONTENT_FORMAT, COAX_FORMAT_TEXT_PLAIN);
	coax_message_add_uint(response, COAX_MAX_AGE, 2);
	coax_message_set_payload(response, text, strlen(text));
	coax_respond(responder, COAX_CONTENT);
}

int main(int argc, char **argv)
{
	const struct coax_resource_options temperature = {
		.path = "temperature",
		.get = get,
		.observable = true,
		.cacheable = true,
		.attributes = {{"rt", "temperature-c"}},
	};
	const char *bind = argc > 1 ? argv[1] : "*";
	struct coax_context_options options = {.bind = &bind, .bind_count = 1};
	const struct timespec second = {.tv_sec = 1};
	struct coax_resource *resource;
	struct coax_context *context;
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	if (coax_site_create(&options.site) ||
	    coax_site_add(options.site, &temperature, &resource) ||
	    coax_context_create(&context, &options))
		return 1;

	while (sigtimedwait(&stop, NULL, &second) < 0) {
		atomic_fetch_add(&tenths, 1);
		coax_resource_changed(resource); /* tells the observers, too */
	}
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
	return 0;
}
