// SPDX-License-Identifier: BSD-2-Clause
/* From a wish to a request, and from the response to what is printed. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "client.h"
#include "intake.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "signals.h"
#include "source.h"
#include "wish.h"

/* One wish being fulfilled. */
struct errand {
	const struct wish *wish;
	const struct tool *tool;
	struct client client;
	struct source source;
	struct intake intake;
	struct progress progress;
};

static void on_progress(void *arg, uint64_t sent, uint64_t total)
{
	progress_step(arg, sent, total);
}

static enum intake_kind where_to(const struct errand *errand)
{
	if (errand->wish->output_file)
		return INTAKE_FILE;
	if (errand->tool->json || isatty(STDOUT_FILENO))
		return INTAKE_MEMORY;
	return INTAKE_STANDARD;
}

static int prepare(struct errand *errand, uint8_t code)
{
	const struct wish *wish = errand->wish;
	const struct tool *tool = errand->tool;
	int status = client_begin(&errand->client, tool, wish->uri, code);

	if (!status)
		status = wish_add_options(wish, &errand->client);
	if (!status)
		status = source_open(&errand->source, tool, wish->payload_text, wish->payload_file);
	if (!status)
		status = client_open(&errand->client, false);
	if (!status)
		status = intake_open(&errand->intake, tool, where_to(errand), wish->output_file,
				     &errand->progress);
	return status;
}

static int send_whole(struct errand *errand)
{
	struct coax_request_options how = errand->wish->how;
	const struct coax_body body = source_body(&errand->source);
	int error;

	how.sink = intake_sink;
	how.sink_arg = &errand->intake;
	if (body.length) {
		how.body = &body;
		how.progress = on_progress;
		how.progress_arg = &errand->progress;
	}
	progress_begin(&errand->progress, errand->tool);
	error = client_ask(&errand->client, &how);
	progress_end(&errand->progress);
	return error;
}

/* One message each way, whatever it has of a body. */
static int send_single(struct errand *errand)
{
	struct client *client = &errand->client;
	uint8_t bytes[COAX_PAYLOAD_MAX];
	ssize_t read = source_read(&errand->source, bytes, sizeof(bytes));
	const void *payload;
	size_t length;
	int error;

	if (read < 0)
		return (int)read;
	error = coax_message_set_payload(&client->request, bytes, (size_t)read);
	if (!error)
		error = client_ask(client, &errand->wish->how);
	if (error || client_status(client) != TOOL_OK)
		return error;
	payload = coax_message_payload(&client->answer, &length);
	return intake_sink(&errand->intake, &client->answer, 0, payload, length, 0);
}

/* RFC 7967: when no response is wanted, none is no failure. */
static int silence(const struct errand *errand)
{
	if (errand->tool->json)
		return output_json(errand->tool, json_null(), TOOL_OK);
	fprintf(stderr, "coax %s: no response, as was asked for\n", errand->tool->command);
	return TOOL_OK;
}

static int failed(struct errand *errand, int error)
{
	if (error == -ETIMEDOUT && errand->wish->no_response > 0)
		return silence(errand);
	if (signals_caught())
		return TOOL_LOCAL_ERROR;
	if (errand->source.error)
		return source_failed(&errand->source);
	if (errand->intake.error)
		return intake_failed(&errand->intake);
	return client_no_answer(&errand->client, error);
}

static int show_json(const struct errand *errand, int status)
{
	const struct client *client = &errand->client;
	const void *payload = errand->intake.bytes;
	size_t length = errand->intake.length;

	if (status != TOOL_OK)
		payload = coax_message_payload(&client->answer, &length);
	else if (errand->intake.kind == INTAKE_FILE)
		return output_json(client->tool, report_json(client, NULL, 0), status);
	return output_json(client->tool, report_json(client, payload ? payload : "", length),
			   status);
}

static int show(struct errand *errand)
{
	struct intake *intake = &errand->intake;
	struct client *client = &errand->client;
	int status = client_status(client);

	/* 2.03 has no payload: what the file has is still right. */
	if (status == TOOL_OK && coax_message_code(&client->answer) != COAX_VALID &&
	    intake_finish(intake))
		return TOOL_LOCAL_ERROR;
	if (errand->tool->json)
		return show_json(errand, status);
	if (status != TOOL_OK) {
		report_failure(client);
		return status;
	}
	if (intake->kind == INTAKE_MEMORY)
		report_payload(client, intake->bytes, intake->length, false);
	report_success(client);
	return TOOL_OK;
}

int wish_fulfil(const struct wish *wish, const struct tool *tool, uint8_t code)
{
	struct errand errand = {.wish = wish, .tool = tool, .source.fd = -1, .intake.fd = -1};
	int status = prepare(&errand, code), error;

	if (!status) {
		error = wish->how.single ? send_single(&errand) : send_whole(&errand);
		status = error ? failed(&errand, error) : show(&errand);
	}
	client_close(&errand.client);
	intake_close(&errand.intake);
	source_close(&errand.source);
	return status;
}
