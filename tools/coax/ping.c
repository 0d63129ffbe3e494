// SPDX-License-Identifier: BSD-2-Clause
/* coax ping: an empty confirmable message, answered with a reset (RFC 7252 section 4.3). */
#include <getopt.h>
#include <stdio.h>
#include <time.h>
#include "client.h"
#include "help.h"
#include "output.h"
#include "signals.h"

#define TIMEOUT_MS_DEFAULT  5000
#define INTERVAL_MS_DEFAULT 1000
#define COUNT_MAX	    1000000

struct series {
	uint32_t count;
	uint32_t interval_ms;
	struct coax_request_options how;
	uint32_t sent;
	uint32_t answered;
	double min_ms;
	double max_ms;
	double sum_ms;
	json_t *times; /* NULL: not wanted */
};

static void pause_ms(uint32_t ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&time, NULL);
}

static void note_answer(struct series *series, double ms)
{
	if (!series->answered || ms < series->min_ms)
		series->min_ms = ms;
	if (ms > series->max_ms)
		series->max_ms = ms;
	series->sum_ms += ms;
	series->answered++;
}

/* Returns TOOL_OK while going on makes sense. */
static int ping_once(struct client *client, struct series *series)
{
	int error = client_ask(client, &series->how);
	int status = error ? client_no_answer(client, error) : TOOL_OK;

	series->sent++;
	if (status == TOOL_OK)
		note_answer(series, client->time_ms);
	if (series->times)
		json_array_append_new(series->times,
				      status == TOOL_OK ? json_real(client->time_ms) : json_null());
	else if (status == TOOL_OK)
		printf("%s answered in %.2f ms\n", client->remote_text, client->time_ms);
	fflush(stdout);
	return status == TOOL_LOCAL_ERROR ? status : TOOL_OK;
}

static int summarize(const struct client *client, const struct series *series)
{
	int status = series->answered ? TOOL_OK : TOOL_NO_ANSWER;
	json_t *object;

	if (series->times) {
		object = json_object();
		json_object_set_new(object, "remote", json_string(client->remote_text));
		json_object_set_new(object, "sent", json_integer(series->sent));
		json_object_set_new(object, "answered", json_integer(series->answered));
		json_object_set(object, "times_ms", series->times);
		return output_json(client->tool, object, status);
	}
	if (series->sent > 1)
		printf("%u of %u answered", series->answered, series->sent);
	if (series->sent > 1 && series->answered)
		printf(", min %.2f, mean %.2f, max %.2f ms", series->min_ms,
		       series->sum_ms / series->answered, series->max_ms);
	if (series->sent > 1)
		putchar('\n');
	return status;
}

static int ping(const struct tool *tool, const char *uri, struct series *series)
{
	struct client client;
	int status = client_begin(&client, tool, uri, COAX_EMPTY);

	if (!status)
		status = client_open(&client, false);
	if (status)
		goto out;
	if (tool->json)
		series->times = json_array();
	for (uint32_t i = 0; !status && !signals_caught() && i < series->count; i++) {
		if (i)
			pause_ms(series->interval_ms);
		status = ping_once(&client, series);
	}
	if (!status)
		status = summarize(&client, series);
out:
	json_decref(series->times);
	client_close(&client);
	return status;
}

static const struct option options[] = {
	TOOL_LONG,
	SECURITY_LONG,
	{"count", required_argument, NULL, 'c'},
	{"interval", required_argument, NULL, 'i'},
	{"timeout", required_argument, NULL, 't'},
	{NULL, 0, NULL, 0},
};

static bool parse_option(struct tool *tool, struct series *series, int option, char **argv,
			 int *status)
{
	switch (option) {
	case 'c':
		*status = tool_parse_count(tool, "--count", optarg, COUNT_MAX, &series->count);
		break;
	case 'i':
		*status =
			tool_parse_seconds(tool, "--interval", optarg, true, &series->interval_ms);
		break;
	case 't':
		*status = tool_parse_seconds(tool, "--timeout", optarg, false,
					     &series->how.timeout_ms);
		break;
	default:
		if (security_option(&tool->security, option))
			return true;
		return tool_option(tool, &ping_command, option, argv, status);
	}
	return *status == TOOL_OK;
}

static int run_ping(struct tool *tool, int argc, char **argv)
{
	struct series series = {
		.count = 1,
		.interval_ms = INTERVAL_MS_DEFAULT,
		.how.timeout_ms = TIMEOUT_MS_DEFAULT,
	};
	int option, status = TOOL_OK;

	while ((option = getopt_long(argc, argv, TOOL_SHORT SECURITY_SHORT "c:i:t:", options,
				     NULL)) != -1) {
		if (!parse_option(tool, &series, option, argv, &status))
			return status;
	}
	if (argc - optind != 1)
		return tool_fail(tool, "give one URI, such as coap://host (see coax ping --help)");
	return ping(tool, argv[optind], &series);
}

const struct command ping_command = {
	.name = "ping",
	.summary = "see whether a CoAP server is there",
	.run = run_ping,
	.help = "Usage: coax ping [OPTIONS] URI\n"
		"\n"
		"Send an empty confirmable message, which a CoAP endpoint answers with a reset\n"
		"(RFC 7252 section 4.3). Only host and port of the URI count. Some servers answer\n"
		"no more than a few pings a second: libcoap one each 250 ms.\n"
		"\n"
		"Options:\n"
		"  -c, --count COUNT       send so many, one after the other (1)\n"
		"  -i, --interval SECONDS  wait so long between them, fractions allowed (1)\n"
		"  -t, --timeout SECONDS   give up on each after so long (5); until then it is\n"
		"                          repeated as RFC 7252 section 4.2 says\n" HELP_SECURITY
		"  -j, --json              print JSON: remote, sent, answered, times_ms (null: no answer)\n"
		"  -v, --verbose           show on stderr what is sent and received, of coaps the\n"
		"                          handshake too\n"
		"  -h, --help              this text\n"
		"\n"
		"Exit status:\n"
		"  0  at least one was answered\n"
		"  1  usage or local error\n"
		"  4  none was answered: timeout, connection refused, unreachable\n"
		"\n"
		"Examples:\n"
		"  coax ping coap://192.0.2.1\n"
		"  coax ping -c 5 -i 0.5 'coap://[2001:db8::1]:61616'\n",
};
