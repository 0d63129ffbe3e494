/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon is told to do while it serves: by signals, and by the control socket.
 */
#ifndef COAXD_CONTROL_H
#define COAXD_CONTROL_H

#include <signal.h>
#include <stdbool.h>
#include <coax/context.h>
#include "coaxd/reload.h"

struct coaxd_control {
	const struct coax_logger *logger;
	struct coaxd_served *served; /* set by the caller */
	const char *instance;
	int listener; /* -1: signals alone */
	int signals;
};

/*
 * Begin to listen; with `replace`, in the place of the daemon that was replaced. `signals` are what
 * it waits for, and are blocked: SIGHUP has it reload, the others end it.
 * Without a control socket it goes on, having said why. Returns 0 or a negative errno.
 */
int coaxd_control_open(struct coaxd_control *control, const char *instance, bool replace,
		       const sigset_t *signals, const struct coax_logger *logger);

/* Do what is asked for, until a signal or another daemon ends it. */
void coaxd_control_run(struct coaxd_control *control, struct coax_context *context);

void coaxd_control_close(struct coaxd_control *control);

#endif
