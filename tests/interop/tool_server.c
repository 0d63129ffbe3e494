// SPDX-License-Identifier: BSD-2-Clause
/*
 * A server for the tests of the command line tool, with what other servers do not offer:
 *
 *	tool_server ADDRESS:PORT [GROUP...]
 *
 * /note	GET (observable), PUT; FETCH says what was asked for, PATCH appends the payload,
 *		iPATCH replaces the note and leaves its format alone
 * /options	any method: says which options came, one a line, "number=hex digits"
 * /fails	GET: 5.00, and a message that would clear a terminal
 */
#include <coax/coax.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_MAX (4 << 20)

/* Handlers run on the one worker. */
static struct {
	struct coax_resource *resource;
	uint8_t bytes[NOTE_MAX];
	size_t length;
	uint32_t format;
} note;

static void get_note(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_message_add_uint(coax_responder_response(responder), COAX_CONTENT_FORMAT, note.format);
	coax_responder_set_payload(responder, note.bytes, note.length);
	coax_respond(responder, COAX_CONTENT);
}

/* The payload goes to `offset` of the note, which ends behind it. */
static void write_note(struct coax_responder *responder, size_t offset)
{
	size_t length;
	const void *payload = coax_message_payload(coax_responder_request(responder), &length);

	if (length > NOTE_MAX - offset) {
		coax_respond_error(responder, COAX_REQUEST_ENTITY_TOO_LARGE, "too long");
		return;
	}
	if (length)
		memcpy(note.bytes + offset, payload, length);
	note.length = offset + length;
	coax_resource_changed(note.resource);
	coax_respond(responder, COAX_CHANGED);
}

static void put_note(struct coax_responder *responder, void *arg)
{
	const struct coax_message *request = coax_responder_request(responder);

	(void)arg;
	if (!coax_message_find_uint(request, COAX_CONTENT_FORMAT, &note.format))
		note.format = COAX_FORMAT_TEXT_PLAIN;
	write_note(responder, 0);
}

static void patch_note(struct coax_responder *responder, void *arg)
{
	(void)arg;
	write_note(responder, note.length);
}

static void ipatch_note(struct coax_responder *responder, void *arg)
{
	(void)arg;
	write_note(responder, 0);
}

static void fetch_note(struct coax_responder *responder, void *arg)
{
	static const char words[] = "asked for ";
	size_t length;
	const void *payload = coax_message_payload(coax_responder_request(responder), &length);
	char *text = malloc(sizeof(words) + length);

	(void)arg;
	if (!text) {
		coax_respond(responder, COAX_INTERNAL_SERVER_ERROR);
		return;
	}
	memcpy(text, words, sizeof(words));
	if (length)
		memcpy(text + strlen(words), payload, length);
	coax_responder_set_payload(responder, text, strlen(words) + length);
	coax_respond(responder, COAX_CONTENT);
	free(text);
}

static void list_options(struct coax_responder *responder, void *arg)
{
	const struct coax_message *request = coax_responder_request(responder);
	struct coax_option_iterator it = coax_options_begin(request);
	struct coax_option option;
	char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);

	(void)arg;
	if (!to) {
		coax_respond(responder, COAX_INTERNAL_SERVER_ERROR);
		return;
	}
	while (coax_options_next(&it, &option)) {
		fprintf(to, "%u=", option.number);
		for (size_t i = 0; i < option.length; i++)
			fprintf(to, "%02x", option.value[i]);
		fputc('\n', to);
	}
	fclose(to);
	coax_responder_set_payload(responder, text, length);
	coax_respond(responder, COAX_CONTENT);
	free(text);
}

static void fail(struct coax_responder *responder, void *arg)
{
	static const char words[] = "\033[2Jgone";

	(void)arg;
	coax_responder_set_payload(responder, words, strlen(words));
	coax_respond(responder, COAX_INTERNAL_SERVER_ERROR);
}

static const struct coax_resource_options note_options = {
	.path = "note",
	.get = get_note,
	.put = put_note,
	.fetch = fetch_note,
	.patch = patch_note,
	.ipatch = ipatch_note,
	.observable = true,
	.body_max = NOTE_MAX,
	.attributes = {{"rt", "note"}},
};

static const struct coax_resource_options options_options = {
	.path = "options",
	.get = list_options,
	.put = list_options,
	.post = list_options,
	.delete = list_options,
	.fetch = list_options,
	.patch = list_options,
	.ipatch = list_options,
	.conditional = true,
};

static const struct coax_resource_options fails_options = {.path = "fails", .get = fail};

int main(int argc, char **argv)
{
	struct coax_context_options options = {.bind_count = 1, .workers = 1};
	struct coax_context *context;
	const char *bind;
	sigset_t stop;
	int number;

	if (argc < 2)
		return 1;
	bind = argv[1];
	options.bind = &bind;
	options.groups = (const char *const *)argv + 2;
	options.group_count = (size_t)argc - 2;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	if (coax_site_create(&options.site) ||
	    coax_site_add(options.site, &note_options, &note.resource) ||
	    coax_site_add(options.site, &options_options, NULL) ||
	    coax_site_add(options.site, &fails_options, NULL) ||
	    coax_context_create(&context, &options))
		return 1;
	sigwait(&stop, &number);
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
	return 0;
}
