// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "coaxd/replace.h"
#include "control_socket.h"

/* It may be busy with another errand. */
#define ANSWER_TIMEOUT_MS 10000
#define SOCKETS_MAX	  32768

static int receive(const struct coaxd_replacement *replacement, char line[COAX_CONTROL_LINE_MAX],
		   int *fds, size_t *count)
{
	return coax_control_receive(replacement->connection, line, fds, count, ANSWER_TIMEOUT_MS,
				    -1);
}

static int receive_sockets(struct coaxd_replacement *replacement, size_t total)
{
	struct coax_succession *succession = &replacement->succession;
	char line[COAX_CONTROL_LINE_MAX];
	int err = 0;

	replacement->sockets = calloc(total + 1, sizeof(int));
	if (!replacement->sockets)
		return -ENOMEM;
	succession->sockets = replacement->sockets;
	while (succession->socket_count < total && !err) {
		size_t count = total - succession->socket_count;

		err = receive(replacement, line, replacement->sockets + succession->socket_count,
			      &count);
		succession->socket_count += count;
		if (!err && (!count || strcmp(line, "sockets") != 0))
			err = -EPROTO;
	}
	return err;
}

static int receive_all(struct coaxd_replacement *replacement)
{
	char line[COAX_CONTROL_LINE_MAX];
	size_t count = 1, total;
	char rest;
	int err = coax_control_send(replacement->connection, "replace", NULL, 0);

	if (!err)
		err = receive(replacement, line, &replacement->succession.lock, &count);
	if (!err && (sscanf(line, "hand-over %zu%c", &total, &rest) != 1 || total > SOCKETS_MAX))
		err = -EPROTO;
	return err ? err : receive_sockets(replacement, total);
}

/* It has closed the connection: it goes on and listens, unless it has ended meanwhile. */
static bool has_ended(const struct coaxd_replacement *replacement, int err)
{
	if ((err != -EPIPE && err != -ECONNRESET) || coax_control_is_taken(replacement->instance))
		return false;
	coax_log(replacement->logger, COAX_LOG_WARNING,
		 "the daemon to be replaced has ended before it was");
	return true;
}

/* All is there: have the other one stop to receive. */
static int take_turns(void *arg)
{
	struct coaxd_replacement *replacement = arg;
	char line[COAX_CONTROL_LINE_MAX];
	int err = coax_control_send(replacement->connection, "ready", NULL, 0);

	if (!err)
		err = receive(replacement, line, NULL, NULL);
	if (!err && strcmp(line, "go") != 0)
		err = -EPROTO;
	if (has_ended(replacement, err))
		return 0;
	if (err)
		coax_log(replacement->logger, COAX_LOG_ERROR,
			 "the daemon to be replaced does not let go: %s", strerror(-err));
	return err;
}

int coaxd_replace_begin(struct coaxd_replacement *replacement, const char *instance,
			const struct coax_logger *logger)
{
	int err;

	*replacement = (struct coaxd_replacement){
		.logger = logger,
		.instance = instance,
		.connection = coax_control_connect(instance),
		.succession = {.ready = take_turns, .arg = replacement},
	};
	if (replacement->connection == -ENOENT || replacement->connection == -ECONNREFUSED) {
		coax_log(logger, COAX_LOG_INFO, "there is no daemon of instance '%s' to replace",
			 instance);
		return 0;
	}
	err = replacement->connection < 0 ? replacement->connection : receive_all(replacement);
	if (has_ended(replacement, err)) {
		coaxd_replace_end(replacement, NULL);
		return 0;
	}
	if (err) {
		coax_log(logger, COAX_LOG_ERROR, "cannot replace the daemon of instance '%s': %s",
			 instance, strerror(-err));
		coaxd_replace_end(replacement, NULL);
	}
	return err;
}

static int tell_serving(const struct coaxd_replacement *replacement, struct coax_context *context)
{
	bool kernel = replacement->succession.lock && coax_context_lock(context);
	int err = coax_control_send(replacement->connection, kernel ? "serving kernel" : "serving",
				    NULL, 0);

	if (!err || has_ended(replacement, err))
		return 0;
	coax_log(replacement->logger, COAX_LOG_ERROR,
		 "the daemon to be replaced did not wait so long, and goes on");
	if (kernel)
		coax_context_hand_over(context);
	return err;
}

int coaxd_replace_end(struct coaxd_replacement *replacement, struct coax_context *context)
{
	struct coax_succession *succession = &replacement->succession;
	int err = 0;

	if (replacement->connection < 0)
		return 0;
	if (context)
		err = tell_serving(replacement, context);
	close(replacement->connection);
	for (size_t i = 0; i < succession->socket_count; i++)
		close(replacement->sockets[i]);
	if (succession->lock)
		close(succession->lock);
	free(replacement->sockets);
	replacement->connection = -1;
	return err;
}
