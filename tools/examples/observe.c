// SPDX-License-Identifier: BSD-2-Clause
/*
 * A client that observes a resource and prints what it becomes.
 *
 *	observe URI [COUNT]
 */
#include <coax/coax.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_notifications(struct coax_observation *observation, int count)
{
	struct coax_message notification;
	uint8_t buffer[2048];
	size_t length;
	int err = 0;

	for (int i = 0; i < count && !err; i++) {
		err = coax_observation_next(observation, -1, buffer, sizeof(buffer), &notification);
		if (err)
			break;
		const uint8_t *payload = coax_message_payload(&notification, &length);

		printf("%.*s\n", (int)length, (const char *)payload);
		fflush(stdout);
	}
	return err;
}

int main(int argc, char **argv)
{
	const struct coax_context_options options = {.own_loop = true};
	struct coax_observation *observation;
	struct coax_context *context;
	struct coax_message request;
	uint8_t buffer[1024];
	const char *error;
	struct coax_uri uri;
	int err;

	if (argc < 2 || coax_uri_parse(&uri, argv[1], &error)) {
		fprintf(stderr, "observe: %s\n", argc < 2 ? "which URI?" : error);
		return 1;
	}
	coax_message_start(&request, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	err = coax_uri_add_options(&uri, &request, COAX_PORT);
	if (!err)
		err = coax_context_create(&context, &options);
	if (err)
		return 1;

	union coax_address remote;

	err = coax_resolve(&uri, &remote, &error);
	if (!err)
		err = coax_observe(context, &remote, &request, NULL, &observation);
	if (!err) {
		err = print_notifications(observation, argc > 2 ? atoi(argv[2]) : 10);
		coax_observation_free(observation);
	}
	if (err)
		fprintf(stderr, "observe: %s\n", strerror(-err));
	coax_context_shutdown(context);
	return err ? 1 : 0;
}
