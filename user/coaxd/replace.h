/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Take the place of the daemon of the same instance without a lost request.
 */
#ifndef COAXD_REPLACE_H
#define COAXD_REPLACE_H

#include <coax/control.h>
#include <coax/log.h>

struct coaxd_replacement {
	const struct coax_logger *logger;
	const char *instance;
	int connection; /* -1: there is nobody to replace */
	int *sockets;
	struct coax_succession succession;
};

/* Ask for what the other daemon has. Returns 0, also when there is none, or a negative errno. */
int coaxd_replace_begin(struct coaxd_replacement *replacement, const char *instance,
			const struct coax_logger *logger);

/*
 * This one serves; NULL: it could not, and the other goes on. Returns 0, or a negative errno: the
 * other goes on all the same, and this one is to end.
 */
int coaxd_replace_end(struct coaxd_replacement *replacement, struct coax_context *context);

#endif
