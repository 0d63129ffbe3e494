// SPDX-License-Identifier: BSD-2-Clause
#include "report.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <coax/option.h>
#include "output.h"
#include "show.h"

static const char *class_name(uint8_t code)
{
	switch (COAX_CODE_CLASS(code)) {
	case 2:
		return "success";
	case 4:
		return "client error";
	case 5:
		return "server error";
	default:
		return "unknown";
	}
}

static const char *type_name(enum coax_type type)
{
	static const char *const names[] = {"CON", "NON", "ACK", "RST"};

	return names[type];
}

json_t *report_json(const struct client *client, const void *payload, size_t length)
{
	const struct coax_message *answer = &client->answer;
	uint8_t code = coax_message_code(answer);
	json_t *object = json_object(), *text;
	char number[16], name[8];
	const char *words = strchr(coax_code_name(code, name), ' '); /* "2.05 Content" */

	snprintf(number, sizeof(number), "%d.%02d", COAX_CODE_CLASS(code), COAX_CODE_DETAIL(code));
	json_object_set_new(object, "code", json_string(number));
	json_object_set_new(object, "name", json_string(words ? words + 1 : ""));
	json_object_set_new(object, "class", json_string(class_name(code)));
	json_object_set_new(object, "type", json_string(type_name(coax_message_type(answer))));
	json_object_set_new(object, "options", output_json_options(answer));
	if (payload) {
		text = output_json_text(payload, length);
		if (text)
			json_object_set_new(object, "payload", text);
		else
			json_object_set_new(object, "payload_hex",
					    output_json_hex(payload, length));
	}
	json_object_set_new(object, "remote", json_string(client->remote_text));
	json_object_set_new(object, "time_ms", json_real(client->time_ms));
	return object;
}

void report_payload(const struct client *client, const void *payload, size_t length, bool lines)
{
	const uint8_t *bytes = payload;

	if (isatty(STDOUT_FILENO)) {
		show_payload(stdout, client_format(client), payload, length);
		if (lines && !length)
			putchar('\n');
		return;
	}
	fwrite(payload, 1, length, stdout);
	if (lines && (!length || bytes[length - 1] != '\n'))
		putchar('\n');
}

void report_success(const struct client *client)
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

void report_failure(const struct client *client)
{
	int format = client_format(client);
	char name[8];
	size_t length;
	const uint8_t *payload = coax_message_payload(&client->answer, &length);

	fflush(stdout);
	fprintf(stderr, "coax %s: %s", client->tool->command,
		coax_code_name(coax_message_code(&client->answer), name));
	if (length && (format < 0 || format == COAX_FORMAT_TEXT_PLAIN)) {
		fputs(": ", stderr);
		output_safe(stderr, (const char *)payload, length);
	} else if (length) {
		fprintf(stderr, " (%zu bytes of content format %d; -j shows them)", length, format);
	}
	fputc('\n', stderr);
}
