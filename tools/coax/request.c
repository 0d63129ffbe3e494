// SPDX-License-Identifier: BSD-2-Clause
/* From a wish to a request, and from the response to what is printed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <coax/option.h>
#include "client.h"
#include "output.h"
#include "wish.h"

static int payload_too_long(const struct tool *tool)
{
	return tool_fail(tool,
			 "the payload is longer than %d bytes, and block-wise transfer is not in "
			 "this version",
			 COAX_PAYLOAD_MAX);
}

/* `size` bytes at most of a file, "-": standard input. Returns the length or a negative errno. */
static ssize_t read_file(const char *name, uint8_t *bytes, size_t size)
{
	bool standard = strcmp(name, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	ssize_t length = 0, got = 1;

	if (fd < 0)
		return -errno;
	while (got > 0 && (size_t)length < size) {
		got = read(fd, bytes + length, size - (size_t)length);
		if (got > 0)
			length += got;
		else if (got < 0 && errno == EINTR)
			got = 1;
	}
	if (got < 0)
		length = -errno;
	if (!standard)
		close(fd);
	return length;
}

static int add_payload(struct client *client, const struct wish *wish)
{
	uint8_t bytes[COAX_PAYLOAD_MAX + 1];
	const void *payload = bytes;
	ssize_t length = 0;

	if (wish->payload_text) {
		payload = wish->payload_text;
		length = (ssize_t)strlen(wish->payload_text);
	} else if (wish->payload_file) {
		length = read_file(wish->payload_file, bytes, sizeof(bytes));
		if (length < 0)
			return tool_fail(client->tool, "cannot read %s: %s", wish->payload_file,
					 strerror((int)-length));
	}
	if (length > COAX_PAYLOAD_MAX)
		return payload_too_long(client->tool);
	return client_built(client,
			    coax_message_set_payload(&client->request, payload, (size_t)length));
}

static int build(struct client *client, const struct wish *wish)
{
	struct coax_message *request = &client->request;
	int result = coax_uri_add_options(&client->uri, request, client->uri.port);

	for (size_t i = 0; !result && i < wish->match_count; i++)
		result = coax_message_add(request, COAX_IF_MATCH, wish->matches[i].bytes,
					  wish->matches[i].length);
	for (size_t i = 0; !result && i < wish->etag_count; i++)
		result = coax_message_add(request, COAX_ETAG, wish->etags[i].bytes,
					  wish->etags[i].length);
	if (!result && wish->if_none_match)
		result = coax_message_add(request, COAX_IF_NONE_MATCH, NULL, 0);
	if (!result && wish->content_format >= 0)
		result = coax_message_add_uint(request, COAX_CONTENT_FORMAT,
					       (uint32_t)wish->content_format);
	if (!result && wish->accept >= 0)
		result = coax_message_add_uint(request, COAX_ACCEPT, (uint32_t)wish->accept);
	if (result)
		return client_built(client, result);
	return add_payload(client, wish);
}

static int save_payload(const struct client *client, const char *name)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(&client->answer, &length);
	FILE *file = fopen(name, "we");
	bool failed;

	if (!file)
		return tool_fail(client->tool, "cannot create %s: %m", name);
	failed = length && fwrite(payload, 1, length, file) != length;
	failed |= fclose(file) != 0;
	if (failed)
		return tool_fail(client->tool, "cannot write %s: %m", name);
	return TOOL_OK;
}

static void print_payload(const struct client *client)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(&client->answer, &length);

	if (!length)
		return;
	fwrite(payload, 1, length, stdout);
	if (isatty(STDOUT_FILENO) && payload[length - 1] != '\n')
		putchar('\n');
}

/* What a success says besides its payload. */
static void print_success(const struct client *client)
{
	uint8_t code = coax_message_code(&client->answer);
	char location[COAX_MESSAGE_MAX * 3];

	if (code == COAX_VALID)
		fprintf(stderr, "coax %s: 2.03 Valid: unchanged since the given ETag\n",
			client->tool->command);
	if (code == COAX_CREATED &&
	    coax_uri_compose_location(&client->answer, location, sizeof(location)) > 0)
		fprintf(stderr, "coax %s: created %s\n", client->tool->command, location);
}

/* RFC 7959 section 2.3: a Block2 option with the M bit says that more of the body is to come. */
static bool is_partial(const struct client *client)
{
	uint32_t block;

	return coax_message_find_uint(&client->answer, COAX_BLOCK2, &block) && (block & 8);
}

static int show(const struct client *client, const struct wish *wish)
{
	int status = client_status(client);

	if (status == TOOL_OK && is_partial(client)) {
		tool_fail(client->tool, "the body comes in blocks, and block-wise transfer is not "
					"in this version");
		return TOOL_NO_ANSWER;
	}
	/* 2.03 has no payload: what the file has is still right. */
	if (status == TOOL_OK && wish->output_file &&
	    coax_message_code(&client->answer) != COAX_VALID &&
	    save_payload(client, wish->output_file))
		return TOOL_LOCAL_ERROR;
	if (client->tool->json)
		return output_json(client->tool,
				   client_json(client, status != TOOL_OK || !wish->output_file),
				   status);
	if (status != TOOL_OK) {
		client_print_failure(client);
		return status;
	}
	if (!wish->output_file)
		print_payload(client);
	print_success(client);
	return TOOL_OK;
}

int wish_fulfil(const struct wish *wish, const struct tool *tool, uint8_t code)
{
	struct client client;
	int status = client_begin(&client, tool, wish->uri, code);

	if (!status)
		status = build(&client, wish);
	if (!status)
		status = client_open(&client);
	if (!status)
		status = client_ask(&client, &wish->how);
	if (!status)
		status = show(&client, wish);
	client_close(&client);
	return status;
}
