// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/monitor.h"
#include <errno.h>
#include <stdlib.h>
#include <coax/option.h>
#include "coaxd/figures.h"
#include "coaxd/metrics.h"

/* They are others at once, and nobody needs them more often. */
#define MAX_AGE_S 1

static void get(struct coax_responder *responder, void *arg)
{
	const struct coaxd_monitor *monitor = arg;
	struct coax_message *response = coax_responder_response(responder);
	size_t length;
	char *text;

	if (!__atomic_load_n(&monitor->begun, __ATOMIC_ACQUIRE) ||
	    coaxd_figures_text(&monitor->of, coaxd_figures_json, &text, &length)) {
		coax_respond(responder, COAX_SERVICE_UNAVAILABLE);
		return;
	}
	coax_message_add_uint(response, COAX_CONTENT_FORMAT, COAX_FORMAT_JSON);
	coax_message_add_uint(response, COAX_MAX_AGE, MAX_AGE_S);
	if (coax_responder_set_payload(responder, text, length))
		coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR, "no memory");
	else
		coax_respond(responder, COAX_CONTENT);
	free(text);
}

int coaxd_monitor_add(struct coaxd_monitor *monitor, const struct coaxd_monitor_options *options,
		      struct coax_site *site)
{
	const struct coax_resource_options resource = {
		.path = options->path ? options->path + 1 : NULL,
		.get = get,
		.arg = monitor,
		.formats = {COAX_FORMAT_JSON},
		.format_count = 1,
	};

	*monitor = (struct coaxd_monitor){0};
	return options->path ? coax_site_add(site, &resource, NULL) : 0;
}

void coaxd_monitor_begin(struct coaxd_monitor *monitor, const struct coaxd_monitor_options *options,
			 struct coaxd_counting of, const struct coax_logger *logger)
{
	monitor->of = of;
	__atomic_store_n(&monitor->begun, true, __ATOMIC_RELEASE);
	if (options->metrics)
		coaxd_metrics_begin(&monitor->metrics, options->metrics, &monitor->of, logger);
}

void coaxd_monitor_end(struct coaxd_monitor *monitor)
{
	coaxd_metrics_end(monitor->metrics);
	monitor->metrics = NULL;
}
