// SPDX-License-Identifier: BSD-2-Clause
/*
 * A Context inside a program's own poll loop: lines read from standard input become what /line
 * says, and its observers are told. No other thread is there.
 *
 *	own_loop [ADDRESS:PORT]
 */
#include <coax/coax.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static char line[512] = "nothing yet";

static void get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_message_set_payload(coax_responder_response(responder), line, strlen(line));
	coax_respond(responder, COAX_CONTENT);
}

/* Returns whether there will be more of them. */
static bool read_line(struct coax_resource *resource)
{
	ssize_t length = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (length <= 0)
		return false;
	line[length] = '\0';
	line[strcspn(line, "\n")] = '\0';
	coax_resource_changed(resource);
	return true;
}

int main(int argc, char **argv)
{
	const struct coax_resource_options options_of_line = {
		.path = "line", .get = get, .observable = true};
	const char *bind = argc > 1 ? argv[1] : "*";
	struct coax_context_options options = {.bind = &bind, .bind_count = 1, .own_loop = true};
	struct coax_resource *resource;
	struct coax_context *context;
	bool open = true;

	if (coax_site_create(&options.site) ||
	    coax_site_add(options.site, &options_of_line, &resource) ||
	    coax_context_create(&context, &options))
		return 1;
	while (open) {
		struct pollfd fds[] = {
			{.fd = coax_context_fd(context), .events = POLLIN},
			{.fd = STDIN_FILENO, .events = POLLIN},
		};

		poll(fds, 2, coax_context_timeout(context));
		coax_context_process(context);
		if (fds[1].revents)
			open = read_line(resource);
	}
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
	return 0;
}
