/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coaxd's configuration file, coaxd.conf(5).
 */
#ifndef COAXD_CONFIG_H
#define COAXD_CONFIG_H

#include "coaxd/options.h"

/*
 * Take all that a file says. Each problem is told with file, line and key. One thread at a time: so
 * libConfuse wants it.
 */
void coaxd_config_read(struct coaxd_options *options, const char *file,
		       struct coaxd_problems *problems);

#endif
