/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coaxd's command line.
 */
#ifndef COAXD_OPTIONS_H
#define COAXD_OPTIONS_H

#include <coax/context.h>
#include "coaxd/files.h"
#include "coaxd/monitor.h"
#include "coaxd/security.h"

#define COAXD_LIST_MAX 16

struct coaxd_options {
	struct coaxd_files_options files;
	struct coax_context_options context; /* without its site */
	int ready_fd;			     /* -1: nobody waits */
	const char *user;		     /* to serve as; NULL: see coaxd_privileges_become() */
	struct coaxd_security security;
	struct coaxd_monitor_options monitor;
	bool replace; /* the daemon of the same instance */
	const char *bind[COAXD_LIST_MAX];
	const char *bind_secure[COAXD_LIST_MAX];
	const char *interfaces[COAXD_LIST_MAX];
	const char *groups[COAXD_LIST_MAX];
	const char *allow[COAXD_LIST_MAX];
	const char *deny[COAXD_LIST_MAX];
};

/*
 * Read the command line. Returns -1 to go on, or the exit status to end with: help or version were
 * asked for and are written, or what is wrong has been said on stderr. `options` keeps
 * pointers into argv and into itself.
 */
int coaxd_options_read(struct coaxd_options *options, int argc, char **argv);

#endif
