/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coaxd's command line, and what it makes of that and of the configuration file.
 */
#ifndef COAXD_OPTIONS_H
#define COAXD_OPTIONS_H

#include <coax/context.h>
#include "coaxd/files.h"
#include "coaxd/monitor.h"
#include "coaxd/log.h"
#include "coaxd/problems.h"
#include "coaxd/security.h"
#include "coaxd/settings.h"
#include "proxy/proxy.h"

#define COAXD_CONFIG	   "/etc/coax/coaxd.conf"

#define COAXD_LIST_MAX	   16
#define COAXD_SERVED_MAX   16
#define COAXD_PREFIXES_MAX 64
#define COAXD_MAPPINGS_MAX 64
#define COAXD_ORIGINS_MAX  16 /* of a mapping: what a proxy takes */

struct coaxd_options {
	/* One more than there can be, for what is said before that is seen. */
	struct coaxd_files_options files[COAXD_SERVED_MAX + 1];
	size_t files_count;
	size_t files_at;		     /* the one that settings are about */
	struct coax_context_options context; /* without its site */
	const char *user;		     /* to serve as; NULL: see coaxd_privileges_become() */
	struct coaxd_security security;
	struct coaxd_monitor_options monitor;
	struct coaxd_log_options log;
	struct coax_proxy_options proxy; /* see coaxd_options_have_proxy() */
	struct coax_proxy_mapping mappings[COAXD_MAPPINGS_MAX];
	const char *origins[COAXD_MAPPINGS_MAX][COAXD_ORIGINS_MAX];
	const char *forward[COAXD_PREFIXES_MAX];
	const char *prefetch[COAXD_PREFIXES_MAX];
	const char *bind[COAXD_LIST_MAX];
	const char *bind_secure[COAXD_LIST_MAX];
	const char *interfaces[COAXD_LIST_MAX];
	const char *groups[COAXD_LIST_MAX];
	const char *allow[COAXD_PREFIXES_MAX];
	const char *deny[COAXD_PREFIXES_MAX];
	struct coaxd_text *texts; /* that all of these point into */
};

struct coaxd_argument {
	const struct coaxd_setting *setting;
	const char *text;
};

/* The command line: settings, and what is to be done with them. */
struct coaxd_arguments {
	const char *config; /* the file; NULL: none */
	int ready_fd;	    /* -1: nobody waits */
	bool replace;	    /* the daemon of the same instance */
	bool check;	    /* say what is wrong, and end */
	bool quiet;
	unsigned int verbose;
	size_t count;
	struct coaxd_argument *given;
};

/*
 * Read the command line. Returns -1 to go on, or the exit status to end with: help or version were
 * asked for and are written, or what is wrong has been said on stderr. `arguments` keeps pointers
 * into argv.
 */
int coaxd_arguments_read(struct coaxd_arguments *arguments, int argc, char **argv);
void coaxd_arguments_free(struct coaxd_arguments *arguments);

/*
 * Read the configuration file, anew each time, and have the command line override it: a setting
 * that is given there, list or not, is not the file's. NULL: there are problems.
 */
struct coaxd_options *coaxd_options_create(const struct coaxd_arguments *arguments,
					   struct coaxd_problems *problems);
bool coaxd_options_have_proxy(const struct coaxd_options *options);

/* NULL: nothing. */
void coaxd_options_destroy(struct coaxd_options *options);

#endif
