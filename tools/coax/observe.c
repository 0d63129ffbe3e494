// SPDX-License-Identifier: BSD-2-Clause
/* coax observe: what a resource is, and what it becomes (RFC 7641). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <coax/observation.h>
#include "client.h"
#include "help.h"
#include "intake.h"
#include "output.h"
#include "report.h"
#include "signals.h"
#include "wish.h"

#define NS_PER_MS 1000000ULL

struct watch {
	const struct wish *wish;
	struct client client;
	uint32_t seen;
	bool refused;  /* what came was all that will come */
	int unprinted; /* why something could not be printed: errno; 0: all could */
};

/* Each as it comes, also into a pipe. */
static void print(struct watch *watch)
{
	const struct client *client = &watch->client;
	size_t length;
	const void *payload = coax_message_payload(&client->answer, &length);

	if (!payload)
		payload = "";
	errno = EIO; /* when nothing says why */
	if (client->tool->json)
		output_json_line(client->tool, report_json(client, payload, length));
	else
		report_payload(client, payload, length, true);
	if (fflush(stdout) || ferror(stdout))
		watch->unprinted = errno;
}

static void notified(void *arg, const struct coax_message *notification)
{
	struct watch *watch = arg;
	struct client *client = &watch->client;

	if (client->done)
		return;
	client->result = client_take(client, notification);
	if (!client->result)
		print(watch);
	if (client->result || watch->unprinted) {
		client->done = true;
		return;
	}
	watch->seen++;
	client->done = watch->wish->count && watch->seen >= watch->wish->count;
}

static void ended(void *arg, int error, const struct coax_message *response)
{
	struct watch *watch = arg;
	struct client *client = &watch->client;

	if (client->done)
		return;
	client->done = true;
	watch->refused = error == -EOPNOTSUPP;
	client->result = error;
	client->time_ms = (double)(tool_now() - client->asked) / (double)NS_PER_MS;
	if (error == -EREMOTEIO && client_take(client, response))
		client->result = -ENOMEM;
}

static void cancelled(void *arg)
{
	struct client *client = arg;

	client->done = true;
}

/* The server is told before this returns. */
static void leave(struct client *client, struct coax_observation *observation)
{
	client->done = false;
	if (!coax_observation_on_cancel(observation, cancelled, client)) {
		coax_observation_cancel(observation);
		while (!client->done)
			coax_context_process(client->context);
	}
	coax_observation_free(observation);
	coax_context_process(client->context);
}

static int begin(struct watch *watch, struct coax_observation **observation)
{
	struct client *client = &watch->client;
	struct coax_request_options how = client_how(client, &watch->wish->how);
	int error;

	how.body_max = INTAKE_MEMORY_MAX;
	client->done = false;
	client->asked = tool_now();
	error = coax_observe(client->context, &client->remote, &client->request, &how, observation);
	if (!error)
		error = coax_observation_on_notification(*observation, notified, watch);
	if (!error)
		error = coax_observation_on_error(*observation, ended, watch);
	return error;
}

static int show_end(struct watch *watch)
{
	struct client *client = &watch->client;
	int status;

	if (watch->refused) {
		tool_fail(client->tool, "%s sends no notifications of this resource",
			  client->remote_text);
		return TOOL_NO_ANSWER;
	}
	if (client->result != -EREMOTEIO)
		return client_no_answer(client, client->result);
	status = client_status(client);
	if (client->tool->json) {
		size_t length;
		const void *payload = coax_message_payload(&client->answer, &length);

		output_json_line(client->tool, report_json(client, payload ? payload : "", length));
	} else {
		report_failure(client);
	}
	return status;
}

/* When nothing has gone wrong, what matters is whether anything came. */
static int end(struct watch *watch)
{
	struct client *client = &watch->client;

	/* main() says it, for all commands. */
	if (watch->unprinted)
		return TOOL_LOCAL_ERROR;
	if (client->done && client->result)
		return show_end(watch);
	signals_forget();
	if (watch->seen)
		return TOOL_OK;
	tool_fail(client->tool, "%s has not answered", client->remote_text);
	return TOOL_NO_ANSWER;
}

static int watch_on(struct watch *watch)
{
	const uint32_t for_ms = watch->wish->for_ms;
	struct coax_observation *observation = NULL;
	struct client *client = &watch->client;
	uint64_t deadline = for_ms ? tool_now() + for_ms * NS_PER_MS : UINT64_MAX;
	int error = begin(watch, &observation), status;

	if (error) {
		coax_observation_free(observation);
		return client_no_answer(client, error);
	}
	client_wait(client, deadline);
	status = end(watch);
	leave(client, observation);
	return status;
}

static int observe(const struct wish *wish, const struct tool *tool)
{
	struct watch watch = {.wish = wish};
	struct client *client = &watch.client;
	int status = client_begin(client, tool, wish->uri, COAX_GET);

	if (!status)
		status = wish_add_options(wish, client);
	if (!status)
		status = client_open(client, false);
	if (!status)
		status = watch_on(&watch);
	client_close(client);
	if (watch.unprinted == EPIPE) {
		/* The end that others come to at once. */
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	return status;
}

static const struct option options[] = {
	WISH_LONG,
	{"accept", required_argument, NULL, OPTION_ACCEPT},
	{"count", required_argument, NULL, 'c'},
	{"for", required_argument, NULL, OPTION_FOR},
	{NULL, 0, NULL, 0},
};

static int run_observe(struct tool *tool, int argc, char **argv)
{
	struct wish wish;
	int status;

	if (!wish_parse(&wish, tool, &observe_command, WISH_SHORT "c:", options, argc, argv,
			&status))
		return status;
	/* Where nobody reads any more, the server is still told. */
	signal(SIGPIPE, SIG_IGN);
	return observe(&wish, tool);
}

const struct command observe_command = {
	.name = "observe",
	.summary = "watch what a resource becomes",
	.run = run_observe,
	.help = "Usage: coax observe [OPTIONS] URI\n"
		"\n"
		"Observe a resource (RFC 7641): write its representation to standard output, and\n"
		"again whenever the server notifies of a change, each ended by a newline. The\n"
		"registration is renewed as needed; at the end, also by Ctrl-C, the server is told.\n" HELP_SHOWN
		"\n"
		"Options:\n"
		"  -c, --count COUNT      end after so many representations\n"
		"      --for SECONDS      end after so long\n" HELP_ACCEPT HELP_REQUEST
			HELP_SECURITY
		"  -j, --json             print each as a JSON object in one line, as coax get -j does\n" HELP_VERBOSE
			HELP_END HELP_FAILURE TOOL_EXIT_HELP
		"An observation that was ended from here is a success if anything came.\n"
		"\n"
		"Examples:\n"
		"  coax observe coap://localhost/time --count 5\n"
		"  coax observe coap://192.0.2.1/sensors/1 --for 3600 -j | jq -r .payload\n",
};
