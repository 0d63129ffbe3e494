/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of the daemon can be watched from outside: its figures as a resource, and at /metrics.
 */
#ifndef COAXD_MONITOR_H
#define COAXD_MONITOR_H

#include <stdbool.h>
#include <coax/context.h>
#include <coax/log.h>
#include "coaxd/figures.h"

struct coaxd_metrics;

struct coaxd_monitor_options {
	const char *path;      /* of the resource, "/figures"; NULL: there is none */
	const char *metrics;   /* for coaxd_metrics_begin(); NULL: not */
	bool metrics_anywhere; /* not only at loopback addresses */
};

struct coaxd_monitor {
	bool begun; /* read by workers */
	struct coaxd_counting of;
	struct coaxd_metrics *metrics;
};

/* Add the resource to the Site, which is gone before the monitor is. As coax_site_add(). */
int coaxd_monitor_add(struct coaxd_monitor *monitor, const struct coaxd_monitor_options *options,
		      struct coax_site *site);

/*
 * From now on there is something to be seen, until coaxd_monitor_end(), which comes before the
 * Context's end. What cannot be had is said: the daemon goes on without.
 */
void coaxd_monitor_begin(struct coaxd_monitor *monitor, const struct coaxd_monitor_options *options,
			 struct coaxd_counting of, const struct coax_logger *logger);
void coaxd_monitor_end(struct coaxd_monitor *monitor);

#endif
