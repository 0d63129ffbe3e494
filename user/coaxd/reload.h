/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon that serves takes up what its configuration file and its credentials say by now.
 */
#ifndef COAXD_RELOAD_H
#define COAXD_RELOAD_H

#include "coaxd/directories.h"
#include "coaxd/options.h"

#define COAXD_ANSWER_MAX 1024

struct coaxd_served {
	const struct coaxd_arguments *arguments;
	const struct coaxd_options *started; /* with what takes a restart to change */
	struct coaxd_options *options;	     /* with what it serves by else */
	const struct coax_logger *logger;
	struct coaxd_directories directories;
	struct coax_proxy *proxy; /* NULL: there is none so far */
	struct coax_site *site;
	struct coax_context *context;
};

/*
 * Read all of it anew. With a mistake in it everything stays as it is, and -EINVAL is returned;
 * else what can change does: sessions that are still right stay, and so does what is known of files
 * and given to the kernel, as far as it is still so. `answer` tells the first mistake, or what did
 * not change because it takes a restart, or nothing. It is all said in the log, too.
 */
int coaxd_reload(struct coaxd_served *served, char answer[COAXD_ANSWER_MAX]);

#endif
